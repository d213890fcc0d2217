"""The frames that connections live on: Ethernet without a tag, IPv4 without options or fragments, TCP with at most timestamps, as RFC 7323, appendix A
lays them out. They are read and written in one go, since nearly all frames are of that kind; all others take the long way, protocol by protocol, which
these agree with to the bit.

Addresses stay as they lie on the wire, in a uint32_t that is no number; ports and TCP's fields are numbers.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.wire.bytes cimport load16, load32, ntohl, store16
from usnet.wire.checksum cimport CSUM_FEW, csum_add, csum_few, csum_number, csum_sum, csum_words
from usnet.wire.eth cimport ETH_HLEN, ETH_P_IP
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPV4_HLEN
from usnet.wire.tcp cimport TCP_HLEN, TH_ACK, TH_SYN

cdef enum:
    FLOW_TIMESTAMPS = 12        # bytes of the option with the NOPs in front
    TIMESTAMP_WORD = 0x0101080a
    TIMESTAMP_SUM = 0x0101 + 0x080a
    FLOW_SYN_OPTIONS = 20       # bytes of a SYN's options
    MSS_HALF = 0x0204
    SACK_OK_TIMESTAMP_WORD = 0x0402080a
    WSCALE_WORD = 0x01030300
    SYN_SUM = 0x0402 + 0x0103 - 0x0101      # what these add to TIMESTAMP_SUM, but for the last half
    PLAIN_WORD = 0x4500         # version 4, five words, TOS 0
    DONT_FRAGMENT = 0x4000
    FRAGMENT = 0x3fff           # more fragments, or an offset

cdef struct flow:
    const uint8_t *l4
    const uint8_t *payload
    uint32_t n                  # bytes of it
    uint32_t src                # as on the wire
    uint32_t dst
    uint32_t seq
    uint32_t ack
    uint32_t ts_val             # with timestamps
    uint32_t ts_ecr
    uint16_t src_port
    uint16_t dst_port
    uint16_t window             # not scaled
    uint8_t flags               # TH_*
    bint timestamps
    # Of a SYN with the four options that nearly all have (flow_parse_syn)
    uint16_t mss
    uint8_t wscale

# The headers that all frames of a connection begin with: what changes from one to the next is zero in them.
cdef struct flow_form:
    uint8_t bytes[54]           # Ethernet's without its destination, IP's, TCP's without options
    uint16_t tcp_len            # bytes of the TCP header
    uint32_t way                # the user's own: what it was made for
    uint32_t ip_sum             # partial, of the IP header
    uint32_t tcp_sum            # partial, of pseudo header and TCP header; folded once


cdef inline uint32_t as_it_lies(const uint8_t *p) noexcept nogil:
    cdef uint32_t x
    memcpy(&x, p, 4)
    return x


cdef inline uint64_t eight_of(const uint8_t *p) noexcept nogil:
    cdef uint64_t x
    memcpy(&x, p, 8)
    return x


cdef inline bint flow_parse(const uint8_t *p, uint32_t length, flow *out) noexcept nogil:
    """Whether the frame is of that kind; checksums are flow_verify's."""
    cdef uint32_t total, header
    cdef const uint8_t *l3 = p + ETH_HLEN
    cdef const uint8_t *l4 = l3 + IPV4_HLEN
    if length < ETH_HLEN + IPV4_HLEN + TCP_HLEN or load16(p + 12) != ETH_P_IP or l3[0] != 0x45 or l3[9] != IPPROTO_TCP or load16(l3 + 6) & FRAGMENT:
        return False
    total = load16(l3 + 2)
    header = (l4[12] >> 4) * 4
    out.timestamps = header == TCP_HLEN + FLOW_TIMESTAMPS
    if total > length - ETH_HLEN or total < IPV4_HLEN + header or header < TCP_HLEN:
        return False
    if out.timestamps:
        if load32(l4 + TCP_HLEN) != TIMESTAMP_WORD:
            return False
        out.ts_val = load32(l4 + 24)
        out.ts_ecr = load32(l4 + 28)
    elif header != TCP_HLEN:
        return False
    out.l4 = l4
    out.payload = l4 + header
    out.n = total - IPV4_HLEN - header
    out.src = as_it_lies(l3 + 12)
    out.dst = as_it_lies(l3 + 16)
    out.src_port = load16(l4)
    out.dst_port = load16(l4 + 2)
    out.seq = load32(l4 + 4)
    out.ack = load32(l4 + 8)
    out.flags = l4[13]
    out.window = load16(l4 + 14)
    return True


cdef inline bint flow_parse_syn(const uint8_t *p, uint32_t length, flow *out) noexcept nogil:
    """Whether the frame is a SYN or SYN-ACK as flow_emit_syn writes them, and without data. Then all of *out is filled, without `timestamps`."""
    cdef const uint8_t *l3 = p + ETH_HLEN
    cdef const uint8_t *l4 = l3 + IPV4_HLEN
    if (length < ETH_HLEN + IPV4_HLEN + TCP_HLEN + FLOW_SYN_OPTIONS or load16(p + 12) != ETH_P_IP or l3[0] != 0x45 or l3[9] != IPPROTO_TCP
            or load16(l3 + 6) & FRAGMENT or load16(l3 + 2) != IPV4_HLEN + TCP_HLEN + FLOW_SYN_OPTIONS or l4[12] != (TCP_HLEN + FLOW_SYN_OPTIONS) << 2):
        return False
    if (l4[13] & ~<uint32_t>TH_ACK != TH_SYN or load16(l4 + 20) != MSS_HALF or load32(l4 + 24) != SACK_OK_TIMESTAMP_WORD
            or load32(l4 + 36) & ~<uint32_t>0xff != WSCALE_WORD):
        return False
    out.l4 = l4
    out.payload = l4 + TCP_HLEN + FLOW_SYN_OPTIONS
    out.n = 0
    out.src = as_it_lies(l3 + 12)
    out.dst = as_it_lies(l3 + 16)
    out.src_port = load16(l4)
    out.dst_port = load16(l4 + 2)
    out.seq = load32(l4 + 4)
    out.ack = load32(l4 + 8)
    out.flags = l4[13]
    out.window = load16(l4 + 14)
    out.timestamps = False
    out.mss = load16(l4 + 22)
    out.ts_val = load32(l4 + 28)
    out.ts_ecr = load32(l4 + 32)
    out.wscale = l4[39]
    return True


cdef inline uint64_t flow_pseudo(uint32_t src, uint32_t dst, uint32_t l4_len) noexcept nogil:
    return <uint64_t>src + dst + csum_number(IPPROTO_TCP) + csum_number(l4_len)


cdef inline bint flow_verify(const flow *f) noexcept nogil:
    """Both checksums."""
    cdef const uint8_t *l3 = f.l4 - IPV4_HLEN
    cdef uint32_t l4_len = <uint32_t>(f.payload - f.l4) + f.n
    if csum_sum(csum_words(eight_of(l3)) + csum_words(eight_of(l3 + 8)) + as_it_lies(l3 + 16)) != 0xffff:
        return False
    return csum_sum(flow_pseudo(f.src, f.dst, l4_len) + (csum_few(f.l4, l4_len) if l4_len <= CSUM_FEW else csum_add(0, f.l4, l4_len))) == 0xffff


cdef inline uint64_t put32(uint8_t *p, uint32_t number) noexcept nogil:
    """Writes it, and says what it adds to a sum."""
    cdef uint32_t x = ntohl(number)
    memcpy(p, &x, 4)
    return x


cdef inline void put_sum(uint8_t *p, uint64_t total) noexcept nogil:
    cdef uint16_t x = <uint16_t>~csum_sum(total)
    memcpy(p, &x, 2)


cdef inline uint32_t flow_head_len(const flow_form *m) noexcept nogil:
    """Bytes of all headers."""
    return ETH_HLEN + IPV4_HLEN + m.tcp_len


cdef inline bint flow_answers(const flow_form *m, const flow *f) noexcept nogil:
    """Whether it came from where frames with these headers go to."""
    cdef const uint8_t *l3 = &m.bytes[ETH_HLEN]
    return (as_it_lies(l3 + 12) == f.dst and as_it_lies(l3 + 16) == f.src and load16(l3 + IPV4_HLEN) == f.dst_port
            and load16(l3 + IPV4_HLEN + 2) == f.src_port)


cdef inline void flow_prepare(flow_form *m, const uint8_t *sender, uint32_t src, uint32_t dst, uint16_t src_port, uint16_t dst_port, uint8_t tos, uint8_t ttl,
                              bint timestamps) noexcept nogil:
    """Addresses are as they lie on the wire. All but `way`."""
    cdef uint8_t *l3 = &m.bytes[ETH_HLEN]
    cdef uint8_t *l4 = l3 + IPV4_HLEN
    cdef uint64_t total
    memset(m.bytes, 0, sizeof(m.bytes))
    memcpy(&m.bytes[6], sender, 6)
    store16(&m.bytes[12], ETH_P_IP)
    total = put32(l3, (PLAIN_WORD | tos) << 16)
    total += put32(l3 + 4, DONT_FRAGMENT)
    total += put32(l3 + 8, <uint32_t>ttl << 24 | IPPROTO_TCP << 16)
    memcpy(l3 + 12, &src, 4)
    memcpy(l3 + 16, &dst, 4)
    m.ip_sum = csum_sum(total + src + dst)
    total = flow_pseudo(src, dst, 0) + put32(l4, <uint32_t>src_port << 16 | dst_port)
    if timestamps:
        total += csum_number(TIMESTAMP_SUM)
    m.tcp_sum = csum_sum(total)
    m.tcp_len = TCP_HLEN + FLOW_TIMESTAMPS if timestamps else TCP_HLEN


cdef inline uint64_t flow_head(uint8_t *p, const flow_form *m, const uint8_t *to, uint32_t l4_len) noexcept nogil:
    """Writes what all frames begin with, and IP's length and checksum. What TCP's sum has so far."""
    cdef uint32_t length = csum_number(IPV4_HLEN + l4_len)
    memcpy(p, m.bytes, sizeof(m.bytes))
    memcpy(p, to, 6)
    memcpy(p + 16, &length, 2)
    put_sum(p + 24, <uint64_t>m.ip_sum + length)
    return m.tcp_sum + csum_number(l4_len)


cdef inline void flow_emit(uint8_t *p, const flow_form *m, const uint8_t *to, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window, uint32_t ts_val,
                           uint32_t ts_ecr, uint32_t n, uint64_t payload_sum) noexcept nogil:
    """Writes all headers in front of n bytes of payload whose partial sum that is. to: the station."""
    cdef uint8_t *l4 = p + ETH_HLEN + IPV4_HLEN
    cdef uint64_t total = payload_sum + flow_head(p, m, to, m.tcp_len + n)
    total += put32(l4 + 4, seq)
    total += put32(l4 + 8, ack)
    total += put32(l4 + 12, <uint32_t>m.tcp_len << 26 | <uint32_t>flags << 16 | window)
    if m.tcp_len != TCP_HLEN:
        put32(l4 + 20, TIMESTAMP_WORD)
        total += put32(l4 + 24, ts_val)
        total += put32(l4 + 28, ts_ecr)
    put_sum(l4 + 16, total)


cdef inline void flow_unmark(uint8_t *p, const flow_form *m) noexcept nogil:
    """What was just written leaves as Not-ECT (RFC 3168), though the form says ECT(0)."""
    cdef uint16_t length
    memcpy(&length, p + 16, 2)
    p[15] &= 0xfc
    put_sum(p + 24, <uint64_t>m.ip_sum + length + csum_number(0xffff ^ 2))


cdef inline uint8_t flow_tos(const flow *f) noexcept nogil:
    return f.l4[1 - IPV4_HLEN]


cdef inline void flow_emit_syn(uint8_t *p, const flow_form *m, const uint8_t *to, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window, uint16_t mss,
                               uint8_t wscale, uint32_t ts_val, uint32_t ts_ecr) noexcept nogil:
    """A SYN, or SYN-ACK, with the four options that nearly all have, laid out as LAYOUT_ALIGNED is (wire/tcp); the form is one with timestamps."""
    cdef uint8_t *l4 = p + ETH_HLEN + IPV4_HLEN
    cdef uint64_t total = flow_head(p, m, to, TCP_HLEN + FLOW_SYN_OPTIONS)
    total += put32(l4 + 4, seq)
    total += put32(l4 + 8, ack)
    total += put32(l4 + 12, <uint32_t>(TCP_HLEN + FLOW_SYN_OPTIONS) << 26 | <uint32_t>flags << 16 | window)
    total += put32(l4 + 20, <uint32_t>MSS_HALF << 16 | mss)
    put32(l4 + 24, SACK_OK_TIMESTAMP_WORD)
    total += put32(l4 + 28, ts_val)
    total += put32(l4 + 32, ts_ecr)
    put32(l4 + 36, <uint32_t>WSCALE_WORD | wscale)
    put_sum(l4 + 16, total + csum_number(SYN_SUM) + csum_number(WSCALE_WORD & 0xffff | wscale))
