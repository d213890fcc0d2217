"""Reads pcap (microseconds, nanoseconds, both byte orders) and pcapng files, frame by frame, without the GIL."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    READ_FRAME = 1
    READ_END = 0                # the file ends here, perhaps within a record (then `cut` is set)
    MAX_INTERFACES = 64         # of one section of a pcapng file
    MAX_RECORD = 1 << 20        # bytes of the longest record that is taken

cdef struct capture_interface:
    uint16_t link_type          # 1: Ethernet
    uint8_t resolution          # if_tsresol: of a tenth, or with the top bit of a half, that power is the unit
    int64_t offset_s            # if_tsoffset

cdef struct captured:
    const uint8_t *frame        # until the next read
    uint32_t length             # bytes that the file holds
    uint32_t original           # bytes that were on the wire
    int64_t time_ns             # since 1970, or whatever the file counts from; 0 when it does not say
    uint16_t link_type
    uint32_t flags              # epb_flags; 0 when there are none

cdef struct capture_file:
    int fd
    uint8_t *buffer             # MAX_RECORD bytes
    uint32_t at                 # buffer[at:have] was read and not yet used
    uint32_t have
    bint swapped                # numbers stand in the other byte order
    bint is_ng
    bint nanoseconds            # of a pcap file
    bint cut                    # the file ends within a record
    uint16_t link_type          # of a pcap file
    uint32_t n_interfaces
    capture_interface interfaces[64]

# READ_FRAME, READ_END, -EBADMSG (damaged) or -errno of read()
cdef int capture_next(capture_file *f, captured *out) noexcept nogil


cdef class CaptureReader:
    """`CaptureReader(path)`; iterates over (frame, time_ns). ValueError when the file is no capture; OSError as open()
    gives it."""
    cdef capture_file f
    cdef bint made
    cdef readonly str path
