"""ECN as seen at one end: observe_ecn.pxd. What it has agreed on follows from the SYN and SYN-ACK that left it and reached it."""
from usnet.wire.observe cimport ACK, RST, SYN

cdef enum:
    ECE = 0x40
    CWR = 0x80
    NONE_AGREED = 0
    CLASSIC = 1                 # RFC 3168
    ACCURATE = 2                # RFC 9768
    FIELD = 3
    CE = 3


cdef int agreed(int64_t asked, int64_t answered) noexcept:
    """After what a SYN and its answer say; -1: there was none."""
    cdef int64_t ace = answered >> 6 & 7
    if asked < 0 or answered < 0 or asked & (ECE | CWR | 0x100) == 0:
        return NONE_AGREED
    if asked & (ECE | CWR) == ECE | CWR and ace in (1, 5):
        return CLASSIC
    return ACCURATE if asked & 0x100 and ace in (2, 3, 4, 6) else NONE_AGREED


cdef int mode_of(End e) noexcept:
    """A SYN-ACK is the answer to the peer's SYN, or the peer's to ours."""
    if e.syn_sent >= 0 and e.syn_sent & ACK:
        return agreed(e.syn_heard, e.syn_sent)
    return agreed(e.syn_sent, e.syn_heard)


cdef int ecn_check(End e, int64_t t, Segment seg, int64_t start) except -1:
    cdef int mode
    cdef int field = seg.tos & FIELD
    if seg.flags & SYN:
        if e.syn_sent < 0 or seg.flags & ACK or seg.ecn & ~e.syn_sent:     # of several SYNs the first asks most
            e.syn_sent = seg.ecn | seg.flags & ACK
        if field:
            e.wrong("ecn", t, "a SYN that is ECN-capable")
        return 0
    mode = mode_of(e)
    if field == CE:
        e.wrong("ecn", t, "a segment that leaves with CE")
    if field and (mode == NONE_AGREED or seg.flags & RST):
        why = "it is a RST" if seg.flags & RST else "nothing was agreed on"
        e.wrong("ecn", t, f"a segment with ECN field {field}, but {why}")
    if mode != CLASSIC or e.marks_exactly():
        return 0
    if field and (seg.n == 0 or start < e.sent_max):
        e.wrong("ecn", t, f"{'what is sent again' if seg.n else 'an ACK'} is ECN-capable")
    if start < e.sent_max and seg.n:
        e.slowed = True
    return check_flags(e, t, seg, start)


cdef int check_flags(End e, int64_t t, Segment seg, int64_t start) except -1:
    """ECE from a mark until CWR; CWR once, on new data, when there was a reason. What arrived at this instant the end may have seen or not."""
    if seg.flags & CWR:
        if seg.n == 0 or start < e.sent_max:
            e.wrong("ecn", t, "CWR on a segment that is no new data")
        elif not e.slowed:
            e.wrong("ecn", t, "CWR, but nothing has slowed it down since the last one")
        e.slowed = False
    if seg.flags & ACK and seg.flags & ECE and e.marked_at < 0 and e.cleared_at < t:
        e.wrong("ecn", t, "ECE, but no mark arrived since the last CWR")
    if seg.flags & ACK and not seg.flags & ECE and 0 <= e.marked_at < t and not seg.flags & RST:
        e.wrong("ecn", t, f"no ECE, though a mark arrived at {e.marked_at} ns and no CWR since")
    return 0


cdef int ecn_learn(End e, int64_t t, Segment seg, bint accepted) except -1:
    if seg.flags & SYN:
        if e.syn_heard < 0 or seg.flags & ACK:
            e.syn_heard = seg.ecn | seg.flags & ACK
        return 0
    if seg.flags & ACK and seg.flags & ECE:
        e.slowed = True
    if not accepted:
        return 0
    if seg.flags & CWR and e.marked_at >= 0:
        e.marked_at, e.cleared_at = -1, t
    if seg.tos & FIELD == CE and e.marked_at < 0:
        e.marked_at = t
    return 0
