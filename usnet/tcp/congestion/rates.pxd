"""At which rate the path delivers (draft-cheng-iccrg-delivery-rate-estimation), for controllers that ask for it (CC_RATE), from the records of
recovery/flight: one a burst, not one a segment.

What is delivered is what is acknowledged or reported for the first time. What differs from the draft: a segment that was sent again counts with the burst
that sent it first; what is sent again counts as lost when it is.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# Before an ACK is taken.
cdef struct rates_then:
    uint64_t delivered          # bytes, counted from the start of the stream
    uint32_t in_flight          # bytes
    uint32_t una
    uint32_t marked             # tcb.delivered_ce

cdef void rates_before(tcp_state *t, const tcb *k, rates_then *b) noexcept nogil
# The ACK was taken: the controller hears of it.
cdef void rates_acked(tcp_state *t, uint32_t c, const rates_then *b, int64_t now) noexcept nogil
# A burst begins to leave.
cdef void rates_sent(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# Bytes a second, of the newest sample that says something; 0: there is none.
cdef uint64_t rates_newest(tcp_state *t, const tcb *k, bint *app_limited) noexcept nogil
