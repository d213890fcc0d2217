"""NewReno's window (RFC 5681, RFC 6582), with appropriate byte counting (RFC 3465) and IW10 (RFC 6928); and what other controllers do in the same way."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport cc_ops, cc_state

cdef cc_ops newreno_ops

cdef uint32_t initial_window(uint32_t mss) noexcept nogil
cdef void window_start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil
cdef void window_mss(cc_state *cc, uint32_t mss) noexcept nogil
cdef void window_dupack(cc_state *cc) noexcept nogil
cdef void window_partial_ack(cc_state *cc, uint32_t acked) noexcept nogil
cdef void window_recovered(cc_state *cc, uint32_t flight) noexcept nogil
cdef void window_sack_recovered(cc_state *cc, uint32_t pipe) noexcept nogil
cdef void window_idle(cc_state *cc) noexcept nogil
cdef uint32_t window_whole(const cc_state *cc, uint32_t window) noexcept nogil
