"""BBR's model of the path: what it delivers, how much it holds, when that was too much."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.bbr cimport BBR_REFILL, BBR_STARTUP, BBR_UP, bbr
from usnet.tcp.congestion.ops cimport cc_state, rate_sample

cdef enum:
    ECN_ONE = 1 << 16           # the fraction 1


cdef inline uint64_t bbr_rate_of(const rate_sample *s) noexcept nogil:
    """Bytes a second; 0: it says nothing."""
    return <uint64_t>s.delivered * 1000000000 // <uint64_t>s.interval if s.interval > 0 else 0


cdef inline bint bbr_probing(const bbr *b) noexcept nogil:
    return b.mode == BBR_STARTUP or b.mode == BBR_REFILL or b.mode == BBR_UP

# All that an ACK says becomes part of the model, but for the upper bound.
cdef void bbr_measure(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil
# inflight_hi. True: a probe went too far.
cdef bint bbr_adapt_upper(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil
cdef void bbr_check_full_bw(bbr *b, const rate_sample *s) noexcept nogil
cdef void bbr_restart_full_bw(bbr *b, uint64_t rate) noexcept nogil
cdef void bbr_round_begins(bbr *b, const rate_sample *s) noexcept nogil
cdef void bbr_no_lower_bounds(bbr *b) noexcept nogil
# By how much inflight_hi grows in this round of a probe: twice as much as in the one before.
cdef void bbr_slope(cc_state *cc, bbr *b) noexcept nogil
# Bytes that a path of that rate holds in min_rtt, times gain percent.
cdef uint32_t bbr_bdp(const bbr *b, uint64_t rate, uint32_t gain) noexcept nogil
# What may be in flight, with what ACKs that come in bunches, bursts and probes need.
cdef uint32_t bbr_window(cc_state *cc, const bbr *b, uint32_t gain) noexcept nogil
# inflight_hi, less room for others.
cdef uint32_t bbr_headroom(cc_state *cc, const bbr *b) noexcept nogil
