"""Internet addresses, always 16 bytes in network order; IPv4 is ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.wire.bytes cimport load32, store32

cdef struct ip_addr:
    uint64_t hi         # the first 8 bytes as they lie on the wire (not a number of this machine)
    uint64_t lo         # the last 8 bytes; in an IPv4 address the last four are the address


cdef inline uint8_t *addr_bytes(ip_addr *a) noexcept nogil:
    return <uint8_t *>a


cdef inline bint addr_eq(const ip_addr *a, const ip_addr *b) noexcept nogil:
    return a.lo == b.lo and a.hi == b.hi


cdef inline uint64_t v4_lo(uint32_t lying) noexcept nogil:
    cdef uint8_t eight[8]
    cdef uint64_t x
    eight[0] = eight[1] = 0
    eight[2] = eight[3] = 0xff
    memcpy(&eight[4], &lying, 4)
    memcpy(&x, eight, 8)
    return x


cdef inline void addr_set_v4(ip_addr *a, const uint8_t *four) noexcept nogil:
    """a = the IPv4 address whose four bytes stand at `four`."""
    cdef uint8_t *p = <uint8_t *>a
    a.hi = 0
    p[8] = p[9] = 0
    p[10] = p[11] = 0xff
    memcpy(p + 12, four, 4)


cdef inline bint addr_is_v4(const ip_addr *a) noexcept nogil:
    return a.hi == 0 and load32(<const uint8_t *>a + 8) == 0x0000ffff


cdef inline uint32_t addr_v4(const ip_addr *a) noexcept nogil:
    """The IPv4 address as a number (10.0.0.1 is 0x0a000001)."""
    return load32(<const uint8_t *>a + 12)


cdef inline uint32_t addr_as_it_lies(const ip_addr *a) noexcept nogil:
    """The IPv4 address as it lies on the wire: not a number."""
    cdef uint32_t x
    memcpy(&x, <const uint8_t *>a + 12, 4)
    return x


cdef inline bint addr_is_v4_as(const ip_addr *a, uint32_t lying) noexcept nogil:
    """Whether it is that IPv4 address, as it lies on the wire."""
    return a.hi == 0 and a.lo == v4_lo(lying)


cdef inline void addr_from_v4(ip_addr *a, uint32_t number) noexcept nogil:
    a.hi = 0
    store32(<uint8_t *>a + 8, 0x0000ffff)
    store32(<uint8_t *>a + 12, number)


cdef inline bint addr_is_any(const ip_addr *a) noexcept nogil:
    """The unspecified address of either family (0.0.0.0 or ::)."""
    return a.hi == 0 and (a.lo == 0 or (addr_is_v4(a) and addr_v4(a) == 0))
