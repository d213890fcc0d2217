"""UDP (RFC 768)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.addr cimport ip_addr

cdef enum:
    UDP_HLEN = 8
    UDP_CSUM_AT = 6         # bytes to the checksum field

cdef struct udp_repr:
    uint16_t src_port
    uint16_t dst_port
    uint16_t length         # bytes with the header, at most what is there

# 0; -EBADMSG when shorter than 8 bytes or than its own length; -EIO for a wrong checksum (0 means none on IPv4
# and is wrong on IPv6).
cdef int udp_parse(const uint8_t *p, uint32_t n, const ip_addr *src, const ip_addr *dst, udp_repr *out,
                   bint verify) noexcept nogil
# Writes the header in front of length - 8 payload bytes that stand there already, with the checksum over them. Returns
# the length, -EINVAL when it is below 8, or -ENOBUFS.
cdef int udp_emit(uint8_t *p, uint32_t room, const ip_addr *src, const ip_addr *dst, const udp_repr *r) noexcept nogil
# The same with a partial checksum (wire/gso): the payload is not looked at.
cdef int udp_emit_partial(uint8_t *p, uint32_t room, const ip_addr *src, const ip_addr *dst, const udp_repr *r) noexcept nogil
