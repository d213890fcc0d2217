"""Reassembly (RFC 9293, 3.10.7.4, seventh step). A byte at distance d behind rcv_nxt lies in the chain d behind what is in order, gap or not, so a
connection never holds more memory than its window, however small or scattered the segments."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_at, arena_give, arena_take
from usnet.memory.chunks cimport chain_write
from usnet.memory.pieces cimport queue_chained, queue_spill
from usnet.memory.ranges cimport ranges, ranges_add, ranges_end, ranges_init, ranges_trim
from usnet.tcp.blocks cimport blocks_twice
from usnet.tcp.receive cimport advance, receive_next
from usnet.tcp.state cimport TDROP_DUPLICATE, TDROP_NO_MEMORY, TDROP_OOO_LIMIT, count_drop, tcb_at, tcp_state
from usnet.tcp.tcb cimport tcb


cdef int write_gaps(tcp_state *t, tcb *k, const ranges *have, uint64_t start, uint64_t end, const uint8_t *p) noexcept nogil:
    """Writes those bytes of [start, end) that are not here yet: the first copy wins."""
    cdef uint64_t pos = start, stop
    cdef uint32_t i = 0
    while pos < end:
        while i < have.n and have.r[i].end <= pos:
            i += 1
        stop = end
        if i < have.n and have.r[i].start < end:
            stop = have.r[i].start
        if stop > pos:
            if chain_write(t.chunks, &k.rcv.c, <uint32_t>(queue_chained(&k.rcv) + (pos - k.rcv_pos)), p + (pos - start),
                           <uint32_t>(stop - pos)):
                return -ENOBUFS
            t.copies.in_gap += stop - pos
        pos = stop if i >= have.n or have.r[i].start >= end else have.r[i].end
    return 0


cdef void tell_twice(tcp_state *t, tcb *k, const ranges *have, uint64_t start, uint64_t end) noexcept nogil:
    """The first part of [start, end) that is here already."""
    cdef uint32_t i
    cdef uint64_t a, b
    for i in range(have.n):
        a = have.r[i].start if have.r[i].start > start else start
        b = have.r[i].end if have.r[i].end < end else end
        if a < b:
            blocks_twice(t, k, k.rcv_nxt + <uint32_t>(a - k.rcv_pos), k.rcv_nxt + <uint32_t>(b - k.rcv_pos))
            return


cdef int receive_gapped(tcp_state *t, tcb *k, uint32_t ahead, const uint8_t *p, uint32_t n) noexcept nogil:
    """Something is missing before or behind: the set of ranges knows what is here."""
    cdef uint64_t start = k.rcv_pos + ahead, end = start + n, fresh = 0
    cdef ranges *have
    if k.ooo == NONE:
        k.ooo = arena_take(&t.ooos)
        if k.ooo == NONE:
            count_drop(t, TDROP_NO_MEMORY)
            return -ENOBUFS
        ranges_init(<ranges *>arena_at(&t.ooos, k.ooo))
    have = <ranges *>arena_at(&t.ooos, k.ooo)
    if t.config.dsack:
        tell_twice(t, k, have, start, end)
    if queue_spill(t.pieces, &k.rcv) or write_gaps(t, k, have, start, end, p):
        count_drop(t, TDROP_NO_MEMORY)
        return -ENOBUFS
    if ahead == 0:                          # in order: no piece of the set, however many there are
        advance(t, k, <uint32_t>(ranges_end(have, end) - start))
        ranges_trim(have, k.rcv_pos)
    elif ranges_add(have, start, end, &fresh):
        count_drop(t, TDROP_OOO_LIMIT)
        return -ENOBUFS
    else:
        t.counters.ooo_in += 1
        k.ooo_segs += 1
        if fresh == 0:
            count_drop(t, TDROP_DUPLICATE)
    if have.n == 0:
        arena_give(&t.ooos, k.ooo)
        k.ooo = NONE
    return 0


cdef int receive_text(tcp_state *t, uint32_t c, uint32_t ahead, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if ahead or k.ooo != NONE:
        return receive_gapped(t, k, ahead, p, n)
    return receive_next(t, c, k, p, n)
