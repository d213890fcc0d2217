"""RFC 6675, section 5: when a recovery begins and ends. Sending in it is tcp/output's business, the window congestion/'s."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.congestion.validation cimport validation_flight, validation_over
from usnet.tcp.ecn cimport ecn_reduced
from usnet.tcp.mtu cimport mtu_probe_lost
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.recovery.episode cimport episode_ack
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.recovery.newreno cimport recovery_calm, recovery_flight, recovery_grow, recovery_restart_timer
from usnet.tcp.recovery.scoreboard cimport (
    board_add,
    board_below,
    board_clear,
    board_lost,
    board_pipe,
    board_trim,
    scoreboard,
)
from usnet.tcp.state cimport board_at, tcb_at, tcp_state
from usnet.tcp.tcb cimport TF_PARTIAL, TF_RECOVERY, TF_REXMT_NOW, TF_RTT_TIMED, tcb
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le
from usnet.wire.tcp cimport TCPO_SACK, tcp_repr


cdef void settle(tcp_state *t, tcb *k) noexcept nogil:
    """A board with nothing on it and no recovery is given back."""
    if k.board != NONE and board_at(t, k).n == 0 and not k.flags & TF_RECOVERY:
        arena_give(&t.boards, k.board)
        k.board = NONE


cdef scoreboard *sack_board(tcp_state *t, tcb *k) noexcept nogil:
    """Made when there is none; NULL when none is left, which cannot be: there is one for each connection."""
    if k.board == NONE:
        k.board = arena_take(&t.boards)
        if k.board == NONE:
            return NULL
        board_at(t, k).high_rxt = k.snd_una
        board_at(t, k).rescue = k.snd_una
        board_at(t, k).lost_to = k.snd_una
        board_at(t, k).dupthresh = t.config.reordering
    return board_at(t, k)


cdef bint sack_plausible(tcp_state *t, tcb *k, const tcp_repr *r, uint32_t i) noexcept nogil:
    """Whether block i says something about what is out. The first may lie below the ACK (RFC 2883: it arrived twice); in an ACK that was overtaken
    any may be old news. What starts at snd_una cannot be: it would have been acknowledged."""
    cdef uint32_t left = r.sack[i].left, right = r.sack[i].right
    if seq_gt(right, left) and seq_gt(left, k.snd_una) and seq_le(right, k.snd_max):
        return True
    if i == 0 and seq_gt(right, left) and seq_le(right, r.ack):
        t.counters.dsacks_in += 1
        k.dsacks += 1
    elif not (seq_gt(right, left) and seq_le(right, k.snd_una) and seq_gt(left, r.ack)):
        t.counters.sacks_bad += 1
    return False


cdef uint32_t take_blocks(tcp_state *t, tcb *k, const tcp_repr *r) noexcept nogil:
    """Update() of RFC 6675, section 4. How many sequence numbers are reported for the first time."""
    cdef uint32_t i, news, total = 0
    cdef scoreboard *b
    if not r.options & TCPO_SACK:
        return 0
    t.counters.sacks_in += 1
    for i in range(r.n_sack):
        if not sack_plausible(t, k, r, i):
            continue
        b = sack_board(t, k)
        if b == NULL:
            break
        if board_add(b, r.sack[i].left, r.sack[i].right, &news):
            t.counters.sacks_full += 1
        total += news
    return total


cdef void begin(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Step 4."""
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = board_at(t, k)
    k.recover = k.snd_max
    k.flags |= TF_RECOVERY | TF_REXMT_NOW
    k.flags &= ~<uint32_t>(TF_RTT_TIMED | TF_PARTIAL)
    b.high_rxt = b.rescue = k.snd_una
    cc_table(k.cc_ops).on_sack_loss(&k.cc, validation_flight(t, k, recovery_flight(k)), now)
    ecn_reduced(k)
    t.counters.fast_retransmits += 1


cdef void news_of_arrivals(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """The peer reported something new above the ACK: steps 1 and 2, unless a recovery runs or what is out was sent before a timeout (section 5.1)."""
    cdef tcb *k = tcb_at(t, c)
    if k.flags & TF_RECOVERY:
        return
    if k.dupacks < 255:
        k.dupacks += 1
    if seq_ge(k.snd_una, k.recover) and (k.dupacks >= t.config.reordering
                                         or board_lost(board_at(t, k), k.snd_una, k.mss) != k.snd_una):
        if not mtu_probe_lost(t, c, now):
            begin(t, c, now)


cdef void sack_dupack(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if take_blocks(t, k, r):
        news_of_arrivals(t, c, now)
        tcp_want_output(t, c)               # in a recovery the pipe has room; before it, limited transmit (step 3)


cdef void reneged(tcp_state *t, tcb *k) noexcept nogil:
    """What the peer had reported it does not have any more, so nothing that it reported counts; the timer brings back what is missing."""
    t.counters.sacks_reneged += 1
    board_clear(board_at(t, k))
    k.dupacks = 0


cdef void sack_ack(tcp_state *t, uint32_t c, const tcp_repr *r, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t news, told = 0
    if k.timed & FLIGHT_RACK:
        episode_ack(t, c, r, acked, flight, False, now)
        return
    if k.board == NONE and not (k.flags & TF_RECOVERY or r.options & TCPO_SACK):
        recovery_calm(t, c, k, acked, flight, now)
        return
    k.dupacks = 0
    recovery_restart_timer(t, k, now)
    if k.board != NONE and t.config.wide_growth:  # only what is told of for the first time lets cwnd grow
        told = board_below(board_at(t, k), k.snd_una)
    if k.board != NONE and not board_trim(board_at(t, k), k.snd_una):
        reneged(t, k)
    news = take_blocks(t, k, r)
    if not k.flags & TF_RECOVERY:
        recovery_grow(t, k, acked - told if acked > told else 0, flight, now)
    elif seq_ge(k.snd_una, k.recover):
        k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW)
        cc_table(k.cc_ops).on_sack_recovered(&k.cc, board_pipe(board_at(t, k), k.snd_una, k.snd_max, k.mss))
        validation_over(t, k, True)
    else:
        k.flags &= ~<uint32_t>TF_REXMT_NOW  # a full ring kept the first segment back, and now it is another one
    if seq_gt(k.snd_una, k.recover):
        k.recover = k.snd_una               # follows, so that it never falls behind by half the sequence space
    if news:
        news_of_arrivals(t, c, now)
    settle(t, k)


cdef void sack_timeout(tcp_state *t, uint32_t c, bint again) noexcept nogil:
    """RFC 2018, section 8, and RFC 6675, section 5.1: reports outlive one timeout, since most have nothing to do with reneging, but not a second in a
    row. That the first missing segment is sent whatever they say is tcp_resend_first's rule."""
    cdef tcb *k = tcb_at(t, c)
    if k.board != NONE:
        if again:
            board_clear(board_at(t, k))
        board_at(t, k).high_rxt = k.snd_una
    settle(t, k)
