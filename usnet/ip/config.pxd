"""Setting an ip_state up: interfaces, addresses, routes."""
from libc.stdint cimport uint32_t

from usnet.ip.routes cimport (
    V4_PREFIX, addr_in, ip_add_addr, ip_add_netif, ip_add_route, ip_broadcast_netif, ip_del_addr, ip_del_route,
    ip_is_group, ip_is_local,
    ip_mtu, ip_netif_source, ip_route, ip_source,
)
from usnet.ip.state cimport ip_state
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.idset cimport idset
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel

cdef enum:
    MAX_NEIGHBOURS = 65536      # ip_config.max_neighbours can be set up to this
    DATAGRAM_HEADROOM = 64      # bytes in front of ip_state.datagram and .build, for a header

# Takes `ip` from any content to an empty state with default config; the pools belong to the stack. `random` is drawn
# from: seed it first. 0 or -ENOMEM.
cdef int ip_init(ip_state *ip, chunk_pool *chunks, wheel *timers, idset *notify, rng *random,
                 uint32_t max_udp) noexcept nogil
cdef void ip_free(ip_state *ip) noexcept nogil
# No conversations, neighbours, fragments; interfaces, addresses, routes and config stay. Call it after seeding
# `random` anew and before resetting the pools: it gives back what it holds of them.
cdef void ip_reset(ip_state *ip) noexcept nogil
