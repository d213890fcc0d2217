"""Ranges of sequence numbers, and the functions of RFC 6675, section 4, over them. All are linear in the ranges, of which there are few."""
from libc.errno cimport ENOSPC
from libc.stdint cimport uint32_t
from libc.string cimport memmove

from usnet.wire.seq cimport seq_ge, seq_gt, seq_le, seq_lt, seq_max, seq_min


cdef int board_add(scoreboard *b, uint32_t left, uint32_t right, uint32_t *news) noexcept nogil:
    cdef uint32_t i = b.n, j, known = 0, first = left, last = right
    news[0] = 0
    while i and seq_ge(b.r[i - 1].right, left):         # from above: news are mostly about the newest
        i -= 1
    j = i
    while j < b.n and seq_le(b.r[j].left, right):       # [i, j) touch [left, right)
        known += b.r[j].right - b.r[j].left
        first = seq_min(first, b.r[j].left)
        last = seq_max(last, b.r[j].right)
        j += 1
    if i == j and b.n == BOARD_MAX:
        return -ENOSPC
    if j != i + 1:
        memmove(&b.r[i + 1], &b.r[j], (b.n - j) * sizeof(board_range))
        b.n = b.n + 1 - (j - i)
    b.r[i].left = first
    b.r[i].right = last
    news[0] = last - first - known
    b.sacked += news[0]
    return 0


cdef bint board_trim(scoreboard *b, uint32_t una) noexcept nogil:
    cdef uint32_t i = 0
    while i < b.n and seq_le(b.r[i].right, una):
        b.sacked -= b.r[i].right - b.r[i].left
        i += 1
    if i:
        memmove(&b.r[0], &b.r[i], (b.n - i) * sizeof(board_range))
        b.n -= i
    b.high_rxt = seq_max(b.high_rxt, una)
    return b.n == 0 or seq_gt(b.r[0].left, una)


cdef void board_clear(scoreboard *b) noexcept nogil:
    b.n = 0
    b.sacked = 0


cdef uint32_t board_below(const scoreboard *b, uint32_t seq) noexcept nogil:
    cdef uint32_t i, total = 0
    if b.n == 0 or seq_ge(seq, b.r[b.n - 1].right):
        return b.sacked
    for i in range(b.n):
        if seq_ge(b.r[i].left, seq):
            break
        total += seq_min(b.r[i].right, seq) - b.r[i].left
    return total


cdef uint32_t board_skip(const scoreboard *b, uint32_t seq) noexcept nogil:
    cdef uint32_t i
    for i in range(b.n):
        if seq_gt(b.r[i].left, seq):
            break
        if seq_lt(seq, b.r[i].right):
            return b.r[i].right
    return seq


cdef uint32_t board_room(const scoreboard *b, uint32_t seq, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(b.n):
        if seq_gt(b.r[i].left, seq):
            return b.r[i].left - seq if b.r[i].left - seq < n else n
    return n


cdef uint32_t board_lost(const scoreboard *b, uint32_t una, uint32_t mss) noexcept nogil:
    cdef uint32_t i = b.n, above = 0
    while i:
        i -= 1
        above += b.r[i].right - b.r[i].left
        if b.n - i >= b.dupthresh or above > (b.dupthresh - 1) * mss:
            return b.r[i].left
    return una


cdef inline uint32_t overlap(uint32_t left, uint32_t right, uint32_t end) noexcept nogil:
    """Numbers of [left, right) below `end`."""
    return 0 if seq_le(end, left) else seq_min(right, end) - left


cdef uint32_t board_pipe(const scoreboard *b, uint32_t una, uint32_t max, uint32_t mss) noexcept nogil:
    """What is missing and not lost is under way, and what was sent again too: of the same number both may be."""
    cdef uint32_t i, at = una, total = 0, lost = board_lost(b, una, mss)
    for i in range(b.n):
        if seq_gt(b.r[i].left, lost):
            total += b.r[i].left - at
        total += overlap(at, b.r[i].left, b.high_rxt)
        at = b.r[i].right
    return total + (max - at) + overlap(at, max, b.high_rxt)


cdef uint32_t board_hole(const scoreboard *b, uint32_t start, uint32_t below, uint32_t most, uint32_t *at) noexcept nogil:
    cdef uint32_t seq = board_skip(b, start), n
    if seq_ge(seq, below):
        return 0
    n = below - seq
    at[0] = seq
    return board_room(b, seq, n if n < most else most)


cdef uint32_t board_last_hole(const scoreboard *b, uint32_t una, uint32_t max, uint32_t most, uint32_t *at) noexcept nogil:
    cdef uint32_t i = b.n, end = max, start, n
    while i and seq_ge(b.r[i - 1].left, end):
        i -= 1
    if i and seq_ge(b.r[i - 1].right, end):
        i -= 1
        end = b.r[i].left
    start = b.r[i - 1].right if i else una
    n = end - start if end - start < most else most
    at[0] = end - n
    return n
