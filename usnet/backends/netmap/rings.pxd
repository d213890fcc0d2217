"""netmap's rings as Python objects: what rings.pyx and opened.pyx share."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.backends.netmap.descriptor cimport Descriptor
from usnet.backends.ring cimport ring, slot


cdef class View:
    cdef Descriptor d
    cdef uint8_t *at
    cdef Py_ssize_t size


cdef class Ring:
    cdef Descriptor d
    cdef ring *r
    cdef uint32_t n
    cdef readonly str direction         # "tx" or "rx"
    cdef readonly bint host             # a ring of the host's own stack
    cdef object __weakref__
    cdef ring *get(self) except NULL


cdef class Slot:
    cdef readonly Ring ring
    cdef readonly uint32_t index
    cdef slot *at(self) except NULL
    cdef uint32_t room(self)


cdef class ExtraBuffer:
    cdef Descriptor d
    cdef readonly uint32_t number       # its place in extra_buffers


cdef Ring new_ring(Descriptor d, ring *r, str direction, bint host)
# A memoryview of buffer i. IndexError where there is none
cdef object buffer(Descriptor d, uint32_t i)
cdef object closed(Descriptor d)
# 0, or raises OSError
cdef int txsync(Descriptor d) except -1
cdef int rxsync(Descriptor d) except -1
