"""Opening: listeners, SYN-SENT, SYN-RECEIVED, and what SYNs negotiate (RFC 9293 3.10.7.2, 3.10.7.3; RFC 7323)."""
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

# A segment for listener `l` (a TCB in LISTEN). The connection whose ACK it is, half open still, if it brought a cookie back: what the segment does in
# SYN-RECEIVED is to be looked at, and then handshake_settle told. Else NONE.
cdef uint32_t handshake_listen(tcp_state *t, uint32_t l, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil
# The peer's user timeout option.
cdef void handshake_uto(const tcp_state *t, tcb *k, uint16_t field) noexcept nogil
cdef void handshake_settle(tcp_state *t, uint32_t c) noexcept nogil
# Before its SYN leaves: initial sequence number larger than all that an earlier connection with the same ends used (RFC 9293, 3.6.1).
cdef void handshake_number_above(tcb *k, uint32_t after) noexcept nogil
# A segment for a connection in SYN-SENT. True when the segment's text is still to be looked at (the connection is synchronized now).
cdef bint handshake_syn_sent(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil
# The ACK of our SYN-ACK came: ESTABLISHED. False if it cannot be taken now (the queue for accept is full): the peer's timer will try again.
cdef bint handshake_complete(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil
# Starts an active open on a TCB whose both ends are set.
cdef void handshake_start(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# TCP_DEFER_ACCEPT: whether an ACK without data leaves a half-open connection what it is.
cdef bint handshake_defers(tcp_state *t, const tcb *k) noexcept nogil
