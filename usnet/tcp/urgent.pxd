"""Urgent data (RFC 9293, 3.8.5; RFC 6093): a mark in the stream. What it means where a program does not take it inline is the sockets API's tradition:
the byte before the mark is read apart."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

# The last byte of the send queue is urgent. 0 or -ENOBUFS.
cdef int urgent_send(tcp_state *t, tcb *k) noexcept nogil
# What the field says in a segment that begins at seq; 0: the segment has no URG.
cdef uint32_t urgent_pointer(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil
# A segment with URG arrived, before its text is taken; and after that.
cdef void urgent_arrived(tcp_state *t, tcb *k, const tcp_repr *r) noexcept nogil
cdef void urgent_here(tcp_state *t, tcb *k) noexcept nogil
# MSG_OOB: 1 and the byte, or -EINVAL (none, read already, or inline), -EAGAIN (announced, but not here).
cdef int urgent_read(tcp_state *t, uint32_t c, uint8_t *p, bint peek) noexcept nogil
# Of the bytes that wait to be read, how many come before the mark, where a read stops; and whether the mark is next (SIOCATMARK).
cdef uint32_t urgent_before(tcp_state *t, const tcb *k) noexcept nogil
cdef bint urgent_at_mark(tcp_state *t, const tcb *k) noexcept nogil
# The mark is next and a read wants what follows: the byte is passed over, unless it is inline.
cdef void urgent_pass(tcp_state *t, uint32_t c) noexcept nogil
