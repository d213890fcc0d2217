"""Connections that something is about to happen to, brought into the cache."""
from libc.stdint cimport uint32_t

from usnet.backends.ring cimport ring
from usnet.tcp.state cimport tcp_state

cdef enum:
    WARM_MOST = 64              # at once
    TCB_HOT = 448               # bytes of a TCB that segments and calls touch, beside its queues
    QUEUE_HOT = 128             # of a queue, with what is near

# Of those that the first frames that wait in a receive ring are for.
cdef void tcp_warm_frames(tcp_state *t, ring *r) noexcept nogil
# Of these, whose numbers must be those of connections; n <= WARM_MOST.
cdef void tcp_warm(tcp_state *t, const uint32_t *conns, uint32_t n) noexcept nogil
