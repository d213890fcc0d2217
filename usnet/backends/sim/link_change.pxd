"""Changes of a link while it runs."""
from libc.stdint cimport uint64_t

from usnet.backends.sim.link cimport link_dir

# A new rate holds for frames whose transmission has not begun.
cdef int link_set_rate(link_dir *d, uint64_t rate) noexcept nogil
# Going down loses everything that is queued or under way.
cdef void link_set_up(link_dir *d, bint up) noexcept nogil
