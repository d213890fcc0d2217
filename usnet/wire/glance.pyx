"""Classifies frames for rules that apply to frames on a link.

The parsers of usnet.wire refuse what is malformed; a link carries that too, and a rule must still see what it is.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.wire.bytes cimport load16, load32
from usnet.wire.eth cimport ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN
from usnet.wire.tcp cimport TCP_HLEN
from usnet.wire.udp cimport UDP_HLEN

cdef enum:
    IPV6_HLEN = 40
    HOP_BY_HOP = 0
    ROUTING = 43
    FRAGMENT = 44
    DESTINATION = 60


cdef void glance_l4(const uint8_t *p, uint32_t n, uint32_t at, frame_glance *g) noexcept nogil:
    """p[at:n] is the IP payload, padding cut off."""
    cdef uint32_t header
    if g.protocol != IPPROTO_TCP and g.protocol != IPPROTO_UDP:
        return
    if at + (TCP_HLEN if g.protocol == IPPROTO_TCP else UDP_HLEN) > n:
        return
    g.port[0] = load16(p + at)
    g.port[1] = load16(p + at + 2)
    g.ports = True
    g.transport = <uint16_t>at
    g.end = n
    if g.protocol == IPPROTO_TCP:
        g.tcp = True
        g.seq = load32(p + at + 4)
        g.flags = p[at + 13]
        header = (p[at + 12] >> 4) * 4
        g.payload = n - at - header if at + header < n else 0


cdef void glance_ipv4(const uint8_t *p, uint32_t n, uint32_t at, frame_glance *g) noexcept nogil:
    cdef uint32_t end, header
    if at + IPV4_HLEN > n:
        return
    g.version = 4
    g.protocol = p[at + 9]
    g.addr[0] = p + at + 12
    g.addr[1] = p + at + 16
    header = (p[at] & 15) * 4
    end = at + load16(p + at + 2)
    if end > n:
        end = n
    if header >= IPV4_HLEN and at + header <= end and load16(p + at + 6) & 0x1fff == 0:
        glance_l4(p, end, at + header, g)


cdef void glance_ipv6(const uint8_t *p, uint32_t n, uint32_t at, frame_glance *g) noexcept nogil:
    cdef uint32_t end, left
    cdef uint8_t following
    cdef bint first = True
    if at + IPV6_HLEN > n:
        return
    g.version = 6
    g.addr[0] = p + at + 8
    g.addr[1] = p + at + 24
    following = p[at + 6]
    end = at + IPV6_HLEN + load16(p + at + 4)
    if end > n:
        end = n
    at += IPV6_HLEN
    left = 8                    # extension headers looked at
    while left and at + 8 <= end and following in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION):
        if following == FRAGMENT:
            first = load16(p + at + 2) & 0xfff8 == 0
            following = p[at]
            at += 8
        else:
            following = p[at]
            at += 8 + <uint32_t>p[at + 1] * 8
        left -= 1
    g.protocol = following
    if first:
        glance_l4(p, end, at, g)


cdef void glance(const uint8_t *p, uint32_t n, frame_glance *g) noexcept nogil:
    cdef uint32_t at = ETH_HLEN
    memset(g, 0, sizeof(frame_glance))
    if n < ETH_HLEN:
        g.network = <uint16_t>n
        return
    g.type = load16(p + 12)
    while g.type in (ETH_P_8021Q, ETH_P_8021AD) and at + 4 <= n and at < ETH_HLEN + 8:
        g.type = load16(p + at + 2)
        at += 4
    g.network = <uint16_t>at
    if g.type == ETH_P_IP:
        glance_ipv4(p, n, at, g)
    elif g.type == ETH_P_IPV6:
        glance_ipv6(p, n, at, g)
