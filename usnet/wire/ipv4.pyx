"""The IPv4 header (RFC 791, RFC 6864)."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.wire.addr cimport addr_set_v4, addr_v4
from usnet.wire.bytes cimport load16, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold

cdef enum:
    OPTION_END = 0
    OPTION_NOP = 1
    OPTION_LSRR = 131
    OPTION_SSRR = 137
    FLAG_DF = 0x4000
    FLAG_MF = 0x2000
    OFFSET_MASK = 0x1fff


cdef int check_options(const uint8_t *p, uint32_t n) noexcept nogil:
    """Walks the n option bytes at p; each step goes at least one byte on."""
    cdef uint32_t i = 0
    cdef uint8_t kind
    while i < n:
        kind = p[i]
        if kind == OPTION_END:
            return IPV4_OK
        if kind == OPTION_NOP:
            i += 1
            continue
        if i + 1 >= n or p[i + 1] < 2 or p[i + 1] > n - i:
            return IPV4_OPTION
        if kind == OPTION_LSRR or kind == OPTION_SSRR:
            return IPV4_SOURCE_ROUTE
        i += p[i + 1]
    return IPV4_OK


cdef int ipv4_parse(const uint8_t *p, uint32_t n, ipv4_repr *out, bint verify) noexcept nogil:
    cdef uint32_t header, total, word
    if n < IPV4_HLEN:
        return IPV4_SHORT
    if p[0] >> 4 != 4:
        return IPV4_VERSION
    header = (p[0] & 15) * 4
    if header < IPV4_HLEN or header > n:
        return IPV4_IHL
    total = load16(p + 2)
    if total < header or total > n:
        return IPV4_LENGTH
    if verify and csum_fold(csum_add(0, p, header)) != 0:
        return IPV4_CHECKSUM
    out.header_len = <uint8_t>header
    out.total_len = <uint16_t>total
    out.tos = p[1]
    out.ident = load16(p + 4)
    word = load16(p + 6)
    out.dont_fragment = 1 if word & FLAG_DF else 0
    out.more_fragments = 1 if word & FLAG_MF else 0
    out.frag_offset = <uint16_t>((word & OFFSET_MASK) * 8)
    out.ttl = p[8]
    out.proto = p[9]
    addr_set_v4(&out.src, p + 12)
    addr_set_v4(&out.dst, p + 16)
    if header > IPV4_HLEN:
        return check_options(p + IPV4_HLEN, header - IPV4_HLEN)
    return IPV4_OK


cdef int ipv4_emit(uint8_t *p, uint32_t room, const ipv4_repr *r) noexcept nogil:
    cdef uint32_t word
    if room < IPV4_HLEN:
        return -ENOBUFS
    p[0] = 0x45
    p[1] = r.tos
    store16(p + 2, r.total_len)
    store16(p + 4, r.ident)
    word = r.frag_offset >> 3
    if r.dont_fragment:
        word |= FLAG_DF
    if r.more_fragments:
        word |= FLAG_MF
    store16(p + 6, <uint16_t>word)
    p[8] = r.ttl
    p[9] = r.proto
    store16(p + 10, 0)
    store32(p + 12, addr_v4(&r.src))
    store32(p + 16, addr_v4(&r.dst))
    store16(p + 10, <uint16_t>csum_fold(csum_add(0, p, IPV4_HLEN)))
    return IPV4_HLEN
