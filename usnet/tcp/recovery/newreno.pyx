"""Fast retransmit and fast recovery of RFC 6582. Says what to send again; how much may fly is congestion/'s business."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport cc_ops, cc_table
from usnet.tcp.congestion.validation cimport validation_flight, validation_over
from usnet.tcp.ecn cimport ecn_reduced
from usnet.tcp.mtu cimport mtu_probe_lost
from usnet.tcp.output cimport tcp_flight, tcp_want_output
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.recovery.newreno cimport flight_wanted, recovery_calm, recovery_restart_timer
from usnet.tcp.recovery.trial cimport trial_dupack, trial_recovery, trial_recovery_ack, trial_timeout, trial_timeout_ack
from usnet.tcp.tcb cimport TF_PARTIAL, TF_RECOVERY, TF_REXMT_NOW, TF_RTT_TIMED, TF_SACK, TF_TRIAL, tcb
from usnet.wire.seq cimport seq_ge, seq_gt

cdef uint32_t recovery_flight(const tcb *k) noexcept nogil:
    """Nothing else sends beyond cwnd. Behind the ACKs of a burst, or one for many segments, less is out than cwnd allows, until the application has
    filled the buffer and the burst's output sends what waits: that is no smaller flight."""
    cdef uint32_t flight = k.max_window if k.no_room else flight_wanted(k, 0, tcp_flight(k))
    return flight if flight < k.cc.cwnd else k.cc.cwnd


cdef void recovery_dupack(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.dupacks < 255:
        k.dupacks += 1
    if k.flags & TF_TRIAL and not k.flags & TF_RECOVERY:
        trial_dupack(t, k)
    if k.flags & TF_RECOVERY:
        cc_table(k.cc_ops).on_dupack(&k.cc)
        tcp_want_output(t, c)
    elif k.dupacks == t.config.reordering and seq_gt(k.snd_una, k.recover):   # RFC 6582, 3.2, step 1: not an echo of an older episode
        if mtu_probe_lost(t, c, now):
            return
        k.recover = k.snd_max
        k.flags |= TF_RECOVERY | TF_REXMT_NOW
        k.flags &= ~<uint32_t>(TF_RTT_TIMED | TF_PARTIAL)
        trial_recovery(t, k)
        cc_table(k.cc_ops).on_loss(&k.cc, validation_flight(t, k, recovery_flight(k)), now)
        ecn_reduced(k)
        t.counters.fast_retransmits += 1
        tcp_want_output(t, c)
    elif k.dupacks < t.config.reordering:
        tcp_want_output(t, c)           # limited transmit (RFC 3042)


cdef void recovery_ack(tcp_state *t, uint32_t c, uint32_t acked, uint32_t flight, uint32_t ts_ecr, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef const cc_ops *cc = cc_table(k.cc_ops)
    if k.flags & TF_TRIAL and not k.flags & TF_RECOVERY:
        trial_timeout_ack(t, k, ts_ecr)
    if not (k.flags & TF_RECOVERY):
        if t.config.wide_growth and k.dupacks:   # each was told of one that arrived, and has not let cwnd grow
            acked -= k.dupacks * <uint32_t>k.mss if acked > k.dupacks * <uint32_t>k.mss else acked
        recovery_calm(t, c, k, acked, flight, now)
        return
    k.dupacks = 0
    if k.flags & TF_TRIAL and trial_recovery_ack(t, k, ts_ecr):
        recovery_restart_timer(t, k, now)
        return
    recovery_restart_timer(t, k, now)
    if seq_gt(k.snd_una, k.recover):
        k.recover = k.snd_una - 1       # follows, so that it never falls behind by half the sequence space
    if seq_ge(k.snd_una, k.recover):
        k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW)
        cc.on_recovered(&k.cc, tcp_flight(k))
        validation_over(t, k, True)
    else:                               # a partial ACK: the next hole is lost too (step 3)
        cc.on_partial_ack(&k.cc, acked)
        k.flags |= TF_REXMT_NOW | TF_PARTIAL


cdef void recovery_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if not k.flags & TF_SACK:
        trial_timeout(t, k, again)
    cc_table(k.cc_ops).on_rto(&k.cc, validation_flight(t, k, tcp_flight(k)), again)
    validation_over(t, k, False)
    k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW | TF_RTT_TIMED)
    k.dupacks = 0
    ecn_reduced(k)
    k.recover = k.snd_max               # RFC 6582, section 4: what comes back of these is no new loss
    k.snd_nxt = k.snd_una
