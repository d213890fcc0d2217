"""NewReno: how much may fly. What is lost is decided in tcp/recovery."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.hystart cimport HYSTART_ALL, hystart_ack, hystart_runs
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_ack, cc_bring_back, cc_clear, cc_keep, cc_state


cdef uint32_t initial_window(uint32_t mss) noexcept nogil:
    """RFC 6928, section 2: min(10 MSS, max(2 MSS, 14600))."""
    cdef uint32_t floor = 2 * mss if 2 * mss > 14600 else 14600
    return 10 * mss if 10 * mss < floor else floor


cdef uint32_t window_whole(const cc_state *cc, uint32_t window) noexcept nogil:
    """At most `window`, but two segments at least. Whole ones, as in Linux and FreeBSD: of a part of one nothing is sent, and yet more than was sent
    must be acknowledged before the window grows."""
    return window - window % cc.mss if window > 2 * cc.mss else 2 * cc.mss


cdef uint32_t half_flight(const cc_state *cc, uint32_t flight) noexcept nogil:
    """RFC 5681, equation 4: max(FlightSize / 2, 2 SMSS). What is above a hole that cwnd has come down for does not count."""
    return window_whole(cc, (flight if flight < cc.cwnd else cc.cwnd) // 2)


cdef void window_start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil:
    cc.mss = mss
    cc.cwnd = mss if syn_lost else initial_window(mss)
    cc.ssthresh = WINDOW_LIMIT
    cc_clear(cc)                            # priv[0]: 1 in the slow start behind a timeout


cdef void window_mss(cc_state *cc, uint32_t mss) noexcept nogil:
    """The windows are in bytes and stay."""
    cc.mss = mss


cdef void on_ack(cc_state *cc, const cc_ack *a) noexcept nogil:
    cdef uint32_t grow
    if cc.cwnd < cc.ssthresh:               # slow start: L = 2 SMSS by default, or 1 behind a timeout (RFC 3465, section 2.3)
        grow = cc.mss if cc.priv[0] else cc.step * cc.mss
        if a.acked < grow or cc.step == 0:
            grow = a.acked
        if hystart_runs(cc, HYSTART_ALL):
            hystart_ack(cc, a, grow)
        else:
            cc.cwnd += grow
    else:                                   # congestion avoidance: one SMSS a window (RFC 3465, section 2.1)
        cc.priv[0] = 0
        cc.acked += a.acked
        if cc.acked >= cc.cwnd:
            cc.acked -= cc.cwnd
            cc.cwnd += cc.mss
    if cc.cwnd > WINDOW_LIMIT:
        cc.cwnd = WINDOW_LIMIT


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc_keep(cc)
    cc.ssthresh = half_flight(cc, flight)
    cc.acked = 0
    return cc.ssthresh


cdef void on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc.cwnd = ssthresh(cc, flight, now) + 3 * cc.mss    # the three segments that left the network (RFC 5681, 3.2, step 3)


cdef void window_dupack(cc_state *cc) noexcept nogil:
    if cc.cwnd < WINDOW_LIMIT:
        cc.cwnd += cc.mss


cdef void window_partial_ack(cc_state *cc, uint32_t acked) noexcept nogil:
    """Deflate by what was acknowledged, and add back one segment (RFC 6582, section 3.2, step 3)."""
    cc.cwnd = cc.cwnd - acked if cc.cwnd > acked + cc.mss else cc.mss
    if acked >= cc.mss:
        cc.cwnd += cc.mss


cdef void window_recovered(cc_state *cc, uint32_t flight) noexcept nogil:
    """min(ssthresh, max(FlightSize, SMSS) + SMSS): no burst after recovery (RFC 6582, step 3, option 1)."""
    cdef uint32_t calm = (flight if flight > cc.mss else cc.mss) + cc.mss
    cc.cwnd = cc.ssthresh if cc.ssthresh < calm else calm


cdef void on_sack_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc.cwnd = ssthresh(cc, flight, now)     # RFC 6675, step 4.2


cdef void window_sack_recovered(cc_state *cc, uint32_t pipe) noexcept nogil:
    """cwnd stays, as far as what may leave at once is no larger a burst than that of a connection's start (RFC 6928; RFC 6582's concern)."""
    cdef uint32_t calm = pipe + initial_window(cc.mss)
    cc.cwnd = cc.ssthresh if cc.ssthresh < calm else calm


cdef void on_ecn(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    """As if a segment had been lost, but that none is (RFC 3168, section 6.1.2)."""
    cc.cwnd = ssthresh(cc, flight, now)


cdef void on_undo(cc_state *cc) noexcept nogil:
    cc_bring_back(cc)
    cc.priv[0] = 0


cdef void on_rto(cc_state *cc, uint32_t flight, bint again) noexcept nogil:
    if not again:                           # the second timeout of one segment leaves ssthresh alone (RFC 5681, 3.1)
        ssthresh(cc, flight, 0)
    cc.cwnd = cc.mss                        # the loss window
    cc.acked = 0
    cc.priv[0] = 1


cdef void window_idle(cc_state *cc) noexcept nogil:
    """RFC 5681, section 4.1: the restart window."""
    cdef uint32_t window = initial_window(cc.mss)
    if cc.cwnd > window:
        cc.cwnd = window
    cc.acked = 0


newreno_ops.name = b"newreno"
newreno_ops.start = window_start
newreno_ops.on_mss = window_mss
newreno_ops.on_ack = on_ack
newreno_ops.on_loss = on_loss
newreno_ops.on_dupack = window_dupack
newreno_ops.on_partial_ack = window_partial_ack
newreno_ops.on_recovered = window_recovered
newreno_ops.on_sack_loss = on_sack_loss
newreno_ops.on_sack_recovered = window_sack_recovered
newreno_ops.ssthresh = ssthresh
newreno_ops.on_ecn = on_ecn
newreno_ops.on_undo = on_undo
newreno_ops.on_rto = on_rto
newreno_ops.on_idle = window_idle
