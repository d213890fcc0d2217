"""ICMP: answers to echo, errors out (rate limited; RFC 1122 section 3.2.2, RFC 1812 section 4.3.2), errors in."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.ip.state cimport ip_state, packet
from usnet.wire.ipv4 cimport ipv4_repr

# One message addressed to us. PACKET_ICMP_ERROR when it is about a TCP segment (out is filled); errors about UDP are
# given to the endpoint here.
cdef int icmp_input(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, int64_t now,
                    packet *out) noexcept nogil
# An error about the IP packet `l3` (n bytes are there): its header and 8 bytes are quoted. Never about an error, a
# later fragment, or a packet to or from a group or broadcast address.
cdef void icmp_error(ip_state *ip, uint8_t type, uint8_t code, uint32_t rest, const uint8_t *l3, uint32_t n,
                     int64_t now) noexcept nogil
# The header of a packet of which only the first n bytes are there: how many bytes above IP there are (0 or more), or
# -1 when it is not whole or wrong.
cdef int quote_parse(const uint8_t *l3, uint32_t n, ipv4_repr *r) noexcept nogil
