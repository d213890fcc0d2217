"""ICMP for IPv4 (RFC 792)."""
from libc.errno cimport EBADMSG, EIO, ENOBUFS
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.bytes cimport load32, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold


cdef int icmp_parse(const uint8_t *p, uint32_t n, icmp_repr *out) noexcept nogil:
    if n < ICMP_HLEN:
        return -EBADMSG
    if csum_fold(csum_add(0, p, n)) != 0:
        return -EIO
    out.type = p[0]
    out.code = p[1]
    out.rest = load32(p + 4)
    return 0


cdef int icmp_emit(uint8_t *p, uint32_t n, const icmp_repr *r) noexcept nogil:
    if n < ICMP_HLEN:
        return -ENOBUFS
    p[0] = r.type
    p[1] = r.code
    store16(p + 2, 0)
    store32(p + 4, r.rest)
    store16(p + 2, <uint16_t>csum_fold(csum_add(0, p, n)))
    return <int>n
