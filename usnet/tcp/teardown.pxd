"""Ends of connections: FIN either way, TIME-WAIT, resets, and who frees what (RFC 9293, sections 3.6 and 3.10)."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from usnet.tcp.state cimport tcp_state

# The connection is over, now: errno `err` (0: orderly) is told to its holder. Freed if nobody holds it; else a CLOSED shell with unread data stays.
cdef void tcp_end(tcp_state *t, uint32_t c, int32_t err) noexcept nogil
# The same with a RST to the peer.
cdef void tcp_end_reset(tcp_state *t, uint32_t c, int32_t err, int64_t now) noexcept nogil
# Our FIN has been acknowledged. True if c is gone.
cdef bint tcp_fin_acked(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The peer's FIN is next in order.
cdef void tcp_fin_received(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
cdef void tcp_enter_time_wait(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# Nobody holds it any more: FIN behind what is queued, or the wait for the peer's; a reset where there are too many. c may be gone.
cdef void tcp_orphan(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The application will write no more: FIN behind what is queued.
cdef void tcp_send_fin(tcp_state *t, uint32_t c) noexcept nogil
