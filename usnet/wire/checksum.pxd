"""The Internet checksum (RFC 1071): ones' complement sums of 16-bit words."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.wire.addr cimport ip_addr
from usnet.wire.bytes cimport ntohs

cdef enum:
    CSUM_FEW = 128              # bytes up to which csum_few is as fast as vectors

# Partial sums count 16-bit words in the order of this machine, modulo 0xffff, in 64 bits: they may be added with +, and numbers join them through
# csum_number. csum_fold ends them. csum_copy also copies the n bytes from src to dst, which do not overlap. csum_pseudo serves both families. A run
# of bytes that is not the last one must have an even length.
cdef uint64_t csum_add(uint64_t partial, const uint8_t *p, size_t n) noexcept nogil
cdef uint64_t csum_copy(uint64_t partial, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil
# The same for bytes behind `at` others that sum to `partial`: from an odd place on they count swapped (RFC 1071, section 2 (B)).
cdef uint64_t csum_copy_at(uint64_t partial, uint32_t at, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil


cdef inline uint64_t csum_number(uint32_t number) noexcept nogil:
    """A number below 2^16 as it stands on the wire."""
    return ntohs(<uint16_t>number)


cdef inline uint64_t csum_words(uint64_t eight) noexcept nogil:
    """Eight bytes as they lie in memory."""
    return (eight & <uint64_t>0xffffffff) + (eight >> 32)


cdef inline uint64_t csum_addr(const ip_addr *a) noexcept nogil:
    # The ::ffff in front of an IPv4 address adds 0xffff, which is zero in ones' complement: one sum serves both families.
    return csum_words(a.hi) + csum_words(a.lo)


cdef inline uint64_t csum_pseudo(const ip_addr *src, const ip_addr *dst, uint32_t proto, uint32_t length) noexcept nogil:
    """The pseudo header (RFC 9293, section 3.1; RFC 8200, section 8.1)."""
    return csum_addr(src) + csum_addr(dst) + csum_number(proto) + csum_number(length & 0xffff) + csum_number(length >> 16)


cdef inline uint16_t csum_sum(uint64_t partial) noexcept nogil:
    """16 bits as they stand in memory, not complemented: 0xffff over a correct packet. Each half is added to the other with its carry."""
    cdef uint32_t half = <uint32_t>((partial + (partial << 32 | partial >> 32)) >> 32)
    return <uint16_t>((half + (half << 16 | half >> 16)) >> 16)


cdef inline uint32_t csum_fold(uint64_t partial) noexcept nogil:
    """16 bits, complemented, ready for store16; 0 over a correct packet."""
    return ntohs(<uint16_t>~csum_sum(partial))


cdef inline uint64_t with_carry(uint64_t a, uint64_t b) noexcept nogil:
    cdef uint64_t total = a + b
    return total + (total < b)


cdef inline uint64_t eight_at(const uint8_t *p) noexcept nogil:
    cdef uint64_t x
    memcpy(&x, p, 8)
    return x


cdef inline uint64_t csum_last(const uint8_t *p, uint32_t n) noexcept nogil:
    """Of 0 < n < 8 bytes."""
    cdef uint64_t x = 0
    cdef uint32_t i
    for i in range(n):
        x |= <uint64_t>p[i] << (i * 8)
    return x


cdef inline uint64_t csum_few(const uint8_t *p, uint32_t n) noexcept nogil:
    """The partial sum of a few bytes, without vectors."""
    cdef uint64_t total = 0
    cdef const uint8_t *end = p + n
    if n < 8:
        return csum_words(csum_last(p, n)) if n else 0
    while n >= 32:
        total = with_carry(with_carry(with_carry(with_carry(total, eight_at(p)), eight_at(p + 8)), eight_at(p + 16)), eight_at(p + 24))
        p += 32
        n -= 32
    while n >= 8:
        total = with_carry(total, eight_at(p))
        p += 8
        n -= 8
    if n:
        total = with_carry(total, eight_at(end - 8) >> (64 - n * 8))
    return csum_words(total)


cdef inline uint64_t csum_copy_few(uint8_t *dst, const uint8_t *src, uint32_t n) noexcept nogil:
    """The same with a copy."""
    cdef uint64_t total = 0, x
    cdef uint8_t *at = dst
    cdef const uint8_t *end = src + n
    cdef uint32_t left = n
    if n < 8:
        memcpy(dst, src, n)
        return csum_words(csum_last(src, n)) if n else 0
    while left >= 8:
        x = eight_at(src)
        memcpy(at, &x, 8)
        total = with_carry(total, x)
        src += 8
        at += 8
        left -= 8
    if left:
        x = eight_at(end - 8)
        memcpy(dst + n - 8, &x, 8)
        total = with_carry(total, x >> (64 - left * 8))
    return csum_words(total)
