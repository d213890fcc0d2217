"""Times of sending, a burst."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_free, arena_give, arena_init, arena_take_any
from usnet.tcp.recovery.flight cimport flight_leaves
from usnet.wire.seq cimport seq_gt, seq_le


cdef flight *flight_need(tcp_state *t, tcb *k) noexcept nogil:
    cdef flight *f
    if k.flight == NONE:
        k.flight = arena_take_any(&t.flights)        # as many as connections
        if k.flight == NONE:
            return NULL
        k.timed |= FLIGHT_HELD
        f = flight_at(t, k)
        f.head = f.n = 0
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


cdef inline burst *record(flight *f, uint32_t i) noexcept nogil:
    """The i-th, from the oldest."""
    return &f.r[(f.head + i) & (FLIGHT_MAX - 1)]


cdef inline void forget_acked(flight *f, uint32_t una) noexcept nogil:
    while f.n and seq_le(record(f, 0).end, una):
        f.head = (f.head + 1) & (FLIGHT_MAX - 1)
        f.n -= 1


cdef void thin_out(flight *f) noexcept nogil:
    """Neighbours become one with the end of the last, while all of it was sent within a FLIGHT_MAX / 4th of the flight's time. Two that are left
    side by side took longer, so that half of the records are free then."""
    cdef int64_t grain = (record(f, f.n - 1).sent_at - record(f, 0).since) // (FLIGHT_MAX // 4), since
    cdef uint32_t i, last = 0
    for i in range(1, f.n):
        since = record(f, last).since
        if record(f, i).sent_at - since > grain:
            last += 1
            since = record(f, i).since
        record(f, last)[0] = record(f, i)[0]
        record(f, last).since = since
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
    r = record(f, f.n)
    r[0] = f.newest
    r.in_flight += k.snd_max - f.newest.end
    r.end = k.snd_max
    r.sent_at = r.since = k.burst_at
    f.n += 1


cdef uint32_t place(flight *f, uint32_t seq) noexcept nogil:
    """Which record seq belongs to; f.n: to none, but the newest burst."""
    cdef uint32_t low = 0, high = f.n, middle
    while low < high:
        middle = (low + high) // 2
        if seq_gt(record(f, middle).end, seq):
            high = middle
        else:
            low = middle + 1
    return low


cdef const burst *older(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    """The record of the burst that seq belongs to; NULL: it belongs to the newest."""
    cdef flight *f
    cdef uint32_t i
    if k.flight == NONE:
        return NULL
    f = flight_at(t, k)
    i = place(f, seq)
    return record(f, i) if i < f.n else NULL


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
    return record(f, i) if i < f.n else &f.newest


cdef uint32_t flight_until(tcp_state *t, const tcb *k, int64_t at) noexcept nogil:
    cdef flight *f
    cdef uint32_t i
    if at >= k.burst_at:
        return k.snd_max
    if k.flight == NONE:
        return k.snd_una
    f = flight_at(t, k)
    i = f.n
    while i and record(f, i - 1).sent_at > at:
        i -= 1
    return record(f, i - 1).end if i and seq_gt(record(f, i - 1).end, k.snd_una) else k.snd_una


# --- For tests ---------------------------------------------------------------------------------------------------------------

cdef class Flight:
    """What is out of a connection whose numbers begin at `una`; rates: what a delivery-rate sample needs is noted too."""
    cdef tcp_state t
    cdef tcb k

    def __cinit__(self, uint32_t una=0, *, bint rates=False):
        memset(&self.t, 0, sizeof(tcp_state))
        memset(&self.k, 0, sizeof(tcb))
        if arena_init(&self.t.flights, sizeof(flight), 1, 8):
            raise MemoryError
        self.k.flight = self.k.board = NONE
        self.k.snd_una = self.k.snd_nxt = self.k.snd_max = una
        self.k.timed = FLIGHT_RACK | FLIGHT_RATES if rates else FLIGHT_RACK

    def __dealloc__(self):
        arena_free(&self.t.flights)

    def send(self, uint32_t n, int64_t now):
        """n numbers leave for the first time, at now."""
        flight_leaves(&self.t, &self.k, self.k.snd_max, now)
        self.k.snd_max += n
        self.k.snd_nxt = self.k.snd_max

    def acknowledge(self, uint32_t n):
        self.k.snd_una += n
        self.k.snd_pos += n
        if self.k.flight != NONE:
            flight_at(&self.t, &self.k).delivered = self.k.snd_pos

    def sent_at(self, uint32_t seq):
        return flight_sent_at(&self.t, &self.k, seq)

    def sent_since(self, uint32_t seq):
        return flight_sent_since(&self.t, &self.k, seq)

    def until(self, int64_t at):
        return flight_until(&self.t, &self.k, at)

    def held(self):
        """Whether it has a struct flight."""
        return self.k.flight != NONE

    def records(self):
        """(end, sent_at) of each, from the oldest; None without any struct flight."""
        cdef flight *f
        cdef uint32_t i
        if self.k.flight == NONE:
            return None
        f = flight_at(&self.t, &self.k)
        return [(record(f, i).end, record(f, i).sent_at) for i in range(f.n)]

    def burst_of(self, uint32_t seq):
        """What is known of the burst of seq: (delivered, in_flight, app_limited)."""
        cdef burst *r = flight_burst(&self.t, &self.k, seq)
        return (r.delivered, r.in_flight, r.app_limited) if r != NULL else None
