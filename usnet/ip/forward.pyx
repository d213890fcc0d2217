"""A router's work on a packet that is for somebody else (RFC 1812, section 5.2)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from usnet.backends.ring cimport META_CSUM_NEEDED, slot_meta
from usnet.ip.fragment cimport packet_send
from usnet.ip.icmp cimport icmp_error
from usnet.ip.neighbour cimport neighbour_put, neighbour_use
from usnet.ip.routes cimport ip_route
from usnet.ip.state cimport (
    DROP_IP_NO_ROUTE, DROP_IP_NOT_OURS, DROP_IP_TOO_BIG, DROP_IP_TTL, DROP_NEIGHBOUR_QUEUE, DROP_TX_NO_MEMORY,
    DROP_TX_RING_FULL,
    NEIGHBOUR_FAILED, NEIGHBOUR_INCOMPLETE, ip_state, neighbour,
)
from usnet.memory.arena cimport NONE, arena_at
from usnet.wire.addr cimport addr_v4, ip_addr
from usnet.wire.bytes cimport store16
from usnet.wire.checksum cimport csum_add, csum_fold
from usnet.wire.icmp cimport ICMP_FRAG_NEEDED, ICMP_HOST, ICMP_NET, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport ipv4_repr
from usnet.wire.peek cimport ipv4_decrement_ttl


cdef void finish_checksum(uint8_t *l3, uint32_t n, const slot_meta *meta, uint32_t l3_at) noexcept nogil:
    """Completes the partial L4 checksum that the port left to whoever sends the packet over a wire."""
    cdef uint32_t start = meta.csum_start - l3_at
    cdef uint32_t checksum
    if meta.csum_start < l3_at or start + meta.csum_offset + 2 > n:
        return
    checksum = csum_fold(csum_add(0, l3 + start, n - start))
    # Zero means the same sum to TCP, and no checksum to UDP.
    store16(l3 + start + meta.csum_offset, checksum if checksum != 0 else 0xffff)


cdef void forward_input(ip_state *ip, const ipv4_repr *r, const uint8_t *frame, const uint8_t *l3,
                        const slot_meta *meta, int64_t now) noexcept nogil:
    cdef ip_addr next_hop
    cdef neighbour *nb
    cdef uint8_t *copy = ip.build
    cdef uint32_t number, index
    cdef uint32_t n = r.total_len
    cdef int status
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
    if n > ip.netifs[number].mtu and r.dont_fragment:
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
    if meta != NULL and meta.flags & META_CSUM_NEEDED:
        finish_checksum(copy, n, meta, <uint32_t>(l3 - frame))
    if nb.state == NEIGHBOUR_INCOMPLETE:
        status = neighbour_put(ip, index, NULL, 0, copy, n)
        if status == 0:
            ip.counters.forwarded += 1
        return
    status = packet_send(ip, number, nb.mac, copy, n)
    if status < 0:
        ip.drops[<int>DROP_TX_RING_FULL] += 1
    else:
        ip.counters.forwarded += 1
