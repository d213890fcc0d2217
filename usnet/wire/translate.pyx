"""Addresses and ports rewritten in flight; translate.pxd says what for."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.wire.bytes cimport load16, load32, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold, csum_number
from usnet.wire.eth cimport ETH_HLEN, ETH_P_IP
from usnet.wire.icmp cimport ICMP_HLEN, ICMP_PARAM_PROBLEM, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN
from usnet.wire.peek cimport eth_header_len
from usnet.wire.tcp cimport TCP_CSUM_AT, TCP_HLEN, TH_ACK, TH_SYN
from usnet.wire.udp cimport UDP_CSUM_AT, UDP_HLEN

cdef enum:
    SRC_AT = 12                 # of the IPv4 header
    IP_CSUM_AT = 10
    ICMP_CSUM_AT = 2
    PORTS = 4                   # bytes
    NOT_WHOLE = 0x3fff          # more fragments, or an offset


cdef uint32_t header_of(const uint8_t *l3, uint32_t n) noexcept nogil:
    """Bytes of the header of an IPv4 packet that is no fragment; 0 for anything else."""
    cdef uint32_t header
    if n < IPV4_HLEN or l3[0] >> 4 != 4 or load16(l3 + 6) & NOT_WHOLE:
        return 0
    header = <uint32_t>(l3[0] & 15) * 4
    return header if IPV4_HLEN <= header <= n else 0


cdef void read_at(const uint8_t *l3, uint32_t header, ends *out) noexcept nogil:
    out.src, out.dst = load32(l3 + SRC_AT), load32(l3 + SRC_AT + 4)
    out.src_port, out.dst_port = load16(l3 + header), load16(l3 + header + 2)
    out.proto = l3[9]
    out.opens = False


cdef int ends_read(const uint8_t *frame, uint32_t n, ends *out) noexcept nogil:
    cdef const uint8_t *l3
    cdef uint32_t at, header, inner
    if n < ETH_HLEN:
        return ENDS_NONE
    at = eth_header_len(frame)
    l3 = frame + at
    if n < at + IPV4_HLEN or load16(l3 - 2) != ETH_P_IP:
        return ENDS_NONE
    n = min(n - at, <uint32_t>load16(l3 + 2))
    header = header_of(l3, n)
    if not header:
        return ENDS_NONE
    if (l3[9] == IPPROTO_TCP and n >= header + TCP_HLEN) or (l3[9] == IPPROTO_UDP and n >= header + UDP_HLEN):
        read_at(l3, header, out)
        out.opens = l3[9] == IPPROTO_TCP and l3[header + 13] & (TH_SYN | TH_ACK) == TH_SYN
        return ENDS_OWN
    if l3[9] != IPPROTO_ICMP or n < header + ICMP_HLEN:
        return ENDS_NONE
    if l3[header] != ICMP_UNREACHABLE and l3[header] != ICMP_TIME_EXCEEDED and l3[header] != ICMP_PARAM_PROBLEM:
        return ENDS_NONE
    l3 += header + ICMP_HLEN
    n -= header + ICMP_HLEN
    inner = header_of(l3, n)
    if not inner or n < inner + PORTS or (l3[9] != IPPROTO_TCP and l3[9] != IPPROTO_UDP):
        return ENDS_NONE
    read_at(l3, inner, out)
    return ENDS_QUOTED


cdef void mend(uint8_t *field, uint64_t before, uint64_t after) noexcept nogil:
    """RFC 1624, equation 3."""
    store16(field, <uint32_t>csum_fold(csum_number(load16(field) ^ 0xffff) + csum_number(csum_fold(before)) + after))


cdef void addresses(uint8_t *l3, uint32_t src, uint32_t dst) noexcept nogil:
    cdef uint64_t before = csum_add(0, l3 + SRC_AT, 8)
    store32(l3 + SRC_AT, src)
    store32(l3 + SRC_AT + 4, dst)
    mend(l3 + IP_CSUM_AT, before, csum_add(0, l3 + SRC_AT, 8))


cdef void ends_write(uint8_t *frame, int kind, const ends *was, const ends *to) noexcept nogil:
    cdef uint8_t *l3 = frame + eth_header_len(frame)
    cdef uint8_t *icmp = l3 + (l3[0] & 15) * 4
    cdef uint8_t *l4 = icmp
    cdef uint8_t *quoted
    cdef uint8_t *field
    cdef uint32_t header, src, dst
    cdef uint64_t before
    if kind == ENDS_QUOTED:
        quoted = icmp + ICMP_HLEN
        header = (quoted[0] & 15) * 4
        before = csum_add(0, quoted, header + PORTS)
        addresses(quoted, to.src, to.dst)
        store16(quoted + header, to.src_port)
        store16(quoted + header + 2, to.dst_port)
        mend(icmp + ICMP_CSUM_AT, before, csum_add(0, quoted, header + PORTS))
        src, dst = load32(l3 + SRC_AT), load32(l3 + SRC_AT + 4)
        addresses(l3, to.dst if src == was.dst else src, to.src if dst == was.src else dst)
        return
    before = csum_add(csum_add(0, l3 + SRC_AT, 8), l4, PORTS)
    addresses(l3, to.src, to.dst)
    store16(l4, to.src_port)
    store16(l4 + 2, to.dst_port)
    field = l4 + (TCP_CSUM_AT if to.proto == IPPROTO_TCP else UDP_CSUM_AT)
    if to.proto == IPPROTO_UDP and load16(field) == 0:
        return                              # there is none
    mend(field, before, csum_add(csum_add(0, l3 + SRC_AT, 8), l4, PORTS))
    if to.proto == IPPROTO_UDP and load16(field) == 0:
        store16(field, 0xffff)


def translate(frame, src=None, dst=None):
    """(kind, frame): an Ethernet frame with other ends, each (IPv4 address as int, port) or None for as it is. kind: "none" (and the frame as it
    was), "own", or "quoted": the ends are those of the packet that an ICMP error is about."""
    cdef bytearray b = bytearray(frame)
    cdef uint8_t *p = b
    cdef ends was, to
    cdef int kind = ends_read(p, <uint32_t>len(b), &was)
    if kind == ENDS_NONE:
        return "none", bytes(b)
    to = was
    if src is not None:
        to.src, to.src_port = src
    if dst is not None:
        to.dst, to.dst_port = dst
    ends_write(p, kind, &was, &to)
    return "own" if kind == ENDS_OWN else "quoted", bytes(b)
