"""Episodes: the states of loss recovery, by ACK and timeout."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_give
from usnet.tcp.congestion.abe cimport cc_marked
from usnet.tcp.congestion.newreno cimport initial_window
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.congestion.prr cimport prr_ack, prr_begin, prr_end, prr_loss_window
from usnet.tcp.congestion.validation cimport validation_flight, validation_over
from usnet.tcp.ecn cimport ecn_reduced
from usnet.tcp.mtu cimport mtu_probe_lost
from usnet.tcp.output cimport tcp_flight, tcp_want_output
from usnet.tcp.recovery.arrivals cimport arrivals, arrivals_take
from usnet.tcp.recovery.flight cimport FLIGHT_RACK, flight_until
from usnet.tcp.recovery.newreno cimport recovery_calm, recovery_flight, recovery_grow
from usnet.tcp.recovery.rack cimport rack_detect_loss, rack_recovered, rack_reordered, rack_sacked, rack_update_reo_wnd
from usnet.tcp.recovery.resent cimport board_flight, board_lost_out, board_resent_out, resent_add
from usnet.tcp.recovery.sack cimport sack_board
from usnet.tcp.recovery.scoreboard cimport (
    CA_CWR, CA_DISORDER, CA_LOSS, CA_OPEN, CA_RECOVERY, PROBE_AGAIN, board_clear,
)
from usnet.tcp.recovery.tlp cimport rexmt_restart, rexmt_resume, tlp_acked
from usnet.tcp.recovery.undo cimport undo_begin, undo_by_dsack, undo_delayed, undo_may, undo_now, undo_resent
from usnet.tcp.state cimport board_at, tcb_at
from usnet.tcp.tcb cimport (
    REXMT_REORDER, REXMT_RTO, T_REXMT, TF_RECOVERY, TF_REXMT_NOW, TF_RTT_TIMED, TF_TIMESTAMPS,
)
from usnet.tcp.timers cimport tcb_arm, tcp_patience
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le
from usnet.wire.tcp cimport TCPO_SACK, TCPO_TIMESTAMP

cdef enum:
    FRTO_FIRST = 1              # scoreboard.frto: no ACK has come yet (RFC 5682, 3.1, step 2)
    FRTO_NEW = 2                # new data went out (step 3)
    RENEGE_LEAST = 10000000     # ns that a peer that seems to have reneged has to show that it has not


# --- States -----------------------------------------------------------------------------------------------------------------

cdef void enter(tcb *k, scoreboard *b, int ca_state) noexcept nogil:
    b.ca_state = <unsigned char>ca_state
    if ca_state >= CA_CWR:
        k.flags |= TF_RECOVERY
    else:
        k.flags &= ~<uint32_t>TF_RECOVERY


cdef void open_again(tcb *k, scoreboard *b) noexcept nogil:
    """No state of reduction any more; what was reported, or sent again, is not forgotten."""
    cdef int ca_state = CA_DISORDER if b.n or b.n_resent or seq_gt(b.lost_to, k.snd_una) else CA_OPEN
    if b.ca_state != ca_state:
        if b.ca_state >= CA_CWR and b.undo:
            b.undo_end = k.snd_max if k.snd_max != k.snd_una else k.snd_una + 1
        enter(k, b, ca_state)
        k.recover = k.snd_max


cdef uint32_t pipe_of(const tcb *k, const scoreboard *b) noexcept nogil:
    return board_flight(b, k.snd_una, k.snd_max)


cdef inline uint32_t reduced_from(tcp_state *t, tcb *k) noexcept nogil:
    return validation_flight(t, k, k.cc.cwnd if t.config.wide_growth else recovery_flight(k))


cdef void come_down(tcp_state *t, tcb *k, scoreboard *b, uint32_t delivered) noexcept nogil:
    """cwnd is to come down to ssthresh, from what was in flight before the ACK that began it (RecoverFS of RFC 9937)."""
    k.recover = k.snd_max
    b.probe = 0
    prr_begin(&b.reduction, k.cc.cwnd if t.config.wide_growth else tcp_flight(k) - b.sacked + delivered)


cdef uint32_t delivered_since_output(const tcb *k, uint32_t delivered) noexcept nogil:
    """By this ACK, and by those before it in the burst that something would have left for: what the window has room for behind them."""
    cdef uint32_t out = tcp_flight(k), full = recovery_flight(k)
    return delivered + full - out if full > out else delivered


cdef void begin_reduction(tcp_state *t, tcb *k, scoreboard *b, uint32_t delivered, int64_t now) noexcept nogil:
    cc_table(k.cc_ops).ssthresh(&k.cc, reduced_from(t, k), now)
    come_down(t, k, b, delivered)
    ecn_reduced(k)


cdef void end_reduction(tcp_state *t, tcb *k, scoreboard *b) noexcept nogil:
    prr_end(&k.cc, pipe_of(k, b), initial_window(k.cc.mss) if t.config.moderation else 0)
    validation_over(t, k, True)


cdef void enter_recovery(tcp_state *t, tcb *k, scoreboard *b, uint32_t delivered, int64_t now) noexcept nogil:
    cdef bint reduced = b.ca_state == CA_CWR or b.ca_state == CA_RECOVERY
    undo_begin(t, k, b, not reduced)
    if not reduced:
        begin_reduction(t, k, b, delivered, now)
    enter(k, b, CA_RECOVERY)
    k.flags &= ~<uint32_t>TF_RTT_TIMED
    t.counters.fast_retransmits += 1


cdef bint recovery_enter_cwr(tcp_state *t, uint32_t c, uint32_t ack, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = NULL
    if k.timed & FLIGHT_RACK:
        b = sack_board(t, k)
    if b != NULL and b.ca_state == CA_CWR and seq_gt(ack, k.recover):      # the last one ends with this ACK
        end_reduction(t, k, b)
        open_again(k, b)
    if k.flags & TF_RECOVERY:
        return False
    if b != NULL:
        b.undo = 0                          # marks are no mistake
    if cc_marked(&k.cc, k.cc_ops, reduced_from(t, k), t.config.abe, b != NULL, now):
        come_down(t, k, b, 0)
        enter(k, b, CA_CWR)
    ecn_reduced(k)
    return True


cdef bint episode_idle(const scoreboard *b) noexcept nogil:
    return b.ca_state == CA_OPEN and b.n == 0 and b.n_resent == 0 and b.probe == 0


cdef void settle(tcp_state *t, tcb *k) noexcept nogil:
    """The board goes when nothing is on it and no DSACK could undo anything any more."""
    cdef scoreboard *b = board_at(t, k)
    if b.n == 0:
        k.dupacks = 0
    if b.ca_state <= CA_DISORDER and b.undo and b.undo_again >= 0 and seq_ge(k.snd_una, b.undo_end):
        b.undo = 0
    if episode_idle(b) and not b.undo and seq_le(b.lost_to, k.snd_una):
        arena_give(&t.boards, k.board)
        k.board = NONE


# --- An ACK -----------------------------------------------------------------------------------------------------------------

cdef void look_for_losses(tcp_state *t, tcb *k, scoreboard *b, arrivals *v) noexcept nogil:
    cdef int64_t timeout
    cdef uint64_t again = t.counters.lost_retransmits
    if not b.rack_advanced:
        return
    b.rack_advanced = 0
    v.lost += rack_detect_loss(t, k, b, v.now, &timeout)
    v.lost_again |= t.counters.lost_retransmits != again
    if timeout:
        v.set_timer = False
        k.pending = REXMT_REORDER
        tcb_arm(t, k, T_REXMT, v.now + timeout)


cdef bint anything_lost(const tcb *k, const scoreboard *b) noexcept nogil:
    return board_lost_out(b, k.snd_una, k.snd_max) != 0


cdef void try_undo_dsack(tcp_state *t, tcb *k, scoreboard *b) noexcept nogil:
    if undo_by_dsack(b):
        t.counters.dsack_undos += 1
        undo_now(k, b, False)
        if b.ca_state == CA_RECOVERY:
            open_again(k, b)


cdef void end_by_ack(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v) noexcept nogil:
    """The recovery point is acknowledged."""
    if b.ca_state == CA_CWR:
        # Held until something above it is acknowledged, for CWR to get there (RFC 3168, 6.1.2); where nothing is out, tcb.cwr_high remembers
        if k.snd_una != k.recover or k.snd_una == k.snd_max:
            end_reduction(t, k, b)
            open_again(k, b)
    elif b.ca_state == CA_RECOVERY:
        if undo_may(k, b, v.ts_ecr):
            t.counters.full_undos += 1
            undo_now(k, b, False)
        else:
            rack_recovered(k)
            end_reduction(t, k, b)
        open_again(k, b)


cdef bint try_undo_partial(tcp_state *t, tcb *k, scoreboard *b, arrivals *v) noexcept nogil:
    """What was missing first arrived by itself. True: nothing more is to be given up now, since copies of it are out."""
    if not b.undo or not undo_delayed(k, b, v.ts_ecr):
        return False
    rack_reordered(t, k, v.una - v.acked, v.top)
    if board_resent_out(b, k.snd_una, k.snd_max):
        return True
    t.counters.partial_undos += 1
    undo_now(k, b, True)
    open_again(k, b)
    return False


cdef bint try_undo_loss(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v, bint frto) noexcept nogil:
    if not (frto and b.undo) and not undo_may(k, b, v.ts_ecr):
        return False
    t.counters.loss_undos += 1
    t.counters.spurious_rtos += frto
    undo_now(k, b, True)
    k.backoff = 0                           # it was no sign of congestion (RFC 4015, section 3.2; RFC 5682, section 4)
    open_again(k, b)
    return True


cdef void process_loss(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v) noexcept nogil:
    """Behind a timeout. F-RTO, with SACK (RFC 5682, 3.1)."""
    cdef bint recovered = seq_ge(k.snd_una, k.recover)
    b.hold = 0
    if v.acked and try_undo_loss(t, k, b, v, False):
        return
    if b.frto:
        # 3.b: what was sent once was not lost. What is reported above a hole says so at once, as in Linux: the hole is looked at again
        if (v.original_sacked or (v.original and b.frto == FRTO_NEW)) and try_undo_loss(t, k, b, v, True):
            return
        if seq_gt(k.snd_max, k.recover):
            if v.sacked or v.duplicate:
                b.frto = 0                                          # 3.a: it was
        elif v.acked and not recovered:
            k.recover = k.snd_max
            if k.snd.span > k.snd_max - k.snd_una and k.snd_wnd > k.snd_max - k.snd_una:
                b.hold = 1                                          # 2.b: two new segments
                b.frto = FRTO_NEW
                return
            b.frto = 0
    if recovered:
        if undo_may(k, b, v.ts_ecr):
            t.counters.loss_undos += 1
            undo_now(k, b, False)
        else:
            rack_recovered(k)
        open_again(k, b)


cdef void process(tcp_state *t, tcb *k, scoreboard *b, arrivals *v) noexcept nogil:
    """What the ACK means in the state that it finds, and which it leads to."""
    if b.ca_state == CA_OPEN:
        b.stamped = 0
    elif seq_ge(k.snd_una, k.recover):
        end_by_ack(t, k, b, v)
    if b.ca_state == CA_RECOVERY:
        if v.acked and try_undo_partial(t, k, b, v):
            return
        try_undo_dsack(t, k, b)
        look_for_losses(t, k, b, v)
        if b.ca_state == CA_RECOVERY or not anything_lost(k, b):
            return
        enter_recovery(t, k, b, v.delivered, v.now)
        return
    if b.ca_state == CA_LOSS:
        process_loss(t, k, b, v)
        look_for_losses(t, k, b, v)
        if b.ca_state == CA_LOSS and not v.lost_again:
            return
        b.hold = 0
    if b.ca_state <= CA_DISORDER:
        try_undo_dsack(t, k, b)
    look_for_losses(t, k, b, v)
    if anything_lost(k, b) and mtu_probe_lost(t, k.id, v.now):
        b.lost_to = k.snd_una               # too long for the path, and sent again in parts: no sign of congestion
    elif anything_lost(k, b):
        v.delivered = delivered_since_output(k, v.delivered)
        enter_recovery(t, k, b, v.delivered, v.now)
    elif b.ca_state != CA_CWR:
        open_again(k, b)


cdef void probe_answered(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v) noexcept nogil:
    """A loss that a probe mended is a sign of congestion like others (RFC 8985, 7.4.2): cwnd comes down at once."""
    if not tlp_acked(k, b, v.una, v.dsack_probe, v.duplicate and not v.sacked):
        return
    t.counters.loss_probe_recoveries += 1
    if b.ca_state >= CA_CWR:
        return
    b.undo = 0
    begin_reduction(t, k, b, v.delivered, v.now)
    prr_end(&k.cc, 0, 0)


cdef bint reneging(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v) noexcept nogil:
    """snd_una itself is reported: the peer had it and has it no more, or its ACKs come in disorder. Time tells: the timeout voids its reports."""
    cdef int64_t wait = k.srtt // 2
    if not v.acked or b.n == 0 or b.r[0].left != k.snd_una:
        return False
    k.pending = REXMT_RTO
    tcb_arm(t, k, T_REXMT, v.now + (wait if wait > RENEGE_LEAST else RENEGE_LEAST))
    return True


cdef void move_cwnd(tcp_state *t, tcb *k, scoreboard *b, const arrivals *v, uint32_t flight) noexcept nogil:
    """Down by PRR, or up as far as what is delivered allows; where reordering is the rule, also by what is only reported."""
    if b.ca_state == CA_CWR or b.ca_state == CA_RECOVERY:
        prr_ack(&b.reduction, &k.cc, v.delivered, pipe_of(k, b), v.acked and v.lost == 0)
    elif v.acked or (k.reordering > t.config.reordering and v.delivered):
        recovery_grow(t, k, v.delivered, flight, v.now)


cdef void episode_ack(tcp_state *t, uint32_t c, const tcp_repr *r, uint32_t acked, uint32_t flight, bint alone, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef arrivals v
    cdef scoreboard *b
    if k.board == NONE and not (k.flags & TF_RECOVERY or r.options & TCPO_SACK):
        if acked:
            recovery_calm(t, c, k, acked, flight, now)
        return
    if acked:
        k.dupacks = 0
    v.una, v.acked, v.now = k.snd_una, acked, now
    v.ts_ecr = r.ts_ecr if k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP else 0
    arrivals_take(t, k, r, &v)
    v.duplicate = alone and not acked and not v.dsack
    rack_update_reo_wnd(t, k, v.dsack and not v.dsack_probe and k.reord_seen)
    if k.board == NONE:
        if acked:
            recovery_calm(t, c, k, acked, flight, now)
        return
    b = board_at(t, k)
    probe_answered(t, k, b, &v)
    if not reneging(t, k, b, &v):
        process(t, k, b, &v)
        if v.set_timer:
            rexmt_restart(t, k, now)
    move_cwnd(t, k, b, &v, flight)
    if b.ca_state <= CA_DISORDER and seq_gt(k.snd_una, k.recover):
        k.recover = k.snd_una               # follows, so that it never falls behind by half the sequence space
    settle(t, k)
    tcp_want_output(t, c)


# --- Timers, and what leaves ------------------------------------------------------------------------------------------------

cdef void void_reports(tcp_state *t, tcb *k, scoreboard *b) noexcept nogil:
    t.counters.sacks_reneged += 1
    board_clear(b)
    k.dupacks = 0


cdef void mark_lost(tcp_state *t, tcb *k, scoreboard *b, int64_t now) noexcept nogil:
    """All that is out, but for what was sent too lately to tell (RFC 8985, 6.3: RACK_mark_losses_on_RTO), and the first of it anyway."""
    cdef uint32_t i
    cdef int64_t timeout, rtt = b.rack_rtt if b.rack_sent_at else k.srtt
    if b.n and seq_le(b.r[0].left, k.snd_una):
        void_reports(t, k, b)
        b.rack_sent_at = 0
    for i in range(b.n_resent):
        if seq_le(b.resent[i].left, k.snd_una) or b.resent[i].sent_at + rtt <= now:
            b.resent[i].lost = 1
    b.lost_to = lost_by_timeout(t, k, b, rtt, now)
    rack_detect_loss(t, k, b, now, &timeout)
    b.rack_advanced = 0


cdef uint32_t lost_by_timeout(tcp_state *t, tcb *k, const scoreboard *b, int64_t rtt, int64_t now) noexcept nogil:
    cdef uint32_t first = k.snd_una + (k.mss if k.snd_max - k.snd_una > k.mss else k.snd_max - k.snd_una)
    cdef uint32_t below = flight_until(t, k, now - rtt)
    below = first if seq_gt(first, below) else below
    return below if seq_gt(below, b.lost_to) else b.lost_to


cdef void episode_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = sack_board(t, k)
    cdef bint fresh, reduce
    cdef uint32_t flight = reduced_from(t, k), sacked
    if b == NULL:
        return
    sacked = rack_sacked(k, b)
    mark_lost(t, k, b, now)
    fresh = b.ca_state < CA_RECOVERY
    reduce = b.ca_state <= CA_DISORDER or seq_le(k.recover, k.snd_una) or (b.ca_state == CA_LOSS and not again)
    if b.ca_state <= CA_DISORDER and sacked >= t.config.reordering:
        k.reordering = 0                    # so much was reported, and it was no reordering: it is taken for less again
    cc_table(k.cc_ops).on_rto(&k.cc, flight, not reduce)
    validation_over(t, k, False)
    if reduce:
        undo_begin(t, k, b, True)
    prr_loss_window(&k.cc, pipe_of(k, b))
    ecn_reduced(k)
    enter(k, b, CA_LOSS)
    k.recover = k.snd_max
    b.probe = b.hold = 0
    b.frto = FRTO_FIRST if t.config.frto and (fresh or again) else 0
    k.flags &= ~<uint32_t>(TF_REXMT_NOW | TF_RTT_TIMED)
    k.dupacks = 0
    k.pending = REXMT_RTO


cdef void episode_reorder_due(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b
    cdef int64_t timeout = 0
    cdef uint32_t lost = 0
    k.pending = REXMT_RTO
    if k.board != NONE:
        b = board_at(t, k)
        lost = rack_detect_loss(t, k, b, now, &timeout)
        if lost and b.ca_state != CA_RECOVERY:
            enter_recovery(t, k, b, k.mss, now)
            prr_ack(&b.reduction, &k.cc, k.mss, pipe_of(k, b), False)
        if lost:
            tcp_want_output(t, c)
        if timeout:
            k.pending = REXMT_REORDER
            tcb_arm(t, k, T_REXMT, now + timeout)
    if k.pending == REXMT_RTO:
        rexmt_resume(t, k, now)


cdef void episode_resent(tcp_state *t, tcb *k, uint32_t seq, uint32_t n, int64_t now) noexcept nogil:
    cdef scoreboard *b = sack_board(t, k)
    if b == NULL:
        return
    resent_add(b, seq, seq + n, k.snd_max, now)
    if b.probe == PROBE_AGAIN and b.ca_state <= CA_DISORDER:
        return                              # the probe itself
    undo_resent(k, b, now)
    b.reduction.out += n
    if seq == k.snd_una and k.pending != REXMT_REORDER:
        k.pending = REXMT_RTO
        tcb_arm(t, k, T_REXMT, tcp_patience(t, k, now))


cdef void episode_sent(tcp_state *t, tcb *k, uint32_t n) noexcept nogil:
    if k.board != NONE:
        board_at(t, k).reduction.out += n
