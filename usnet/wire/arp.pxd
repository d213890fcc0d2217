"""ARP for IPv4 over Ethernet (RFC 826)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ARP_LEN = 28            # bytes
    ARP_REQUEST = 1
    ARP_REPLY = 2

cdef struct arp_repr:
    uint16_t op
    uint8_t sender_mac[6]
    uint8_t sender_ip[4]
    uint8_t target_mac[6]
    uint8_t target_ip[4]

# 0, or -EBADMSG (short, or not Ethernet and IPv4 with sizes 6 and 4).
cdef int arp_parse(const uint8_t *p, uint32_t n, arp_repr *out) noexcept nogil
cdef int arp_emit(uint8_t *p, uint32_t room, const arp_repr *r) noexcept nogil
