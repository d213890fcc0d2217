"""What is lost, from cumulative ACKs alone (RFC 5681 section 3.2, RFC 6582)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# A duplicate ACK (RFC 5681, section 2) arrived.
cdef void recovery_dupack(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# snd_una moved on by `acked`, with `flight` sequence numbers out before that. Restarts or stops the retransmission timer.
cdef void recovery_ack(tcp_state *t, uint32_t c, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil
# Shared with recovery/sack: FlightSize at a loss, without what limited transmit added (RFC 5681, 3.2, step 2); `acked` bytes more outside a
# recovery; the retransmission timer when snd_una has moved.
cdef uint32_t recovery_flight(const tcb *k) noexcept nogil
cdef void recovery_grow(tcb *k, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil
cdef void recovery_restart_timer(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The retransmission timer fired: everything out counts as lost. again: the same segment was resent by it before.
cdef void recovery_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil
