"""What a host's clock reads. By itself: virtual time, rounded down to a granularity. It may begin elsewhere, be too fast or too slow, and jump forwards; it
never goes back, for stacks and programs may rely on that of a monotonic clock."""
from libc.stdint cimport INT64_MAX, int64_t

cdef enum:
    PPB = 1000000000
    MOST_DRIFT = 500000000      # parts in 10^9

cdef struct sim_clock:
    int64_t granularity         # ns, 1 and up
    bint apart                  # it is not virtual time: the fields below count
    int64_t since               # ns of virtual time: when it was last set
    int64_t base                # ns: what it read then, before rounding
    int64_t drift               # ns that it has gained after a second, below 0: lost


cdef inline int64_t clock_floor(int64_t t, int64_t granularity) noexcept nogil:
    return t if granularity == 1 else t - t % granularity


cdef inline int64_t clock_ceil(int64_t t, int64_t granularity) noexcept nogil:
    """The first reading of a clock of that granularity that is no less than t."""
    cdef int64_t over = t % granularity
    if over <= 0 or t == INT64_MAX:
        return t
    return t + granularity - over if t < INT64_MAX - granularity else INT64_MAX


cdef inline int64_t clock_exact(const sim_clock *c, int64_t t) noexcept nogil:
    """What it reads at virtual time t, before rounding."""
    cdef int64_t d
    if not c.apart:
        return t
    d = t - c.since
    return c.base + d + d // PPB * c.drift + (d % PPB * c.drift - (PPB - 1 if c.drift < 0 else 0)) // PPB    # rounded down


cdef inline int64_t clock_reading(const sim_clock *c, int64_t t) noexcept nogil:
    """What it reads at virtual time t."""
    return clock_floor(clock_exact(c, t), c.granularity)


cdef inline int64_t clock_instant(const sim_clock *c, int64_t reading) noexcept nogil:
    """The first virtual time at which it reads no less; what it read before it was last set is `since`."""
    cdef int64_t wanted = clock_ceil(reading, c.granularity), n, d
    if not c.apart or wanted == INT64_MAX:
        return wanted
    n = wanted - c.base
    if n <= 0:
        return c.since
    d = n // (PPB + c.drift) * PPB + n % (PPB + c.drift) * PPB // (PPB + c.drift)
    while clock_exact(c, c.since + d) < wanted:
        d += 1
    while d > 0 and clock_exact(c, c.since + d - 1) >= wanted:
        d -= 1
    return c.since + d


cdef inline void clock_set(sim_clock *c, int64_t now, int64_t gain, int64_t drift) noexcept nogil:
    """From virtual time `now` on it is `gain` ns ahead of what it would have read, and gains `drift` ns each second."""
    c.base = clock_exact(c, now) + gain
    c.since = now
    c.drift = drift
    c.apart = True
