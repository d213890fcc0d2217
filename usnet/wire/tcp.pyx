"""The TCP header and its options (RFC 9293 section 3.1, RFC 7323, RFC 2018)."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.wire.addr cimport ip_addr
from usnet.wire.bytes cimport load16, load32, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold, csum_pseudo
from usnet.wire.gso cimport csum_partial
from usnet.wire.ipv4 cimport IPPROTO_TCP

cdef enum:
    SYN_OPTIONS = 20            # bytes of the usual options of a SYN
    KIND_END = 0
    KIND_NOP = 1
    KIND_MSS = 2
    KIND_WSCALE = 3
    KIND_SACK_OK = 4
    KIND_SACK = 5
    KIND_TIMESTAMP = 8
    KIND_FASTOPEN = 34
    KIND_EXPERIMENT = 254
    FASTOPEN_MAGIC = 0xf989     # which experiment (RFC 6994)
    KIND_MD5 = 19
    KIND_UTO = 28
    KIND_ACCECN0 = 172
    KIND_ACCECN1 = 174
    MINUTES = 0x8000            # granularity of a user timeout


cdef void read_cookie(const uint8_t *p, uint32_t n, uint16_t options, tcp_repr *out) noexcept nogil:
    if n & 1:
        return
    out.options &= ~<uint16_t>(TCPO_FASTOPEN | TCPO_FASTOPEN_EXP)
    if n == 0 or COOKIE_MIN <= n <= COOKIE_MAX:
        out.options |= options
        tcp_cookie(out)[0] = <uint8_t>n
        memcpy(tcp_cookie(out) + 1, p, n)


cdef void read_syn_option(const uint8_t *p, uint8_t kind, uint8_t length, tcp_repr *out) noexcept nogil:
    if kind == KIND_MSS and length == 4 and not out.options & TCPO_MSS:
        out.mss = load16(p + 2)
        out.options |= TCPO_MSS
    elif kind == KIND_WSCALE and length == 3 and not out.options & TCPO_WSCALE:
        out.wscale = p[2]
        out.options |= TCPO_WSCALE
    elif kind == KIND_SACK_OK and length == 2:
        out.options |= TCPO_SACK_OK
    elif kind == KIND_FASTOPEN:
        read_cookie(p + 2, length - 2, TCPO_FASTOPEN, out)
    elif kind == KIND_EXPERIMENT and length >= 4 and load16(p + 2) == FASTOPEN_MAGIC:
        read_cookie(p + 4, length - 4, TCPO_FASTOPEN | TCPO_FASTOPEN_EXP, out)


cdef void read_sack(const uint8_t *p, uint8_t length, tcp_repr *out) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t blocks = (length - 2) // 8
    if blocks == 0 or out.options & TCPO_SACK:
        return
    if blocks > TCP_MAX_SACK:
        blocks = TCP_MAX_SACK
    for i in range(blocks):
        out.sack[i].left = load32(p + 2 + 8 * i)
        out.sack[i].right = load32(p + 6 + 8 * i)
    out.n_sack = <uint8_t>blocks
    out.options |= TCPO_SACK


cdef void read_accecn(const uint8_t *p, uint8_t length, tcp_repr *out) noexcept nogil:
    """As many of the three counters as there are (RFC 9768, section 3.2.3); of what is behind whole ones nothing."""
    cdef uint32_t i, n = (length - 2) // 3
    if out.options & TCPO_ACCECN or length > 2 + 3 * ACCECN_FIELDS:
        return
    for i in range(n):
        out.ecn_bytes[i] = load32(p + 1 + 3 * i) & 0xffffff
    out.ecn_fields = <uint8_t>n
    out.ecn_order = p[0] == KIND_ACCECN1
    out.options |= TCPO_ACCECN


cdef inline bint read_usual(const uint8_t *p, tcp_repr *out) noexcept nogil:
    """Whether they are the four options of nearly every SYN in Linux's layout; then they are read."""
    if load16(p) != 0x0204 or load32(p + 4) != 0x0402080a or load32(p + 16) >> 8 != 0x010303:
        return False
    out.mss = load16(p + 2)
    out.ts_val = load32(p + 8)
    out.ts_ecr = load32(p + 12)
    out.wscale = p[19]
    out.options = TCPO_MSS | TCPO_SACK_OK | TCPO_TIMESTAMP | TCPO_WSCALE
    return True


cdef void read_options(const uint8_t *p, uint32_t n, tcp_repr *out) noexcept nogil:
    """Reads the n option bytes at p; each step goes at least one byte on."""
    cdef uint32_t i = 0
    cdef uint8_t kind, length
    if n == SYN_OPTIONS and out.flags & TH_SYN and read_usual(p, out):
        return
    while i < n:
        kind = p[i]
        if kind == KIND_END:
            return
        if kind == KIND_NOP:
            i += 1
            continue
        if i + 1 >= n:
            return
        length = p[i + 1]
        if length < 2 or length > n - i:
            return
        if kind == KIND_TIMESTAMP:
            if length == 10 and not out.options & TCPO_TIMESTAMP:
                out.ts_val = load32(p + i + 2)
                out.ts_ecr = load32(p + i + 6)
                out.options |= TCPO_TIMESTAMP
        elif kind == KIND_MD5:
            if length == 18 and not out.options & TCPO_MD5:
                out.md5_at = <uint8_t>(TCP_HLEN + i + 2)
                out.options |= TCPO_MD5
        elif kind == KIND_UTO:
            if length == 4 and not out.options & TCPO_UTO:
                out.uto = load16(p + i + 2)
                out.options |= TCPO_UTO
        elif kind == KIND_ACCECN0 or kind == KIND_ACCECN1:
            read_accecn(p + i, length, out)
        elif out.flags & TH_SYN:
            read_syn_option(p + i, kind, length, out)
        elif kind == KIND_SACK:
            read_sack(p + i, length, out)
        i += length


cdef int tcp_parse(const uint8_t *p, uint32_t n, const ip_addr *src, const ip_addr *dst, tcp_repr *out,
                   bint verify) noexcept nogil:
    cdef uint32_t header
    if n < TCP_HLEN:
        return TCP_SHORT
    header = (p[12] >> 4) * 4
    if header < TCP_HLEN or header > n:
        return TCP_OFFSET
    if verify and csum_fold(csum_add(csum_pseudo(src, dst, IPPROTO_TCP, n), p, n)) != 0:
        return TCP_CHECKSUM
    memset(out, 0, sizeof(tcp_repr))
    out.src_port = load16(p)
    out.dst_port = load16(p + 2)
    out.seq = load32(p + 4)
    out.ack = load32(p + 8)
    out.header_len = <uint8_t>header
    out.flags = <uint16_t>(p[12] & 1) << 8 | p[13]
    out.window = load16(p + 14)
    out.urgent = load16(p + 18)
    if header > TCP_HLEN:
        read_options(p + TCP_HLEN, header - TCP_HLEN, out)
    return TCP_OK


cdef inline uint32_t sack_room(const tcp_repr *r) noexcept nogil:
    """Blocks of r that are sent: those that fit beside the timestamps (RFC 2018, section 3)."""
    cdef uint32_t fit = TCP_MAX_SACK - 1 if r.options & TCPO_TIMESTAMP else TCP_MAX_SACK
    if r.options & TCPO_MD5:
        fit = 0 if r.options & TCPO_TIMESTAMP else 2
    if not r.options & TCPO_SACK or r.flags & TH_SYN:
        return 0
    return r.n_sack if r.n_sack < fit else fit


cdef inline uint8_t *put_pair(uint8_t *q, uint8_t a, uint8_t b) noexcept nogil:
    q[0] = a
    q[1] = b
    return q + 2


cdef uint8_t *put_timestamps(uint8_t *q, const tcp_repr *r) noexcept nogil:
    q = put_pair(q, KIND_TIMESTAMP, 10)
    store32(q, r.ts_val)
    store32(q + 4, r.ts_ecr)
    return q + 8


cdef uint8_t *put_room_for_md5(uint8_t *q) noexcept nogil:
    """NOP, NOP, and a signature of zeros."""
    put_pair(put_pair(q, KIND_NOP, KIND_NOP), KIND_MD5, 18)
    memset(q + 4, 0, 16)
    return q + TCPOLEN_MD5_APPA


cdef uint8_t *put_uto(uint8_t *q, const tcp_repr *r) noexcept nogil:
    store16(put_pair(q, KIND_UTO, 4), r.uto)
    return q + 4


cdef uint32_t accecn_len(const tcp_repr *r) noexcept nogil:
    """Bytes, with the NOPs behind it."""
    return (2 + 3 * <uint32_t>r.ecn_fields + 3) & ~<uint32_t>3 if r.options & TCPO_ACCECN else 0


cdef uint8_t *put_accecn(uint8_t *q, const tcp_repr *r) noexcept nogil:
    """Without NOPs."""
    cdef uint32_t i
    q = put_pair(q, KIND_ACCECN1 if r.ecn_order else KIND_ACCECN0, 2 + 3 * r.ecn_fields)
    for i in range(r.ecn_fields):
        q[0] = <uint8_t>(r.ecn_bytes[i] >> 16)
        store16(q + 1, <uint16_t>(r.ecn_bytes[i] & 0xffff))
        q += 3
    return q


cdef struct placed:             # an option of a SYN
    uint16_t option             # TCPO_*
    uint8_t size                # bytes
    uint8_t every               # it begins where the offset, divided by this,
    uint8_t rest                # leaves that; NOPs stand before it

# [layout]: the order. In LAYOUT_ALIGNED SACK-permitted shares its word with the NOPs before it, or, then before them, with the timestamps.
cdef placed ORDERS[2][6]
ORDERS[<int>LAYOUT_ALIGNED][:] = [
    placed(TCPO_MSS, 4, 1, 0), placed(TCPO_SACK_OK, 2, 4, 0), placed(TCPO_TIMESTAMP, 10, 4, 2), placed(TCPO_ACCECN, 11, 1, 0),
    placed(TCPO_SACK_OK, 2, 4, 2), placed(TCPO_WSCALE, 3, 4, 1),
]
ORDERS[<int>LAYOUT_PACKED][:] = [
    placed(TCPO_MSS, 4, 1, 0), placed(TCPO_WSCALE, 3, 2, 1), placed(TCPO_SACK_OK, 2, 2, 0), placed(TCPO_TIMESTAMP, 10, 4, 2),
    placed(TCPO_ACCECN, 11, 1, 0), placed(0, 0, 1, 0),
]


cdef inline bint is_placed(const placed *one, const tcp_repr *r) noexcept nogil:
    """Whether that entry of ORDERS is one of a SYN's options: in LAYOUT_ALIGNED SACK-permitted has two places."""
    if one.option == TCPO_SACK_OK and r.layout == LAYOUT_ALIGNED and (one.rest == 0) != (r.options & TCPO_TIMESTAMP != 0):
        return False
    return r.options & one.option != 0


cdef void put_syn_option(uint8_t *q, uint16_t option, const tcp_repr *r) noexcept nogil:
    if option == TCPO_MSS:
        store16(put_pair(q, KIND_MSS, 4), r.mss)
    elif option == TCPO_SACK_OK:
        put_pair(q, KIND_SACK_OK, 2)
    elif option == TCPO_TIMESTAMP:
        put_timestamps(q, r)
    elif option == TCPO_ACCECN:
        put_accecn(q, r)
    else:
        put_pair(q, KIND_WSCALE, 3)[0] = r.wscale


cdef uint32_t lay_cookie(uint8_t *q, uint32_t n, const tcp_repr *r) noexcept nogil:
    """Where the options end that end at n, with Fast Open's; the same where there is no room for it."""
    cdef uint32_t head = 4 if r.options & TCPO_FASTOPEN_EXP else 2
    cdef uint8_t length = tcp_cookie(r)[0]
    if n + head + length > TCP_MAX_OPTIONS:
        return n
    if q != NULL:
        put_pair(q + n, KIND_EXPERIMENT if head == 4 else KIND_FASTOPEN, <uint8_t>(head + length))
        if head == 4:
            store16(q + n + 2, FASTOPEN_MAGIC)
        memcpy(q + n + head, tcp_cookie(r) + 1, length)
    return n + head + length


cdef uint32_t lay_syn_options(uint8_t *q, const tcp_repr *r) noexcept nogil:
    """How many bytes a SYN's options take, a multiple of 4; where q is not NULL they are written there."""
    cdef uint32_t n = 0, i
    cdef const placed *one
    if r.options & TCPO_MD5:
        if q != NULL:
            put_room_for_md5(q)
        n = TCPOLEN_MD5_APPA
    for i in range(6):
        one = &ORDERS[r.layout][i]
        if not is_placed(one, r):
            continue
        while n % one.every != one.rest:
            if q != NULL:
                q[n] = KIND_NOP
            n += 1
        if q != NULL:
            put_syn_option(q + n, one.option, r)
        n += one.size
    if r.options & TCPO_FASTOPEN:
        n = lay_cookie(q, n, r)
    while n % 4:
        if q != NULL:
            q[n] = KIND_END if r.layout == LAYOUT_PACKED and not r.options & TCPO_UTO else KIND_NOP
        n += 1
    if r.options & TCPO_UTO and n < TCP_MAX_HLEN - TCP_HLEN:
        if q != NULL:
            put_uto(q + n, r)
        n += 4
    return n


cdef uint32_t tcp_header_len(const tcp_repr *r) noexcept nogil:
    cdef uint32_t n = TCP_HLEN
    cdef uint32_t blocks = sack_room(r)
    if r.flags & TH_SYN:
        return n + lay_syn_options(NULL, r)
    if r.options & TCPO_MD5:
        n += TCPOLEN_MD5_APPA
    if r.options & TCPO_TIMESTAMP:
        n += TCPOLEN_TSTAMP_APPA
    if r.options & TCPO_UTO:
        n += 4
    n += accecn_len(r)
    if blocks:
        n += 4 + 8 * blocks
    return n


cdef void put_options(uint8_t *q, const tcp_repr *r) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t blocks = sack_room(r)
    cdef uint8_t *end
    if r.options & TCPO_MD5:
        q = put_room_for_md5(q)
    if r.options & TCPO_TIMESTAMP:
        q = put_timestamps(put_pair(q, KIND_NOP, KIND_NOP), r)
    if r.options & TCPO_ACCECN:
        end = q + accecn_len(r)
        q = put_accecn(q, r)
        while q < end:
            q[0] = KIND_NOP
            q += 1
    if r.options & TCPO_UTO:
        q = put_uto(q, r)
    if blocks == 0:
        return
    q = put_pair(q, KIND_NOP, KIND_NOP)
    q = put_pair(q, KIND_SACK, <uint8_t>(2 + 8 * blocks))
    for i in range(blocks):
        store32(q + 8 * i, r.sack[i].left)
        store32(q + 8 * i + 4, r.sack[i].right)


cdef int tcp_emit(uint8_t *p, uint32_t room, const tcp_repr *r) noexcept nogil:
    cdef uint32_t length = tcp_header_len(r)
    if room < length:
        return -ENOBUFS
    store16(p, r.src_port)
    store16(p + 2, r.dst_port)
    store32(p + 4, r.seq)
    store32(p + 8, r.ack)
    p[12] = <uint8_t>(length << 2) | <uint8_t>(r.flags >> 8 & 1)
    p[13] = <uint8_t>r.flags
    store16(p + 14, r.window)
    store16(p + 16, 0)
    store16(p + 18, r.urgent)
    if r.flags & TH_SYN:
        lay_syn_options(p + TCP_HLEN, r)
    else:
        put_options(p + TCP_HLEN, r)
    return <int>length


cdef uint16_t tcp_uto(int64_t ns) noexcept nogil:
    cdef int64_t seconds = (ns + 999999999) // 1000000000, minutes = (seconds + 59) // 60
    if seconds < MINUTES:
        return <uint16_t>seconds
    return MINUTES | <uint16_t>(minutes if minutes < MINUTES else MINUTES - 1)


cdef int64_t tcp_uto_ns(uint16_t field) noexcept nogil:
    cdef int64_t unit = 1000000000
    return (field & MINUTES - 1) * (60 * unit if field & MINUTES else unit)


cdef void tcp_finish(uint8_t *p, uint32_t header_len, uint32_t payload_len, uint64_t payload_sum,
                     const ip_addr *src, const ip_addr *dst) noexcept nogil:
    cdef uint64_t total = payload_sum + csum_pseudo(src, dst, IPPROTO_TCP, header_len + payload_len)
    store16(p + 16, 0)
    store16(p + 16, <uint16_t>csum_fold(csum_add(total, p, header_len)))


cdef void tcp_finish_partial(uint8_t *p, uint32_t l4_len, const ip_addr *src, const ip_addr *dst) noexcept nogil:
    store16(p + TCP_CSUM_AT, csum_partial(src, dst, IPPROTO_TCP, l4_len))
