"""What address translators do to packets on their way (RFC 3022, RFC 5508): addresses and ports rewritten, every checksum mended (RFC 1624), so that one that
was right stays right and a wrong one wrong."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ENDS_NONE = 0
    ENDS_OWN = 1                # of a whole TCP segment or UDP datagram
    ENDS_QUOTED = 2             # of the one that an ICMP error is about

cdef struct ends:
    uint32_t src                # IPv4 addresses and ports as numbers
    uint32_t dst
    uint16_t src_port
    uint16_t dst_port
    uint8_t proto
    bint opens                  # a SYN without ACK

# Both ends that an Ethernet frame names: ENDS_*; none of a fragment, of what is no IPv4, and of other protocols.
cdef int ends_read(const uint8_t *frame, uint32_t n, ends *out) noexcept nogil
# Puts `to` in the place of what ends_read() found, `kind` being its result. Of an ICMP error its own addresses follow where they are one of those.
cdef void ends_write(uint8_t *frame, int kind, const ends *was, const ends *to) noexcept nogil
