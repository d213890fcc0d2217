"""Pieces of what is out, and the list of what was sent again."""
from libc.stdint cimport UINT32_MAX, int64_t, uint32_t
from libc.string cimport memmove

from usnet.memory.arena cimport NONE
from usnet.tcp.recovery.scoreboard cimport RESENT_MAX, resent_range, scoreboard
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le, seq_lt, seq_max, seq_min


cdef bint walk_next(const scoreboard *b, walk *w, uint32_t end, piece *p) noexcept nogil:
    cdef const resent_range *e
    if seq_ge(w.at, end):
        return False
    while w.i < b.n and seq_le(b.r[w.i].right, w.at):
        w.i += 1
    while w.j < b.n_resent and seq_le(b.resent[w.j].right, w.at):
        w.j += 1
    p.left, p.right, p.resent = w.at, end, NONE
    if w.i < b.n and seq_le(b.r[w.i].left, w.at):
        p.kind = PIECE_SACKED
        p.right = seq_min(end, b.r[w.i].right)
        w.at = p.right
        return True
    if w.i < b.n:
        p.right = seq_min(p.right, b.r[w.i].left)
    if seq_lt(w.at, b.lost_to):
        p.right = seq_min(p.right, b.lost_to)
    p.kind = PIECE_LOST if seq_lt(w.at, b.lost_to) else PIECE_OUT
    if w.j < b.n_resent:
        e = &b.resent[w.j]
        if seq_gt(e.left, w.at):
            p.right = seq_min(p.right, e.left)
        else:
            p.right = seq_min(p.right, e.right)
            p.resent = w.j
            if e.lost:
                p.kind = PIECE_LOST
            else:
                p.kind = PIECE_RESENT if p.kind == PIECE_LOST else PIECE_TWICE
    w.at = p.right
    return True


cdef void delete(scoreboard *b, uint32_t i, uint32_t j) noexcept nogil:
    """Entries [i, j)."""
    if i != j:
        memmove(&b.resent[i], &b.resent[j], (b.n_resent - j) * sizeof(resent_range))
        b.n_resent -= j - i


cdef void make_room(scoreboard *b) noexcept nogil:
    """The two that lie closest become one, with the later time: it is taken for lost the later."""
    cdef uint32_t i, best = 0, gap, least = UINT32_MAX
    for i in range(b.n_resent - 1):
        gap = b.resent[i + 1].left - b.resent[i].right
        if gap < least:
            least, best = gap, i
    b.resent[best].right = b.resent[best + 1].right
    if b.resent[best + 1].sent_at >= b.resent[best].sent_at:
        b.resent[best].sent_at = b.resent[best + 1].sent_at
        b.resent[best].top = seq_max(b.resent[best].top, b.resent[best + 1].top)
    b.resent[best].lost = 0
    delete(b, best + 1, best + 2)


cdef void resent_remove(scoreboard *b, uint32_t left, uint32_t right) noexcept nogil:
    cdef uint32_t i = 0, j
    while i < b.n_resent and seq_le(b.resent[i].right, left):
        i += 1
    if i < b.n_resent and seq_lt(b.resent[i].left, left):
        if seq_gt(b.resent[i].right, right):        # from its middle
            if b.n_resent == RESENT_MAX:
                b.resent[i].left = right            # what lies before is not known to have been sent again any more
                return
            memmove(&b.resent[i + 1], &b.resent[i], (b.n_resent - i) * sizeof(resent_range))
            b.n_resent += 1
            b.resent[i].right = left
            b.resent[i + 1].left = right
            return
        b.resent[i].right = left
        i += 1
    j = i
    while j < b.n_resent and seq_le(b.resent[j].right, right):
        j += 1
    if j < b.n_resent and seq_lt(b.resent[j].left, right):
        b.resent[j].left = right
    delete(b, i, j)


cdef void resent_add(scoreboard *b, uint32_t left, uint32_t right, uint32_t top, int64_t at) noexcept nogil:
    cdef uint32_t i = 0
    cdef resent_range *e
    resent_remove(b, left, right)
    if b.n_resent == RESENT_MAX:
        make_room(b)
    while i < b.n_resent and seq_lt(b.resent[i].left, left):
        i += 1
    if i and b.resent[i - 1].right == left and b.resent[i - 1].sent_at == at and not b.resent[i - 1].lost:
        b.resent[i - 1].right = right
        b.resent[i - 1].top = top
        return
    memmove(&b.resent[i + 1], &b.resent[i], (b.n_resent - i) * sizeof(resent_range))
    b.n_resent += 1
    e = &b.resent[i]
    e.left, e.right, e.top, e.sent_at, e.lost = left, right, top, at, 0


cdef uint32_t resent_next(const scoreboard *b, uint32_t una, uint32_t end, uint32_t most, uint32_t *at) noexcept nogil:
    cdef walk w
    cdef piece p
    cdef uint32_t n = 0
    walk_from(&w, una)
    while walk_next(b, &w, end, &p):
        if p.kind == PIECE_LOST:
            if n == 0:
                at[0] = p.left
            n += p.right - p.left
            if n >= most:
                return most
        elif n:
            return n
    return n


cdef uint32_t board_flight(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil:
    cdef walk w
    cdef piece p
    cdef uint32_t total = 0
    walk_from(&w, una)
    while walk_next(b, &w, end, &p):
        if p.kind == PIECE_OUT or p.kind == PIECE_RESENT:
            total += p.right - p.left
        elif p.kind == PIECE_TWICE:
            total += 2 * (p.right - p.left)
    return total


cdef uint32_t numbers_of(const scoreboard *b, uint32_t una, uint32_t end, int one, int other) noexcept nogil:
    """Sequence numbers of [una, end) in pieces of two kinds."""
    cdef walk w
    cdef piece p
    cdef uint32_t total = 0
    walk_from(&w, una)
    while walk_next(b, &w, end, &p):
        if p.kind == one or p.kind == other:
            total += p.right - p.left
    return total


cdef uint32_t board_lost_out(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil:
    return numbers_of(b, una, end, PIECE_LOST, PIECE_RESENT)


cdef uint32_t board_resent_out(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil:
    return numbers_of(b, una, end, PIECE_RESENT, PIECE_TWICE)


cdef uint32_t board_segments(const scoreboard *b, uint32_t mss) noexcept nogil:
    cdef uint32_t i, total = 0
    for i in range(b.n):
        total += (b.r[i].right - b.r[i].left + mss - 1) // mss
    return total


# --- For tests ---------------------------------------------------------------------------------------------------------------

cdef class Board:
    """A scoreboard of [una, end), for tests."""
    cdef scoreboard b
    cdef uint32_t una, end

    def __init__(self, uint32_t una, uint32_t end, *, lost_to=None, sacked=()):
        self.b.n = self.b.n_resent = 0
        self.b.dupthresh = 3
        self.una, self.end = una, end
        self.b.lost_to = una if lost_to is None else <uint32_t>lost_to
        for left, right in sacked:
            self.b.r[self.b.n].left, self.b.r[self.b.n].right = left, right
            self.b.n += 1

    def resend(self, uint32_t left, uint32_t right, int64_t at):
        """[left, right) is sent again."""
        resent_add(&self.b, left, right, self.end, at)

    def arrive(self, uint32_t left, uint32_t right):
        """What was sent again of [left, right) has arrived."""
        resent_remove(&self.b, left, right)

    def lose(self, uint32_t seq):
        """What was sent again around seq is lost."""
        cdef uint32_t i
        for i in range(self.b.n_resent):
            if seq_le(self.b.resent[i].left, seq) and seq_lt(seq, self.b.resent[i].right):
                self.b.resent[i].lost = 1

    def again(self):
        """What was sent again: (left, right, when)."""
        return [(self.b.resent[i].left, self.b.resent[i].right, self.b.resent[i].sent_at) for i in range(self.b.n_resent)]

    def pieces(self):
        """(left, right, kind) from una to end."""
        cdef walk w
        cdef piece p
        names = {PIECE_SACKED: "sacked", PIECE_OUT: "out", PIECE_LOST: "lost", PIECE_RESENT: "resent", PIECE_TWICE: "twice"}
        told = []
        walk_from(&w, self.una)
        while walk_next(&self.b, &w, self.end, &p):
            told.append((p.left, p.right, names[p.kind]))
        return told

    def next(self, uint32_t most):
        """(where, how much) is to be sent again first; None."""
        cdef uint32_t at = 0, n = resent_next(&self.b, self.una, self.end, most, &at)
        return (at, n) if n else None

    def totals(self):
        """In flight, lost, in flight again."""
        return (board_flight(&self.b, self.una, self.end), board_lost_out(&self.b, self.una, self.end),
                board_resent_out(&self.b, self.una, self.end))
