"""Times of sending, a burst."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memmove, memset

from usnet.memory.arena cimport NONE, arena_give, arena_take_any
from usnet.wire.seq cimport seq_gt, seq_le


cdef flight *flight_need(tcp_state *t, tcb *k) noexcept nogil:
    cdef flight *f
    if k.flight == NONE:
        k.flight = arena_take_any(&t.flights)        # as many as connections
        if k.flight == NONE:
            return NULL
        k.timed |= FLIGHT_HELD
        f = flight_at(t, k)
        f.n = 0
        memset(&f.newest, 0, sizeof(burst))
        f.delivered = f.lost = f.app_limited = 0
        f.delivered_at = f.first_sent_at = 0
        f.rate_delivered = f.rate_app_limited = 0
        f.rate_interval = 0
    return flight_at(t, k)


cdef void flight_give(tcp_state *t, tcb *k) noexcept nogil:
    if k.flight != NONE:
        arena_give(&t.flights, k.flight)
        k.flight = NONE
        k.timed &= ~<uint8_t>FLIGHT_HELD


cdef void forget_acked(flight *f, uint32_t una) noexcept nogil:
    cdef uint32_t i = 0
    while i < f.n and seq_le(f.r[i].end, una):
        i += 1
    if i:
        f.n -= i
        memmove(&f.r[0], &f.r[i], f.n * sizeof(burst))


cdef void thin_out(flight *f) noexcept nogil:
    """Neighbours become one with the end of the last, while all of it was sent within a FLIGHT_MAX / 4th of the flight's time. Two that are left
    side by side took longer, so that half of the records are free then."""
    cdef int64_t grain = (f.r[f.n - 1].sent_at - f.r[0].since) // (FLIGHT_MAX // 4), since
    cdef uint32_t i, last = 0
    for i in range(1, f.n):
        since = f.r[last].since
        if f.r[i].sent_at - since > grain:
            last += 1
            since = f.r[i].since
        f.r[last] = f.r[i]
        f.r[last].since = since
    f.n = last + 1


cdef void flight_close(tcp_state *t, tcb *k) noexcept nogil:
    cdef flight *f
    cdef burst *r
    if k.snd_max == k.snd_una:                      # all was acknowledged
        if k.timed & FLIGHT_RATES and k.flight != NONE:
            flight_at(t, k).n = 0
        else:
            flight_give(t, k)
        return
    f = flight_need(t, k)
    if f == NULL:
        return
    forget_acked(f, k.snd_una)
    if f.n == FLIGHT_MAX:
        thin_out(f)
    r = &f.r[f.n]
    r[0] = f.newest
    r.in_flight += k.snd_max - f.newest.end
    r.end = k.snd_max
    r.sent_at = r.since = k.burst_at
    f.n += 1


cdef uint32_t place(const flight *f, uint32_t seq) noexcept nogil:
    """Which record seq belongs to; f.n: to none, but the newest burst."""
    cdef uint32_t low = 0, high = f.n, middle
    while low < high:
        middle = (low + high) // 2
        if seq_gt(f.r[middle].end, seq):
            high = middle
        else:
            low = middle + 1
    return low


cdef const burst *older(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    """The record of the burst that seq belongs to; NULL: it belongs to the newest."""
    cdef const flight *f
    cdef uint32_t i
    if k.flight == NONE:
        return NULL
    f = flight_at(t, k)
    i = place(f, seq)
    return &f.r[i] if i < f.n else NULL


cdef int64_t flight_sent_at(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    cdef const burst *r = older(t, k, seq)
    return r.sent_at if r != NULL else k.burst_at


cdef int64_t flight_sent_since(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    cdef const burst *r = older(t, k, seq)
    return r.since if r != NULL else k.burst_at


cdef burst *flight_burst(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    cdef flight *f
    cdef uint32_t i
    if k.flight == NONE:
        return NULL
    f = flight_at(t, k)
    i = place(f, seq)
    return &f.r[i] if i < f.n else &f.newest


cdef uint32_t flight_until(tcp_state *t, const tcb *k, int64_t at) noexcept nogil:
    cdef const flight *f
    cdef uint32_t i
    if at >= k.burst_at:
        return k.snd_max
    if k.flight == NONE:
        return k.snd_una
    f = flight_at(t, k)
    i = f.n
    while i and f.r[i - 1].sent_at > at:
        i -= 1
    return f.r[i - 1].end if i and seq_gt(f.r[i - 1].end, k.snd_una) else k.snd_una
