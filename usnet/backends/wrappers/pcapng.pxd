"""Writes pcapng files with nanosecond times, without the GIL."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    CAPTURE_IN = 1              # epb_flags: inbound
    CAPTURE_OUT = 2             # outbound

cdef struct capture_out:
    void *owner                 # PcapngWriter, for files that have no descriptor
    int fd                      # -1: `owner` writes
    uint8_t *buffer
    uint32_t used
    uint32_t size
    int error                   # -errno of the first write that failed; nothing is written from then on
    uint64_t frames             # written
    uint64_t lost               # not written because of `error`

# Begins a packet block of `length` bytes of frame: the caller appends them with capture_add and ends it with
# capture_end. 0 or the error.
cdef int capture_begin(capture_out *c, uint32_t interface, int64_t time_ns, uint32_t length) noexcept nogil
cdef void capture_add(capture_out *c, const uint8_t *p, uint32_t n) noexcept nogil
# Completes a partial checksum of the frame that was added.
cdef void capture_finish(capture_out *c, uint32_t length, uint32_t csum_start, uint32_t csum_offset) noexcept nogil
cdef void capture_end(capture_out *c, uint32_t length, uint32_t direction) noexcept nogil
cdef int capture_flush(capture_out *c) noexcept nogil


cdef class PcapngWriter:
    cdef capture_out c
    cdef object file            # what was given, or opened
    cdef bint ours              # opened here, closed here
    cdef readonly uint32_t interfaces
    cdef object _append_c(self, const uint8_t *p, uint32_t n)
