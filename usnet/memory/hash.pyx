"""SipHash-2-4 and the table of indices."""
from libc.errno cimport ENOENT, ENOMEM, ENOSPC
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.memory.arena cimport NONE
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.memory.random cimport rotl64

cdef extern from "<endian.h>" nogil:
    uint64_t le64toh(uint64_t x)
    uint32_t le32toh(uint32_t x)

cdef enum:
    FIRST_ENTRIES = 64      # entries of a new table: one page holds it
    MAX_ITEMS = 0x40000000


cdef inline uint64_t load64le(const uint8_t *p) noexcept nogil:
    cdef uint64_t x
    memcpy(&x, p, 8)
    return le64toh(x)


cdef inline void sip_round(uint64_t *v) noexcept nogil:
    v[0] += v[1]
    v[1] = rotl64(v[1], 13) ^ v[0]
    v[0] = rotl64(v[0], 32)
    v[2] += v[3]
    v[3] = rotl64(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = rotl64(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = rotl64(v[1], 17) ^ v[2]
    v[2] = rotl64(v[2], 32)


cdef inline void sip_word(uint64_t *v, uint64_t word) noexcept nogil:
    v[3] ^= word
    sip_round(v)
    sip_round(v)
    v[0] ^= word


cdef inline void sip_begin(uint64_t *v, const uint64_t key[2]) noexcept nogil:
    v[0] = key[0] ^ <uint64_t>0x736f6d6570736575
    v[1] = key[1] ^ <uint64_t>0x646f72616e646f6d
    v[2] = key[0] ^ <uint64_t>0x6c7967656e657261
    v[3] = key[1] ^ <uint64_t>0x7465646279746573


cdef inline uint64_t sip_end(uint64_t *v) noexcept nogil:
    v[2] ^= 0xff
    sip_round(v)
    sip_round(v)
    sip_round(v)
    sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


cdef uint64_t siphash_twelve(const uint64_t key[2], uint64_t eight, uint32_t four) noexcept nogil:
    cdef uint64_t v[4]
    sip_begin(v, key)
    sip_word(v, eight)
    sip_word(v, four | <uint64_t>12 << 56)
    return sip_end(v)


cdef uint64_t siphash(const uint64_t key[2], const uint8_t *p, size_t n) noexcept nogil:
    cdef uint64_t v[4]
    cdef uint64_t last = 0
    cdef size_t i
    cdef size_t words = n >> 3
    sip_begin(v, key)
    for i in range(words):
        sip_word(v, load64le(p + 8 * i))
    memcpy(&last, p + 8 * words, n & 7)
    sip_word(v, le64toh(last) | (<uint64_t>n << 56))
    return sip_end(v)


cdef int hash_init(hash_table *t, uint32_t max_items) noexcept nogil:
    cdef uint64_t entries = FIRST_ENTRIES
    memset(t, 0, sizeof(hash_table))
    if max_items > MAX_ITEMS:
        return -ENOMEM
    while 3 * entries < 4 * <uint64_t>max_items:
        entries *= 2
    t.mapped = page_round(entries * sizeof(hash_entry))
    t.entries = <hash_entry *>map_reserve(t.mapped)
    if t.entries == NULL:
        t.mapped = 0
        return -ENOMEM
    t.max_entries = <uint32_t>entries
    t.max_items = max_items
    hash_reset(t)
    return 0


cdef void hash_free(hash_table *t) noexcept nogil:
    map_release(t.entries, t.mapped)
    memset(t, 0, sizeof(hash_table))


cdef void hash_reset(hash_table *t) noexcept nogil:
    # All bits set make the index NONE, that is, empty.
    t.mask = FIRST_ENTRIES - 1
    t.count = 0
    memset(t.entries, 0xff, FIRST_ENTRIES * sizeof(hash_entry))


cdef inline void place(hash_table *t, uint32_t tag, uint32_t index) noexcept nogil:
    cdef uint32_t pos = tag & t.mask
    while t.entries[pos].index != NONE:
        pos = (pos + 1) & t.mask
    t.entries[pos].tag = tag
    t.entries[pos].index = index


cdef void double_table(hash_table *t) noexcept nogil:
    """Twice the entries, in place.

    Entries are taken out and put in again one by one in their order, beginning behind an empty entry, where no run
    passes over. Each then comes to stand at its old position, before it, or the same way in the new half: never on one
    that has not moved yet.
    """
    cdef uint32_t old = t.mask + 1
    cdef uint32_t start = 0
    cdef uint32_t i, pos
    cdef hash_entry e
    memset(t.entries + old, 0xff, old * sizeof(hash_entry))
    while t.entries[start].index != NONE:
        start += 1
    t.mask = 2 * old - 1
    for i in range(old):
        pos = (start + i) & (old - 1)
        e = t.entries[pos]
        if e.index != NONE:
            t.entries[pos].index = NONE
            place(t, e.tag, e.index)


cdef int hash_insert(hash_table *t, uint32_t tag, uint32_t index) noexcept nogil:
    if t.count >= t.max_items:
        return -ENOSPC
    if 4 * <uint64_t>t.count > 3 * <uint64_t>t.mask and t.mask + 1 < t.max_entries:
        double_table(t)
    place(t, tag, index)
    t.count += 1
    return 0


cdef int hash_remove(hash_table *t, uint32_t tag, uint32_t index) noexcept nogil:
    cdef uint32_t hole = hash_first(t, tag)
    cdef uint32_t pos
    while hole != NONE and t.entries[hole].index != index:
        hole = hash_next(t, tag, hole)
    if hole == NONE:
        return -ENOENT
    # What stands behind moves up into the hole, unless that would put it before its home.
    pos = hole
    while True:
        pos = (pos + 1) & t.mask
        if t.entries[pos].index == NONE:
            break
        if ((pos - t.entries[pos].tag) & t.mask) >= ((pos - hole) & t.mask):
            t.entries[hole] = t.entries[pos]
            hole = pos
    t.entries[hole].index = NONE
    t.count -= 1
    return 0


def siphash24(bytes key not None, bytes data not None):
    """SipHash-2-4 of `data` under a key of 16 bytes, as a number."""
    cdef uint64_t k[2]
    cdef uint64_t eight
    cdef uint32_t four
    cdef const uint8_t *p = key
    if len(key) != 16:
        raise ValueError("the key has 16 bytes")
    k[0] = load64le(p)
    k[1] = load64le(p + 8)
    if len(data) == 12:
        memcpy(&eight, <const uint8_t *>data, 8)
        memcpy(&four, <const uint8_t *>data + 8, 4)
        return siphash_twelve(k, le64toh(eight), le32toh(four))
    return siphash(k, data, len(data))


cdef class HashTable:
    """A table for tests, tools and the REPL: `HashTable(max_items)`."""
    cdef hash_table t

    def __cinit__(self, uint32_t max_items):
        if hash_init(&self.t, max_items):
            raise MemoryError("address space")

    def __dealloc__(self):
        hash_free(&self.t)

    def __len__(self):
        return self.t.count

    @property
    def entries(self):
        """How many entries there are now, empty ones too."""
        return self.t.mask + 1

    def insert(self, uint32_t tag, uint32_t index):
        """False when max_items are in the table."""
        return hash_insert(&self.t, tag, index) == 0

    def remove(self, uint32_t tag, uint32_t index):
        """False when it was not there."""
        return hash_remove(&self.t, tag, index) == 0

    def find(self, uint32_t tag):
        """The indices stored under `tag`, in probe order."""
        cdef uint32_t pos = hash_first(&self.t, tag)
        cdef list found = []
        while pos != NONE:
            found.append(self.t.entries[pos].index)
            pos = hash_next(&self.t, tag, pos)
        return found

    def reset(self):
        hash_reset(&self.t)
