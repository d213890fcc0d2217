"""Payload that stays where it lies. What one connection may hold of a port's spares, and when it is worth it, is decided here alone."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.backends.ring cimport NS_BUF_CHANGED
from usnet.ip.link cimport link_frame_at, link_header_len, link_queued
from usnet.ip.state cimport NETIF_LOOPBACK, netif, tx_frame
from usnet.memory.arena cimport NONE, arena_give
from usnet.memory.buffers cimport BUF_HELD, NO_SET, buffer_at, buffer_release, buffer_take, buffers
from usnet.memory.pieces cimport (
    PIECE_OUTBOUND, PIECE_SENT, PIECE_WHOLE, piece, piece_at, piece_over, piece_release, piece_take, queue_add, queue_aside,
    queue_spill,
)
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport tcb, tcb_header_len
from usnet.wire.checksum cimport csum_copy_at
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.seq cimport seq_ge

cdef enum:
    ASIDE_TRIES = 4             # buffers that wait in the ring, before it is given up to find an older one


cdef inline uint32_t low_water(const buffers *b) noexcept nogil:
    """Spares that are left alone, so that there are some for whoever needs one at once."""
    return b.total // 8


cdef inline bint within_share(const buffers *b, uint32_t true_bytes) noexcept nogil:
    """One queue of one connection holds at most half of them, in whole buffers whatever is in those."""
    return (true_bytes // b.size + 1) * 2 <= b.total


cdef bint put_aside(tcp_state *t, uint32_t set_) noexcept nogil:
    """Frees the buffer that has been held for longest, unless its frame waits in the ring; of those behind it only a few are tried. False: none, or
    half of the chunks are in use, which are wanted for other things too."""
    cdef uint32_t i = t.pieces.oldest[set_], _tries, n
    cdef piece *p
    cdef tcb *k
    cdef bint out
    for _tries in range(ASIDE_TRIES):
        if i == NONE or t.chunks.heads.live >= t.chunks.heads.capacity // 2:
            return False
        p = piece_at(t.pieces, i)
        k = tcb_at(t, p.owner)
        out = p.flags & PIECE_OUTBOUND != 0
        if not (out and lend_queued(t, k, i)):
            n = p.length
            if queue_aside(t.pieces, &k.snd if out else &k.rcv, i):
                return False
            if out:
                t.copies.out_aside += n
            else:
                t.copies.in_aside += n
            return True
        i = p.newer
    return False


cdef inline uint32_t spare(tcp_state *t, uint32_t set_) noexcept nogil:
    """A spare that leaves those of the low-water mark alone; 0."""
    cdef buffers *b = &t.pieces.sets[set_]
    cdef uint32_t index = buffer_take(b, low_water(b))
    if index == 0 and put_aside(t, set_):
        index = buffer_take(b, low_water(b))
    return index


# --- In ---------------------------------------------------------------------------------------------------------------------

cdef bint lend_slot(tcp_state *t, uint32_t c, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef buffers *b
    cdef uint8_t *base
    cdef uint32_t old, instead
    b = &t.pieces.sets[t.ip.now_in.bufs]
    if n * 2 < b.size:
        t.copies.in_small += n
        return False
    old = t.ip.now_in.r.slots[t.ip.now_in.slot].buf_idx
    if old < 2 or old >= b.n_bufs:
        return False
    base = buffer_at(b, old)
    if p < base or p + n > base + b.size:   # a datagram that was put together
        t.copies.in_apart += n
        return False
    instead = spare(t, t.ip.now_in.bufs) if within_share(b, k.rcv.true_bytes) else 0
    if instead == 0:
        t.copies.in_short += n
        return False
    if not keep(t, c, old, p, n):
        buffer_release(b, instead)
        t.copies.in_short += n
        return False
    b.state[old] = BUF_HELD
    b.state[instead] = 0
    t.ip.now_in.r.slots[t.ip.now_in.slot].buf_idx = instead
    t.ip.now_in.r.slots[t.ip.now_in.slot].flags |= NS_BUF_CHANGED
    t.ip.now_in.r = NULL
    return True


cdef bint keep(tcp_state *t, uint32_t c, uint32_t buf, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint32_t i = piece_over(t.pieces, t.ip.now_in.bufs, buf, <uint8_t *>p, n)
    if i == NONE:
        return False
    if queue_spill(t.pieces, &tcb_at(t, c).rcv):
        arena_give(&t.pieces.items, i)
        return False
    piece_at(t.pieces, i).owner = c
    queue_add(t.pieces, &tcb_at(t, c).rcv, i)
    return True


# --- Out --------------------------------------------------------------------------------------------------------------------

cdef inline buffers *spares_of(tcp_state *t, const tcb *k) noexcept nogil:
    """Of the interface that k sends through, if what is sent from them may stay where it is; or NULL."""
    cdef buffers *b
    if k.netif == NETIF_LOOPBACK or t.ip.netifs[k.netif].bufs == NO_SET:
        return NULL
    b = &t.pieces.sets[t.ip.netifs[k.netif].bufs]
    return b if b.stays else NULL


cdef bint has_not_left(const tcb *k, const piece *p) noexcept nogil:
    return seq_ge(k.snd_una + (p.pos - k.snd.front), k.snd_max)


cdef uint32_t lend_fill(tcp_state *t, uint32_t c, const uint8_t *src, uint32_t n, uint32_t *apart) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef piece *p
    cdef uint32_t i = k.snd.last
    if i != NONE:
        p = piece_at(t.pieces, i)
        if p.pos + p.length == k.snd.front + k.snd.span and p.length < p.room and p.flags & PIECE_WHOLE and has_not_left(k, p):
            return fill(t, k, p, src, n)
    i = open_piece(t, k, n, apart)
    if i == NONE:
        return 0
    if queue_spill(t.pieces, &k.snd):
        piece_release(t.pieces, i)
        return 0
    piece_at(t.pieces, i).owner = c
    queue_add(t.pieces, &k.snd, i)
    return fill(t, k, piece_at(t.pieces, i), src, n)


cdef uint32_t fill(tcp_state *t, tcb *k, piece *p, const uint8_t *src, uint32_t n) noexcept nogil:
    if n > p.room - p.length:
        n = p.room - p.length
    p.sum = csum_copy_at(p.sum, p.length, p.bytes + p.length, src, n)
    p.length += n
    k.snd.span += n
    k.snd.placed += n
    t.copies.out_placed += n
    return n


cdef inline uint32_t lend_take(tcp_state *t, tcb *k, uint32_t leave) noexcept nogil:
    """A piece over a spare of the interface that k sends through, with room for one segment and its headers."""
    cdef netif *way = &t.ip.netifs[k.netif]
    cdef const buffers *b = &t.pieces.sets[way.bufs]
    cdef uint32_t head = link_header_len(way) + IPV4_HLEN + tcb_header_len(k)
    cdef uint32_t start = link_frame_at(way) + head, i
    cdef piece *p
    if start + k.mss > b.size:
        return NONE
    i = piece_take(t.pieces, way.bufs, leave, start)
    if i == NONE and leave == low_water(b) and b.n_spare[0] <= b.lent + leave and put_aside(t, way.bufs):
        i = piece_take(t.pieces, way.bufs, leave, start)
    if i != NONE:
        p = piece_at(t.pieces, i)
        p.head = head
        p.room = k.mss
        p.flags = PIECE_WHOLE | PIECE_OUTBOUND
    return i


cdef uint32_t open_piece(tcp_state *t, tcb *k, uint32_t n, uint32_t *apart) noexcept nogil:
    """An empty piece for the next segment's payload. It must begin where a segment will: what is sent from snd_nxt on is cut into full ones."""
    cdef uint32_t out = k.snd_nxt - k.snd_una, over
    cdef buffers *b = spares_of(t, k)
    apart[0] = n
    if b == NULL or out > k.snd.span or not within_share(b, k.snd.true_bytes):
        return NONE
    over = (k.snd.span - out) % k.mss
    if over:
        apart[0] = k.mss - over if n > k.mss - over else n
        return NONE
    return lend_take(t, k, low_water(b) if n * 2 >= k.mss else b.total // 2)     # little ones only while there are plenty


cdef bint lend_queued(tcp_state *t, tcb *k, uint32_t i) noexcept nogil:
    cdef const piece *p = piece_at(t.pieces, i)
    cdef uint32_t number
    if not p.flags & PIECE_SENT or t.pieces.sets[p.where].state[p.buf] == BUF_HELD:
        return False
    for number in range(t.ip.n_netifs):
        if t.ip.netifs[number].bufs == p.where:
            return link_queued(&t.ip.netifs[number], p.slot)
    return False


cdef void lend_way(tcp_state *t, tcb *k, const tx_frame *f) noexcept nogil:
    k.netif = <uint8_t>(f.netif if f.ring_slot != NONE else NETIF_LOOPBACK)


cdef uint32_t lend_empty(tcp_state *t, tcb *k) noexcept nogil:
    cdef buffers *b = spares_of(t, k)
    return lend_take(t, k, low_water(b)) if b != NULL else NONE
