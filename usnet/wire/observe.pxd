"""TCP segments as an observer reads them off the wire: bytes into fields, without judging them."""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cpdef enum:
    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16

cdef enum:
    NOT_OFFERED = -1
    KIND_TCP = 0                # of a frame: holds a TCP segment
    KIND_ARP = 1
    KIND_ICMP = 2
    KIND_OTHER = 3
    SUM_RIGHT = 0               # of a frame: which checksum is wrong
    SUM_IPV4 = 1
    SUM_ICMP = 2
    SUM_TCP = 3
    SUM_UDP = 4

cdef struct seen_options:
    int32_t mss                 # bytes; NOT_OFFERED
    int32_t wscale              # up to 14; NOT_OFFERED
    bint sack_ok
    bint timestamps
    uint32_t tsval
    uint32_t tsecr
    uint32_t n_sack
    uint32_t sack[5][2]         # left, right


cdef class Segment:
    """A TCP segment as it was seen."""
    cdef readonly int sport
    cdef readonly int dport
    cdef readonly uint32_t seq
    cdef readonly uint32_t ack
    cdef readonly int flags
    cdef readonly uint32_t window
    cdef readonly int tos               # of the IP header
    cdef readonly int ecn               # AE, CWR and ECE of the TCP header, as the bits 0x1c0
    cdef uint32_t source                # addresses as numbers
    cdef uint32_t destination
    cdef const uint8_t *data            # of its payload
    cdef uint32_t n                     # bytes of it
    cdef const uint8_t *raw_options
    cdef uint32_t n_options             # bytes
    cdef const uint8_t *frame
    cdef uint32_t length
    cdef bytes kept                     # the frame; None: it lies where it was seen, and only until the observer returns


# The segment of an Ethernet frame with a whole IPv4 packet; None for everything else. Its bytes are not kept.
cdef Segment segment_at(const uint8_t *frame, uint32_t length)
# The same segment, with bytes of its own.
cdef Segment segment_keep(Segment s)
cdef void options_read(const uint8_t *p, uint32_t n, seen_options *o) noexcept nogil
# KIND_* of a frame that holds no TCP segment.
cdef int kind_of(const uint8_t *frame, uint32_t length) noexcept nogil
# SUM_* of the layer whose checksum is wrong.
cdef int sum_wrong(const uint8_t *frame, uint32_t length) noexcept nogil


cdef inline int32_t nearer(uint32_t difference) noexcept nogil:
    """A difference of two sequence numbers as the nearer way round."""
    return <int32_t>difference
