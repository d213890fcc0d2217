"""The Internet checksum (RFC 1071)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.wire.addr cimport ip_addr
from usnet.wire.bytes cimport ntohs

cdef enum:
    MASK32 = 0xffffffff


cdef inline uint64_t wire_order(uint64_t sum32) noexcept nogil:
    """Folds a sum of words of this machine to 16 bits, in the order of the wire (RFC 1071, section 2 (B))."""
    sum32 = (sum32 & MASK32) + (sum32 >> 32)
    sum32 = (sum32 & 0xffff) + ((sum32 >> 16) & 0xffff) + (sum32 >> 32)
    sum32 = (sum32 & 0xffff) + (sum32 >> 16)
    sum32 = (sum32 & 0xffff) + (sum32 >> 16)
    return ntohs(<uint16_t>sum32)


cdef inline uint64_t tail_words(const uint8_t *p, size_t n) noexcept nogil:
    """The sum of the last n < 4 bytes, as if zero bytes followed."""
    cdef uint32_t word = 0
    memcpy(&word, p, n)
    return word


cdef uint64_t csum_add(uint64_t partial, const uint8_t *p, size_t n) noexcept nogil:
    # 32-bit words into a 64-bit sum: no carries to catch, and the compiler can use vectors.
    cdef uint64_t total = 0
    cdef uint32_t word
    cdef size_t i
    cdef size_t words = n >> 2
    for i in range(words):
        memcpy(&word, p + 4 * i, 4)
        total += word
    if n & 3:
        total += tail_words(p + 4 * words, n & 3)
    return partial + wire_order(total)


cdef uint64_t csum_copy(uint64_t partial, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t word
    cdef size_t i
    cdef size_t words = n >> 2
    for i in range(words):
        memcpy(&word, src + 4 * i, 4)
        memcpy(dst + 4 * i, &word, 4)
        total += word
    if n & 3:
        total += tail_words(src + 4 * words, n & 3)
        memcpy(dst + 4 * words, src + 4 * words, n & 3)
    return partial + wire_order(total)


cdef uint64_t csum_copy_at(uint64_t partial, uint32_t at, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil:
    cdef uint32_t word
    cdef uint8_t swapped[2]
    if not at & 1:
        return csum_copy(partial, dst, src, n)
    word = ~csum_fold(csum_copy(0, dst, src, n)) & 0xffff
    swapped[0] = <uint8_t>word
    swapped[1] = <uint8_t>(word >> 8)
    return csum_add(partial, swapped, 2)


cdef uint64_t csum_pseudo(const ip_addr *src, const ip_addr *dst, uint32_t proto, uint32_t length) noexcept nogil:
    # The ::ffff in front of an IPv4 address adds 0xffff, which is zero in ones' complement: one sum serves both
    # families (RFC 9293, section 3.1; RFC 8200, section 8.1).
    cdef uint64_t sums = csum_add(0, <const uint8_t *>src, 16) + csum_add(0, <const uint8_t *>dst, 16)
    return sums + proto + (length & 0xffff) + (length >> 16)


cdef uint32_t csum_fold(uint64_t partial) noexcept nogil:
    partial = (partial & MASK32) + (partial >> 32)
    partial = (partial & MASK32) + (partial >> 32)
    partial = (partial & 0xffff) + (partial >> 16)
    partial = (partial & 0xffff) + (partial >> 16)
    return <uint32_t>(partial ^ 0xffff)
