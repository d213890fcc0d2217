"""The long way over a link: for those whose queue is more than a limit, whose losses come in bursts, or whose rate is a recording.

Here a frame leaves the queue when the link is free for it, by an event of its own; on the short way (link.pyx) all of that is known when it is sent. Both give the same
times for a queue that only has a limit.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.bursts cimport bursts
from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.queue cimport disc, parcel
from usnet.backends.sim.scheduler cimport alarm

cdef struct opportunities:      # a recorded rate: instants, each of which carries so many bytes
    int64_t *at                 # ns, in order; NULL: none, the link has a rate
    uint32_t n
    int64_t period              # ns, after which they come again
    uint32_t octets             # of IP packets
    uint64_t next               # number of the first that has not passed

cdef struct shaper:
    link_dir *d
    disc q
    bursts losses
    opportunities trace
    alarm *wake                 # when the link may be free for the next frame
    parcel *begun               # of a trace: a frame of which part has gone
    uint32_t left               # bytes of it
    bint asked                  # the queue was asked, and nothing was left
    parcel *spare


cdef class Shaper:
    """Of one direction of a link, which points to it."""
    cdef shaper s
    cdef object keep            # the Network
    cdef int attach(self, link_dir *d, object keep) except -1
    cdef int detach(self) except -1
    cdef void reset(self) noexcept
    cdef void forget_statistics(self) noexcept
    cdef int set_queue(self, dict model) except -1
    cdef int set_losses(self, int kind, list chances) except -1
    cdef int set_trace(self, list instants, int64_t period, uint32_t octets) except -1
    cdef dict statistics(self)
