"""SipHash-2-4 (Aumasson and Bernstein, 2012) and an open-addressing table of indices with stored tags.

The table knows no keys: it holds (hash, index) and asks its user to compare. Linear probing, deletion by shifting
back, growth by doubling inside address space reserved at creation.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE

cdef uint64_t siphash(const uint64_t key[2], const uint8_t *p, size_t n) noexcept nogil
# The same of twelve bytes, the lowest of each number first: both ends of a connection over IPv4.
cdef uint64_t siphash_twelve(const uint64_t key[2], uint64_t eight, uint32_t four) noexcept nogil


cdef inline uint32_t hash_three(const uint64_t key[4], uint32_t a, uint32_t b, uint32_t c) noexcept nogil:
    """Three numbers under a secret key: a multilinear function, by which no two of them are likelier to collide than by chance (Lemire and Kaser, 2014),
    and a last step that lets numbers in a row be scattered."""
    cdef uint64_t x = key[0] + key[1] * a + key[2] * b + key[3] * c
    x ^= x >> 31
    return <uint32_t>((x * <uint64_t>0x9e3779b97f4a7c15) >> 32)


cdef struct hash_entry:
    uint32_t tag            # the hash (its low 32 bits)
    uint32_t index          # the item, or NONE when the entry is empty

cdef struct hash_table:
    hash_entry *entries     # private mapping
    uint64_t mapped         # bytes
    uint32_t mask           # entries - 1; entries is a power of two
    uint32_t max_entries    # the table never grows beyond
    uint32_t max_items
    uint32_t count

cdef int hash_init(hash_table *t, uint32_t max_items) noexcept nogil        # 0 or -ENOMEM
cdef void hash_free(hash_table *t) noexcept nogil
cdef void hash_reset(hash_table *t) noexcept nogil
cdef int hash_insert(hash_table *t, uint32_t tag, uint32_t index) noexcept nogil    # 0, or -ENOSPC beyond max_items
cdef int hash_remove(hash_table *t, uint32_t tag, uint32_t index) noexcept nogil    # 0 or -ENOENT


cdef inline uint32_t hash_seek(const hash_table *t, uint32_t tag, uint32_t pos) noexcept nogil:
    while t.entries[pos].index != NONE:
        if t.entries[pos].tag == tag:
            return pos
        pos = (pos + 1) & t.mask
    return NONE


# Walk of the candidates:
# pos = hash_first(t, tag); while pos != NONE: t.entries[pos].index ...; pos = hash_next(t, tag, pos)
cdef inline uint32_t hash_first(const hash_table *t, uint32_t tag) noexcept nogil:
    return hash_seek(t, tag, tag & t.mask)


cdef inline uint32_t hash_next(const hash_table *t, uint32_t tag, uint32_t pos) noexcept nogil:
    return hash_seek(t, tag, (pos + 1) & t.mask)
