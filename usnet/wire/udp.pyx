"""UDP (RFC 768)."""
from libc.errno cimport EBADMSG, EIO, EINVAL, ENOBUFS
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.addr cimport ip_addr, addr_is_v4
from usnet.wire.bytes cimport load16, store16
from usnet.wire.checksum cimport csum_add, csum_fold, csum_pseudo
from usnet.wire.gso cimport csum_partial
from usnet.wire.ipv4 cimport IPPROTO_UDP


cdef int udp_parse(const uint8_t *p, uint32_t n, const ip_addr *src, const ip_addr *dst, udp_repr *out,
                   bint verify) noexcept nogil:
    cdef uint32_t length
    if n < UDP_HLEN:
        return -EBADMSG
    length = load16(p + 4)
    if length < UDP_HLEN or length > n:
        return -EBADMSG
    out.src_port = load16(p)
    out.dst_port = load16(p + 2)
    out.length = <uint16_t>length
    if not verify:
        return 0
    if load16(p + UDP_CSUM_AT) == 0:
        return 0 if addr_is_v4(src) else -EIO       # IPv6 has no datagram without a checksum (RFC 8200, section 8.1)
    if csum_fold(csum_add(csum_pseudo(src, dst, IPPROTO_UDP, length), p, length)) != 0:
        return -EIO
    return 0


cdef int put_header(uint8_t *p, uint32_t room, const udp_repr *r, uint32_t csum) noexcept nogil:
    if r.length < UDP_HLEN:
        return -EINVAL
    if room < r.length:
        return -ENOBUFS
    store16(p, r.src_port)
    store16(p + 2, r.dst_port)
    store16(p + 4, r.length)
    store16(p + UDP_CSUM_AT, csum)
    return r.length


cdef int udp_emit_partial(uint8_t *p, uint32_t room, const ip_addr *src, const ip_addr *dst, const udp_repr *r) noexcept nogil:
    return put_header(p, room, r, csum_partial(src, dst, IPPROTO_UDP, r.length))


cdef int udp_emit(uint8_t *p, uint32_t room, const ip_addr *src, const ip_addr *dst, const udp_repr *r) noexcept nogil:
    cdef uint32_t csum
    cdef int status = put_header(p, room, r, 0)
    if status < 0:
        return status
    csum = csum_fold(csum_add(csum_pseudo(src, dst, IPPROTO_UDP, r.length), p, r.length))
    store16(p + UDP_CSUM_AT, csum if csum != 0 else 0xffff)     # 0 on the wire says that there is none
    return status
