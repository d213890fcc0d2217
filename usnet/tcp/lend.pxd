"""Payload that stays in the port's buffers: on its way in (a received buffer becomes part of the queue, a spare takes its place in the ring), on its
way out (bytes are put where they will be sent from). tcp/lent has the calls by which the application gets at it.

When spares run low, what has been held for longest is copied to chunks, so that connections that do not read cannot keep them from those that do. With
no spares, or none left, all of it does nothing, and payload goes through chunks: the same bytes on the wire either way.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.ip.link cimport link_frame_at, link_header_len, link_lend
from usnet.ip.state cimport NETIF_LOOPBACK, netif, tx_frame
from usnet.memory.arena cimport NONE
from usnet.memory.buffers cimport NO_SET, buffer_at
from usnet.memory.pieces cimport PIECE_SENT, PIECE_WHOLE, SETS, piece, piece_at, queue_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.ipv4 cimport IPV4_HLEN

# For lend_received, where the frame lies in one buffer.
cdef bint lend_slot(tcp_state *t, uint32_t c, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil
# Puts bytes into pieces at the end of the send queue; how many. When that is 0, *apart bytes go into the chain before it is worth asking again.
cdef uint32_t lend_fill(tcp_state *t, uint32_t c, const uint8_t *src, uint32_t n, uint32_t *apart) noexcept nogil
# Whether its frame still waits in the transmit ring.
cdef bint lend_queued(tcp_state *t, tcb *k, uint32_t i) noexcept nogil
# Remembers which way a segment went.
cdef void lend_way(tcp_state *t, tcb *k, const tx_frame *f) noexcept nogil

# An empty piece over a spare of the interface that k sends through, with room for one segment and its headers; NONE: there is none.
cdef uint32_t lend_empty(tcp_state *t, tcb *k) noexcept nogil


cdef inline bint lend_received(tcp_state *t, uint32_t c, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil:
    """n bytes in order: keeps the buffer of the frame that they came in, if that is worth it. Else 0, and they are to be copied."""
    if t.ip.now_in.r != NULL:
        return lend_slot(t, c, k, p, n)
    t.copies.in_apart += n
    return False


cdef inline bint lend_may(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether lend_fill could have a place for what k sends."""
    return k.snd.last != NONE or (k.netif != NETIF_LOOPBACK and t.ip.netifs[k.netif].bufs != NO_SET)


cdef inline uint32_t lend_find(tcp_state *t, tcb *k, uint32_t at, uint32_t n) noexcept nogil:
    """The piece that is exactly those n bytes of the send queue, or NONE."""
    cdef uint32_t i
    cdef const piece *p
    if k.snd.first == NONE:
        return NONE
    i = queue_at(t.pieces, &k.snd, at)
    if i == NONE:
        return NONE
    p = piece_at(t.pieces, i)
    return i if p.pos == k.snd.front + at and p.length == n and p.flags & PIECE_WHOLE and p.where < SETS else NONE


cdef inline bint lend_fits(tcp_state *t, uint32_t i, uint32_t number, uint32_t header) noexcept nogil:
    """Whether it can be sent as it lies through that interface, behind a TCP header of so many bytes."""
    cdef const piece *p = piece_at(t.pieces, i)
    cdef const netif *way = &t.ip.netifs[number]
    return (not p.flags & PIECE_SENT and way.bufs == p.where and p.head == link_header_len(way) + IPV4_HLEN + header
            and p.bytes - p.head - buffer_at(&t.pieces.sets[p.where], p.buf) == link_frame_at(way))


cdef inline uint8_t *lend_put(tcp_state *t, uint32_t i, uint32_t number, uint64_t *total) noexcept nogil:
    """Does so, when it fits: its buffer goes into the next slot, which the caller knows to be free. Where the frame begins; *total is the sum of the
    payload."""
    cdef piece *p = piece_at(t.pieces, i)
    p.slot = link_lend(t.ip, number, p.buf)
    p.flags |= PIECE_SENT
    total[0] = p.sum
    t.copies.out_lent += p.length
    return p.bytes - p.head
