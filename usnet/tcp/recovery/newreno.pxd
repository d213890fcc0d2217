"""What is lost, from cumulative ACKs alone (RFC 5681 section 3.2, RFC 6582)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_ack, cc_table
from usnet.tcp.congestion.validation cimport validation_acked
from usnet.tcp.ecn cimport ECN_CWR, ecn_slowing
from usnet.tcp.output cimport tcp_flight
from usnet.tcp.recovery.flight cimport FLIGHT_RACK, FLIGHT_RTT, FLIGHT_WATCHED, flight_sent_since
from usnet.tcp.recovery.tlp cimport rexmt_restart
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport T_REXMT, TF_PARTIAL, TF_RECOVERY, TF_SACK, tcb
from usnet.tcp.timers cimport tcb_arm, tcp_disarm, tcp_rto
from usnet.wire.seq cimport seq_gt

# A duplicate ACK (RFC 5681, section 2) arrived.
cdef void recovery_dupack(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# snd_una moved on by `acked`, with `flight` sequence numbers out before that. Restarts or stops the retransmission timer. ts_ecr: the timestamp that is
# echoed; 0: none.
cdef void recovery_ack(tcp_state *t, uint32_t c, uint32_t acked, uint32_t flight, uint32_t ts_ecr, int64_t now) noexcept nogil
# FlightSize at a loss, without what limited transmit added (RFC 5681, 3.2, step 2).
cdef uint32_t recovery_flight(const tcb *k) noexcept nogil
# The retransmission timer fired: everything out counts as lost. again: the same segment was resent by it before.
cdef void recovery_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil


cdef inline void recovery_restart_timer(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """When snd_una has moved: RFC 6298, 5.2 and 5.3. In fast recovery only the first partial ACK restarts it (the impatient variant of RFC 6582, section
    3.2, step 3): after many losses a timeout and slow start are quicker than one hole a round trip."""
    if k.timed & FLIGHT_RACK:
        rexmt_restart(t, k, now)
    elif k.snd_una == k.snd_max:
        tcp_disarm(k, T_REXMT)
    elif not k.flags & TF_RECOVERY or not k.flags & TF_PARTIAL:
        tcb_arm(t, k, T_REXMT, now + tcp_rto(t, k))


cdef inline uint32_t flight_wanted(const tcb *k, uint32_t acked, uint32_t flight) noexcept nogil:
    """Bytes that would be in flight if cwnd did not matter: that were, or wait, as far as the peer's window goes."""
    cdef uint32_t out = tcp_flight(k), window = k.snd_wnd + acked
    if k.snd.span > out:
        flight += k.snd.span - out
    return flight if flight < window else window


cdef inline void recovery_grow(tcp_state *t, tcb *k, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil:
    """cwnd grows only if it was what held the sender back: in slow start half of it in use, later nearly all (RFC 7661's concern). Within a
    burst of ACKs nothing is sent, so what could leave at once counts as in flight."""
    cdef uint32_t used = flight_wanted(k, acked, flight)
    cdef cc_ack a
    cdef bint limited
    if k.ecn & ECN_CWR and ecn_slowing(k):
        return
    limited = used < (k.cc.cwnd // 2 if k.cc.cwnd < k.cc.ssthresh else k.cc.cwnd - k.mss)
    if k.timed & FLIGHT_WATCHED:
        limited = validation_acked(t, k, limited, acked, now)
    if limited:
        if k.cc.epoch and not k.cc.limited_since:
            k.cc.limited_since = now
        return
    if k.timed & FLIGHT_RTT and k.cc.ssthresh == WINDOW_LIMIT and k.ack_rtt == 0:
        k.ack_rtt = now - flight_sent_since(t, k, k.snd_una - 1)    # nothing was lost yet: it was sent once
    a.now, a.rtt, a.srtt, a.acked, a.una, a.nxt, a.flight = now, k.ack_rtt, k.srtt, acked, k.snd_una, k.snd_max, flight
    cc_table(k.cc_ops).on_ack(&k.cc, &a)


cdef inline void recovery_calm(tcp_state *t, uint32_t c, tcb *k, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil:
    """snd_una moved on by `acked` outside of a recovery, and nothing is reported above it. The recovery point follows, so that it never falls behind by
    half the sequence space; with SACK it is one further on."""
    cdef uint32_t follow = k.snd_una if k.flags & TF_SACK else k.snd_una - 1
    k.dupacks = 0
    recovery_restart_timer(t, k, now)
    recovery_grow(t, k, acked, flight, now)
    if seq_gt(k.snd_una, k.recover):
        k.recover = follow
