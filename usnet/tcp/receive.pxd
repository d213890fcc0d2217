"""The receive queue: what arrived in order, and what arrived ahead."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# Takes n bytes whose first has sequence number rcv_nxt + ahead; all lie inside the window. Bytes that are here already are never overwritten.
# Moves rcv_nxt over all that is now in order. 1: in order and no gap left; 0: out of order, a duplicate, or a gap was filled (an ACK is owed at
# once); -errno: dropped (and counted).
cdef int receive_text(tcp_state *t, uint32_t c, uint32_t ahead, const uint8_t *p, uint32_t n) noexcept nogil
