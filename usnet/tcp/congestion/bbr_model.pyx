"""Samples become maxima, minima and bounds (sections 5.5 and 5.3.3 of the draft)."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.bbr cimport (
    ACKS_FEEDBACK, ACKS_INIT, ACKS_STARTING, ACKS_STOPPING, BBR_DOWN, BBR_INFINITE, BBR_STARTUP, BBR_UP, bbr,
)
from usnet.tcp.congestion.bbr_model cimport ECN_ONE, bbr_probing, bbr_rate_of
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_state, rate_sample

cdef enum:
    SECOND = 1000000000         # ns
    LOSS_THRESH = 50            # of which one part is lost: 2 %
    FULL_LOSS_EVENTS = 6        # StartupFullLossCnt
    EXTRA_ROUNDS = 10           # BBRExtraAckedFilterLen
    ECN_RTT = 5000000           # ns: marks count on ways that are as short


cdef void bbr_round_begins(bbr *b, const rate_sample *s) noexcept nogil:
    b.next_round_delivered = s.total


cdef void bbr_no_lower_bounds(bbr *b) noexcept nogil:
    b.bw_lo = 0
    b.inflight_lo = BBR_INFINITE


cdef void bbr_restart_full_bw(bbr *b, uint64_t rate) noexcept nogil:
    b.full_bw = rate
    b.full_bw_count = 0
    b.full_bw_now = 0


cdef uint32_t bbr_bdp(const bbr *b, uint64_t rate, uint32_t gain) noexcept nogil:
    cdef uint64_t us = <uint64_t>b.min_rtt // 1000, n
    if b.min_rtt == 0:
        return WINDOW_LIMIT
    if us > 10000000:
        us = 10000000
    n = rate * us // 1000000 * gain // 100 if rate < <uint64_t>1 << 38 else WINDOW_LIMIT
    return <uint32_t>n if n < WINDOW_LIMIT else WINDOW_LIMIT


cdef inline uint32_t most_extra(const bbr *b) noexcept nogil:
    return b.extra_acked[0] if b.extra_acked[0] > b.extra_acked[1] else b.extra_acked[1]


cdef uint32_t bbr_window(cc_state *cc, const bbr *b, uint32_t gain) noexcept nogil:
    cdef uint32_t n = bbr_bdp(b, b.bw, gain), bursts
    if b.min_rtt == 0:
        return cc.cwnd
    bursts = <uint32_t>(cc.pacing_rate // 1000) if cc.pacing_rate < <uint64_t>65536000 else 65536
    if bursts < 2 * cc.mss:
        bursts = 2 * cc.mss
    if b.full_bw_reached:
        n += most_extra(b)
    if n < 3 * bursts:
        n = 3 * bursts
    if b.mode == BBR_UP:
        n += 2 * cc.mss
    return n if n > 4 * cc.mss else 4 * cc.mss


cdef uint32_t bbr_headroom(cc_state *cc, const bbr *b) noexcept nogil:
    cdef uint32_t room
    if b.inflight_hi == BBR_INFINITE:
        return BBR_INFINITE
    room = <uint32_t>(<uint64_t>b.inflight_hi * 15 // 100)
    if room < cc.mss:
        room = cc.mss
    return b.inflight_hi - room if b.inflight_hi > room + 4 * cc.mss else 4 * cc.mss


cdef void count_rounds(bbr *b, const rate_sample *s) noexcept nogil:
    b.round_start = b.loss_round_start = 0
    if s.acked == 0:
        return
    if s.prior_delivered >= b.next_round_delivered:
        b.next_round_delivered = s.total
        b.round_start = 1
        b.rounds_since_probe += 1
    if s.prior_delivered >= b.loss_round_delivered:
        b.loss_round_delivered = s.total
        b.loss_round_start = 1


cdef void advance_max_bw(bbr *b) noexcept nogil:
    b.cycle ^= 1
    b.max_bw_filter[b.cycle] = 0


cdef void max_bw(bbr *b, const rate_sample *s) noexcept nogil:
    cdef uint64_t rate = bbr_rate_of(s)
    if rate and (rate >= b.max_bw or not s.app_limited) and b.max_bw_filter[b.cycle] < rate:
        b.max_bw_filter[b.cycle] = rate
    b.max_bw = b.max_bw_filter[0] if b.max_bw_filter[0] > b.max_bw_filter[1] else b.max_bw_filter[1]


cdef void lower_bounds(cc_state *cc, bbr *b) noexcept nogil:
    """Beta is 0.7. Behind a probe each bound stays at what was delivered all the same."""
    cdef uint64_t slower
    cdef uint32_t fewer
    if bbr_probing(b) or not (b.loss_in_round or b.ecn_in_round):
        return
    if b.inflight_lo == BBR_INFINITE:
        b.inflight_lo = cc.cwnd
    if b.loss_in_round:
        if b.bw_lo == 0:
            b.bw_lo = b.max_bw
        slower = b.bw_lo * 7 // 10
        fewer = <uint32_t>(<uint64_t>b.inflight_lo * 7 // 10)
        b.bw_lo = b.bw_latest if b.bw_latest > slower else slower
        b.inflight_lo = b.inflight_latest if b.inflight_latest > fewer else fewer
    if b.ecn_in_round:
        b.inflight_lo -= <uint32_t>(<uint64_t>b.inflight_lo * b.ecn_alpha // (3 * ECN_ONE))


cdef void marks(bbr *b, const rate_sample *s) noexcept nogil:
    """ecn_alpha, of which a sixteenth is new each round."""
    cdef uint32_t fraction
    b.round_acked += s.acked
    b.round_ce += s.ce
    if not b.round_start:
        return
    if b.round_acked and 0 < b.min_rtt <= ECN_RTT:
        fraction = <uint32_t>(<uint64_t>b.round_ce * ECN_ONE // b.round_acked)
        b.ecn_alpha = b.ecn_alpha - (b.ecn_alpha >> 4) + (fraction >> 4)
        b.ecn_in_round = b.round_ce != 0
    b.round_acked = b.round_ce = 0


cdef void extra_acked(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    """How much more was acknowledged than the rate explains: ACKs come in bunches, and what is in flight has to outlast the time between them."""
    cdef int64_t interval = s.now - b.extra_since
    cdef uint64_t expected, extra
    if b.round_start:
        b.extra_rounds += 1
        if b.extra_rounds >= EXTRA_ROUNDS:
            b.extra_rounds = 0
            b.extra_slot ^= 1
            b.extra_acked[b.extra_slot] = 0
    if interval > SECOND:
        interval = SECOND
    expected = b.bw * <uint64_t>(interval // 1000) // 1000000
    if b.extra_delivered <= expected:
        b.extra_delivered = 0
        b.extra_since = s.now
        expected = 0
    b.extra_delivered += s.acked
    extra = b.extra_delivered - expected
    if extra > cc.cwnd:
        extra = cc.cwnd
    if extra > b.extra_acked[b.extra_slot]:
        b.extra_acked[b.extra_slot] = <uint32_t>extra


cdef void bbr_check_full_bw(bbr *b, const rate_sample *s) noexcept nogil:
    """The pipe is full when three rounds brought less than a quarter more."""
    cdef uint64_t rate = bbr_rate_of(s)
    if b.full_bw_now or s.app_limited or s.acked == 0:
        return
    if rate * 4 >= b.full_bw * 5 and rate:
        bbr_restart_full_bw(b, rate)
        return
    if not b.round_start:
        return
    b.full_bw_count += 1
    b.full_bw_now = b.full_bw_count >= 3
    if b.full_bw_now:
        b.full_bw_reached = 1


cdef bint too_much(const bbr *b, const rate_sample *s) noexcept nogil:
    """Since what this ACK tells of was sent, more than 2 % of what was in flight then has been lost; or more than half of the round was marked."""
    if s.tx_in_flight and s.tx_lost > s.tx_in_flight // LOSS_THRESH:
        return True
    return 0 < b.min_rtt <= ECN_RTT and b.round_ce and b.round_ce > b.round_acked // 2 and b.round_acked > s.tx_in_flight // 2


cdef void startup_loss(bbr *b, const rate_sample *s) noexcept nogil:
    """A round of Startup with six ACKs or more that told of loss, and more than 2 % lost: the pipe is full."""
    cdef uint32_t bdp
    if s.lost:
        b.loss_events = b.loss_events + 1 if b.loss_events < 255 else 255
        b.round_lost += s.lost
    if not b.loss_round_start:
        return
    if b.mode == BBR_STARTUP and b.loss_events >= FULL_LOSS_EVENTS and b.round_lost > s.tx_in_flight // LOSS_THRESH:
        b.full_bw_reached = 1
        bdp = bbr_bdp(b, b.max_bw, 100)
        b.inflight_hi = bdp if bdp > b.inflight_latest else b.inflight_latest
    b.loss_events = 0
    b.round_lost = 0


cdef void bbr_measure(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    count_rounds(b, s)
    if bbr_rate_of(s) > b.bw_latest:
        b.bw_latest = bbr_rate_of(s)
    if s.delivered > b.inflight_latest:
        b.inflight_latest = s.delivered
    max_bw(b, s)
    marks(b, s)
    if s.lost:
        b.loss_in_round = 1
    if b.loss_round_start:
        lower_bounds(cc, b)
        b.loss_in_round = b.ecn_in_round = 0
    extra_acked(cc, b, s)
    bbr_check_full_bw(b, s)
    startup_loss(b, s)


cdef void bbr_slope(cc_state *cc, bbr *b) noexcept nogil:
    cdef uint64_t growth = <uint64_t>cc.mss << b.up_rounds
    if b.up_rounds < 30:
        b.up_rounds += 1
    b.up_cnt = <uint32_t>(cc.cwnd // growth) if growth < cc.cwnd else 1


cdef void probe_upward(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    cdef uint32_t more
    if s.prior_in_flight + 3 * cc.mss < cc.cwnd or cc.cwnd < b.inflight_hi:
        return
    b.up_acks += s.acked
    if b.up_acks >= b.up_cnt:
        more = b.up_acks // b.up_cnt
        b.up_acks -= more * b.up_cnt
        b.inflight_hi += more
    if b.round_start:
        bbr_slope(cc, b)


cdef bint bbr_adapt_upper(cc_state *cc, bbr *b, const rate_sample *s) noexcept nogil:
    cdef uint32_t least
    if b.acks == ACKS_STARTING and b.round_start:
        b.acks = ACKS_FEEDBACK              # now ACKs tell of the probe
    if b.acks == ACKS_STOPPING and b.round_start:
        b.bw_probe_samples = 0
        b.acks = ACKS_INIT
        if BBR_DOWN <= b.mode <= BBR_UP and not s.app_limited:
            advance_max_bw(b)
    if too_much(b, s):
        if not b.bw_probe_samples:
            return False
        b.bw_probe_samples = 0
        if not s.app_limited:
            least = <uint32_t>(<uint64_t>bbr_bdp(b, b.max_bw, 100) * 7 // 10)
            b.inflight_hi = s.tx_in_flight if s.tx_in_flight > least else least
        return True
    if b.inflight_hi != BBR_INFINITE:
        if s.tx_in_flight > b.inflight_hi:
            b.inflight_hi = s.tx_in_flight
        if b.mode == BBR_UP:
            probe_upward(cc, b, s)
    return False
