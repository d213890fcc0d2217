"""Frames that carry several segments, and checksums that were left to whoever sends them over a wire.

The words are virtio-net's (Virtual I/O Device 1.2, 5.1.6): a frame with a `gso_size` has the headers of its first segment and the payload of all;
a partial checksum holds the sum of the pseudo header alone, over the length of the whole frame.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.addr cimport ip_addr

cdef enum:
    # kinds of frames that carry several segments
    GSO_NONE = 0
    GSO_TCPV4 = 1
    GSO_UDP = 3                 # one datagram, to be fragmented: gso_size is the payload of a fragment
    GSO_TCPV6 = 4
    GSO_UDP_L4 = 5              # datagrams to one place
    GSO_ECN = 0x80              # beside the kind: the first segment alone keeps CWR

cdef struct gso_plan:
    uint32_t l3                 # bytes in front of the IP header
    uint32_t l4                 # ... of the TCP or UDP header
    uint32_t payload            # ... of the payload
    uint32_t n                  # bytes of payload
    uint32_t size               # of them in each segment but the last
    uint32_t segments
    uint8_t proto

# How to cut `frame` (from its first byte on; the IPv4 header is at l3). The number of segments, or -EINVAL for what is no frame of that kind
# (gso_type with or without GSO_ECN), or is a fragment; for GSO_UDP and GSO_TCPV6 too, which are not cut here.
cdef int gso_open(const uint8_t *frame, uint32_t length, uint32_t l3, uint8_t gso_type, uint32_t gso_size, gso_plan *g) noexcept nogil
# Writes segment i of the frame to dst, with all headers and checksums complete, and returns its length: at most g.payload + g.size.
cdef uint32_t gso_cut(const gso_plan *g, const uint8_t *frame, uint32_t i, uint8_t *dst) noexcept nogil
# Completes the checksum at start + offset over the bytes [start, length). False, and nothing written, when it lies outside.
cdef bint csum_complete(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset) noexcept nogil
# What stands in a checksum field that is to be completed: the sum of the pseudo header over l4_len bytes.
cdef uint32_t csum_partial(const ip_addr *src, const ip_addr *dst, uint32_t proto, uint32_t l4_len) noexcept nogil


cdef inline bint gso_is_tcp(uint8_t gso_type) noexcept nogil:
    return gso_type & ~<uint32_t>GSO_ECN == GSO_TCPV4
