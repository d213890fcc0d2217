"""The stand-in: a kernel with the module loaded, in this process."""
from libc.stdint cimport int64_t, uint32_t

from usnet.backends.netmap.device cimport Device
from usnet.backends.netmap.standin.adapter cimport opened
from usnet.backends.netmap.standin.nic cimport nic
from usnet.backends.netmap.standin.state cimport standin_state

cdef enum:
    OPEN_MAX = 1024


cdef class StandIn(Device):
    """Answers as the module does; belongs to one thread."""
    cdef standin_state s
    cdef opened *fds[1024]
    cdef readonly uint32_t api          # 0, or the API of a module without NIOCCTRL
    cdef int64_t time_ns
    cdef opened *of_fd(self, int fd) noexcept nogil


cdef class Nic:
    """A NIC of a StandIn, from the outside: its wire, the system behind it, its plug."""
    cdef nic *n
    cdef readonly StandIn kernel        # kept alive
    cdef readonly str name
