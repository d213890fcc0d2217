"""Payload in the application's hands: buffers that it reads, or fills, where they lie."""
from libc.errno cimport EAGAIN, EINVAL, ENOBUFS, EPIPE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_find, arena_handle
from usnet.memory.chunks cimport CHUNK_BYTES
from usnet.memory.pieces cimport (
    OWN_CHUNK, PIECE_FILL, PIECE_OUT, PIECE_OUTBOUND, PIECE_WHOLE, piece, piece_at, piece_release, piece_release_later, piece_take, queue_add,
    queue_drop, queue_read, queue_shift, queue_spill,
)
from usnet.tcp.calls cimport both_ways, tcp_bulk_read, tcp_may_hold, tcp_recv_else, tcp_send_status
from usnet.tcp.lend cimport lend_empty
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport TF_MORE, tcb
from usnet.wire.checksum cimport csum_add


cdef void hand_out(tcp_state *t, uint32_t i, tcp_lent *b, uint8_t flags) noexcept nogil:
    cdef piece *p = piece_at(t.pieces, i)
    p.flags |= flags
    b.p = p.bytes
    b.n = p.length
    b.handle = arena_handle(&t.pieces.items, i)


cdef int64_t tcp_recv_lent(tcp_state *t, uint32_t c, tcp_lent *b, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t i = k.rcv.first, n
    if k.rcv_ready == 0:
        return tcp_recv_else(t, c, NULL, 0, False)
    if i != NONE and piece_at(t.pieces, i).pos == k.rcv.front:
        n = piece_at(t.pieces, i).length
        queue_shift(t.pieces, &k.rcv)
        t.copies.in_handed += n
    else:                                   # it came in small parts, or in disorder, and lies in chunks
        n = k.rcv.span if i == NONE else piece_at(t.pieces, i).pos - k.rcv.front
        n = CHUNK_BYTES if n > CHUNK_BYTES else n
        i = piece_take(t.pieces, OWN_CHUNK, 0, 0)
        if i == NONE:
            return -ENOBUFS
        piece_at(t.pieces, i).length = n
        queue_read(t.pieces, &k.rcv, piece_at(t.pieces, i).bytes, n)
        queue_drop(t.pieces, &k.rcv, n)
        t.copies.in_packed += n
    hand_out(t, i, b, PIECE_OUT)
    tcp_bulk_read(t, c, k, n)
    return n


cdef int64_t tcp_send_lent(tcp_state *t, uint32_t c, uint32_t want, tcp_lent *b, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t i
    cdef piece *p
    cdef int64_t status = 0 if both_ways(k) else tcp_send_status(t, k)
    if status < 0:
        return status
    if want == 0:
        return -EINVAL
    if k.snd.span >= k.sndbuf:
        return -EAGAIN
    if want > k.mss:
        want = k.mss
    if want > k.sndbuf - k.snd.span:
        if k.snd.span * 3 > k.sndbuf * 2:   # not writable (tcp_ready): behind less than a segment no other would lie as it is sent
            return -EAGAIN
        want = k.sndbuf - k.snd.span
    i = lend_empty(t, k)
    if i == NONE:
        want = CHUNK_BYTES if want > CHUNK_BYTES else want
        i = piece_take(t.pieces, OWN_CHUNK, 0, 0) if tcp_may_hold(t, k, CHUNK_BYTES) else NONE
        if i == NONE:
            return -ENOBUFS
    p = piece_at(t.pieces, i)
    p.room = p.length = want
    p.pos = c
    p.before = t.records.generation[c]
    hand_out(t, i, b, PIECE_OUT | PIECE_FILL)
    return want


cdef int64_t tcp_commit(tcp_state *t, uint32_t c, uint64_t handle, uint32_t n) noexcept nogil:
    cdef uint32_t i = arena_find(&t.pieces.items, handle)
    cdef tcb *k = tcb_at(t, c)
    cdef piece *p
    cdef int64_t status
    if i == NONE:
        return -EINVAL
    p = piece_at(t.pieces, i)
    if not p.flags & PIECE_FILL or n > p.room or p.pos != c:
        return -EINVAL
    if p.before != t.records.generation[c]:
        status = -EPIPE
    else:
        status = 0 if both_ways(k) else tcp_send_status(t, k)
    if status == -EAGAIN:
        status = -EPIPE                     # it cannot be connecting again
    if status == 0 and k.snd.near and n and queue_spill(t.pieces, &k.snd):
        status = -ENOBUFS
    if status < 0 or n == 0:
        piece_release(t.pieces, i)
        return status if status < 0 else 0
    p.flags = PIECE_WHOLE | PIECE_OUTBOUND
    p.length = p.room = n
    p.owner = c
    p.sum = csum_add(0, p.bytes, n)
    queue_add(t.pieces, &k.snd, i)
    t.copies.out_committed += n
    k.flags &= ~<uint32_t>TF_MORE
    tcp_want_output(t, c)
    return n


cdef int tcp_give_back(tcp_state *t, uint64_t handle, bint later) noexcept nogil:
    cdef uint32_t i = arena_find(&t.pieces.items, handle)
    if i == NONE or not piece_at(t.pieces, i).flags & PIECE_OUT:
        return -EINVAL
    if later:
        piece_release_later(t.pieces, i)
    else:
        piece_release(t.pieces, i)
    return 0
