"""Tail loss probes (RFC 8985, section 7), and what T_REXMT is armed for: the probe, then the retransmission timeout; the reordering window before either."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.recovery.flight cimport FLIGHT_HELD, FLIGHT_RACK
from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport REXMT_PROBE, REXMT_RTO, T_REXMT, TF_PROBE, tcb
from usnet.tcp.timers cimport tcb_arm, tcp_disarm, tcp_patience, tcp_rto

# The probe is due: new data, or the end of what is out, and the timeout behind it.
cdef void tlp_due(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# An ACK arrived while a probe is out (7.4.2). dsack: it says that the probe arrived twice. alone: it says nothing else. True: the probe mended a loss.
cdef bint tlp_acked(tcb *k, scoreboard *b, uint32_t ack, bint dsack, bint alone) noexcept nogil
# When the first of what is out was sent last, ns.
cdef int64_t rexmt_head_at(tcp_state *t, const tcb *k) noexcept nogil
# The retransmission timeout, counted from there: after the reordering window, or a probe that was not sent.
cdef void rexmt_resume(tcp_state *t, tcb *k, int64_t now) noexcept nogil

# Of a connection with a scoreboard: CA_OPEN or CA_CWR.
cdef bint tlp_open(tcp_state *t, const tcb *k) noexcept nogil


cdef inline bint tlp_may(tcp_state *t, const tcb *k) noexcept nogil:
    """7.2: nothing is reported, and no recovery runs but one that mends nothing."""
    return t.config.probes and k.timed & FLIGHT_RACK and not k.flags & TF_PROBE and (k.board == NONE or tlp_open(t, k))


cdef inline int64_t tlp_pto(const tcp_state *t, const tcb *k) noexcept nogil:
    """PTO, ns: of a single segment the ACK may be delayed; of more there is a margin for the peer's clock and ours."""
    if k.srtt == 0:
        return t.config.rto_initial
    return 2 * k.srtt + (t.config.rto_min if k.snd_max - k.snd_una <= k.mss else 2 * t.config.granularity)


cdef inline void tlp_sent(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """New data has left: the probe moves on, but never behind the timeout."""
    cdef int64_t at = now + tlp_pto(t, k), rto
    if not tlp_may(t, k):
        return
    rto = (now if not k.timed & FLIGHT_HELD else rexmt_head_at(t, k)) + tcp_rto(t, k)
    if rto > now and rto < at:
        at = rto
    k.pending = REXMT_PROBE
    tcb_arm(t, k, T_REXMT, at)


cdef inline void rexmt_restart(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """snd_una has moved (RFC 6298, 5.2 and 5.3; RFC 8985, 7.2)."""
    cdef int64_t rto, pto
    if k.snd_una == k.snd_max:
        tcp_disarm(k, T_REXMT)
        k.pending = REXMT_RTO
        return
    rto = tcp_rto(t, k)
    k.pending = REXMT_RTO
    if tlp_may(t, k):
        pto = tlp_pto(t, k)
        k.pending = REXMT_PROBE
        rto = pto if pto < rto else rto
    tcb_arm(t, k, T_REXMT, now + rto)
