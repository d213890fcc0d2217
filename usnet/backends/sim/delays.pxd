"""How much longer, or shorter, than its link's delay a frame takes: distributions from tables of quantiles, and recorded delays."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    DELAYS_UNIFORM = 1          # from -spread to spread
    DELAYS_NORMAL = 2           # of mean 0, with `spread` for its standard deviation, as the next two
    DELAYS_PARETO = 3
    DELAYS_PARETONORMAL = 4
    DELAYS_TRACE = 5            # values[n], one a frame, over and over

cdef struct delays:
    int kind
    int64_t spread              # ns
    int64_t *values             # ns, from malloc
    uint32_t n

# ns to be added to the delay, for this frame; what is below zero then is zero. `draw`: 64 random bits.
cdef int64_t delays_of(const delays *m, uint64_t draw, uint64_t index) noexcept nogil
