"""Where what recovery remembers of a connection lies: scoreboards, times of sending, trials. There is one of each for each connection, taken while needed."""
from libc.stdint cimport uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef int recovery_init(tcp_state *t, uint32_t max_connections) noexcept nogil      # 0 or -ENOMEM
cdef void recovery_free(tcp_state *t) noexcept nogil
cdef void recovery_reset(tcp_state *t) noexcept nogil
# The connection has nothing to send any more.
cdef void recovery_drop(tcp_state *t, tcb *k) noexcept nogil
