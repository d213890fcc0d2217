"""The Internet checksum (RFC 1071): ones' complement sums of 16-bit words."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.wire.addr cimport ip_addr

# Partial sums are plain 64-bit sums of 16-bit words in the order of the wire, so they may be added with +; csum_fold
# ends them. csum_copy also copies the n bytes from src to dst, which do not overlap. csum_pseudo serves both families.
# A run of bytes that is not the last one must have an even length.
cdef uint64_t csum_add(uint64_t partial, const uint8_t *p, size_t n) noexcept nogil
cdef uint64_t csum_copy(uint64_t partial, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil
# The same for bytes behind `at` others that sum to `partial`: from an odd place on they count swapped (RFC 1071, section 2 (B)).
cdef uint64_t csum_copy_at(uint64_t partial, uint32_t at, uint8_t *dst, const uint8_t *src, size_t n) noexcept nogil
cdef uint64_t csum_pseudo(const ip_addr *src, const ip_addr *dst, uint32_t proto, uint32_t length) noexcept nogil
# 16 bits, complemented, ready for store16; 0 over a correct packet.
cdef uint32_t csum_fold(uint64_t partial) noexcept nogil
