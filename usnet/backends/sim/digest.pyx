"""The digest of a run; digest.pxd says how it works."""
from libc.string cimport memset


cdef void digest_start(digest128 *d, uint64_t seed) noexcept nogil:
    d.a = <uint64_t>0x243f6a8885a308d3
    d.b = <uint64_t>0x13198a2e03707344
    d.blocks = 0
    digest_block(&d.a, &d.b, seed, seed >> 32)


cdef inline void digest_piece(uint64_t *a, uint64_t *b, const uint8_t *p) noexcept nogil:
    cdef uint64_t words[2]
    memcpy(words, p, 16)
    digest_block(a, b, le64toh(words[0]), le64toh(words[1]))


cdef void digest_feed(digest128 *d, uint64_t word0, uint64_t word1, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t a = d.a
    cdef uint64_t b = d.b
    cdef uint8_t padded[16]
    d.blocks += 1 + ((n + 15) >> 4)
    digest_block(&a, &b, word0, word1)
    while n >= 64:
        digest_piece(&a, &b, p)
        digest_piece(&a, &b, p + 16)
        digest_piece(&a, &b, p + 32)
        digest_piece(&a, &b, p + 48)
        p += 64
        n -= 64
    while n >= 16:
        digest_piece(&a, &b, p)
        p += 16
        n -= 16
    if n:
        memset(padded, 0, 16)
        memcpy(padded, p, n)
        digest_piece(&a, &b, padded)
    d.a = a
    d.b = b


cdef void digest_result(const digest128 *d, uint64_t *a, uint64_t *b) noexcept nogil:
    cdef int i
    a[0] = d.a
    b[0] = d.b
    for i in range(5):
        digest_block(a, b, d.blocks, i)


cdef class Digest:
    """The same hash by itself: Digest(seed=0).update(data).hexdigest()."""
    cdef digest128 d

    def __init__(self, seed=0):
        digest_start(&self.d, seed)

    def update(self, data):
        """Feeds bytes, framed by their length. Returns self."""
        cdef const uint8_t[::1] view = data
        if view.shape[0] >= 1 << 32:
            raise ValueError("at most 4 GiB at once")
        digest_feed(&self.d, 0, view.shape[0], &view[0] if view.shape[0] else NULL, <uint32_t>view.shape[0])
        return self

    def hexdigest(self):
        """32 hexadecimal digits."""
        cdef uint64_t a
        cdef uint64_t b
        digest_result(&self.d, &a, &b)
        return f"{a:016x}{b:016x}"
