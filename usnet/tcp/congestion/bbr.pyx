"""BBR's states: what is measured becomes a model (congestion/bbr_model), which says what the rate and the window are.

Differences from the draft: what is lost is known when it is sent again; samples are of bursts, not of segments (congestion/rates); a probe's loss is judged
with the ACK that tells of it; the window starts again from one segment behind a timeout. ECN, which the draft leaves open, is as in Linux's version: marks on more than half of a round are as too much loss, and inflight_lo shrinks by a third of the marked
fraction (ecn_alpha), on ways of 5 ms at most.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.memory.random cimport rng_below
from usnet.tcp.congestion.bbr cimport (
    ACKS_REFILLING, ACKS_STARTING, ACKS_STOPPING, BBR_CRUISE, BBR_DOWN, BBR_DRAIN, BBR_INFINITE, BBR_PROBE_RTT, BBR_REFILL, BBR_STARTUP, BBR_UP, bbr,
)
from usnet.tcp.congestion.bbr_model cimport (
    ECN_ONE, bbr_adapt_upper, bbr_bdp, bbr_headroom, bbr_measure, bbr_no_lower_bounds, bbr_rate_of, bbr_restart_full_bw,
    bbr_round_begins, bbr_slope, bbr_window,
)
from usnet.tcp.congestion.newreno cimport window_mss, window_start
from usnet.tcp.congestion.ops cimport CC_ECT, CC_PACED, CC_RATE, CC_WINDOW, WINDOW_LIMIT, cc_ack, cc_keep, cc_state, rate_sample

cdef enum:
    MS = 1000000                # ns
    SECOND = 1000000000         # ns
    MIN_PIPE = 4                # segments (MinPipeCwnd)
    PROBE_RTT_INTERVAL = 5000   # ms
    PROBE_RTT_DURATION = 200    # ms
    IN_RECOVERY = 1             # cc_state.priv[0]
    CONSERVING = 2              # ... its first round
    IDLE = 4                    # nothing was out for a while


cdef inline bint in_probe_bw(const bbr *b) noexcept nogil:
    return BBR_DOWN <= b.mode <= BBR_UP


cdef void start_down(bbr *b, const rate_sample *s) noexcept nogil:
    b.loss_in_round = b.ecn_in_round = 0
    b.bw_latest = 0
    b.inflight_latest = 0
    b.up_cnt = BBR_INFINITE
    b.rounds_since_probe = rng_below(s.random, 2)
    b.probe_wait = 2 * <int64_t>SECOND + <int64_t>rng_below(s.random, SECOND)
    b.cycle_at = s.now
    b.acks = ACKS_STOPPING
    bbr_round_begins(b, s)
    b.mode = BBR_DOWN


cdef void start_refill(bbr *b, const rate_sample *s) noexcept nogil:
    bbr_no_lower_bounds(b)
    b.up_rounds = 0
    b.up_acks = 0
    b.acks = ACKS_REFILLING
    bbr_round_begins(b, s)
    b.mode = BBR_REFILL


cdef void start_up(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    b.acks = ACKS_STARTING
    bbr_round_begins(b, s)
    bbr_restart_full_bw(b, bbr_rate_of(s))
    bbr_slope(cc, b)
    b.cycle_at = s.now
    b.mode = BBR_UP


cdef bint time_to_probe(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    """After 2 to 3 s, or as many rounds as Reno's window has segments, 63 at most: so that Reno beside it keeps its share."""
    cdef uint32_t rounds = bbr_window(cc, b, 100) // cc.mss
    if s.now - b.cycle_at > b.probe_wait or b.rounds_since_probe >= (rounds if rounds < 63 else 63):
        start_refill(b, s)
        return True
    return False


cdef bint time_to_go_down(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    if s.prior_in_flight + 3 * cc.mss >= cc.cwnd and cc.cwnd >= b.inflight_hi:
        bbr_restart_full_bw(b, bbr_rate_of(s))      # inflight_hi is what holds the rate back: it says nothing about the path
        return False
    return b.full_bw_now


cdef void next_phase(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    """ProbeBW's cycle."""
    if bbr_adapt_upper(cc, b, s) and b.mode == BBR_UP:
        start_down(b, s)
    if b.mode == BBR_DOWN:
        if not time_to_probe(cc, b, s) and s.in_flight <= bbr_headroom(cc, b) and s.in_flight <= bbr_bdp(b, b.max_bw, 100):
            b.mode = BBR_CRUISE
    elif b.mode == BBR_CRUISE:
        time_to_probe(cc, b, s)
    elif b.mode == BBR_REFILL and b.round_start:
        b.bw_probe_samples = 1
        start_up(cc, b, s)
    elif b.mode == BBR_UP and time_to_go_down(cc, b, s):
        start_down(b, s)


cdef inline uint32_t probe_rtt_window(cc_state *cc, const bbr *b) noexcept nogil:
    cdef uint32_t half = bbr_bdp(b, b.bw, 50)
    return half if half > MIN_PIPE * cc.mss else MIN_PIPE * cc.mss


cdef void probe_rtt(cc_state *cc, bbr *b, const rate_sample *s, bint due) noexcept nogil:
    """For 200 ms and a round, every 5 s or so, half of what the path holds: so that its queue is empty and its round trip known."""
    if b.mode != BBR_PROBE_RTT:
        if not due or cc.priv[0] & IDLE:
            return
        if cc.cwnd > b.prior_cwnd or not cc.priv[0] & IN_RECOVERY:
            b.prior_cwnd = cc.cwnd
        b.mode = BBR_PROBE_RTT
        b.probe_rtt_done_at = 0
        b.acks = ACKS_STOPPING
        bbr_round_begins(b, s)
        return
    if b.probe_rtt_done_at == 0:
        if s.in_flight <= probe_rtt_window(cc, b):
            b.probe_rtt_done_at = s.now + PROBE_RTT_DURATION * <int64_t>MS
            b.probe_rtt_round_done = 0
            bbr_round_begins(b, s)
        return
    b.probe_rtt_round_done |= b.round_start
    if b.probe_rtt_round_done and s.now > b.probe_rtt_done_at:
        b.probe_rtt_min_at = s.now
        if cc.cwnd < b.prior_cwnd:
            cc.cwnd = b.prior_cwnd
        bbr_no_lower_bounds(b)
        if b.full_bw_reached:
            start_down(b, s)
            b.mode = BBR_CRUISE
        else:
            b.mode = BBR_STARTUP


cdef bint update_min_rtt(bbr *b, const rate_sample *s) noexcept nogil:
    """True: nothing shorter was seen for 5 s."""
    cdef bint due = s.now > b.probe_rtt_min_at + PROBE_RTT_INTERVAL * <int64_t>MS
    if s.rtt > 0 and (b.probe_rtt_min == 0 or s.rtt < b.probe_rtt_min or due):
        b.probe_rtt_min = s.rtt
        b.probe_rtt_min_at = s.now
    if b.probe_rtt_min and (b.min_rtt == 0 or b.probe_rtt_min < b.min_rtt or s.now > b.min_rtt_at + 10 * <int64_t>SECOND):
        b.min_rtt = b.probe_rtt_min
        b.min_rtt_at = b.probe_rtt_min_at
    return due


cdef inline uint32_t pacing_gain(const bbr *b) noexcept nogil:
    """Percent."""
    if b.mode == BBR_STARTUP:
        return 277                          # 4 ln 2
    if b.mode == BBR_DRAIN:
        return 50
    if b.mode == BBR_DOWN:
        return 90
    return 125 if b.mode == BBR_UP else 100


cdef void set_rate(cc_state *cc, bbr *b) noexcept nogil:
    cdef uint64_t rate = b.bw * pacing_gain(b) // 100 * 99 // 100
    if rate and (b.full_bw_reached or rate > cc.pacing_rate):
        cc.pacing_rate = rate


cdef void set_window(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    cdef uint32_t most = bbr_window(cc, b, 225 if b.mode == BBR_UP else 200), cap = BBR_INFINITE, least = MIN_PIPE * cc.mss
    if s.lost:
        cc.cwnd = cc.cwnd - s.lost if cc.cwnd > s.lost + cc.mss else cc.mss
    if not s.recovery:
        cc.priv[0] &= ~<uint64_t>(IN_RECOVERY | CONSERVING)
    elif b.round_start:
        cc.priv[0] &= ~<uint64_t>CONSERVING
    if cc.priv[0] & CONSERVING:
        if cc.cwnd < s.in_flight + s.acked:
            cc.cwnd = s.in_flight + s.acked
    elif b.full_bw_reached:
        cc.cwnd = cc.cwnd + s.acked if cc.cwnd + s.acked < most else most
    elif cc.cwnd < most or s.total < 20 * cc.mss:
        cc.cwnd += s.acked
    if cc.cwnd < least and not s.recovery and s.srtt:
        cc.cwnd = least if s.in_flight + s.acked >= least else cc.cwnd
    if b.mode == BBR_PROBE_RTT and cc.cwnd > probe_rtt_window(cc, b):
        cc.cwnd = probe_rtt_window(cc, b)
    if in_probe_bw(b) and b.mode != BBR_CRUISE:
        cap = b.inflight_hi
    elif b.mode == BBR_PROBE_RTT or b.mode == BBR_CRUISE:
        cap = bbr_headroom(cc, b)
    cap = b.inflight_lo if b.inflight_lo < cap else cap
    cap = cap if cap > least else least
    if cc.cwnd > cap:
        cc.cwnd = cap
    if cc.cwnd > WINDOW_LIMIT:
        cc.cwnd = WINDOW_LIMIT


cdef void begin(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    b.began = 1
    b.inflight_hi = b.inflight_lo = b.up_cnt = BBR_INFINITE
    b.probe_rtt_min_at = b.min_rtt_at = b.extra_since = s.now
    b.next_round_delivered = b.loss_round_delivered = s.total
    b.extra_delivered = 0
    b.ecn_alpha = ECN_ONE


cdef void on_rate(cc_state *cc, const rate_sample *s) noexcept nogil:
    cdef bbr *b = <bbr *>s.block
    cdef bint due
    if b == NULL:
        return
    if not b.began:
        begin(cc, b, s)
    bbr_measure(cc, b, s)
    if b.mode == BBR_STARTUP and b.full_bw_reached:
        b.mode = BBR_DRAIN
    if b.mode == BBR_DRAIN and s.in_flight <= bbr_bdp(b, b.max_bw, 100):
        start_down(b, s)
    if b.full_bw_reached:
        next_phase(cc, b, s)
    due = update_min_rtt(b, s)
    probe_rtt(cc, b, s, due)
    if s.acked:
        cc.priv[0] &= ~<uint64_t>IDLE
    if b.loss_round_start:
        b.bw_latest = bbr_rate_of(s)
        b.inflight_latest = s.delivered
    b.bw = b.max_bw if b.bw_lo == 0 or b.max_bw < b.bw_lo else b.bw_lo
    set_rate(cc, b)
    set_window(cc, b, s)


cdef void start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil:
    window_start(cc, mss, syn_lost)


cdef void on_ack(cc_state *cc, const cc_ack *a) noexcept nogil:
    """Before the first sample of a rate: what the first window comes to in a round trip, or a millisecond."""
    if cc.pacing_rate == 0:
        cc.pacing_rate = <uint64_t>cc.cwnd * 277 // 100 * SECOND // <uint64_t>(a.srtt if a.srtt else MS)


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc_keep(cc)
    return cc.ssthresh


cdef void on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    """A recovery begins: what is delivered may be replaced, for a round."""
    cc_keep(cc)
    cc.priv[0] |= IN_RECOVERY | CONSERVING
    cc.cwnd = flight if flight > MIN_PIPE * cc.mss else MIN_PIPE * cc.mss


cdef void on_over(cc_state *cc, uint32_t flight) noexcept nogil:
    cc.priv[0] &= ~<uint64_t>(IN_RECOVERY | CONSERVING)
    if cc.cwnd < cc.prior_cwnd:
        cc.cwnd = cc.prior_cwnd


cdef void on_undo(cc_state *cc) noexcept nogil:
    on_over(cc, 0)


cdef void on_ecn(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    pass                                    # CC_ECT: marks come with samples


cdef void on_rto(cc_state *cc, uint32_t flight, bint again) noexcept nogil:
    if not again:
        cc_keep(cc)
    cc.priv[0] &= ~<uint64_t>CONSERVING
    cc.cwnd = cc.mss


cdef void on_idle(cc_state *cc) noexcept nogil:
    """The rate outlives silence, and no window leaves at once."""
    cc.priv[0] |= IDLE


cdef void nothing(cc_state *cc) noexcept nogil:
    pass


cdef void nothing_with_bytes(cc_state *cc, uint32_t n) noexcept nogil:
    pass


bbr_ops.name = b"bbr"
bbr_ops.wants = CC_RATE | CC_PACED | CC_WINDOW | CC_ECT
bbr_ops.block = sizeof(bbr)
bbr_ops.start = start
bbr_ops.on_mss = window_mss
bbr_ops.on_ack = on_ack
bbr_ops.on_loss = on_loss
bbr_ops.on_dupack = nothing
bbr_ops.on_partial_ack = nothing_with_bytes
bbr_ops.on_recovered = on_over
bbr_ops.on_sack_loss = on_loss
bbr_ops.on_sack_recovered = on_over
bbr_ops.ssthresh = ssthresh
bbr_ops.on_ecn = on_ecn
bbr_ops.on_undo = on_undo
bbr_ops.on_rto = on_rto
bbr_ops.on_idle = on_idle
bbr_ops.on_rate = on_rate
