"""The way of a connection's frames, remembered: as long as nothing has changed that a route depends on (ip_state.ways), the next frame leaves through
the same interface to the same neighbour. Whatever is not quite as usual takes the long way, ip_tx_open."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.ring cimport ring, ring_buf, ring_space
from usnet.ip.link cimport link_close
from usnet.ip.neighbour cimport neighbour_touch
from usnet.ip.routes cimport ip_is_local
from usnet.ip.state cimport NEIGHBOUR_REACHABLE, ip_state, neighbour, netif, tx_frame
from usnet.memory.arena cimport NONE, arena_at
from usnet.memory.buffers cimport BUF_HELD, NO_SET
from usnet.wire.addr cimport addr_is_v4
from usnet.wire.eth cimport VLAN_NONE


cdef inline uint32_t way_of(const ip_state *ip, const tx_frame *f) noexcept nogil:
    """What is to be remembered of a frame's way, beside its interface and neighbour: compared with ip.ways later; 0: it is to be looked for each time."""
    if f.ring_slot == NONE or f.neighbour == NONE or f.offload or ip.netifs[f.netif].vlan != VLAN_NONE:
        return 0
    return ip.ways if addr_is_v4(&f.src) and addr_is_v4(&f.dst) and ip_is_local(ip, &f.src) else 0


cdef inline uint8_t *way_open(ip_state *ip, uint32_t number, uint32_t hop, bint lent, int64_t now, const uint8_t **to) noexcept nogil:
    """Where the next frame is written, and its station; NULL: the long way. lent: another buffer takes the slot's place (link_lend)."""
    cdef netif *n = &ip.netifs[number]
    cdef neighbour *h = <neighbour *>arena_at(&ip.neighbours, hop)
    cdef ring *r = n.link.tx[0]
    cdef uint32_t index = r.slots[r.head].buf_idx
    if ring_space(r) == 0 or not (h.is_static or (h.state == NEIGHBOUR_REACHABLE and now < h.expires)):
        return NULL
    if n.bufs != NO_SET and (index >= ip.pieces.sets[n.bufs].n_bufs or (ip.pieces.sets[n.bufs].state[index] & BUF_HELD and not lent)):
        return NULL
    if ip.neighbour_last != hop:
        neighbour_touch(ip, hop)
    to[0] = &h.mac[0]
    return ring_buf(r, r.head)


cdef inline void way_close(ip_state *ip, uint32_t number, uint32_t packet, uint32_t frame) noexcept nogil:
    """Hands it over: bytes from the IP header on, and of all."""
    link_close(&ip.netifs[number], frame)
    ip.counters.tx_packets += 1
    ip.counters.tx_bytes += packet
