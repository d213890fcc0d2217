"""Which controller a connection has: at its start, by name while it lives, and what goes with it at its end."""
from libc.stdint cimport uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# The window opens, with the stack's settings.
cdef void cc_begin(tcp_state *t, tcb *k, bint syn_lost) noexcept nogil
# Another one from now on. The windows of a connection that is under way stay.
cdef void cc_choose(tcp_state *t, tcb *k, uint32_t number) noexcept nogil
# The connection is over: what the controller holds goes.
cdef void cc_over(tcp_state *t, tcb *k) noexcept nogil
