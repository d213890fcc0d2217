"""RED: each frame that arrives moves the average of the queue, and goes by chance where that is in its range."""
from libc.errno cimport ENOMEM
from libc.stdlib cimport free, malloc

from usnet.backends.keyed cimport keyed_below
from usnet.backends.sim.queue cimport (
    REASON_EARLY, REASON_FORCED, disc_draw, disc_first, disc_mark, disc_take, parcel,
)

cdef enum:
    NS_PER_S = 1000000000
    MANY = 1 << 24              # frames after which nothing is left of an average

cdef uint64_t ONE = <uint64_t>1 << 32


cdef uint64_t part_left(uint32_t weight, uint64_t frames) noexcept nogil:
    """(1 - 2^-weight)^frames, of 2^32, for one frame or more."""
    cdef uint64_t left = ONE - 1
    cdef uint64_t base = ONE - (ONE >> weight)
    if frames >= MANY:
        return 0
    while frames:
        if frames & 1:
            left = left * base >> 32
        base = base * base >> 32
        frames >>= 1
    return left


cdef void take_average(disc *q, red *r, int64_t now) noexcept nogil:
    """Floyd and Jacobson, figure 2: after a time without frames it is as if so many small ones had met an empty queue."""
    cdef uint64_t size = (q.bytes if r.of_bytes else q.packets) << RED_POINT
    cdef uint64_t each, frames
    if r.idle_since >= 0:
        each = <uint64_t>r.typical * 8 * NS_PER_S // q.rate if q.rate else 0
        frames = <uint64_t>(now - r.idle_since) // each if each else 0
        if frames:
            r.average = keyed_below(r.average, part_left(r.weight, frames) << 32)       # the upper half of the product
        r.idle_since = -1
    elif size >= r.average:
        r.average += (size - r.average) >> r.weight
    else:
        r.average -= (r.average - size) >> r.weight


cdef uint64_t scaled(uint64_t most, uint64_t part, uint64_t whole) noexcept nogil:
    """most * part / whole; most is 2^32 at most, part less than whole."""
    while whole >= ONE:
        whole >>= 1
        part >>= 1
    return most * part // whole


cdef int judge(disc *q, red *r, const parcel *p) noexcept nogil:
    """REASON_EARLY or REASON_FORCED when this frame is to go, or to be marked."""
    cdef uint64_t low = r.low << RED_POINT
    cdef uint64_t high = r.high << RED_POINT
    cdef uint64_t chance, spread
    if r.average < low:
        r.count = -1
        return 0
    if r.average >= (2 * high if r.gentle else high):
        r.count = 0
        return REASON_FORCED
    r.count += 1
    if r.average < high:
        chance = scaled(r.most, r.average - low, high - low)
    else:
        chance = r.most + scaled(ONE - r.most, r.average - high, high)
    # Evenly spread: with chance / (1 - count * chance) the gap between two is uniform, not geometric
    if chance and <uint64_t>r.count >= ONE // chance:
        r.count = 0
        return REASON_EARLY
    spread = ONE - <uint64_t>r.count * chance
    if (disc_draw(q, p) >> 32) < (ONE if chance >= spread else scaled(ONE, chance, spread)):
        r.count = 0
        return REASON_EARLY
    return 0


cdef int red_enqueue(disc *q, parcel *p, int64_t now) noexcept nogil:
    cdef red *r = <red *>q.own
    cdef int reason
    take_average(q, r, now)
    reason = judge(q, r, p)
    if reason == REASON_FORCED or (reason == REASON_EARLY and not disc_mark(q, p, REASON_EARLY)):
        return reason
    return disc_take(q, p)


cdef parcel *red_dequeue(disc *q, int64_t now) noexcept nogil:
    cdef red *r = <red *>q.own
    cdef parcel *p = disc_first(q)
    if p == NULL and r.idle_since < 0:
        r.idle_since = now
    return p


cdef void red_reset(disc *q) noexcept nogil:
    cdef red *r = <red *>q.own
    r.average = 0
    r.count = -1
    r.idle_since = 0


cdef int red_init(disc *q, const red *model) noexcept nogil:
    cdef red *r = <red *>malloc(sizeof(red))
    if r == NULL:
        return -ENOMEM
    r[0] = model[0]
    q.own = r
    q.free_own = free
    q.enqueue = red_enqueue
    q.dequeue = red_dequeue
    q.shed = disc_first
    q.reset = red_reset
    red_reset(q)
    return 0
