"""Borders of segments moved in flight; resegment.pxd says what for."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from usnet.wire.bytes cimport load32, store16
from usnet.wire.checksum cimport csum_add, csum_fold, csum_number
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.gso cimport GSO_TCPV4, gso_cut, gso_open
from usnet.wire.ipv4 cimport IPPROTO_TCP
from usnet.wire.observe cimport sum_wrong
from usnet.wire.peek cimport eth_header_len, tcp_seq
from usnet.wire.tcp cimport TCP_CSUM_AT, TCP_HLEN, TCPOLEN_TSTAMP_APPA, TH_ACK, TH_ECE, TH_FIN, TH_PSH

cdef enum:
    ONE = 65535
    FLAGS_AT = 13
    TSECR_AT = 8                # of the timestamps option with its two NOPs


cdef bint tcp_divisible(const uint8_t *frame, uint32_t n, uint32_t size, gso_plan *g) noexcept nogil:
    if n < ETH_HLEN or gso_open(frame, n, eth_header_len(frame), GSO_TCPV4, size, g) < 0 or g.n == 0:
        return False
    return frame[g.l4 + FLAGS_AT] & ~<uint32_t>(TH_PSH | TH_FIN | TH_ECE) == TH_ACK and sum_wrong(frame, n) == 0


cdef bint same_options(const uint8_t *a, const uint8_t *b, uint32_t n) noexcept nogil:
    """Equal, or timestamps alone on both."""
    if n == TCPOLEN_TSTAMP_APPA and load32(a) == 0x0101080a and load32(b) == 0x0101080a:
        return True
    return memcmp(a, b, n) == 0


cdef bint follows(const uint8_t *a, const gso_plan *g, const uint8_t *b, const gso_plan *h) noexcept nogil:
    """Same addresses, kind of service, hops, ports, flags, and the next number."""
    if g.payload != h.payload or g.l4 != h.l4 or memcmp(a, b, g.l3) or a[g.l3 + 1] != b[g.l3 + 1] or a[g.l3 + 8] != b[g.l3 + 8]:
        return False
    if memcmp(a + g.l3 + 12, b + g.l3 + 12, g.l4 - g.l3 - 12 + 4):
        return False
    if a[g.l4 + FLAGS_AT] & TH_FIN or (a[g.l4 + FLAGS_AT] ^ b[g.l4 + FLAGS_AT]) & ~<uint32_t>(TH_PSH | TH_FIN):
        return False
    return (tcp_seq(b + g.l4) == tcp_seq(a + g.l4) + g.n
            and same_options(a + g.l4 + TCP_HLEN, b + g.l4 + TCP_HLEN, g.payload - g.l4 - TCP_HLEN))


cdef uint32_t tcp_join(uint8_t *frame, uint32_t n, const uint8_t *second, uint32_t n_second, uint32_t most) noexcept nogil:
    cdef gso_plan g, h
    cdef uint8_t *l3
    cdef uint8_t *l4
    cdef const uint8_t *from_
    cdef uint32_t l4_len
    cdef uint64_t total
    if not tcp_divisible(frame, n, ONE, &g) or not tcp_divisible(second, n_second, ONE, &h):
        return 0
    if g.n + h.n > most or g.payload - g.l3 + g.n + h.n > ONE or not follows(frame, &g, second, &h):
        return 0
    l3, l4, from_ = frame + g.l3, frame + g.l4, second + h.l4
    memcpy(frame + g.payload + g.n, second + h.payload, h.n)
    l4_len = g.payload - g.l4 + g.n + h.n
    store16(l3 + 2, g.l4 - g.l3 + l4_len)
    store16(l3 + 10, 0)
    store16(l3 + 10, csum_fold(csum_add(0, l3, g.l4 - g.l3)))
    memcpy(l4 + 8, from_ + 8, 4)
    memcpy(l4 + 14, from_ + 14, 2)
    l4[FLAGS_AT] = from_[FLAGS_AT]
    if g.payload - g.l4 == TCP_HLEN + TCPOLEN_TSTAMP_APPA:
        memcpy(l4 + TCP_HLEN + TSECR_AT, from_ + TCP_HLEN + TSECR_AT, 4)
    store16(l4 + TCP_CSUM_AT, 0)
    total = csum_add(csum_number(IPPROTO_TCP) + csum_number(l4_len), l3 + 12, 8)
    store16(l4 + TCP_CSUM_AT, csum_fold(csum_add(total, l4, l4_len)))
    return g.payload + g.n + h.n


def join(frame, second, uint32_t most=65535):
    """Both frames as one, or None where they cannot be."""
    cdef bytes behind = bytes(second)
    cdef bytes first = bytes(frame)
    cdef bytearray b = bytearray(first + bytes(len(behind)))
    cdef uint32_t n = <uint32_t>len(first)
    cdef uint8_t *p = b
    n = tcp_join(p, n, behind, <uint32_t>len(behind), most)
    return bytes(b[:n]) if n else None


def divide(frame, uint32_t size):
    """The frame as several with up to `size` bytes of payload each; itself where it is not to be divided."""
    cdef bytes whole = bytes(frame)
    cdef gso_plan g
    cdef uint32_t i, n
    cdef bytearray out
    if not tcp_divisible(whole, <uint32_t>len(whole), size, &g):
        return [whole]
    parts = []
    for i in range(g.segments):
        out = bytearray(g.payload + g.size)
        n = gso_cut(&g, whole, i, out)
        parts.append(bytes(out[:n]))
    return parts
