"""What an ACK says has arrived."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.recovery.flight cimport flight_sent_since
from usnet.tcp.recovery.rack cimport rack_reordered, rack_update
from usnet.tcp.recovery.resent cimport PIECE_SACKED, piece, resent_remove, walk, walk_from, walk_next
from usnet.tcp.recovery.sack cimport sack_board, sack_plausible
from usnet.tcp.recovery.scoreboard cimport board_add, board_trim, scoreboard
from usnet.tcp.recovery.tlp cimport rexmt_head_at
from usnet.tcp.recovery.undo cimport undo_dsack
from usnet.tcp.rtt cimport tcp_rtt_sample
from usnet.tcp.state cimport board_at
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le, seq_lt, seq_max
from usnet.wire.tcp cimport TCPO_SACK, sack_block

# What a pass over the pieces of an ACK remembers.
cdef struct pass_:
    uint32_t top                # what had been reported before ended here
    uint32_t reordered          # the lowest that arrived behind what was sent later; `top`: none
    int64_t first_sent_at       # ns, of what was sent once and is reported now: the first, 0: none


cdef void arrived(tcp_state *t, tcb *k, scoreboard *b, const piece *p, arrivals *v, pass_ *s) noexcept nogil:
    cdef int64_t sent_at
    if p.kind == PIECE_SACKED:
        return
    v.delivered += p.right - p.left
    if p.resent != NONE:
        # An ACK of something out of order echoes what came before the gap (RFC 7323, 4.3), so that only a cumulative one says anything
        rack_update(k, b, p.right, b.resent[p.resent].sent_at, True, v.ts_ecr if seq_lt(p.left, v.una) else 0, v.now)
        return
    sent_at = flight_sent_since(t, k, p.right - 1)
    rack_update(k, b, p.right, sent_at, False, 0, v.now)
    if s.first_sent_at == 0:
        s.first_sent_at = flight_sent_since(t, k, p.left)
    if seq_lt(p.left, s.reordered):
        s.reordered = p.left
    if seq_lt(p.left, k.recover):
        if seq_lt(p.left, v.una):
            v.original = True
        else:
            v.original_sacked = True


cdef void cumulative(tcp_state *t, tcb *k, scoreboard *b, arrivals *v, pass_ *s) noexcept nogil:
    cdef walk w
    cdef piece p
    walk_from(&w, v.una - v.acked)
    while walk_next(b, &w, v.una, &p):
        arrived(t, k, b, &p, v, s)
    if not board_trim(b, v.una) and seq_lt(b.r[0].left, v.una):
        b.sacked -= v.una - b.r[0].left
        b.r[0].left = v.una
    resent_remove(b, v.una - v.acked, v.una)
    b.lost_to = seq_max(b.lost_to, v.una)


cdef void reported(tcp_state *t, tcb *k, scoreboard *b, const sack_block *block, arrivals *v, pass_ *s) noexcept nogil:
    cdef uint32_t news, before = v.delivered
    cdef walk w
    cdef piece p
    walk_from(&w, block.left)
    while walk_next(b, &w, block.right, &p):
        arrived(t, k, b, &p, v, s)
    if board_add(b, block.left, block.right, &news):
        t.counters.sacks_full += 1
        v.delivered = before
        return
    resent_remove(b, block.left, block.right)
    v.sacked |= news != 0


cdef void duplicates(tcp_state *t, tcb *k, const tcp_repr *r, arrivals *v) noexcept nogil:
    """The first block may tell of what arrived twice: below the ACK, or inside the second block (RFC 2883, section 4)."""
    cdef const sack_block *d = &r.sack[0]
    cdef uint32_t n = d.right - d.left, segments
    cdef bint above = (r.n_sack > 1 and seq_gt(d.left, r.ack) and seq_ge(d.left, r.sack[1].left) and seq_le(d.right, r.sack[1].right)
                       and seq_le(d.right, k.snd_max))
    if not seq_gt(d.right, d.left) or n > k.max_window or not (above or seq_le(d.right, r.ack)):
        return
    segments = (n + k.mss - 1) // k.mss
    if above:
        t.counters.dsacks_in += 1
        k.dsacks += 1
    k.dsacks += segments - 1                # of the first, sack_plausible counts one
    if k.dsacks > k.retransmits:
        return                              # the network's, not ours
    v.dsack = True
    if k.board != NONE:
        v.dsack_probe = board_at(t, k).probe and board_at(t, k).probe_end == d.right and n <= k.mss
        undo_dsack(board_at(t, k), d.right, segments)


cdef uint32_t in_order(tcp_state *t, tcb *k, const tcp_repr *r, sack_block *into) noexcept nogil:
    """The blocks that say something about what is out, by their numbers."""
    cdef uint32_t i, j, n = 0
    for i in range(r.n_sack):
        if not sack_plausible(t, k, r, i):
            continue
        j = n
        while j and seq_gt(into[j - 1].left, r.sack[i].left):
            into[j] = into[j - 1]
            j -= 1
        into[j] = r.sack[i]
        n += 1
    return n


cdef void time_reports(tcp_state *t, tcb *k, arrivals *v, const pass_ *s) noexcept nogil:
    """A round trip that reports measured, where the cumulative ACK measured none (RFC 6298, section 3: at least one a round trip). What was sent
    before snd_una was last lets the timer begin anew, else not: it would never fire while anything arrives."""
    if k.ack_rtt or not v.sacked or s.first_sent_at == 0:
        return
    tcp_rtt_sample(t, k, v.now - s.first_sent_at, v.una)
    if s.first_sent_at < rexmt_head_at(t, k):
        v.set_timer = True


cdef void arrivals_take(tcp_state *t, tcb *k, const tcp_repr *r, arrivals *v) noexcept nogil:
    cdef sack_block blocks[4]
    cdef uint32_t i, n = 0
    cdef scoreboard *b = NULL
    cdef pass_ s
    v.delivered = v.lost = 0
    v.sacked = v.original = v.original_sacked = v.dsack = v.dsack_probe = v.duplicate = v.lost_again = False
    v.set_timer = v.acked != 0
    if not v.acked:
        k.ack_rtt = 0
    v.top = v.una
    if r.options & TCPO_SACK and r.n_sack:
        t.counters.sacks_in += 1
        n = in_order(t, k, r, blocks)
        duplicates(t, k, r, v)
    if k.board != NONE or n:
        b = sack_board(t, k)
    if b == NULL:
        return
    s.top = s.reordered = b.r[b.n - 1].right if b.n else v.una - v.acked
    s.first_sent_at = 0
    if v.acked:
        cumulative(t, k, b, v, &s)
    s.first_sent_at = 0
    for i in range(n):
        reported(t, k, b, &blocks[i], v, &s)
    v.top = b.r[b.n - 1].right if b.n else v.una
    if seq_lt(s.reordered, s.top):
        rack_reordered(t, k, s.reordered, v.top)
    if v.sacked and k.dupacks < 255:
        k.dupacks += 1
    time_reports(t, k, v, &s)
