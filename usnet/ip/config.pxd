"""Setting an ip_state up: interfaces, addresses, routes."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.backends.ring cimport port
from usnet.ip.state cimport ip_state, route
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.idset cimport idset
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.wire.addr cimport ip_addr

# Takes `ip` from any content to an empty state with default config; the pools belong to the stack. 0 or -ENOMEM.
cdef int ip_init(ip_state *ip, chunk_pool *chunks, wheel *timers, idset *notify, rng *random, uint32_t max_udp) noexcept nogil
cdef void ip_free(ip_state *ip) noexcept nogil
cdef void ip_reset(ip_state *ip) noexcept nogil                     # no conversations, neighbours, fragments; interfaces, addresses, routes and config stay
cdef int ip_add_netif(ip_state *ip, port *link, uint16_t vlan) noexcept nogil              # its number, or -ENOSPC
cdef int ip_add_addr(ip_state *ip, uint32_t netif, const ip_addr *addr, uint8_t prefix) noexcept nogil  # also its on-link route; 0, -EEXIST, -ENOSPC, -EINVAL
cdef int ip_del_addr(ip_state *ip, const ip_addr *addr) noexcept nogil                     # 0 or -EADDRNOTAVAIL
cdef int ip_add_route(ip_state *ip, const ip_addr *net, uint8_t prefix, const ip_addr *gateway, uint32_t netif) noexcept nogil
cdef bint ip_is_local(const ip_state *ip, const ip_addr *addr) noexcept nogil
# Longest match: 0 and the next hop (the gateway, or dst itself on-link) and interface, or -ENETUNREACH.
cdef int ip_route(const ip_state *ip, const ip_addr *dst, ip_addr *next_hop, uint32_t *netif) noexcept nogil
# The address to speak to dst from: one of the route's interface, in the network of the next hop if there is one. 0 or -ENETUNREACH, -EADDRNOTAVAIL.
cdef int ip_source(const ip_state *ip, const ip_addr *dst, ip_addr *src) noexcept nogil
# Bytes of the largest IP packet towards dst (of its interface), or 0 when there is no route.
cdef uint32_t ip_mtu(const ip_state *ip, const ip_addr *dst) noexcept nogil
