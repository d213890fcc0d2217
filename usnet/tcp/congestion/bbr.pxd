"""BBR, version 3 (draft-ietf-ccwg-bbr). Names are the draft's, or Linux's where the draft has changed them (inflight_hi and inflight_lo are its
inflight_longterm and inflight_shortterm)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport cc_ops

cdef cc_ops bbr_ops

cdef enum bbr_mode:
    BBR_STARTUP = 0
    BBR_DRAIN = 1
    BBR_DOWN = 2                # ProbeBW
    BBR_CRUISE = 3
    BBR_REFILL = 4
    BBR_UP = 5
    BBR_PROBE_RTT = 6

cdef enum bbr_acks:             # what the ACKs of now tell of
    ACKS_INIT = 0
    ACKS_REFILLING = 1
    ACKS_STARTING = 2
    ACKS_FEEDBACK = 3
    ACKS_STOPPING = 4

cdef enum:
    BBR_INFINITE = 0xffffffff

# In the connection's block (cc_ops.block). Rates are bytes a second, volumes bytes, times ns.
cdef struct bbr:
    uint8_t began
    uint8_t mode                # bbr_mode
    uint8_t acks                # bbr_acks
    uint8_t round_start
    uint8_t loss_round_start
    uint8_t loss_in_round
    uint8_t ecn_in_round
    uint8_t loss_events         # of this round, saturating
    uint8_t full_bw_now
    uint8_t full_bw_reached
    uint8_t full_bw_count
    uint8_t bw_probe_samples    # the samples of a probe are still coming in
    uint8_t probe_rtt_round_done
    uint8_t up_rounds           # bw_probe_up_rounds
    uint8_t cycle               # which of max_bw_filter is being filled
    uint8_t extra_slot          # which of extra_acked
    uint32_t rounds_since_probe
    uint32_t extra_rounds       # since extra_slot changed
    uint64_t max_bw_filter[2]
    uint64_t max_bw
    uint64_t bw_lo              # 0: none
    uint64_t bw
    uint64_t bw_latest
    uint64_t full_bw
    uint32_t inflight_hi        # BBR_INFINITE: none
    uint32_t inflight_lo        # BBR_INFINITE: none
    uint32_t inflight_latest
    uint32_t prior_cwnd
    uint32_t up_cnt             # bw_probe_up_cnt: bytes acknowledged for each by which inflight_hi grows
    uint32_t up_acks
    uint64_t next_round_delivered
    uint64_t loss_round_delivered
    int64_t min_rtt             # 0: none
    int64_t min_rtt_at
    int64_t probe_rtt_min       # 0: none
    int64_t probe_rtt_min_at
    int64_t probe_rtt_done_at   # 0: in_flight is not down yet
    int64_t cycle_at            # cycle_stamp
    int64_t probe_wait          # bw_probe_wait
    uint64_t extra_delivered    # extra_acked_delivered
    int64_t extra_since         # extra_acked_interval_start
    uint32_t extra_acked[2]
    uint32_t ecn_alpha          # of ECN_ONE
    uint32_t round_acked        # bytes
    uint32_t round_ce           # bytes of them
    uint64_t round_lost         # rate_sample.lost, of this round
