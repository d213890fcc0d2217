"""Controlled delay (RFC 8289): drops when no frame of the last interval has left the queue within the target."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.queue cimport disc, parcel, parcel_list

cdef struct codel_model:
    int64_t target              # ns
    int64_t interval            # ns
    uint32_t largest            # bytes of a frame: with no more than this behind it, none is dropped

cdef struct codel:              # of one queue
    parcel_list waiting
    uint64_t bytes
    int64_t first_above         # ns: when it may drop if it stays above; 0: it is below
    int64_t drop_next           # ns
    uint32_t count              # drops since it began to
    uint32_t last_count
    bint dropping

# The next of this queue that is not dropped, NULL when none is left. What it drops goes through q.
cdef parcel *codel_next(disc *q, const codel_model *m, codel *c, int64_t now) noexcept nogil
# The first of it, without a judgement.
cdef parcel *codel_shed_one(disc *q, codel *c) noexcept nogil
# A queue of its own, from malloc, in q.own; -ENOMEM
cdef int codel_init(disc *q, const codel_model *model) noexcept nogil
