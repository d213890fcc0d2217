"""Hosts without a stack, for tests and for measuring links: one that sends frames at a pace, one that sends back what it receives."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.ring cimport port
from usnet.backends.sim.host cimport SimHost

cdef struct source:
    port *p
    uint64_t left               # frames still to send
    uint32_t size               # bytes
    int64_t gap                 # ns between two
    int64_t due
    uint64_t received

cdef struct reflector:
    port *p
    uint64_t reflected
    uint64_t lost               # no room to send

cdef int64_t source_run(void *ctx, int64_t now) noexcept nogil
cdef int64_t reflector_run(void *ctx, int64_t now) noexcept nogil


cdef class Source:
    cdef source s
    cdef readonly object port


cdef class Reflector:
    cdef reflector r
    cdef readonly object port
