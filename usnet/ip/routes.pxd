"""Interfaces, addresses and routes. Users cimport these names from usnet.ip.config."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.backends.ring cimport port
from usnet.ip.state cimport ip_state
from usnet.wire.addr cimport ip_addr

cdef enum:
    V4_PREFIX = 96              # bits in front of an IPv4 address
    V4_BROADCAST = 0xffffffff   # 255.255.255.255

cdef int ip_add_netif(ip_state *ip, port *link, uint16_t vlan) noexcept nogil              # its number, or -ENOSPC
# also its on-link route; 0, -EEXIST, -ENOSPC, -EINVAL
cdef int ip_add_addr(ip_state *ip, uint32_t netif, const ip_addr *addr, uint8_t prefix) noexcept nogil
cdef int ip_del_addr(ip_state *ip, const ip_addr *addr) noexcept nogil                     # 0 or -EADDRNOTAVAIL
# gateway NULL or unspecified: on-link. 0, -EEXIST, -EINVAL (bits of net behind the prefix, not IPv4), -ENOSPC.
cdef int ip_add_route(ip_state *ip, const ip_addr *net, uint8_t prefix, const ip_addr *gateway,
                      uint32_t netif) noexcept nogil
# the first such one; 0 or -ENETUNREACH
cdef int ip_del_route(ip_state *ip, const ip_addr *net, uint8_t prefix) noexcept nogil
# One of our addresses on any interface (weak host model), or of 127.0.0.0/8.
cdef bint ip_is_local(const ip_state *ip, const ip_addr *addr) noexcept nogil
# Longest match: 0 and the next hop (the gateway, or dst itself on-link) and interface, or -ENETUNREACH.
cdef int ip_route(const ip_state *ip, const ip_addr *dst, ip_addr *next_hop, uint32_t *netif) noexcept nogil
# The interface whose network has `addr` as its broadcast address (255.255.255.255: the first with an address), or -1.
cdef int ip_broadcast_netif(const ip_state *ip, const ip_addr *addr) noexcept nogil
# multicast or 255.255.255.255: never anybody's own address
cdef bint ip_is_group(const ip_addr *addr) noexcept nogil
# An address of the interface to speak from, in the network of `towards` if there is one. 0 or -EADDRNOTAVAIL.
cdef int ip_netif_source(const ip_state *ip, uint32_t netif, const ip_addr *towards, ip_addr *src) noexcept nogil
cdef bint addr_in(const ip_addr *addr, const ip_addr *net, uint8_t prefix) noexcept nogil
# The address to speak to dst from: one of the route's interface, in the network of the next hop if there is one. 0 or
# -ENETUNREACH, -EADDRNOTAVAIL.
cdef int ip_source(const ip_state *ip, const ip_addr *dst, ip_addr *src) noexcept nogil
# Bytes of the largest IP packet towards dst (of its interface), or 0 when there is no route.
cdef uint32_t ip_mtu(const ip_state *ip, const ip_addr *dst) noexcept nogil
