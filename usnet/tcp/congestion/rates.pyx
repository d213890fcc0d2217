"""Samples of the delivery rate. Names in comments are the draft's."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_at, arena_take
from usnet.tcp.congestion.ops cimport CC_BLOCK, cc_ops, cc_table, rate_sample
from usnet.tcp.recovery.flight cimport burst, flight, flight_at, flight_burst, flight_need
from usnet.tcp.recovery.scoreboard cimport board_pipe, board_top, scoreboard
from usnet.tcp.state cimport board_at, tcb_at
from usnet.tcp.tcb cimport TF_RECOVERY
from usnet.wire.seq cimport seq_gt

cdef enum:
    SECOND = 1000000000         # ns


cdef inline uint64_t delivered_of(tcp_state *t, const tcb *k) noexcept nogil:
    return k.snd_pos + (board_at(t, k).sacked if k.board != NONE else 0)


cdef inline uint32_t in_flight(tcp_state *t, const tcb *k) noexcept nogil:
    if k.board == NONE:
        return k.snd_nxt - k.snd_una        # behind a timeout: what was sent since
    return board_pipe(board_at(t, k), k.snd_una, k.snd_max, k.mss)


cdef void rates_before(tcp_state *t, const tcb *k, rates_then *b) noexcept nogil:
    b.delivered = delivered_of(t, k)
    b.in_flight = in_flight(t, k)
    b.una = k.snd_una
    b.marked = k.delivered_ce


cdef void rates_sent(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """The burst's record says how things stood when it left. Where nothing is out, the interval begins here; and what is written then and does not fill
    the window is limited by the program."""
    cdef flight *f = flight_need(t, k)
    if f == NULL:
        return
    if k.snd_max == k.snd_una:
        f.first_sent_at = f.delivered_at = now
        if k.snd.span < k.cc.cwnd and f.app_limited == 0:
            f.app_limited = f.delivered + k.snd.span
            if f.app_limited == 0:
                f.app_limited = 1
    f.newest.delivered = f.delivered
    f.newest.delivered_at = f.delivered_at
    f.newest.first_sent_at = f.first_sent_at
    f.newest.lost = f.lost
    f.newest.app_limited = f.app_limited != 0
    f.newest.end = k.snd_max                # where it begins, while it is the newest
    f.newest.in_flight = in_flight(t, k)


cdef void look_back(tcp_state *t, tcb *k, flight *f, const rates_then *b, rate_sample *s) noexcept nogil:
    """The newest segment that this ACK tells of: what has been delivered since it left, and how long that took, by the sender's clock and by that of
    the ACKs, of which the longer counts."""
    cdef uint32_t seq = k.snd_una - 1
    cdef const burst *r
    cdef int64_t sent_at, sending, acking
    if k.board != NONE and seq_gt(board_top(board_at(t, k), k.snd_una), k.snd_una):
        seq = board_top(board_at(t, k), k.snd_una) - 1
    r = flight_burst(t, k, seq)
    if r == NULL or r.delivered_at == 0:
        return
    sent_at = k.burst_at if r == &f.newest else r.sent_at
    s.tx_in_flight = r.in_flight + (k.snd_max - r.end if r == &f.newest else 0)
    s.prior_delivered = r.delivered
    s.tx_lost = <uint32_t>(f.lost - r.lost)
    s.app_limited = r.app_limited
    s.delivered = <uint32_t>(f.delivered - r.delivered)
    if s.rtt == 0 and k.snd_una != b.una and k.rexmt_at < sent_at and k.board == NONE:
        s.rtt = s.now - sent_at
    f.first_sent_at = sent_at
    sending = sent_at - r.first_sent_at
    acking = s.now - r.delivered_at
    s.interval = sending if sending > acking else acking
    if s.interval < k.min_rtt or s.interval <= 0:
        s.interval = 0                      # ACKs came in a bunch: too fast to be true


cdef void note(flight *f, const rate_sample *s) noexcept nogil:
    """For TCP_INFO, as Linux: a sample that the program limited says something only where it is more than what was known."""
    if s.interval and (not s.app_limited or f.rate_interval == 0
                       or s.delivered * <uint64_t>f.rate_interval >= f.rate_delivered * <uint64_t>s.interval):
        f.rate_delivered, f.rate_interval, f.rate_app_limited = s.delivered, s.interval, s.app_limited


cdef void *block_of(tcp_state *t, tcb *k, const cc_ops *ops) noexcept nogil:
    if ops.block == 0 or ops.block > CC_BLOCK:
        return NULL
    if k.cc_block == NONE:
        k.cc_block = arena_take(&t.cc_blocks)
        if k.cc_block == NONE:
            return NULL
        memset(arena_at(&t.cc_blocks, k.cc_block), 0, CC_BLOCK)
    return arena_at(&t.cc_blocks, k.cc_block)


cdef void rates_acked(tcp_state *t, uint32_t c, const rates_then *b, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef const cc_ops *ops = cc_table(k.cc_ops)
    cdef flight *f = flight_need(t, k)
    cdef uint64_t total = delivered_of(t, k)
    cdef rate_sample s
    if f == NULL:
        return
    memset(&s, 0, sizeof(s))
    s.now, s.srtt, s.una, s.nxt = now, k.srtt, k.snd_una, k.snd_max
    s.prior_in_flight, s.in_flight = b.in_flight, in_flight(t, k)
    s.recovery = k.flags & TF_RECOVERY != 0
    s.random = t.random
    if total > b.delivered:                 # less: the peer took back what it had reported
        s.acked = <uint32_t>(total - b.delivered)
        f.delivered += s.acked
        f.delivered_at = now
    if k.bytes_retrans > f.lost:
        s.lost = <uint32_t>(k.bytes_retrans - f.lost)
        f.lost = k.bytes_retrans
    s.total = f.delivered
    s.ce = (k.delivered_ce - b.marked) * k.mss
    if s.ce > s.acked:
        s.ce = s.acked
    if k.snd_una != b.una:
        s.rtt = k.ack_rtt
    if s.acked:
        look_back(t, k, f, b, &s)
        note(f, &s)
    if f.app_limited and f.delivered > f.app_limited:
        f.app_limited = 0
    if k.snd.span <= k.snd_nxt - k.snd_una and s.in_flight < k.cc.cwnd:
        f.app_limited = f.delivered + s.in_flight
        if f.app_limited == 0:
            f.app_limited = 1
    if ops.on_rate != NULL:
        s.block = block_of(t, k, ops)
        ops.on_rate(&k.cc, &s)


cdef uint64_t rates_newest(tcp_state *t, const tcb *k, bint *app_limited) noexcept nogil:
    cdef const flight *f
    app_limited[0] = False
    if k.flight == NONE or flight_at(t, k).rate_interval == 0:
        return 0
    f = flight_at(t, k)
    app_limited[0] = f.rate_app_limited
    return <uint64_t>f.rate_delivered * SECOND // <uint64_t>f.rate_interval
