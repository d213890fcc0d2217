"""A router's work on a packet that is for somebody else (RFC 1812, section 5.2)."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from usnet.backends.ring cimport META_CSUM_NEEDED, slot_meta
from usnet.ip.fragment cimport packet_send, packet_send_large
from usnet.ip.icmp cimport icmp_error
from usnet.ip.neighbour cimport neighbour_put, neighbour_use
from usnet.ip.output cimport ip_large_on
from usnet.ip.routes cimport ip_route
from usnet.ip.state cimport (
    DROP_IP_NO_ROUTE, DROP_IP_NOT_OURS, DROP_IP_TOO_BIG, DROP_IP_TTL, DROP_NEIGHBOUR_QUEUE, DROP_TX_NO_MEMORY,
    DROP_TX_RING_FULL,
    NEIGHBOUR_FAILED, NEIGHBOUR_INCOMPLETE, ip_state, neighbour,
)
from usnet.memory.arena cimport NONE, arena_at
from usnet.wire.addr cimport addr_v4, ip_addr
from usnet.wire.gso cimport csum_complete, gso_cut, gso_is_tcp, gso_open, gso_plan
from usnet.wire.icmp cimport ICMP_FRAG_NEEDED, ICMP_HOST, ICMP_NET, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport ipv4_repr
from usnet.wire.peek cimport ipv4_decrement_ttl


cdef int send_on(ip_state *ip, uint32_t number, uint32_t index, const uint8_t *l3, uint32_t n) noexcept nogil:
    """A packet that is complete to the neighbour, or behind those that wait for its address."""
    cdef neighbour *nb = <neighbour *>arena_at(&ip.neighbours, index)
    cdef int status
    if nb.state == NEIGHBOUR_INCOMPLETE:
        status = neighbour_put(ip, index, NULL, 0, l3, n)       # counts what it drops
    else:
        status = packet_send(ip, number, nb.mac, l3, n)
        if status < 0:
            ip.drops[<int>DROP_TX_RING_FULL] += 1
    if status == 0:
        ip.counters.forwarded += 1
    return status


cdef void send_segments(ip_state *ip, uint32_t number, uint32_t index, uint8_t *l3, uint32_t n, const slot_meta *meta,
                        const gso_plan *g) noexcept nogil:
    """A frame of several segments: as it is where the next port cuts, else cut here."""
    cdef neighbour *nb = <neighbour *>arena_at(&ip.neighbours, index)
    cdef slot_meta m = meta[0]
    cdef uint32_t i, length
    if nb.state != NEIGHBOUR_INCOMPLETE and meta.flags & META_CSUM_NEEDED and gso_is_tcp(meta.gso_type) and n <= ip_large_on(ip, number):
        m.csum_start = <uint16_t>g.l4
        m.hdr_len = <uint16_t>g.payload
        if packet_send_large(ip, number, nb.mac, l3, n, &m) == 0:
            ip.counters.forwarded += 1
        else:
            ip.drops[<int>DROP_TX_RING_FULL] += 1
        return
    for i in range(g.segments):
        length = gso_cut(g, l3, i, ip.datagram)         # nothing is in there: what was reassembled or looped back is never of several segments
        send_on(ip, number, index, ip.datagram, length)


cdef void forward_input(ip_state *ip, const ipv4_repr *r, const uint8_t *frame, const uint8_t *l3,
                        const slot_meta *meta, int64_t now) noexcept nogil:
    cdef ip_addr next_hop
    cdef neighbour *nb
    cdef uint8_t *copy = ip.build
    cdef uint32_t number, index
    cdef uint32_t n = r.total_len
    cdef uint32_t longest = n
    cdef gso_plan g
    g.segments = 0
    if meta != NULL and meta.gso_size and gso_open(l3, n, 0, meta.gso_type, meta.gso_size, &g) > 1:
        longest = g.payload + g.size
    if addr_v4(&r.dst) >> 24 == 127 or addr_v4(&r.dst) >> 24 == 0:
        # nobody's address, whatever a default route says (RFC 1812, section 5.3.7)
        ip.drops[<int>DROP_IP_NOT_OURS] += 1
        return
    if r.ttl <= 1:
        ip.drops[<int>DROP_IP_TTL] += 1
        icmp_error(ip, ICMP_TIME_EXCEEDED, 0, 0, l3, n, now)
        return
    if ip_route(ip, &r.dst, &next_hop, &number) < 0:
        ip.drops[<int>DROP_IP_NO_ROUTE] += 1
        icmp_error(ip, ICMP_UNREACHABLE, ICMP_NET, 0, l3, n, now)
        return
    if longest > ip.netifs[number].mtu and r.dont_fragment:
        ip.drops[<int>DROP_IP_TOO_BIG] += 1
        icmp_error(ip, ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, ip.netifs[number].mtu, l3, n, now)
        return
    index = neighbour_use(ip, number, &next_hop, now)
    if index == NONE:
        ip.drops[<int>DROP_TX_NO_MEMORY] += 1
        return
    nb = <neighbour *>arena_at(&ip.neighbours, index)
    if nb.state == NEIGHBOUR_FAILED:
        ip.drops[<int>DROP_NEIGHBOUR_QUEUE] += 1
        icmp_error(ip, ICMP_UNREACHABLE, ICMP_HOST, 0, l3, n, now)
        return
    memcpy(copy, l3, n)
    ipv4_decrement_ttl(copy)
    if g.segments > 1:
        send_segments(ip, number, index, copy, n, meta, &g)
        return
    if meta != NULL and meta.flags & META_CSUM_NEEDED and meta.csum_start >= l3 - frame:
        csum_complete(copy, n, meta.csum_start - <uint32_t>(l3 - frame), meta.csum_offset)
    send_on(ip, number, index, copy, n)
