"""Random early detection (Floyd and Jacobson 1993), in its gentle mode if asked for, as RFC 7567 has queues managed."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.queue cimport disc

cdef enum:
    RED_POINT = 24              # bits of the average behind the point

cdef struct red:
    # The model
    bint of_bytes               # what is averaged: bytes, else packets
    uint64_t low                # ends of the range of the average in which frames go by chance
    uint64_t high
    uint64_t most               # of 2^32: the probability at its upper end
    uint32_t weight             # the average moves by 2^-weight of the distance
    bint gentle                 # from `high` to twice that the probability grows to 1; else all go from `high` on
    uint32_t typical            # bytes of a frame, for how many an idle link could have sent
    # Its state
    uint64_t average            # in 2^-RED_POINT
    int64_t count               # frames since the last that went, in the range; -1: outside
    int64_t idle_since          # ns; -1: it is not empty

# From malloc, in q.own; -ENOMEM
cdef int red_init(disc *q, const red *model) noexcept nogil
