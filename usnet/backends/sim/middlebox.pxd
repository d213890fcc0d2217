"""What stands in the middle of a path and changes what passes: two ends, 0 inside and 1 outside, each the end of a link. Beside this, a kind of it is a
function that is given each frame that has arrived, and sends what becomes of it into the other link."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.sim.link cimport frame_pass, link_dir

cdef enum:
    INSIDE = 0
    OUTSIDE = 1

# frame_sink of all kinds: it takes everything.
cdef int middlebox_accept(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil


cdef class Middlebox:
    cdef readonly str name
    cdef readonly object network
    cdef link_dir *out[2]           # by end; NULL: not connected yet
    cdef uint32_t ends
    cdef frame_pass go_on           # of its kind, with ctx
    cdef void *ctx
    cdef int add_port(self, link_dir *out) except -1
    cdef void reset(self) noexcept
