"""What every socket object has, whatever it is for."""
from libc.stdint cimport int64_t, uint32_t

from usnet.sockets.host cimport Stack

cdef enum:
    FOREVER = -1


cdef class Endpoint:
    cdef Stack stack_
    cdef int fd                         # -1: closed
    cdef int family_, type_, proto_
    cdef int64_t timeout_ns             # FOREVER: blocks; 0: never
    cdef int io_refs                    # files made of it that are open
    cdef bint closed_
    cdef object __weakref__
    cdef int enter(self) except -1
    cdef int64_t start(self, bint sends) noexcept
    cdef bint late(self, bint had) except -1
    cdef bint wait(self, uint32_t mask, int64_t deadline, bint had) except -1
    cdef bint pause(self, int64_t deadline, bint had) except -1
