"""Urgent data. The pointer names the byte behind the urgent one (RFC 6093, section 4, as all systems do); a later pointer replaces an earlier."""
from libc.errno cimport EAGAIN, EINVAL, ENOBUFS
from libc.stdint cimport uint8_t, uint32_t

from usnet.memory.pieces cimport queue_drop, queue_peek
from usnet.tcp.aside cimport (
    URGENT_EXPECTED, URGENT_HERE, URGENT_NONE, URGENT_READ, aside, aside_at, aside_if, aside_need,
)
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tables cimport tcp_notify
from usnet.tcp.tcb cimport TF_FIN_RECEIVED, TF_MARKS, tcb
from usnet.wire.seq cimport seq_gt, seq_le, seq_lt
from usnet.wire.tcp cimport tcp_repr


cdef int urgent_send(tcp_state *t, tcb *k) noexcept nogil:
    cdef aside *a = aside_need(t, k)
    if a == NULL:
        return -ENOBUFS
    a.snd_up = k.snd_una + k.snd.span
    a.sends_urgent = 1
    k.flags |= TF_MARKS
    return 0


cdef uint32_t urgent_pointer(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    cdef const aside *a = aside_at(t, k)
    if not a.sends_urgent or not seq_gt(a.snd_up, seq):
        return 0
    return a.snd_up - seq if a.snd_up - seq <= 0xffff else 0xffff


cdef inline uint32_t read_next(const tcb *k) noexcept nogil:
    """Sequence number of the next byte that the application will read; a FIN that was taken has a number of its own behind them."""
    return k.rcv_nxt - k.rcv_ready - (k.flags & TF_FIN_RECEIVED != 0)


cdef void urgent_arrived(tcp_state *t, tcb *k, const tcp_repr *r) noexcept nogil:
    cdef uint32_t up = r.seq + r.urgent - 1
    cdef aside *a
    if r.urgent == 0 or seq_lt(up, read_next(k)):
        return                              # of what has been read
    a = aside_need(t, k)
    if a == NULL or (a.urgent != URGENT_NONE and seq_le(up, a.rcv_up)):
        return
    if a.urgent == URGENT_READ and a.rcv_up == read_next(k) and k.rcv_ready:
        queue_drop(t.pieces, &k.rcv, 1)     # the one before was next, and would be taken for data now
        k.rcv_ready -= 1
    a.urgent = URGENT_EXPECTED
    a.rcv_up = up
    tcp_notify(t, k)


cdef void urgent_here(tcp_state *t, tcb *k) noexcept nogil:
    cdef aside *a = aside_at(t, k)
    cdef uint32_t at = a.rcv_up - read_next(k), run
    if a.urgent != URGENT_EXPECTED or at >= k.rcv_ready:
        return                              # not here yet, or kept for nobody: the program has closed its socket
    a.urgent_byte = queue_peek(t.pieces, &k.rcv, at, &run)[0]
    a.urgent = URGENT_HERE
    tcp_notify(t, k)


cdef int urgent_read(tcp_state *t, uint32_t c, uint8_t *p, bint peek) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef aside *a = aside_if(t, k)
    if a == NULL or a.oob_inline or a.urgent == URGENT_NONE or a.urgent == URGENT_READ:
        return -EINVAL
    if a.urgent == URGENT_EXPECTED:
        return -EAGAIN
    p[0] = a.urgent_byte
    if not peek:
        a.urgent = URGENT_READ
    return 1


cdef uint32_t urgent_before(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const aside *a = aside_at(t, k)
    cdef uint32_t ahead = a.rcv_up - read_next(k)
    if a.urgent == URGENT_NONE or ahead == 0 or ahead > k.rcv_ready:
        return k.rcv_ready
    return ahead


cdef bint urgent_at_mark(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const aside *a = aside_if(t, k)
    return a != NULL and a.urgent != URGENT_NONE and a.rcv_up == read_next(k)


cdef void urgent_pass(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef aside *a = aside_if(t, k)
    if a == NULL or a.urgent == URGENT_NONE or a.urgent == URGENT_EXPECTED or a.rcv_up != read_next(k):
        return
    if not a.oob_inline and k.rcv_ready:
        queue_drop(t.pieces, &k.rcv, 1)
        k.rcv_ready -= 1
    a.urgent = URGENT_NONE
