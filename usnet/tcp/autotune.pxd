"""Buffers that grow with what the path needs (tcp_config.rcvbuf_most, sndbuf_most), unless SO_RCVBUF or SO_SNDBUF has set them. By doubling, so that
few sizes exist."""
from libc.stdint cimport uint64_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# tcb.locked
cdef enum:
    LOCK_SNDBUF = 1             # SO_SNDBUF was set
    LOCK_RCVBUF = 2             # SO_RCVBUF was set, or a clamp

# The application has read past tune_at: another half of the buffer. If the half before is no older than a round trip, what a round trip brings is more
# than half of the buffer, and that is doubled (dynamic right-sizing; Fisk and Feng 2001).
# True if it was: the peer has to be told.
cdef bint autotune_read(tcp_state *t, tcb *k) noexcept nogil
# The send buffer was full and an ACK came: it is doubled if it is smaller than twice of what may be out.
cdef void autotune_write(tcp_state *t, tcb *k) noexcept nogil


cdef inline uint64_t autotune_half(const tcp_state *t, const tcb *k) noexcept nogil:
    """Bytes of half of the receive buffer, at least 1: where tune_at is at first, and how far it goes each time; 0 where the buffer does not grow."""
    return (k.rcvbuf + 1) // 2 if k.rcvbuf < t.config.rcvbuf_most else 0


cdef inline bint autotune_due(const tcp_state *t, const tcb *k) noexcept nogil:
    return k.rcvbuf < t.config.rcvbuf_most and k.rcv_pos >= k.tune_at + k.rcv_ready
