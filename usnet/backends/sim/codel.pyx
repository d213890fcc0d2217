"""CoDel: the queue is looked at when a frame leaves it (RFC 8289, section 5)."""
from libc.errno cimport ENOMEM
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from usnet.backends.sim.queue cimport (
    REASON_DELAY, REASON_FULL, disc_full, disc_hold, disc_let, disc_mark, list_append, list_pop,
)

cdef enum:
    RECENT = 16                 # intervals in which a queue that drops again goes on where it left off

cdef struct alone:
    codel_model m
    codel c


cdef uint64_t root(uint64_t x) noexcept nogil:
    """The whole part of the square root."""
    cdef uint64_t r = 0
    cdef uint64_t bit = <uint64_t>1 << 62
    while bit > x:
        bit >>= 2
    while bit:
        if x >= r + bit:
            x -= r + bit
            r = (r >> 1) + bit
        else:
            r >>= 1
        bit >>= 2
    return r


cdef int64_t control_law(const codel_model *m, int64_t t, uint32_t count) noexcept nogil:
    """t + interval / sqrt(count)"""
    return t + <int64_t>root(<uint64_t>m.interval * <uint64_t>m.interval // count)


cdef parcel *codel_shed_one(disc *q, codel *c) noexcept nogil:
    cdef parcel *p = list_pop(&c.waiting)
    if p != NULL:
        disc_let(q, p)
        c.bytes -= p.length
    return p


cdef parcel *take_first(disc *q, const codel_model *m, codel *c, int64_t now, bint *too_long) noexcept nogil:
    """The first frame, and whether all have waited too long for an interval."""
    cdef parcel *p = codel_shed_one(q, c)
    too_long[0] = False
    if p == NULL or now - p.at < m.target or c.bytes <= m.largest:
        c.first_above = 0
    elif c.first_above == 0:
        c.first_above = now + m.interval
    elif now >= c.first_above:
        too_long[0] = True
    return p


cdef parcel *go_on_dropping(disc *q, const codel_model *m, codel *c, int64_t now, parcel *p, bint too_long) noexcept nogil:
    c.dropping = too_long
    while c.dropping and now >= c.drop_next:
        c.count += 1
        if disc_mark(q, p, REASON_DELAY):
            c.drop_next = control_law(m, c.drop_next, c.count)
            return p
        q.drop(q.drop_ctx, p, REASON_DELAY)
        p = take_first(q, m, c, now, &too_long)
        if not too_long:
            c.dropping = False
        else:
            c.drop_next = control_law(m, c.drop_next, c.count)
    return p


cdef parcel *begin_dropping(disc *q, const codel_model *m, codel *c, int64_t now, parcel *p) noexcept nogil:
    cdef uint32_t delta = c.count - c.last_count
    cdef bint too_long
    if not disc_mark(q, p, REASON_DELAY):
        q.drop(q.drop_ctx, p, REASON_DELAY)
        p = take_first(q, m, c, now, &too_long)
    c.dropping = True
    c.count = delta if delta > 1 and now - c.drop_next < RECENT * m.interval else 1
    c.drop_next = control_law(m, now, c.count)
    c.last_count = c.count
    return p


cdef parcel *codel_next(disc *q, const codel_model *m, codel *c, int64_t now) noexcept nogil:
    cdef bint too_long
    cdef parcel *p = take_first(q, m, c, now, &too_long)
    if c.dropping:
        return go_on_dropping(q, m, c, now, p, too_long)
    if too_long:
        return begin_dropping(q, m, c, now, p)
    return p


cdef int codel_enqueue(disc *q, parcel *p, int64_t now) noexcept nogil:
    cdef codel *c = &(<alone *>q.own).c
    if disc_full(q, p):
        return REASON_FULL
    disc_hold(q, p)
    c.bytes += p.length
    list_append(&c.waiting, p)
    return 0


cdef parcel *codel_dequeue(disc *q, int64_t now) noexcept nogil:
    cdef alone *a = <alone *>q.own
    return codel_next(q, &a.m, &a.c, now)


cdef parcel *codel_shed(disc *q) noexcept nogil:
    return codel_shed_one(q, &(<alone *>q.own).c)


cdef void codel_reset(disc *q) noexcept nogil:
    memset(&(<alone *>q.own).c, 0, sizeof(codel))


cdef int codel_init(disc *q, const codel_model *model) noexcept nogil:
    cdef alone *a = <alone *>malloc(sizeof(alone))
    if a == NULL:
        return -ENOMEM
    a.m = model[0]
    q.own = a
    q.free_own = free
    q.enqueue = codel_enqueue
    q.dequeue = codel_dequeue
    q.shed = codel_shed
    q.reset = codel_reset
    codel_reset(q)
    return 0
