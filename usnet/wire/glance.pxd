"""What a link can tell about a frame at a glance, also about one that a stack would refuse: nothing here is verified
or trusted."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef struct frame_glance:
    uint16_t type               # EtherType behind tags; 0 when the frame is too short
    uint16_t network            # bytes in front of the network header
    uint16_t transport          # bytes in front of the TCP or UDP header, and where the packet ends; where `ports` holds
    uint32_t end
    uint8_t version             # of IP: 4, 6 or 0
    uint8_t protocol            # of IP, behind IPv6 extension headers; 0 when unknown
    bint ports                  # port[] hold: TCP or UDP, first fragment, header within the frame
    bint tcp                    # flags, seq and payload hold
    uint8_t flags               # TH_*
    uint16_t port[2]            # source, destination
    uint32_t seq
    uint32_t payload            # bytes of TCP payload
    const uint8_t *addr[2]      # source, destination in the frame: 4 or 16 bytes

cdef void glance(const uint8_t *p, uint32_t n, frame_glance *g) noexcept nogil
