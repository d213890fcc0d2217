"""A small sorted set of disjoint ranges."""
from libc.errno cimport ENOSPC
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memmove, memset


cdef void ranges_init(ranges *s) noexcept nogil:
    memset(s, 0, sizeof(ranges))


cdef inline uint32_t first_reaching(const ranges *s, uint64_t position) noexcept nogil:
    """Number of the first range that ends at `position` or behind it."""
    cdef uint32_t i = 0
    # What arrives mostly belongs to the last piece.
    if s.n and s.r[s.n - 1].start <= position:
        i = s.n - 1
    while i < s.n and s.r[i].end < position:
        i += 1
    return i


cdef int ranges_add(ranges *s, uint64_t start, uint64_t end, uint64_t *bytes_new) noexcept nogil:
    cdef uint32_t i, j
    cdef uint64_t known = 0
    cdef uint64_t first = start
    cdef uint64_t last = end
    if bytes_new != NULL:
        bytes_new[0] = 0
    if start >= end:
        return 0
    i = first_reaching(s, start)
    j = i
    while j < s.n and s.r[j].start <= end:          # [i, j) touch [start, end)
        if s.r[j].end > start and s.r[j].start < end:
            known += (s.r[j].end if s.r[j].end < end else end) - (s.r[j].start if s.r[j].start > start else start)
        if s.r[j].start < first:
            first = s.r[j].start
        if s.r[j].end > last:
            last = s.r[j].end
        j += 1
    if i == j and s.n == RANGES_MAX:
        return -ENOSPC
    if j != i + 1:
        memmove(&s.r[i + 1], &s.r[j], (s.n - j) * sizeof(byte_range))
        s.n = s.n + 1 - (j - i)
    s.stamp += 1
    s.r[i].start = first
    s.r[i].end = last
    s.r[i].age = s.stamp
    if bytes_new != NULL:
        bytes_new[0] = end - start - known
    return 0


cdef void ranges_trim(ranges *s, uint64_t position) noexcept nogil:
    cdef uint32_t i = 0
    while i < s.n and s.r[i].end <= position:
        i += 1
    if i:
        memmove(&s.r[0], &s.r[i], (s.n - i) * sizeof(byte_range))
        s.n -= i
    if s.n and s.r[0].start < position:
        s.r[0].start = position


cdef uint64_t ranges_end(const ranges *s, uint64_t position) noexcept nogil:
    cdef uint32_t i
    for i in range(s.n):
        if s.r[i].start > position:
            break
        if position < s.r[i].end:
            return s.r[i].end
    return position


cdef uint64_t ranges_bytes(const ranges *s) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t total = 0
    for i in range(s.n):
        total += s.r[i].end - s.r[i].start
    return total


cdef class Ranges:
    """A set of ranges for tests, tools and the REPL. Iterating gives (start, end, age)."""
    cdef ranges s

    def __cinit__(self):
        ranges_init(&self.s)

    def __len__(self):
        return self.s.n

    def __iter__(self):
        return iter([(self.s.r[i].start, self.s.r[i].end, self.s.r[i].age) for i in range(self.s.n)])

    def add(self, uint64_t start, uint64_t end):
        """How many bytes of [start, end) are new, or None when it would be one piece too many."""
        cdef uint64_t fresh
        if ranges_add(&self.s, start, end, &fresh):
            return None
        return fresh

    def trim(self, uint64_t position):
        ranges_trim(&self.s, position)

    def end(self, uint64_t position):
        return ranges_end(&self.s, position)

    def bytes(self):
        return ranges_bytes(&self.s)
