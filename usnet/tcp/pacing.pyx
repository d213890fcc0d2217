"""Rates and bursts. A burst has what a millisecond brings at the connection's rate, two segments at least and 64 KiB at most, as in Linux."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.tcp.congestion.ops cimport CC_PACED, CC_PACER, WINDOW_LIMIT
from usnet.tcp.timers cimport timer_hang

cdef enum:
    SECOND = 1000000000         # ns
    BURSTS = 1000               # a second, at most
    BURST_MOST = 65536          # bytes


cdef pacer *need(tcp_state *t, tcb *k) noexcept nogil:
    if k.pacer == NONE:
        k.pacer = arena_take(&t.pacers)
        if k.pacer == NONE:
            return NULL
        k.cc.wants |= CC_PACER
        memset(pacer_at(t, k), 0, sizeof(pacer))
    return pacer_at(t, k)


cdef void pacing_give(tcp_state *t, tcb *k) noexcept nogil:
    if k.pacer != NONE:
        arena_give(&t.pacers, k.pacer)
        k.pacer = NONE
        k.cc.wants &= ~<uint8_t>CC_PACER


cdef void pacing_settle(tcp_state *t, tcb *k) noexcept nogil:
    if t.config.pacing or k.cc.wants & CC_PACED:
        need(t, k)
    elif k.pacer != NONE and pacer_at(t, k).max_rate == 0:
        pacing_give(t, k)


cdef int pacing_limit(tcp_state *t, tcb *k, uint64_t rate) noexcept nogil:
    if rate == 0 and k.pacer == NONE:
        return 0
    if need(t, k) == NULL:
        return -ENOBUFS
    pacer_at(t, k).max_rate = rate
    pacing_settle(t, k)
    return 0


cdef uint64_t pacing_rate(tcp_state *t, const tcb *k) noexcept nogil:
    """The controller's; or what the window comes to in a round trip, and more of that while it is to grow."""
    cdef uint64_t rate = k.cc.pacing_rate, most = pacer_at(t, k).max_rate
    cdef uint32_t ratio
    if rate == 0 and k.srtt and k.cc.cwnd < WINDOW_LIMIT:
        ratio = t.config.pacing_slow_start if k.cc.cwnd < k.cc.ssthresh // 2 else t.config.pacing_avoidance
        rate = <uint64_t>k.cc.cwnd * ratio // 100 * SECOND // <uint64_t>k.srtt
    if most and (rate == 0 or rate > most):
        rate = most
    return rate


cdef uint32_t burst(const tcb *k, uint64_t rate) noexcept nogil:
    cdef uint64_t n = rate // BURSTS
    if n < 2 * <uint64_t>k.mss:
        n = 2 * <uint64_t>k.mss
    return <uint32_t>n if n < BURST_MOST else BURST_MOST


cdef uint32_t pacing_room(tcp_state *t, tcb *k, uint32_t n, int64_t now) noexcept nogil:
    """The time that a burst takes counts from when it might have left, as far as half of it goes: a clock that is late does not slow the connection
    down."""
    cdef pacer *p = pacer_at(t, k)
    cdef uint64_t rate
    cdef int64_t late
    if p.left == 0 or p.began != now:
        rate = pacing_rate(t, k)
        if rate == 0:
            return n
        if now < p.next_at:
            p.deadline = p.next_at
            if k.timer == NONE or p.deadline < k.timer_at:
                timer_hang(t, k, k.id, p.deadline)
            return 0
        p.began = now
        p.left = burst(k, rate)
        late = <int64_t>(<uint64_t>p.left * SECOND // rate) // 2
        if now - p.next_at > late:
            p.next_at = now - late if p.next_at else now
    p.deadline = 0
    if n > k.mss and n > p.left:
        n = p.left if p.left > k.mss else k.mss
    return n


cdef void pacing_sent(tcp_state *t, tcb *k, uint32_t n, int64_t now) noexcept nogil:
    cdef pacer *p = pacer_at(t, k)
    cdef uint64_t rate = pacing_rate(t, k)
    if rate == 0:
        return
    if p.next_at < now - SECOND:
        p.next_at = now
    p.next_at += <int64_t>(<uint64_t>n * SECOND // rate)
    p.left = p.left - n if p.left > n else 0


cdef bint pacing_due(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef pacer *p = pacer_at(t, k)
    if p.deadline == 0 or p.deadline > now:
        return False
    p.deadline = 0
    return True
