"""A world of ports, links and switches."""
from libc.stdint cimport uint8_t

from usnet.backends.sim.journal cimport happening, world
from usnet.backends.sim.host cimport SimClock, SimHost
from usnet.backends.sim.scheduler cimport Scheduler


cdef class FrameTap:
    """A tap in native code: no object is made of a frame for it. `p`: its bytes, until it returns."""
    cdef int happens(self, object link, const happening *h, const uint8_t *p) except -1


cdef class Network:
    cdef world w
    cdef readonly Scheduler scheduler
    cdef readonly SimClock clock
    cdef readonly dict hosts            # by name
    cdef readonly dict ports
    cdef readonly dict links
    cdef readonly dict switches
    cdef readonly dict middleboxes
    cdef list by_number                 # links
    cdef list taps
    cdef public object environment      # what drives it instead of run(); None
    cdef readonly object seed
    cdef readonly object rings          # class of the ports' Rings
