"""The TCP header and its options (RFC 9293 section 3.1, RFC 7323, RFC 2018)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.wire.addr cimport ip_addr

cdef enum:
    TCP_HLEN = 20           # bytes without options
    TCP_CSUM_AT = 16        # bytes to the checksum field
    TCP_MAX_HLEN = 60
    TH_FIN = 0x01
    TH_SYN = 0x02
    TH_RST = 0x04
    TH_PSH = 0x08
    TH_ACK = 0x10
    TH_URG = 0x20
    TH_ECE = 0x40
    TH_CWR = 0x80
    TH_AE = 0x100           # the bit before them (RFC 9768)
    # bits of tcp_repr.options
    TCPO_MSS = 0x01
    TCPO_WSCALE = 0x02
    TCPO_SACK_OK = 0x04
    TCPO_TIMESTAMP = 0x08
    TCPO_SACK = 0x10
    TCPO_FASTOPEN = 0x20    # of a SYN (RFC 7413): with a cookie, or asking for one
    TCPO_FASTOPEN_EXP = 0x40    # beside it: by the experimental option that was there first (RFC 7413, section 4.1.1; RFC 6994)
    TCPO_MD5 = 0x80         # RFC 2385
    TCPO_UTO = 0x100        # RFC 5482
    TCPO_ACCECN = 0x200     # RFC 9768
    ACCECN_FIELDS = 3       # bytes of ECT(1), CE and ECT(0)
    TCP_MD5_AT = 24         # where tcp_emit puts the signature: behind two NOPs, first of the options
    TCPOLEN_MD5_APPA = 20   # bytes of that option with two NOPs
    TCPOLEN_TSTAMP_APPA = 12  # bytes of the timestamps option with two NOPs (RFC 7323, appendix A)
    TCP_MSS_DEFAULT = 536   # bytes: of a peer that does not say (RFC 9293, MUST-15)
    TCP_MAX_WSCALE = 14     # RFC 7323, section 2.3
    TCP_MAX_SACK = 4        # blocks in one header
    TCP_MAX_OPTIONS = 40    # bytes
    COOKIE_MIN = 4          # bytes of a Fast Open cookie (RFC 7413, section 4.1.1)
    COOKIE_MAX = 16

cdef enum tcp_layout:       # of a SYN's options; peers, and those who look at them, tell stacks apart by it
    LAYOUT_ALIGNED = 0      # Linux's: MSS, SACK-permitted, timestamps, window scale, each where it fills whole words with the NOPs before it
    LAYOUT_PACKED = 1       # FreeBSD's: MSS, window scale, SACK-permitted, timestamps; the end is padded
    LAYOUTS = 2

cdef enum tcp_status:
    TCP_OK = 0
    TCP_SHORT = -1          # fewer than 20 bytes
    TCP_OFFSET = -2         # data offset below 5 words or beyond the segment
    TCP_CHECKSUM = -3

cdef struct sack_block:
    uint32_t left           # first sequence number of the block
    uint32_t right          # the one behind its last

cdef struct tcp_repr:
    uint16_t src_port
    uint16_t dst_port
    uint32_t seq
    uint32_t ack
    uint16_t window         # as on the wire, not scaled
    uint16_t urgent
    uint16_t flags          # TH_*
    uint8_t header_len      # bytes with options, 20 to 60, a multiple of 4
    uint16_t options        # TCPO_* that were present and of the right size
    uint8_t wscale          # shift as sent, 0 to 255; users clamp it to TCP_MAX_WSCALE
    uint16_t mss
    uint8_t n_sack          # blocks in sack[]
    uint8_t layout          # LAYOUT_*: how a SYN's options are laid out by tcp_emit
    uint8_t md5_at          # of what was parsed: bytes from the header's beginning to the signature
    uint8_t ecn_fields      # of the AccECN option: how many of ecn_bytes it has
    uint8_t ecn_order       # ... in which order: 0 ECT(0), CE, ECT(1); 1 ECT(1), CE, ECT(0)
    uint32_t ecn_bytes[3]   # 24 bits each
    uint16_t uto            # user timeout as on the wire (tcp_uto_ns)
    uint32_t ts_val
    uint32_t ts_ecr
    sack_block sack[4]      # of a SYN, which has none: tcp_cookie

# n: the whole segment. Options: parsing stops at the first length that is 0, 1 or past the header and keeps those
# before it; one of a known kind and another size than its own is passed over; of two alike the first counts; MSS,
# window scale, SACK-permitted and Fast Open count only with SYN, SACK only without. A SACK option counts as far as whole blocks fit. Of several
# Fast Open options the last counts; a cookie of a length that none can have takes away the one before, unless that length is odd.
cdef int tcp_parse(const uint8_t *p, uint32_t n, const ip_addr *src, const ip_addr *dst, tcp_repr *out,
                   bint verify) noexcept nogil
# Bytes that the header takes with r.options (and n_sack blocks), a multiple of 4.
cdef uint32_t tcp_header_len(const tcp_repr *r) noexcept nogil
# Writes header and options, with a zero checksum field, and returns their length, or -ENOBUFS. Order on the wire: r.layout's
# on SYN, with Fast Open last (left out where it does not fit); NOP, NOP, timestamps, then NOP, NOP, SACK elsewhere. With timestamps only three
# blocks fit: a fourth is left out.
cdef int tcp_emit(uint8_t *p, uint32_t room, const tcp_repr *r) noexcept nogil
# User timeout as RFC 5482 has it: a bit that says minutes, and 15 bits; from ns, rounded up, and back.
cdef uint16_t tcp_uto(int64_t ns) noexcept nogil
cdef int64_t tcp_uto_ns(uint16_t field) noexcept nogil
# Ends a segment: sum of pseudo header, header and payload into the checksum field. `payload_sum` is the partial sum of
# the payload (csum_copy while it was copied); header_len is even, so the two sums may be taken apart.
cdef void tcp_finish(uint8_t *p, uint32_t header_len, uint32_t payload_len, uint64_t payload_sum,
                     const ip_addr *src, const ip_addr *dst) noexcept nogil
# The same with a partial checksum (wire/gso): l4_len bytes, of which none is looked at.
cdef void tcp_finish_partial(uint8_t *p, uint32_t l4_len, const ip_addr *src, const ip_addr *dst) noexcept nogil


cdef inline uint8_t *tcp_cookie(const tcp_repr *r) noexcept nogil:
    """Of a SYN with TCPO_FASTOPEN: how many bytes its cookie has (0: it asks for one, or COOKIE_MIN to COOKIE_MAX), and behind that number they. They
    lie where other segments have SACK blocks."""
    return <uint8_t *>r.sack
