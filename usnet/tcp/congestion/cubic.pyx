"""RFC 9438 in integers; sections in comments are its own. cwnd grows by whole segments: in between, an ACK costs a few additions and comparisons.

Differences from the RFC: the curve is looked at when enough is acknowledged for a segment, or after LOOK, not with each ACK; W_est moves by whole
segments; where Reno's window is ahead, cwnd follows it by what an ACK acknowledges at most.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.cubic cimport cube_root, cubic
from usnet.tcp.congestion.hystart cimport HYSTART_CUBIC, hystart_ack, hystart_runs
from usnet.tcp.congestion.newreno cimport (
    window_dupack, window_idle, window_mss, window_partial_ack, window_recovered, window_sack_recovered, window_start, window_whole,
)
from usnet.tcp.congestion.ops cimport CC_HYSTART, WINDOW_LIMIT, cc_ack, cc_bring_back, cc_keep, cc_state

cdef enum:
    BETA = 7                    # of 10: beta_cubic (4.6)
    ALPHA_OVER = 9              # alpha_cubic (4.3): 3 (1 - beta) / (1 + beta) = 9/17
    ALPHA_UNDER = 17
    FARTHEST = 347 << 20        # TICKs: beyond, C (t - K)^3 is more than any window
    LOOK = 4000000              # ns


cdef inline cubic *own(cc_state *cc) noexcept nogil:
    return <cubic *>cc.priv


cdef inline int64_t ticks(int64_t ns) noexcept nogil:
    """10^9 = 2^9 * 5^9."""
    return ns * 2048 // 1953125             # not a shift: ns may be below 0


cdef uint32_t rise(const cc_state *cc, uint64_t d) noexcept nogil:
    """C d^3 in bytes, for d TICKs, with C = 0.4 segments a second cubed (5)."""
    cdef uint64_t cube
    if d > FARTHEST:
        d = FARTHEST
    cube = (((d * d) >> 24) * d) >> 14      # 2^-22 s^3
    cube = (cube * cc.mss // 5) >> 21
    return <uint32_t>cube if cube < WINDOW_LIMIT else WINDOW_LIMIT


cdef uint32_t curve(const cc_state *cc, const cubic *x, int64_t t) noexcept nogil:
    """W_cubic(t) in bytes, t in TICKs (4.2)."""
    cdef uint32_t w
    if t >= x.k:
        w = rise(cc, <uint64_t>(t - x.k))
        return x.w_max + w if x.w_max + w < WINDOW_LIMIT else WINDOW_LIMIT
    w = rise(cc, <uint64_t>(x.k - t))
    return x.w_max - w if x.w_max > w else 0


cdef uint32_t time_to(const cc_state *cc, uint32_t below) noexcept nogil:
    """K in TICKs: the cube root of `below` / C (4.2), for a window that lies that many bytes below W_max."""
    cdef uint64_t over = <uint64_t>below * 5, under = 2 * <uint64_t>cc.mss, v = over // under, rest = over % under
    cdef uint32_t scale = 0, k
    while v < <uint64_t>1 << 60 and scale < 20:
        v = v * 8 + rest * 8 // under
        rest = rest * 8 % under
        scale += 1
    k = cube_root(v)
    return k << (20 - scale)


cdef void begin_epoch(cc_state *cc, cubic *x, int64_t now) noexcept nogil:
    """4.2, 4.8 and 4.10: without a reduction just before there is no plateau to go back to, and the curve begins where cwnd is."""
    cc.epoch = now if now else 1
    cc.limited_since = 0
    cc.acked = 0
    if x.timed_out or x.w_max <= cc.cwnd:
        x.w_max = cc.cwnd
        x.k = 0
    else:
        x.k = time_to(cc, x.w_max - cc.cwnd)
    if x.timed_out or x.cwnd_prior < cc.cwnd:
        x.cwnd_prior = cc.cwnd
    x.timed_out = 0
    x.w_est = cc.cwnd
    x.est_acked = 0


cdef uint32_t reno_step(const cc_state *cc, const cubic *x) noexcept nogil:
    """Bytes for which W_est grows by a segment: alpha is that of Reno where W_est is back where cwnd was (4.3)."""
    return cc.cwnd if x.w_est >= x.cwnd_prior else <uint32_t>(<uint64_t>cc.cwnd * ALPHA_UNDER // ALPHA_OVER)


cdef void look(cc_state *cc, cubic *x, const cc_ack *a) noexcept nogil:
    """Grows cwnd by what is due, and says when to look again."""
    cdef uint32_t step = reno_step(cc, x), most = a.acked if a.acked > cc.mss else cc.mss, target, each
    cdef int64_t t = ticks(a.now - cc.epoch)
    cc.acked += x.fresh
    x.est_acked += x.fresh
    x.fresh = 0
    while x.est_acked >= step:
        x.est_acked -= step
        x.w_est += cc.mss
        step = reno_step(cc, x)
    if curve(cc, x, t) < x.w_est:           # the Reno-friendly region
        target = x.w_est
        if target > cc.cwnd:
            cc.cwnd = target if target - cc.cwnd <= most else cc.cwnd + most
        cc.acked = 0
        each = step
    else:                                   # below W_max, or beyond (4.4, 4.5)
        target = curve(cc, x, t + ticks(a.srtt))
        if target > cc.cwnd + cc.cwnd // 2:
            target = cc.cwnd + cc.cwnd // 2
        each = WINDOW_LIMIT
        if target > cc.cwnd:
            each = <uint32_t>(<uint64_t>cc.cwnd * cc.mss // (target - cc.cwnd)) + 1
            if cc.acked >= each:            # no more than a segment for each `each`, of which there are two in any segment at most
                target = cc.acked // each * cc.mss
                cc.cwnd += target if target < most else most
                cc.acked %= each
    if cc.cwnd > WINDOW_LIMIT:
        cc.cwnd = WINDOW_LIMIT
    x.need = step - x.est_acked if x.est_acked < step else 1
    if each > cc.acked and each - cc.acked < x.need:
        x.need = each - cc.acked
    x.until = a.now + LOOK


cdef void on_ack(cc_state *cc, const cc_ack *a) noexcept nogil:
    cdef cubic *x = own(cc)
    cdef uint32_t grow
    if cc.cwnd < cc.ssthresh:
        grow = cc.mss if x.timed_out else cc.step * cc.mss
        if a.acked < grow or cc.step == 0:
            grow = a.acked
        if hystart_runs(cc, HYSTART_CUBIC):
            hystart_ack(cc, a, grow)
        else:
            cc.cwnd += grow
        if cc.cwnd > WINDOW_LIMIT:
            cc.cwnd = WINDOW_LIMIT
        return
    if cc.limited_since:                    # while it was not cwnd that held the sender back, no time passed (5.8)
        cc.epoch += a.now - cc.limited_since
        cc.limited_since = 0
    elif cc.epoch == 0:
        begin_epoch(cc, x, a.now)
    x.fresh += a.acked
    if x.fresh >= x.need or a.now >= x.until:
        look(cc, x, a)


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    """4.6 and 4.7, and what 4.9 may have to bring back."""
    cdef cubic *x = own(cc)
    cdef uint32_t used = flight if flight < cc.cwnd else cc.cwnd, less = <uint32_t>(<uint64_t>used * BETA // 10)
    cc_keep(cc)
    x.undo_epoch = cc.epoch
    x.undo_w_max, x.undo_k, x.undo_w_est, x.undo_cwnd_prior = x.w_max, x.k, x.w_est, x.cwnd_prior
    x.cwnd_prior = cc.cwnd
    if cc.cwnd < x.w_max:                   # fast convergence: another flow is growing
        x.w_max = <uint32_t>(<uint64_t>cc.cwnd * (10 + BETA) // 20)
    else:
        x.w_max = cc.cwnd
    cc.epoch = cc.limited_since = 0
    cc.acked = x.fresh = x.need = 0
    cc.ssthresh = window_whole(cc, less)
    return cc.ssthresh


cdef void on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc.cwnd = ssthresh(cc, flight, now) + 3 * cc.mss


cdef void on_sack_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc.cwnd = ssthresh(cc, flight, now)


cdef void on_rto(cc_state *cc, uint32_t flight, bint again) noexcept nogil:
    """4.8."""
    if not again:
        ssthresh(cc, flight, 0)
    cc.cwnd = cc.mss
    own(cc).timed_out = 1


cdef void on_undo(cc_state *cc) noexcept nogil:
    """4.9: the curve goes on as if nothing had been."""
    cdef cubic *x = own(cc)
    if cc.prior_cwnd == 0:
        return
    cc_bring_back(cc)
    cc.epoch = x.undo_epoch
    cc.limited_since = 0
    x.w_max, x.k, x.w_est, x.cwnd_prior = x.undo_w_max, x.undo_k, x.undo_w_est, x.undo_cwnd_prior
    x.timed_out = 0
    x.need = 0


cubic_ops.name = b"cubic"
cubic_ops.wants = CC_HYSTART
cubic_ops.start = window_start
cubic_ops.on_mss = window_mss
cubic_ops.on_ack = on_ack
cubic_ops.on_loss = on_loss
cubic_ops.on_dupack = window_dupack
cubic_ops.on_partial_ack = window_partial_ack
cubic_ops.on_recovered = window_recovered
cubic_ops.on_sack_loss = on_sack_loss
cubic_ops.on_sack_recovered = window_sack_recovered
cubic_ops.ssthresh = ssthresh
cubic_ops.on_ecn = on_sack_loss
cubic_ops.on_undo = on_undo
cubic_ops.on_rto = on_rto
cubic_ops.on_idle = window_idle


# --- For tests and the REPL -------------------------------------------------------------------------------------------------

def root(uint64_t x):
    """The integer cube root."""
    return cube_root(x)


def plateau(uint32_t mss, uint32_t cwnd, uint32_t w_max):
    """K in TICKs (2^-20 s), for a window of cwnd bytes that was w_max."""
    cdef cc_state cc
    cc.mss = mss
    return time_to(&cc, w_max - cwnd)


def window_at(uint32_t mss, uint32_t w_max, uint32_t k, int64_t ns):
    """W_cubic in bytes, ns into an epoch whose K is k TICKs."""
    cdef cc_state cc
    cdef cubic x
    cc.mss = mss
    x.w_max, x.k = w_max, k
    return curve(&cc, &x, ticks(ns))
