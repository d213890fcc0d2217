"""Frames in rings: out into slots of ring 0 of an interface's port, with the Ethernet header in front; in from several slots."""
from libc.errno cimport EAGAIN, EMSGSIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, ring, ring_buf, ring_next, ring_room, ring_space, slot_meta
from usnet.ip.state cimport ip_state, link_cursor, netif
from usnet.memory.buffers cimport BUF_HELD, NO_SET, buffer_replace, buffers
from usnet.wire.eth cimport eth_emit, eth_repr


cdef bint link_free(ip_state *ip, uint32_t number, uint32_t count) noexcept nogil:
    cdef netif *n = &ip.netifs[number]
    cdef ring *r
    if n.link.n_tx:
        r = n.link.tx[0]
        if ring_space(r) < count:
            n.link.tx_sync(n.link.self, 0)
            n.tx_pending = 0
        if ring_space(r) >= count:
            return True
    n.tx_wanted = 1
    return False


cdef int link_fits(ip_state *ip, uint32_t number, uint32_t length) noexcept nogil:
    cdef netif *n = &ip.netifs[number]
    cdef uint32_t count = slots_of(n, length), i, _i
    if count == 0:
        return -EMSGSIZE
    if not link_free(ip, number, count):
        return -EAGAIN
    i = n.link.tx[0].head
    for _i in range(count):
        if n.bufs != NO_SET and not own_slot(ip, number, i):
            return -EAGAIN
        i = ring_next(n.link.tx[0], i)
    return 0


cdef uint8_t *link_open(ip_state *ip, uint32_t number) noexcept nogil:
    cdef ring *r
    if not link_free(ip, number, 1):
        return NULL
    r = ip.netifs[number].link.tx[0]
    if ip.netifs[number].bufs != NO_SET and not own_slot(ip, number, r.head):
        return NULL
    return ring_buf(r, r.head)


cdef bint own_slot(ip_state *ip, uint32_t number, uint32_t i) noexcept nogil:
    """A free slot may be written to: if somebody still needs what was sent from it, it gets another buffer."""
    cdef buffers *b = &ip.pieces.sets[ip.netifs[number].bufs]
    cdef ring *r = ip.netifs[number].link.tx[0]
    cdef uint32_t index = r.slots[i].buf_idx
    if index >= b.n_bufs or not b.state[index] & BUF_HELD:
        return True
    index = buffer_replace(b, index)
    if index == 0:
        return False
    r.slots[i].buf_idx = index
    r.slots[i].flags |= NS_BUF_CHANGED
    return True


cdef bint link_queued(const netif *n, uint32_t slot) noexcept nogil:
    cdef const ring *r = n.link.tx[0]
    # The slot at tail has left too: it is the one that always stays unused
    return (slot - r.head if slot >= r.head else slot + r.num_slots - r.head) > ring_space(r)


cdef void link_close_as(ip_state *ip, uint32_t number, uint32_t length, const slot_meta *meta) noexcept nogil:
    cdef netif *n = &ip.netifs[number]
    cdef ring *r = n.link.tx[0]
    cdef slot_meta *first = &n.link.tx_meta[0][r.head] if n.link.tx_meta[0] != NULL else NULL
    cdef uint32_t room
    while True:
        room = ring_room(r, r.head)
        if length <= room:
            break
        r.slots[r.head].len = <uint16_t>room
        r.slots[r.head].flags = (r.slots[r.head].flags & NS_BUF_CHANGED) | NS_MOREFRAG
        r.head = ring_next(r, r.head)
        length -= room
    link_close(&ip.netifs[number], length)
    if first != NULL and meta != NULL:
        first[0] = meta[0]


cdef void link_put(const netif *n, link_cursor *at, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef ring *r = n.link.tx[0]
    cdef uint32_t part
    while length:
        part = ring_room(r, at.slot) - at.byte
        if part == 0:
            at.slot = ring_next(r, at.slot)
            at.byte = 0
            continue
        if part > length:
            part = length
        memcpy(ring_buf(r, at.slot) + at.byte, p, part)
        at.byte += part
        p += part
        length -= part


cdef uint32_t slots_of(const netif *n, uint32_t length) noexcept nogil:
    """Slots that `length` bytes take from the first free one on; 0 when the ring can never hold them."""
    cdef ring *r = n.link.tx[0]
    cdef uint32_t i = r.head
    cdef uint32_t count, room
    for count in range(1, r.num_slots):
        room = ring_room(r, i)
        if length <= room:
            return count
        length -= room
        i = ring_next(r, i)
    return 0


cdef uint32_t link_header(const netif *n, uint8_t *l2, const uint8_t *dst, uint16_t type) noexcept nogil:
    cdef eth_repr e
    memcpy(e.dst, dst, 6)
    memcpy(e.src, n.mac, 6)
    e.type = type
    e.vlan = n.vlan
    e.header_len = <uint16_t>link_header_len(n)
    eth_emit(l2, e.header_len, &e)
    return e.header_len


cdef const uint8_t *link_gather(ring *r, uint32_t first, uint8_t *scratch, uint32_t *after, uint32_t *length) noexcept nogil:
    cdef const uint8_t *frame = ring_buf(r, first)
    cdef uint32_t i = first, n = 0
    cdef bint more = True
    cdef bint in_a_row = True
    while more and i != r.tail:
        more = r.slots[i].flags & NS_MOREFRAG
        in_a_row = in_a_row and ring_buf(r, i) == frame + n
        n += r.slots[i].len
        i = ring_next(r, i)
    after[0] = i
    length[0] = n if n <= LINK_FRAME_MAX else 0
    if in_a_row or n > LINK_FRAME_MAX:
        return frame
    n = 0
    while first != i:
        memcpy(scratch + n, ring_buf(r, first), r.slots[first].len)
        n += r.slots[first].len
        first = ring_next(r, first)
    return scratch
