"""Waiting: one poller a stack, however many ports, doorbells and descriptors it waits for."""
from libc.stdint cimport int64_t, uint32_t


cdef class Poller:
    """Waits for any of its ports, for a doorbell, or for a time. Base of the operating system's and of the simulator's.

    wait(deadline_ns): blocks until something may have happened or the clock reads deadline_ns (INT64_MAX: no limit; a
    time that has passed: does not block). Returns True when woken by something else than time. May wake for nothing.
    Interrupted by signals as Python expects (PEP 475: the handler runs; an exception it raises comes out of wait).
    wait_for(deadline_ns, token): the same for one of several who wait at once; the token says who (a poller that knows only one of them ignores it).
    ring_doorbell(): wakes a wait from another thread or a signal handler.
    give_way(): a call has found nothing to do and will not wait: in virtual time, where that cannot change by itself, a program that asks
    for ever is found out.
    """
    cpdef object add_port(self, port)
    cpdef object remove_port(self, port)
    cpdef bint wait(self, int64_t deadline_ns) except -1
    cpdef bint wait_for(self, int64_t deadline_ns, uint32_t token) except -1
    cpdef object ring_doorbell(self)
    cpdef object give_way(self)
    cpdef object close(self)


cdef class OSPoller(Poller):
    """Waits in the operating system: epoll for ports and descriptors, an eventfd for the doorbell, nanosecond timeouts.

    Ports are asked to wake (`arm`) before each wait and must have a fileno(). Other objects with a fileno(), and bare
    descriptors, may be added too.
    """
    cdef readonly object clock
    cdef list entries           # (port or object, descriptor), in the order they were added
    cdef int epoll_fd           # -1 when closed
    cdef int bell_fd
    cdef bint made
    cdef int arm_ports(self) except -1
    cdef int block(self, int64_t timeout_ns) except -2
