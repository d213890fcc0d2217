"""Proportional integral controller enhanced (RFC 8033): drops by a probability that follows how long frames wait, and whether that grows."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.queue cimport disc

cdef struct pie:
    # The model
    int64_t target              # ns: QDELAY_REF
    int64_t period              # ns: T_UPDATE
    int64_t burst               # ns: MAX_BURST
    uint32_t alpha              # sixteenths of 1/s
    uint32_t beta
    uint64_t mark_below         # of PIE_ONE: above this probability frames are dropped that could be marked (section 5.1)
    uint32_t typical            # bytes of a frame: MEAN_PKTSIZE
    bint spread                 # drops are spread evenly (section 5.4)
    # Its state
    uint64_t chance             # of PIE_ONE
    uint64_t sum_               # of chances since the last drop
    int64_t delay               # ns: how long the last frame that left had waited
    int64_t old_delay           # at the last update
    int64_t allowance           # ns of a burst that is left
    int64_t next                # ns: of the next update

# From malloc, in q.own; -ENOMEM
cdef int pie_init(disc *q, const pie *model) noexcept nogil
# 1 as a probability: so that a nanosecond times alpha is a whole number of it, and the smallest step of section 4.2 too.
cdef uint64_t pie_one() noexcept nogil
