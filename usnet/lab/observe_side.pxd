"""One end of a connection as a passive observer sees it: what left the host, what reached it, which rules that broke."""
from libc.stdint cimport int64_t

from usnet.lab.observe_end cimport End
from usnet.wire.observe cimport Segment, seen_options


cdef class Side(End):
    cdef int leave(self, int64_t t, Segment seg) except -1
    cdef int check_reset(self, int64_t t, Segment seg) except -1
    cdef int crash(self, int64_t t) except -1
    cdef int arrive(self, int64_t t, Segment seg) except -1
    cdef int check_owed(self, int64_t t) except -1
