"""A link that asks its queue for each frame; shaper.pxd says when."""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.fates cimport fate
from usnet.backends.sim.bursts cimport BURSTS_NONE, bursts_next, bursts_reset
from usnet.backends.sim.codel cimport codel_init, codel_model
from usnet.backends.sim.fq_codel cimport fq_codel_init
from usnet.backends.sim.frames cimport frame_bytes, frame_give, frame_take
from usnet.backends.sim.journal cimport ALTERED_BY_RULE, DROP_AQM, DROP_DOWN, DROP_FATE, DROP_MTU, DROP_NONE, DROP_QUEUE, FRAME_DROPPED
from usnet.backends.sim.link cimport link_depart, link_note, link_too_large, link_transmission, link_void
from usnet.backends.sim.pie cimport pie, pie_init, pie_one
from usnet.backends.sim.queue cimport (
    REASON_DELAY, REASON_DOWN, REASON_EARLY, REASON_FULL, REASON_STEP, REASONS, STAY_BUCKETS, disc_init_fifo, disc_note_stay, disc_stay, list_append,
    list_pop, mark_ce, parcel_list, queue_counters,
)
from usnet.backends.sim.red cimport red, red_init
from usnet.backends.sim.scheduler cimport alarm_free, alarm_new, alarm_set
from usnet.wire.eth cimport ETH_HLEN

REASON = ("", "full", "early", "forced", "delay", "step", "down")
"""Why queues drop or mark, by REASON_*."""


# Parcels

cdef parcel *parcel_take(shaper *s) noexcept nogil:
    cdef parcel *p = s.spare
    if p != NULL:
        s.spare = p.next
        return p
    return <parcel *>malloc(sizeof(parcel))


cdef void parcel_give(shaper *s, parcel *p) noexcept nogil:
    """Its frame goes too, where it has one still."""
    if p.f != NULL:
        frame_give(&s.d.w.frames, p.f)
    p.next = s.spare
    s.spare = p


cdef void parcel_lost(void *ctx, parcel *p, int reason) noexcept nogil:
    """The queue drops a frame that it had taken."""
    cdef shaper *s = <shaper *>ctx
    s.q.n.drops[reason] += 1
    link_note(s.d, FRAME_DROPPED, DROP_DOWN if reason == REASON_DOWN else DROP_QUEUE if reason == REASON_FULL else DROP_AQM, p.f)
    parcel_give(s, p)


# A frame is sent

cdef parcel *packed(shaper *s, const uint8_t *p, uint32_t length, uint64_t index, const fate *f, bint lost) noexcept nogil:
    cdef parcel *new = parcel_take(s)
    if new == NULL:
        return NULL
    new.f = frame_take(&s.d.w.frames, length)
    if new.f == NULL:
        parcel_give(s, new)
        return NULL
    memcpy(frame_bytes(new.f), p, length)
    new.f.index = new.index = index
    new.length = length
    new.at = s.d.w.s.now
    new.lost = lost
    new.fate_ = f[0]
    return new


cdef void step_mark(disc *q, parcel *p) noexcept nogil:
    """RFC 8257, 3.1: what finds so much waiting is marked, whatever the discipline does."""
    if (q.packets >= q.step_packets or q.bytes >= q.step_bytes) and mark_ce(frame_bytes(p.f), p.length):
        p.f.altered |= ALTERED_BY_RULE
        q.n.marks[REASON_STEP] += 1


cdef int shaped_send(link_dir *d, const uint8_t *p, uint32_t length, uint64_t index, const fate *f) noexcept nogil:
    cdef shaper *s = <shaper *>d.shaped
    cdef int64_t now = d.w.s.now
    cdef bint lost = s.losses.kind != BURSTS_NONE and bursts_next(&s.losses, d.w.seed, <uint64_t>d.link << 1 | d.direction, index)
    cdef parcel *new
    cdef int reason
    if not d.up:
        return DROP_DOWN
    if link_too_large(d, p, length):
        return DROP_MTU
    if f.drop:
        return DROP_FATE
    s.q.seed = d.w.seed
    if s.trace.at == NULL:
        s.q.rate = d.rate
    pump(s, now, False)
    s.q.busy = d.busy_until > now or s.trace.at != NULL
    if not s.q.busy and not s.asked:        # it was, when the last frame had left
        s.asked = True
        s.q.dequeue(&s.q, d.busy_until)
    new = packed(s, p, length, index, f, lost)
    if new == NULL:
        link_void(d)
        return DROP_NONE
    step_mark(&s.q, new)
    reason = s.q.enqueue(&s.q, new, now)
    if reason:
        s.q.n.drops[reason] += 1
        parcel_give(s, new)
        if not s.q.busy:                    # it asks behind each that was offered, and the time without frames begins anew
            s.q.dequeue(&s.q, now)
        return DROP_QUEUE if reason == REASON_FULL else DROP_AQM
    s.asked = False
    pump(s, now, True)
    set_alarm(s)
    return DROP_NONE


# A frame leaves

cdef parcel *next_parcel(shaper *s, int64_t now) noexcept nogil:
    cdef parcel *p
    if s.asked:
        return NULL
    p = s.q.dequeue(&s.q, now)
    if p == NULL:
        s.asked = True
        return NULL
    disc_note_stay(&s.q, now - p.at)
    if now - p.at >= s.q.step_stay and mark_ce(frame_bytes(p.f), p.length):
        p.f.altered |= ALTERED_BY_RULE
        s.q.n.marks[REASON_STEP] += 1
    return p


cdef void depart(shaper *s, parcel *p) noexcept nogil:
    """It is under way from busy_until on; or the wire loses it."""
    link_depart(s.d, p.f, &p.fate_, p.lost)
    p.f = NULL
    parcel_give(s, p)


cdef void pump(shaper *s, int64_t now, bint idle) noexcept nogil:
    """Has the link transmit what it can at this instant. idle: it was."""
    cdef link_dir *d = s.d
    cdef parcel *p
    cdef int64_t took
    if s.trace.at != NULL:
        return
    while d.busy_until <= now and s.q.packets:
        s.q.busy = False
        p = next_parcel(s, now)
        if p == NULL:
            return
        took = link_transmission(d, p.length, idle)
        idle = False
        d.busy_until = now + took
        d.n.busy_ns += <uint64_t>took
        depart(s, p)


cdef void use_opportunity(shaper *s, int64_t now) noexcept nogil:
    """So many bytes go at this instant: what is left of one frame, whole ones, the beginning of another. What nobody needs is lost."""
    cdef uint32_t room = s.trace.octets
    while room:
        if s.begun == NULL:
            s.begun = next_parcel(s, now)
            if s.begun == NULL:
                return
            s.left = s.begun.length - ETH_HLEN if s.begun.length > ETH_HLEN else 1
        if s.left > room:
            s.left -= room
            return
        room -= s.left
        s.d.busy_until = now
        depart(s, s.begun)
        s.begun = NULL


cdef int64_t opportunity_at(const opportunities *o, uint64_t number) noexcept nogil:
    return o.at[number % o.n] + <int64_t>(number // o.n) * o.period


cdef void skip_to(opportunities *o, int64_t t) noexcept nogil:
    """Those before t have passed."""
    cdef uint64_t turn = <uint64_t>(t // o.period)
    cdef uint64_t low = (turn - 1) * o.n if turn else 0
    cdef uint64_t high = (turn + 1) * o.n
    cdef uint64_t middle
    while low < high:
        middle = (low + high) // 2
        if opportunity_at(o, middle) < t:
            low = middle + 1
        else:
            high = middle
    if low > o.next:
        o.next = low


cdef void set_alarm(shaper *s) noexcept nogil:
    cdef int64_t t = INT64_MAX
    if s.trace.at != NULL:
        if s.q.packets or s.begun != NULL:
            skip_to(&s.trace, s.d.w.s.now)
            t = opportunity_at(&s.trace, s.trace.next)
    elif s.q.packets:
        t = s.d.busy_until
    alarm_set(s.d.w.s, s.wake, t)


cdef void awake(void *ctx, int64_t now) noexcept nogil:
    cdef shaper *s = <shaper *>ctx
    if not s.d.up:
        return
    if s.trace.at != NULL:
        s.trace.next += 1
        use_opportunity(s, now)
    else:
        pump(s, now, False)
    set_alarm(s)


# Changes

cdef void shaped_down(link_dir *d) noexcept nogil:
    """Everything that waits is lost."""
    cdef shaper *s = <shaper *>d.shaped
    cdef parcel *p = s.q.shed(&s.q)
    while p != NULL:
        parcel_lost(s, p, REASON_DOWN)
        p = s.q.shed(&s.q)
    if s.begun != NULL:
        parcel_lost(s, s.begun, REASON_DOWN)
        s.begun = NULL
    s.asked = True
    alarm_set(d.w.s, s.wake, INT64_MAX)


cdef void forget(shaper *s) noexcept nogil:
    """What waits goes back to the pool, unseen."""
    cdef parcel *p = s.q.shed(&s.q) if s.q.shed != NULL else NULL
    while p != NULL:
        parcel_give(s, p)
        p = s.q.shed(&s.q)
    if s.begun != NULL:
        parcel_give(s, s.begun)
        s.begun = NULL
    s.asked = True


cdef void free_own(disc *q) noexcept nogil:
    """State of the discipline."""
    if q.free_own != NULL:
        q.free_own(q.own)
    q.own = NULL


cdef class Shaper:
    def __dealloc__(self):
        """Frames are the pool's, which may be gone already."""
        cdef parcel *p = self.s.q.shed(&self.s.q) if self.s.q.shed != NULL else NULL
        while p != NULL:
            free(p)
            p = self.s.q.shed(&self.s.q)
        free(self.s.begun)
        while self.s.spare != NULL:
            p = self.s.spare
            self.s.spare = p.next
            free(p)
        free_own(&self.s.q)
        free(self.s.q.stays)
        free(self.s.trace.at)
        alarm_free(self.s.wake)

    cdef int attach(self, link_dir *d, object keep) except -1:
        """From now on all of that direction's frames go this way."""
        self.keep = keep
        self.s.d = d
        self.s.asked = True
        self.s.q.stays = <uint32_t *>calloc(STAY_BUCKETS, sizeof(uint32_t))
        self.s.wake = alarm_new(d.w.s, awake, &self.s)
        if self.s.q.stays == NULL or self.s.wake == NULL:
            raise MemoryError
        self.s.q.drop, self.s.q.drop_ctx = parcel_lost, &self.s
        self.s.q.stream = <uint64_t>d.link << 1 | d.direction
        disc_init_fifo(&self.s.q)
        d.shaped, d.unusual, d.shaped_down, d.q = &self.s, shaped_send, shaped_down, &self.s.q
        d.plain = False
        return 0

    cdef int detach(self) except -1:
        """The short way again."""
        cdef link_dir *d = self.s.d
        if self.s.q.packets or self.s.begun != NULL:
            raise ValueError("frames wait in the queue: only an empty one can be taken away")
        alarm_set(d.w.s, self.s.wake, INT64_MAX)
        d.shaped = d.q = NULL
        d.unusual, d.shaped_down = NULL, NULL
        d.plain = d.up
        return 0

    cdef void reset(self) noexcept:
        """As new, with the same models."""
        forget(&self.s)
        self.forget_statistics()
        self.s.q.reset(&self.s.q)
        bursts_reset(&self.s.losses)
        self.s.trace.next = 0

    cdef void forget_statistics(self) noexcept:
        memset(&self.s.q.n, 0, sizeof(queue_counters))
        memset(self.s.q.stays, 0, STAY_BUCKETS * sizeof(uint32_t))

    cdef int set_queue(self, dict model) except -1:
        """Another discipline, or other numbers for it: `model` as models.queue() gives it. What waits, waits in the new one."""
        cdef disc *q = &self.s.q
        cdef disc new = q[0]
        cdef parcel_list kept
        cdef parcel *p
        new.own, new.free_own = NULL, NULL
        new.limit_packets, new.limit_bytes = model["packets"], model["bytes"]
        new.ecn = model["ecn"]
        new.step_packets, new.step_bytes, new.step_stay = model["step_packets"], model["step_bytes"], model["step_stay"]
        if init_discipline(&new, model) < 0:
            raise MemoryError
        kept.first = kept.last = NULL
        p = q.shed(q)
        while p != NULL:
            list_append(&kept, p)
            p = q.shed(q)
        free_own(q)
        new.packets, new.bytes, new.waiting = q.packets, q.bytes, q.waiting
        q[0] = new
        p = list_pop(&kept)
        while p != NULL:
            q.busy = True
            reason = q.enqueue(q, p, p.at)
            if reason:
                parcel_lost(&self.s, p, reason)
            p = list_pop(&kept)
        return 0

    cdef int set_losses(self, int kind, list chances) except -1:
        """A chain of bursts, from its beginning: kind BURSTS_*, probabilities out of 2^64 in its order."""
        cdef int i
        self.s.losses.kind = kind
        for i, chance in enumerate(chances):
            self.s.losses.p[i] = min(chance, (1 << 64) - 1)
        bursts_reset(&self.s.losses)
        return 0

    cdef int set_trace(self, list instants, int64_t period, uint32_t octets) except -1:
        """Opportunities instead of a rate, from ns in order; an empty list: the rate again."""
        cdef opportunities *o = &self.s.trace
        cdef int64_t *at = NULL
        cdef Py_ssize_t i
        if self.s.begun != NULL:
            raise ValueError("a frame is under way in parts: the trace cannot change now")
        if instants:
            at = <int64_t *>malloc(len(instants) * sizeof(int64_t))
            if at == NULL:
                raise MemoryError
            for i in range(len(instants)):
                at[i] = instants[i]
        free(o.at)
        o.at, o.n, o.period, o.octets, o.next = at, <uint32_t>len(instants), period, octets, 0
        self.s.q.rate = 8 * octets * len(instants) * 10**9 // period if instants else 0
        set_alarm(&self.s)
        return 0

    cdef dict statistics(self):
        """{"packets", "bytes": waiting now; "queued", "sent"; "drops", "marks": by reason; "packets_max", "bytes_max"; "stay": ns by "mean", "p50",
        "p90", "p95", "p99", "max", of those sent, how long they waited}"""
        cdef disc *q = &self.s.q
        return {
            "packets": q.packets, "bytes": q.bytes, "queued": q.n.queued, "sent": q.n.sent,
            "drops": {REASON[i]: q.n.drops[i] for i in range(1, REASONS) if i != REASON_STEP},
            "marks": {REASON[i]: q.n.marks[i] for i in (REASON_EARLY, REASON_DELAY, REASON_STEP)},
            "packets_max": q.n.packets_max, "bytes_max": q.n.bytes_max,
            "stay": {
                "mean": q.n.stay_sum // q.n.sent if q.n.sent else 0, "max": q.n.stay_max,
                **{f"p{n}": disc_stay(q, n * 10) for n in (50, 90, 95, 99)},
            },
        }


cdef int init_discipline(disc *q, dict model) except? -1:
    cdef codel_model c
    cdef red r
    cdef pie k
    kind = model["kind"]
    if kind == "red":
        memset(&r, 0, sizeof(red))
        r.of_bytes, r.low, r.high, r.most = model["of_bytes"], model["min"], model["max"], model["p"]
        r.weight, r.gentle, r.typical = model["weight"], model["gentle"], model["typical"]
        return red_init(q, &r)
    if kind == "pie":
        memset(&k, 0, sizeof(pie))
        k.target, k.period, k.burst, k.alpha, k.beta = model["target"], model["update"], model["burst"], model["alpha"], model["beta"]
        k.mark_below, k.typical, k.spread = int(model["mark_below"] * pie_one()), model["typical"], model["spread"]
        return pie_init(q, &k)
    if kind in ("codel", "fq_codel"):
        c.target, c.interval, c.largest = model["target"], model["interval"], model["largest"]
        return codel_init(q, &c) if kind == "codel" else fq_codel_init(q, &c, model["flows"], model["quantum"])
    disc_init_fifo(q)
    return 0
