"""PIE: a frame that arrives is dropped by chance; every update (15 ms) moves the chance.

The updates are caught up with when a frame arrives or leaves: nothing that they look at changes in between. Delays are measured, not guessed from
a rate (section 4.2).
"""
from libc.errno cimport ENOMEM
from libc.stdlib cimport free, malloc

from usnet.backends.keyed cimport keyed_below
from usnet.backends.sim.queue cimport (
    REASON_EARLY, disc_draw, disc_first, disc_mark, disc_take, parcel,
)

cdef enum:
    IDLE_UPDATES = 2000         # after so many of an empty queue the chance is 0

cdef uint64_t ONE = <uint64_t>16000000000 << 20         # sixteen (alpha's), a second's nanoseconds, and 2^20: 1.7e16
cdef int64_t MOST_DELAY = <int64_t>100000000000         # ns that the arithmetic has room for


cdef uint64_t pie_one() noexcept nogil:
    return ONE


cdef int64_t tuned(const pie *k, int64_t step) noexcept nogil:
    """Section 4.2: the smaller the probability, the smaller its steps."""
    cdef int64_t by = 1
    if k.chance < ONE // 1000000:
        by = 2048
    elif k.chance < ONE // 100000:
        by = 512
    elif k.chance < ONE // 10000:
        by = 128
    elif k.chance < ONE // 1000:
        by = 32
    elif k.chance < ONE // 100:
        by = 8
    elif k.chance < ONE // 10:
        by = 2
    return step // by if step >= 0 else -(-step // by)


cdef void update(pie *k) noexcept nogil:
    cdef int64_t step = (k.delay - k.target) * <int64_t>k.alpha + (k.delay - k.old_delay) * <int64_t>k.beta
    cdef int64_t chance
    step = tuned(k, step * (1 << 20))
    if k.chance >= ONE // 10 and step > <int64_t>(ONE // 50):
        step = <int64_t>(ONE // 50)         # section 5.5
    chance = <int64_t>k.chance + step
    if chance < 0:
        chance = 0
    if k.delay == 0 and k.old_delay == 0:
        chance -= chance // 50
    if chance > <int64_t>ONE:
        chance = <int64_t>ONE
    k.chance = <uint64_t>chance
    k.allowance = k.allowance - k.period if k.allowance > k.period else 0
    if k.chance == 0 and k.delay < k.target // 2 and k.old_delay < k.target // 2:
        k.allowance = k.burst
    k.old_delay = k.delay


cdef void catch_up(disc *q, pie *k, int64_t now) noexcept nogil:
    cdef int64_t behind
    if now < k.next:
        return
    behind = (now - k.next) // k.period
    if q.packets == 0 and not q.busy and behind > IDLE_UPDATES:
        k.next += (behind - IDLE_UPDATES) * k.period
    while k.next <= now:
        update(k)
        k.next += k.period


cdef bint goes(disc *q, pie *k, const parcel *p) noexcept nogil:
    """Sections 4.1 and 5.4."""
    if k.allowance > 0:
        return False
    if (k.old_delay < k.target // 2 and k.chance < ONE // 5) or q.bytes <= 2 * <uint64_t>k.typical:
        return False
    if not k.spread:
        return keyed_below(disc_draw(q, p), ONE) < k.chance
    if k.chance == 0:
        k.sum_ = 0
    k.sum_ += k.chance
    if k.sum_ < ONE // 100 * 85:
        return False
    if k.sum_ < ONE // 2 * 17 and keyed_below(disc_draw(q, p), ONE) >= k.chance:
        return False
    k.sum_ = 0
    return True


cdef int pie_enqueue(disc *q, parcel *p, int64_t now) noexcept nogil:
    cdef pie *k = <pie *>q.own
    catch_up(q, k, now)
    if goes(q, k, p) and not (k.chance <= k.mark_below and disc_mark(q, p, REASON_EARLY)):
        return REASON_EARLY
    return disc_take(q, p)


cdef parcel *pie_dequeue(disc *q, int64_t now) noexcept nogil:
    cdef pie *k = <pie *>q.own
    cdef parcel *p
    catch_up(q, k, now)
    p = disc_first(q)
    k.delay = now - p.at if p != NULL else 0
    if k.delay > MOST_DELAY:
        k.delay = MOST_DELAY
    return p


cdef void pie_reset(disc *q) noexcept nogil:
    cdef pie *k = <pie *>q.own
    k.chance = k.sum_ = 0
    k.delay = k.old_delay = 0
    k.allowance = k.burst
    k.next = k.period


cdef int pie_init(disc *q, const pie *model) noexcept nogil:
    cdef pie *k = <pie *>malloc(sizeof(pie))
    if k == NULL:
        return -ENOMEM
    k[0] = model[0]
    q.own = k
    q.free_own = free
    q.enqueue = pie_enqueue
    q.dequeue = pie_dequeue
    q.shed = disc_first
    q.reset = pie_reset
    pie_reset(q)
    return 0
