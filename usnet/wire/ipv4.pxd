"""The IPv4 header (RFC 791, RFC 6864)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.addr cimport ip_addr

cdef enum:
    IPV4_HLEN = 20          # bytes without options
    IPPROTO_ICMP = 1
    IPPROTO_TCP = 6
    IPPROTO_UDP = 17
    IPV4_MAX_LEN = 65535    # bytes of a datagram with its header

cdef enum ipv4_status:
    IPV4_OK = 0
    IPV4_SHORT = -1         # fewer than 20 bytes
    IPV4_VERSION = -2
    IPV4_IHL = -3           # header length below 5 words or beyond the frame
    IPV4_LENGTH = -4        # total length below the header's or beyond the frame
    IPV4_CHECKSUM = -5
    IPV4_OPTION = -6        # an option of length 0 or 1, or past the header
    IPV4_SOURCE_ROUTE = -7  # LSRR or SSRR: refused

cdef struct ipv4_repr:
    ip_addr src
    ip_addr dst
    uint16_t total_len      # bytes, header and payload, at most the frame's
    uint16_t ident
    uint16_t frag_offset    # bytes, a multiple of 8
    uint8_t header_len      # bytes, 20 to 60
    uint8_t tos             # DSCP and ECN
    uint8_t ttl
    uint8_t proto
    uint8_t dont_fragment   # 0 or 1
    uint8_t more_fragments  # 0 or 1

# n: bytes from the header to the end of the frame, which may be padded. verify: check the header's checksum. Those of
# the statuses above are tried in their order; out is filled when all before IPV4_OPTION pass.
cdef int ipv4_parse(const uint8_t *p, uint32_t n, ipv4_repr *out, bint verify) noexcept nogil
# Writes 20 bytes (no options) with a checksum; returns 20 or -ENOBUFS.
cdef int ipv4_emit(uint8_t *p, uint32_t room, const ipv4_repr *r) noexcept nogil
