"""Setting a connection's deadlines. One timer of the wheel serves all of them, and is moved only when it must fire earlier."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef void tcp_arm(tcp_state *t, uint32_t c, int which, int64_t deadline) noexcept nogil
cdef void tcp_rearm(tcp_state *t, uint32_t c) noexcept nogil            # after the wheel's timer fired: hangs it up again if a deadline is left
# Deadline of the next retransmission or probe: an RTO from now, or the end of the user timeout if that is earlier (RFC 5482).
cdef int64_t tcp_patience(const tcp_state *t, const tcb *k, int64_t now) noexcept nogil
cdef int64_t tcp_rto(const tcp_state *t, const tcb *k) noexcept nogil   # ns: RTO with backoff, at most rto_max (RFC 6298, 2.5)


cdef inline void tcp_disarm(tcb *k, int which) noexcept nogil:
    """The wheel is left alone: it wakes once for nothing."""
    k.deadline[which] = 0
