"""SACK as seen at one end: observe_sack.pxd."""
from libc.stdint cimport uint32_t

from usnet.lab.observe_end cimport unwrapped
from usnet.wire.observe cimport ACK, FIN, SYN


# --- What this end reports ---

cdef void sack_arrives(End e, int64_t t) noexcept:
    if e.burst_at != t:
        e.burst_at, e.burst, e.answered = t, 0, False
        if e.unsaid:
            e.unsaid = []
    e.burst += 1


cdef int sack_ahead(End e, int64_t start, int64_t end) except -1:
    e.unsaid.append((start, end))
    return 0


cdef int sack_check(End e, int64_t t, Segment seg, const seen_options *o) except -1:
    cdef int64_t acked = unwrapped(e.rcv_nxt, seg.ack, e.irs), left, right
    cdef uint32_t i
    cdef list blocks = []
    if e.irs < 0 or not e.both_sack() or seg.flags & SYN:
        return 0
    for i in range(o.n_sack):
        blocks.append((unwrapped(e.rcv_nxt, o.sack[i][0], e.irs), unwrapped(e.rcv_nxt, o.sack[i][1], e.irs)))
    if blocks and twice(blocks, acked):             # the first tells of what arrived twice (RFC 2883, section 4)
        left, right = blocks.pop(0)
        if not left < right or not within(merged([*e.ahead, (0, e.rcv_nxt)]), left, right, e.peer_fin):
            e.wrong("sack", t, f"block {left}..{right} reports a duplicate of what never arrived")
    if blocks:
        held = merged([*e.ahead, (0, e.rcv_nxt)])   # of a burst more may be here than was when this ACK was made
        for left, right in blocks:
            if not acked < left < right:
                e.wrong("sack", t, f"block {left}..{right} with ACK {acked}")
            elif not within(held, left, right, e.peer_fin):
                e.wrong("sack", t, f"block {left}..{right} reports more than arrived")
        if len(set(blocks)) != len(blocks):
            e.wrong("sack", t, "a block twice")
    return check_first(e, t, seg, blocks, acked)


cdef bint twice(list blocks, int64_t acked) except -1:
    """Whether the first block is a DSACK: below the ACK, or inside the second."""
    cdef int64_t left, right
    left, right = blocks[0]
    return right <= acked or (len(blocks) > 1 and blocks[1][0] <= left and right <= blocks[1][1])


cdef bint within(list held, int64_t left, int64_t right, int64_t fin) except -1:
    """Whether one range holds all of the block; a FIN takes a number behind it."""
    cdef int64_t a, b
    for a, b in held:
        if a <= left and right <= b + (b == fin):
            return True
    return False


cdef int check_first(End e, int64_t t, Segment seg, list blocks, int64_t acked) except -1:
    """RFC 2018, section 4, of the ACKs that leave when something arrived out of order. Of a burst each ACK answers
    what came before it, so that only the last one must have told all."""
    cdef int64_t a, b, left, right
    if e.burst_at != t or acked < e.acked:
        return 0
    e.answered = True
    if not e.unsaid:
        return 0
    pending = [(a, b) for a, b in e.unsaid if b > acked]
    e.unsaid = [(a, b) for a, b in pending if not within(blocks, a, b, -1)]
    if e.burst > 1 or seg.n or not pending:
        return 0
    a, b = pending[0]
    e.unsaid = []
    if not blocks and e.ahead:
        e.wrong("sack", t, f"an ACK without blocks, when {a}..{b} had arrived")
    elif blocks:
        left, right = blocks[0]
        if not left <= a < b <= right:
            e.wrong("sack", t, f"the first block is {left}..{right}, without what had just arrived: {a}..{b}")
    return 0


cdef int sack_check_burst(End e, int64_t t) except -1:
    if e.burst_at >= t or not e.unsaid:
        return 0
    if e.answered and e.burst > 1:
        a, b = e.unsaid[0]
        e.wrong("sack", e.burst_at, f"no ACK with {a}..{b}, which arrived then")
    e.unsaid = []
    return 0


# --- What was reported to it ---

cdef int sack_learn(End e, Segment seg, const seen_options *o) except -1:
    """One from before the window says nothing: its numbers are not acceptable (RFC 9293, 3.10.7.4)."""
    cdef int64_t start = unwrapped(e.rcv_nxt, seg.seq, e.irs), left, right, a, b
    cdef bint reneged = False
    cdef uint32_t i
    if not e.both_sack() or (start + seg.n <= e.rcv_nxt if seg.n else start < e.rcv_nxt):
        return 0
    if e.told:
        for a, b in e.told:
            if a <= e.una < b:
                reneged = True              # acknowledged up to there, and no further
        e.told = [] if reneged else [(a, b) for a, b in e.told if a > e.una]
    for i in range(o.n_sack):
        left, right = unwrapped(e.una, o.sack[i][0], e.iss), unwrapped(e.una, o.sack[i][1], e.iss)
        if e.una < left < right <= e.sent_max:
            e.told = merged([*e.told, (left, right)])
    return 0


cdef int sack_check_again(End e, int64_t t, Segment seg, int64_t start, int64_t end) except -1:
    cdef int64_t a, b
    if start == e.una:
        e.head_again = e.head_again + 1 if e.head_at == start else 1
        e.head_at = start
        if e.head_again >= 2:
            e.told = []             # two timeouts in a row, or one behind a recovery: reports count no more (RFC 2018, section 8)
    if seg.n == 1 and not seg.flags & FIN:
        return 0                    # a window probe
    twice = [(a, b) for a, b in e.told if start < b and a < end]
    if twice and seg.flags & ACK:
        e.wrong("sack_resend", t, f"offsets {start}..{end} are sent again, of which the peer has {twice}")
    return 0


cdef list merged(list ranges):
    cdef list out = []
    cdef int64_t left, right, first, last
    for left, right in sorted(ranges):
        if out:
            first, last = out[len(out) - 1]
            if left <= last:
                out[len(out) - 1] = (first, max(right, last))
                continue
        out.append((left, right))
    return out
