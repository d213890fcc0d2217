"""Setting a connection's deadlines. One timer of the wheel serves all of them, and is moved only when it must fire earlier."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport tcb

cdef void timer_hang(tcp_state *t, tcb *k, uint32_t c, int64_t deadline) noexcept nogil     # has the wheel's timer fire that early
cdef void tcp_rearm(tcp_state *t, uint32_t c) noexcept nogil            # after the wheel's timer fired: hangs it up again if a deadline is left
cdef int64_t tcp_rto_backed_off(const tcp_state *t, const tcb *k) noexcept nogil


cdef inline void tcb_arm(tcp_state *t, tcb *k, int which, int64_t deadline) noexcept nogil:
    k.deadline[which] = deadline
    if k.timer == NONE or deadline < k.timer_at:
        timer_hang(t, k, k.id, deadline)


cdef inline void tcp_arm(tcp_state *t, uint32_t c, int which, int64_t deadline) noexcept nogil:
    tcb_arm(t, tcb_at(t, c), which, deadline)


cdef inline void tcp_disarm(tcb *k, int which) noexcept nogil:
    """The wheel is left alone: it wakes once for nothing."""
    k.deadline[which] = 0


cdef inline int64_t tcp_rto(const tcp_state *t, const tcb *k) noexcept nogil:
    """ns: RTO with backoff, at most rto_max (RFC 6298, 2.5)."""
    return tcp_rto_backed_off(t, k) if k.backoff else k.rto


cdef inline int64_t tcp_patience(const tcp_state *t, const tcb *k, int64_t now) noexcept nogil:
    """Deadline of the next retransmission or probe: an RTO from now, or the end of the user timeout if that is earlier (RFC 5482)."""
    cdef int64_t rto = tcp_rto(t, k), left
    if k.stalled_since and k.user_timeout:
        left = k.stalled_since + k.user_timeout - now
        if left < rto:
            rto = left if left > 0 else 1
    return now + rto
