"""A fast 128-bit hash of all that happens in a run: two runs are the same when their digests are. Not cryptographic.

Two lanes of 64 bits. A block is two little-endian words; each is mixed into its lane by exclusive or, a multiplication by an odd constant and a
xor-shift, and then the lanes are added into each other, one of them rotated. Each of these steps is a bijection of the state for a given block, so nothing that
was fed in is ever forgotten, and a difference in one block cannot vanish in the next but by an equal and opposite one. Feeds are framed: each
begins with a block of two header words, the second of which should hold the length. Fewer than 128 bytes are blocks; of more, sixteen lanes side by side (lanes.h)
make four blocks. The end is five more rounds over the number of feeds.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<endian.h>" nogil:
    uint64_t le64toh(uint64_t x)

cdef struct digest128:
    uint64_t a
    uint64_t b
    uint64_t feeds

cdef void digest_start(digest128 *d, uint64_t seed) noexcept nogil
# One feed: two words, and n bytes (their number should be told by the words).
cdef void digest_feed(digest128 *d, uint64_t word0, uint64_t word1, const uint8_t *p, uint32_t n) noexcept nogil
# The 128 bits so far; feeding may go on.
cdef void digest_result(const digest128 *d, uint64_t *a, uint64_t *b) noexcept nogil


cdef inline void digest_words(digest128 *d, uint64_t word0, uint64_t word1) noexcept nogil:
    """digest_feed() of the two words alone."""
    d.feeds += 1
    digest_block(&d.a, &d.b, word0, word1)


cdef inline void digest_block(uint64_t *a, uint64_t *b, uint64_t x, uint64_t y) noexcept nogil:
    a[0] = (a[0] ^ x) * <uint64_t>0x9fb21c651e98df25
    b[0] = (b[0] ^ y) * <uint64_t>0xd6e8feb86659fd93
    a[0] ^= a[0] >> 32
    b[0] ^= b[0] >> 29
    a[0] += (b[0] << 23) | (b[0] >> 41)
    b[0] += a[0]
