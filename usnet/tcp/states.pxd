"""The state machine of RFC 9293, section 3.3.2, as data, and the one function that changes a connection's state."""
from libc.stdint cimport uint8_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# Moves `k` to `state`. A transition that the table forbids is a bug: it is counted (illegal_transitions) and still made.
cdef void tcp_set_state(tcp_state *t, tcb *k, uint8_t state) noexcept nogil
