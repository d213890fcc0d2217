"""Cutting frames that carry several segments (TSO, USO) in software; completing partial checksums."""
from libc.errno cimport EINVAL
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.wire.addr cimport ip_addr
from usnet.wire.bytes cimport load16, load32, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold, csum_number, csum_pseudo
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPPROTO_UDP, ipv4_parse, ipv4_repr
from usnet.wire.peek cimport tcp_header_whole
from usnet.wire.tcp cimport TCP_CSUM_AT, TH_CWR, TH_FIN, TH_PSH
from usnet.wire.udp cimport UDP_CSUM_AT, UDP_HLEN


cdef int gso_open(const uint8_t *frame, uint32_t length, uint32_t l3, uint8_t gso_type, uint32_t gso_size, gso_plan *g) noexcept nogil:
    cdef ipv4_repr r
    cdef uint32_t l4_len
    cdef uint8_t kind = gso_type & ~<uint32_t>GSO_ECN
    if gso_size == 0 or l3 > length or (kind != GSO_TCPV4 and kind != GSO_UDP_L4):
        return -EINVAL
    if ipv4_parse(frame + l3, length - l3, &r, False) < 0 or r.more_fragments or r.frag_offset:
        return -EINVAL
    if r.proto != (IPPROTO_TCP if kind == GSO_TCPV4 else IPPROTO_UDP):
        return -EINVAL
    g.l3 = l3
    g.l4 = l3 + r.header_len
    g.proto = r.proto
    g.size = gso_size
    l4_len = r.total_len - r.header_len
    g.payload = g.l4 + UDP_HLEN
    if kind == GSO_TCPV4:
        if not tcp_header_whole(frame + g.l4, l4_len):
            return -EINVAL
        g.payload = g.l4 + <uint32_t>(frame[g.l4 + 12] >> 4) * 4
    if g.payload - g.l4 > l4_len:
        return -EINVAL
    g.n = l4_len - (g.payload - g.l4)
    g.segments = (g.n + gso_size - 1) // gso_size if g.n else 1
    return <int>g.segments


cdef void cut_tcp(uint8_t *l4, uint32_t number, uint32_t at, bint last) noexcept nogil:
    store32(l4 + 4, load32(l4 + 4) + at)
    if number:
        l4[13] &= ~<uint32_t>TH_CWR
    if not last:
        l4[13] &= ~<uint32_t>(TH_FIN | TH_PSH)


cdef uint32_t gso_cut(const gso_plan *g, const uint8_t *frame, uint32_t i, uint8_t *dst) noexcept nogil:
    cdef uint32_t at = i * g.size
    cdef uint32_t n = g.n - at if g.n - at < g.size else g.size
    cdef uint32_t l4_len = g.payload - g.l4 + n
    cdef uint32_t field = g.l4 + (TCP_CSUM_AT if g.proto == IPPROTO_TCP else UDP_CSUM_AT)
    cdef uint32_t csum
    cdef uint64_t total
    cdef uint8_t *l3 = dst + g.l3
    memcpy(dst, frame, g.payload)
    memcpy(dst + g.payload, frame + g.payload + at, n)
    store16(l3 + 2, g.l4 - g.l3 + l4_len)
    if not l3[6] & 0x40:
        store16(l3 + 4, load16(l3 + 4) + i)         # whole datagrams need no identification (RFC 6864): only what may be fragmented gets one each
    store16(l3 + 10, 0)
    store16(l3 + 10, csum_fold(csum_add(0, l3, g.l4 - g.l3)))
    if g.proto == IPPROTO_TCP:
        cut_tcp(dst + g.l4, i, at, i + 1 == g.segments)
    else:
        store16(dst + g.l4 + 4, l4_len)
    store16(dst + field, 0)
    total = csum_add(csum_number(g.proto) + csum_number(l4_len), l3 + 12, 8)
    csum = csum_fold(csum_add(total, dst + g.l4, l4_len))
    store16(dst + field, csum if csum or g.proto == IPPROTO_TCP else 0xffff)
    return g.payload + n


cdef bint csum_complete(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset) noexcept nogil:
    cdef uint32_t csum
    if start > length or offset + 2 > length - start:
        return False
    csum = csum_fold(csum_add(0, frame + start, length - start))
    # To UDP zero says that there is no checksum
    store16(frame + start + offset, csum if csum or offset != UDP_CSUM_AT else 0xffff)
    return True


cdef uint32_t csum_partial(const ip_addr *src, const ip_addr *dst, uint32_t proto, uint32_t l4_len) noexcept nogil:
    return csum_fold(csum_pseudo(src, dst, proto, l4_len)) ^ 0xffff


def cut(frame, gso_type, gso_size, l3=14):
    """The segments of a frame that carries several, as they would cross a wire: a list of bytes. ValueError for what is no such frame."""
    cdef bytes whole = bytes(frame)
    cdef gso_plan g
    cdef uint32_t i, length
    cdef bytearray out
    cdef list segments = []
    if gso_open(whole, <uint32_t>len(whole), l3, gso_type, gso_size, &g) < 0:
        raise ValueError("not a frame that can be cut")
    for i in range(g.segments):
        out = bytearray(g.payload + g.size)
        length = gso_cut(&g, whole, i, out)
        segments.append(bytes(out[:length]))
    return segments


def complete(frame, start, offset):
    """The frame with its partial checksum completed. ValueError when the checksum lies outside."""
    cdef bytearray out = bytearray(frame)
    if not csum_complete(out, <uint32_t>len(out), start, offset):
        raise ValueError("the checksum lies outside of the frame")
    return bytes(out)
