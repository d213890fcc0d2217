"""RACK (RFC 8985, section 6)."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.tcp.recovery.flight cimport flight_sent_at, flight_until
from usnet.tcp.recovery.resent cimport PIECE_OUT, board_segments, piece, walk, walk_from, walk_next
from usnet.tcp.recovery.scoreboard cimport CA_RECOVERY, resent_range
from usnet.tcp.rtt cimport tcp_ts_now
from usnet.wire.seq cimport seq_ge, seq_gt, seq_lt, seq_max, seq_min

cdef enum:
    REO_PERSIST = 16            # recoveries without DSACKs behind which the window is short again


cdef inline bint sent_after(int64_t one_at, uint32_t one_end, int64_t two_at, uint32_t two_end) noexcept nogil:
    return one_at > two_at or (one_at == two_at and seq_gt(one_end, two_end))


cdef void rack_update(tcb *k, scoreboard *b, uint32_t right, int64_t sent_at, bint again, uint32_t ts_ecr, int64_t now) noexcept nogil:
    """Of what was sent again an answer may be to the first copy: it is, if it echoes an older timestamp, or comes sooner than any ever did."""
    if again and ((ts_ecr and seq_lt(ts_ecr, tcp_ts_now(k, sent_at))) or now - sent_at < k.min_rtt):
        return
    b.rack_advanced = 1
    b.rack_rtt = now - sent_at
    if b.rack_sent_at == 0 or sent_after(sent_at, right, b.rack_sent_at, b.rack_end):
        b.rack_sent_at = sent_at
        b.rack_end = right
        b.rack_again = again


cdef uint32_t rack_sacked(const tcb *k, const scoreboard *b) noexcept nogil:
    cdef uint32_t n = board_segments(b, k.mss)
    return n if n > k.dupacks else k.dupacks


cdef inline bint delivered_before(const scoreboard *b, const resent_range *e) noexcept nogil:
    """RACK.segment was sent behind what was sent again, and has arrived before it. Within one moment what is sent again may leave first or last:
    what is new then begins at its `top`."""
    if b.rack_sent_at != e.sent_at:
        return b.rack_sent_at > e.sent_at
    return seq_gt(b.rack_end, e.right if b.rack_again else e.top)


cdef int64_t reo_wnd(tcp_state *t, const tcb *k, const scoreboard *b) noexcept nogil:
    """RACK.reo_wnd: none before reordering was ever seen, once a recovery runs or as much as makes one is reported."""
    cdef int64_t wnd
    if k.reord_seen == 0 and (b.ca_state >= CA_RECOVERY or (rack_sacked(k, b) >= t.config.reordering and not t.config.rack_no_dupthresh)):
        return 0
    if k.min_rtt <= 1:                      # a round trip that took no time on this clock: it is too coarse for a quarter of one
        return k.srtt if k.srtt > t.config.granularity else t.config.granularity
    wnd = k.min_rtt // 4 * (1 + k.reo_wnd_steps)
    return wnd if wnd < k.srtt else k.srtt


cdef uint32_t lose_first_copies(tcp_state *t, const tcb *k, scoreboard *b, int64_t patience, int64_t now, int64_t *timeout) noexcept nogil:
    """Of what was sent once: the times ascend with the numbers, so that what is lost ends somewhere."""
    cdef uint32_t before = flight_until(t, k, b.rack_sent_at - 1), top, below, lost = 0
    cdef int64_t left
    cdef walk w
    cdef piece p
    top = seq_max(before, seq_min(flight_until(t, k, b.rack_sent_at), b.rack_end))      # what was sent before RACK.segment
    below = seq_min(top, flight_until(t, k, now - patience))
    walk_from(&w, b.lost_to)
    while walk_next(b, &w, top, &p):
        if p.kind != PIECE_OUT:
            continue
        if seq_lt(p.left, below):
            lost += seq_min(p.right, below) - p.left
        if seq_gt(p.right, below):
            left = flight_sent_at(t, k, p.right - 1) + patience - now
            timeout[0] = left if left > timeout[0] else timeout[0]
    b.lost_to = seq_max(b.lost_to, below)
    return lost


cdef uint32_t rack_detect_loss(tcp_state *t, tcb *k, scoreboard *b, int64_t now, int64_t *timeout) noexcept nogil:
    cdef int64_t patience = b.rack_rtt + reo_wnd(t, k, b), left
    cdef uint32_t i, n, lost
    timeout[0] = 0
    if b.rack_sent_at == 0:
        return 0
    lost = lose_first_copies(t, k, b, patience, now, timeout)
    for i in range(b.n_resent):
        if b.resent[i].lost or not delivered_before(b, &b.resent[i]):
            continue
        left = b.resent[i].sent_at + patience - now
        if left > 0:
            timeout[0] = left if left > timeout[0] else timeout[0]
            continue
        n = b.resent[i].right - b.resent[i].left
        b.resent[i].lost = 1
        lost += n
        t.counters.lost_retransmits += (n + k.mss - 1) // k.mss
    return lost


cdef void rack_update_reo_wnd(const tcp_state *t, tcb *k, bint dsack) noexcept nogil:
    """Once a round."""
    if t.config.rack_static_reo_wnd:
        return
    if k.dsack_waits and seq_ge(k.snd_una, k.dsack_round):
        k.dsack_waits = 0
    if dsack and not k.dsack_waits:
        k.dsack_waits = 1
        k.dsack_round = k.snd_max
        if k.reo_wnd_steps < 254:
            k.reo_wnd_steps += 1
        k.reo_wnd_persist = REO_PERSIST


cdef void rack_recovered(tcb *k) noexcept nogil:
    if k.reo_wnd_persist:
        k.reo_wnd_persist -= 1
    if k.reo_wnd_persist == 0:
        k.reo_wnd_steps = 0


cdef void rack_reordered(tcp_state *t, tcb *k, uint32_t seq, uint32_t top) noexcept nogil:
    cdef uint32_t distance = (top - seq + k.mss - 1) // k.mss
    if not seq_lt(seq, top):
        return
    if distance > k.reordering and distance > t.config.reordering:
        k.reordering = <uint16_t>distance if distance < t.config.max_reordering else t.config.max_reordering
    k.reord_seen += 1
    t.counters.sack_reorders += 1
