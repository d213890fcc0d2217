"""The receive queue: what arrived in order, and what arrived ahead."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport uint8_t, uint32_t

from usnet.memory.pieces cimport queue_put
from usnet.tcp.lend cimport lend_received
from usnet.tcp.state cimport TDROP_NO_MEMORY, count_drop, tcp_state
from usnet.tcp.tcb cimport tcb

# Takes n bytes whose first has sequence number rcv_nxt + ahead; all lie inside the window. Bytes that are here already are never overwritten.
# Moves rcv_nxt over all that is now in order. 1: in order and no gap left; 0: out of order, a duplicate, or a gap was filled (an ACK is owed at
# once); -errno: dropped (and counted).
cdef int receive_text(tcp_state *t, uint32_t c, uint32_t ahead, const uint8_t *p, uint32_t n) noexcept nogil


cdef inline void advance(tcp_state *t, tcb *k, uint32_t n) noexcept nogil:
    """n more bytes are in order."""
    k.rcv_nxt += n
    k.rcv_pos += n
    k.rcv_ready += n
    k.rcv.span = k.rcv_ready
    t.counters.bytes_in += n


cdef inline int receive_next(tcp_state *t, uint32_t c, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil:
    """The same for what is next in order while nothing is out of order: 1, or -errno."""
    if lend_received(t, c, k, p, n):
        t.copies.in_kept += n
    elif queue_put(t.pieces, &k.rcv, p, n):
        count_drop(t, TDROP_NO_MEMORY)
        return -ENOBUFS
    advance(t, k, n)
    return 1
