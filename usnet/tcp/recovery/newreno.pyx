"""Fast retransmit and fast recovery of RFC 6582. Says what to send again; how much may fly is congestion/'s business."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport cc_ops, cc_table
from usnet.tcp.output cimport tcp_flight, tcp_want_output
from usnet.tcp.recovery.scoreboard cimport DUPTHRESH
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport T_REXMT, TF_PARTIAL, TF_RECOVERY, TF_REXMT_NOW, TF_RTT_TIMED, tcb
from usnet.tcp.timers cimport tcp_arm, tcp_disarm, tcp_rto
from usnet.wire.seq cimport seq_ge, seq_gt

cdef uint32_t recovery_flight(const tcb *k) noexcept nogil:
    """Nothing else sends beyond cwnd."""
    return tcp_flight(k) if tcp_flight(k) < k.cc.cwnd else k.cc.cwnd


cdef void recovery_dupack(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.dupacks < 255:
        k.dupacks += 1
    if k.flags & TF_RECOVERY:
        cc_table(k.cc_ops).on_dupack(&k.cc)
        tcp_want_output(t, c)
    elif k.dupacks == DUPTHRESH and seq_gt(k.snd_una, k.recover):   # RFC 6582, 3.2, step 1: not an echo of an older episode
        k.recover = k.snd_max
        k.flags |= TF_RECOVERY | TF_REXMT_NOW
        k.flags &= ~<uint32_t>(TF_RTT_TIMED | TF_PARTIAL)
        cc_table(k.cc_ops).on_loss(&k.cc, recovery_flight(k), now)
        t.counters.fast_retransmits += 1
        tcp_want_output(t, c)
    elif k.dupacks < DUPTHRESH:
        tcp_want_output(t, c)           # limited transmit (RFC 3042)


cdef void recovery_restart_timer(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """RFC 6298, 5.2 and 5.3. In fast recovery only the first partial ACK restarts it (the impatient variant of RFC 6582, section 3.2, step 3):
    after many losses a timeout and slow start are quicker than one hole a round trip."""
    cdef tcb *k = tcb_at(t, c)
    if k.snd_una == k.snd_max:
        tcp_disarm(k, T_REXMT)
    elif not k.flags & TF_RECOVERY or not k.flags & TF_PARTIAL:
        tcp_arm(t, c, T_REXMT, now + tcp_rto(t, k))


cdef uint32_t wanted(const tcb *k, uint32_t acked, uint32_t flight) noexcept nogil:
    """Bytes that would be in flight if cwnd did not matter: that were, or wait, as far as the peer's window goes."""
    cdef uint32_t out = tcp_flight(k), window = k.snd_wnd + acked
    if k.snd.span > out:
        flight += k.snd.span - out
    return flight if flight < window else window


cdef void recovery_grow(tcb *k, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil:
    """cwnd grows only if it was what held the sender back: in slow start half of it in use, later nearly all (RFC 7661's concern). Within a
    burst of ACKs nothing is sent, so what could leave at once counts as in flight."""
    cdef uint32_t used = wanted(k, acked, flight)
    cdef bint limited = used < (k.cc.cwnd // 2 if k.cc.cwnd < k.cc.ssthresh else k.cc.cwnd - k.mss)
    cc_table(k.cc_ops).on_ack(&k.cc, acked, limited, now)


cdef void recovery_ack(tcp_state *t, uint32_t c, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef const cc_ops *cc = cc_table(k.cc_ops)
    k.dupacks = 0
    recovery_restart_timer(t, c, now)
    if seq_gt(k.snd_una, k.recover):
        k.recover = k.snd_una - 1       # follows, so that it never falls behind by half the sequence space
    if not (k.flags & TF_RECOVERY):
        recovery_grow(k, acked, flight, now)
    elif seq_ge(k.snd_una, k.recover):
        k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW)
        cc.on_recovered(&k.cc, tcp_flight(k))
    else:                               # a partial ACK: the next hole is lost too (step 3)
        cc.on_partial_ack(&k.cc, acked)
        k.flags |= TF_REXMT_NOW | TF_PARTIAL


cdef void recovery_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cc_table(k.cc_ops).on_rto(&k.cc, tcp_flight(k), again)
    k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW | TF_RTT_TIMED)
    k.dupacks = 0
    k.recover = k.snd_max               # RFC 6582, section 4: what comes back of these is no new loss
    k.snd_nxt = k.snd_una
