"""ICMP for IPv4 (RFC 792, RFC 1191, RFC 1122 section 3.2.2)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ICMP_HLEN = 8
    ICMP_ECHO_REPLY = 0
    ICMP_UNREACHABLE = 3
    ICMP_SOURCE_QUENCH = 4
    ICMP_REDIRECT = 5
    ICMP_ECHO = 8
    ICMP_TIME_EXCEEDED = 11
    ICMP_PARAM_PROBLEM = 12
    # codes of ICMP_UNREACHABLE
    ICMP_NET = 0
    ICMP_HOST = 1
    ICMP_PROTO = 2
    ICMP_PORT = 3
    ICMP_FRAG_NEEDED = 4
    ICMP_NET_UNKNOWN = 6            # RFC 1122, section 3.2.2.1, as the next two
    ICMP_NET_PROHIBITED = 9
    ICMP_NET_TOS = 11
    ICMP_REASSEMBLY_TIMEOUT = 1     # code of ICMP_TIME_EXCEEDED

cdef struct icmp_repr:
    uint8_t type
    uint8_t code
    uint32_t rest           # bytes 4 to 7: identifier and sequence of an echo, next-hop MTU of "frag needed"

# n: the whole message. Verifies the checksum. 0, -EBADMSG (short) or -EIO (checksum).
cdef int icmp_parse(const uint8_t *p, uint32_t n, icmp_repr *out) noexcept nogil
# Writes the header in front of n - 8 payload bytes that stand there already, and the checksum over all n bytes.
# Returns n or -ENOBUFS.
cdef int icmp_emit(uint8_t *p, uint32_t n, const icmp_repr *r) noexcept nogil
