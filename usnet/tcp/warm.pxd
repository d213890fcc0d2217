"""Connections that something is about to happen to, brought into the cache."""
from libc.stdint cimport uint32_t

from usnet.tcp.state cimport tcp_state

cdef enum:
    WARM_MOST = 64              # at once

# Of those that frames with these tags in the table of connections are for; n <= WARM_MOST.
cdef void tcp_warm_tags(tcp_state *t, const uint32_t *tags, uint32_t n) noexcept nogil
# Of these, whose numbers must be those of connections; n <= WARM_MOST.
cdef void tcp_warm(tcp_state *t, const uint32_t *conns, uint32_t n) noexcept nogil
