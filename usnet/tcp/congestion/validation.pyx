"""Congestion windows that are not filled: validation.pxd says what each rule is."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.tcp.congestion.newreno cimport initial_window
from usnet.tcp.congestion.ops cimport CC_WINDOW, WINDOW_LIMIT, cc_table
from usnet.tcp.output cimport tcp_flight
from usnet.tcp.tcb cimport TF_RECOVERY
from usnet.wire.seq cimport seq_ge

cdef enum:
    SECOND = 1000000000
    NVP = 300                   # s: the non-validated period (RFC 7661, 4.4.3)


cdef validator *held(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """Its validator, begun if need be; NULL while its window is no larger than that of a start, or where there is no memory."""
    cdef validator *v
    if k.validator == NONE:
        if k.cc.cwnd <= initial_window(k.cc.mss):
            return NULL
        k.validator = arena_take(&t.validators)
        if k.validator == NONE:
            return NULL
        v = validator_at(t, k)
        memset(v, 0, sizeof(validator))
        v.stamp = now
        begin_round(k, v)
    return validator_at(t, k)


cdef void validation_give(tcp_state *t, tcb *k) noexcept nogil:
    if k.validator != NONE:
        arena_give(&t.validators, k.validator)
        k.validator = NONE


cdef void let_go(tcp_state *t, tcb *k) noexcept nogil:
    if k.cc.cwnd <= initial_window(k.cc.mss):
        validation_give(t, k)


cdef void remember(tcb *k) noexcept nogil:
    """ssthresh is three quarters of the window at least: the path has carried that once (tcp_current_ssthresh; RFC 7661, 4.4.3)."""
    cdef uint32_t kept = k.cc.cwnd - k.cc.cwnd // 4
    if k.cc.ssthresh < kept:
        k.cc.ssthresh = kept


# --- RFC 7661 ---

cdef void begin_round(tcb *k, validator *v) noexcept nogil:
    v.round_una, v.round_end, v.round_cwnd = k.snd_una, k.snd_max, k.cc.cwnd


cdef void forget(tcb *k, validator *v) noexcept nogil:
    """pipeACK is undefined."""
    memset(v.bin, 0, sizeof(v.bin))
    memset(v.bin_at, 0, sizeof(v.bin_at))
    v.pipe_ack = v.loss = 0
    v.since = 0
    v.round_cwnd = 0                        # the ACK that brings this about is of no round trip


cdef void sample(const tcb *k, validator *v, uint32_t acked, int64_t now) noexcept nogil:
    """pipeACK is the largest sample of the last max(3 RTT, 1 s) (4.2)."""
    cdef int64_t period = 3 * k.srtt if 3 * k.srtt > SECOND else SECOND
    cdef uint32_t i, newest = 0, oldest = 0
    for i in range(PIPE_BINS):
        if v.bin_at[i] and now - v.bin_at[i] > period:
            v.bin[i] = 0
            v.bin_at[i] = 0
        newest = i if v.bin_at[i] > v.bin_at[newest] else newest
        oldest = i if v.bin_at[i] < v.bin_at[oldest] else oldest
    if v.bin_at[newest] == 0 or now - v.bin_at[newest] > period // PIPE_BINS:
        newest = oldest
        v.bin[newest] = 0
        v.bin_at[newest] = now
    if acked > v.bin[newest]:
        v.bin[newest] = acked
    v.pipe_ack = 0
    for i in range(PIPE_BINS):
        v.pipe_ack = v.bin[i] if v.bin[i] > v.pipe_ack else v.pipe_ack


cdef void too_long(tcb *k, validator *v, int64_t now) noexcept nogil:
    """The end of the non-validated period (4.4.3)."""
    cdef uint32_t least
    if now - v.since < NVP * <int64_t>SECOND:
        return
    remember(k)
    least = initial_window(k.cc.mss)
    least = k.cc.cwnd // 2 if k.cc.cwnd // 2 > least else least
    k.cc.cwnd = least if least < k.cc.cwnd else k.cc.cwnd
    v.since = now


cdef bint not_validated(tcb *k, validator *v, uint32_t acked, int64_t now) noexcept nogil:
    """A round trip is over, or not: whether less than half of the window is used (4.3). One that began with nothing out is that of what left then."""
    if v.round_cwnd == 0:
        begin_round(k, v)
        return False
    if v.round_end == v.round_una:
        begin_round(k, v)
        v.round_una -= acked
    if seq_ge(k.snd_una, v.round_end):
        sample(k, v, k.snd_una - v.round_una, now)
        if v.since:
            too_long(k, v, now)
        if 2 * <int64_t>v.pipe_ack >= v.round_cwnd:
            v.since = 0
        elif not v.since:
            v.since = now
        begin_round(k, v)
    return v.since != 0


cdef uint32_t validation_flight(tcp_state *t, tcb *k, uint32_t flight) noexcept nogil:
    """4.4.1: in the non-validated phase a window says nothing, and what was used lately as much as what is out."""
    cdef validator *v
    if t.config.cwnd_validation != VALIDATION_PIPEACK or k.validator == NONE:
        return flight
    v = validator_at(t, k)
    v.loss = 0
    if not v.since:
        return flight
    v.loss = v.pipe_ack if v.pipe_ack > flight else flight
    v.retrans = k.bytes_retrans
    return v.loss


cdef void validation_over(tcp_state *t, tcb *k, bint recovered) noexcept nogil:
    """4.4.1: by what had to be sent again the path was exceeded at least; and pipeACK is undefined."""
    cdef validator *v
    cdef uint64_t less
    if k.validator == NONE:
        return
    v = validator_at(t, k)
    if t.config.cwnd_validation == VALIDATION_PIPEACK:
        if recovered and v.loss and k.cc.ssthresh < WINDOW_LIMIT:
            less = (k.bytes_retrans - v.retrans) * k.cc.ssthresh // v.loss
            less = (k.cc.ssthresh - less + k.cc.mss // 2) // k.cc.mss * k.cc.mss if less < k.cc.ssthresh else 0    # whole segments
            less = less if less > k.cc.mss else k.cc.mss
            if less < k.cc.cwnd:
                k.cc.cwnd = <uint32_t>less
            k.cc.ssthresh = k.cc.cwnd if k.cc.cwnd > 2 * k.cc.mss else 2 * k.cc.mss
        forget(k, v)
    let_go(t, k)


# --- Linux ---

cdef void halve(tcb *k, int64_t silent) noexcept nogil:
    """tcp_cwnd_restart()."""
    cdef uint32_t least = initial_window(k.cc.mss), cwnd = k.cc.cwnd
    remember(k)
    least = least if least < cwnd else cwnd
    silent -= k.rto
    while silent > 0 and cwnd > least:
        cwnd //= 2
        silent -= k.rto
    k.cc.cwnd = cwnd if cwnd > least else least
    k.cc.acked = 0


cdef void come_down(tcp_state *t, tcb *k, validator *v, int64_t now) noexcept nogil:
    """tcp_cwnd_application_limited()."""
    cdef uint32_t used = initial_window(k.cc.mss)
    used = v.used if v.used > used else used
    if not k.flags & TF_RECOVERY and not k.no_room:
        if used < k.cc.cwnd:
            remember(k)
            k.cc.cwnd = (k.cc.cwnd + used) // 2
        v.used = 0
    v.stamp = now


cdef bint is_full(const tcb *k) noexcept nogil:
    """tcp_is_cwnd_limited(): something waits for cwnd; or in slow start half of it was used."""
    if tcp_flight(k) + k.mss > k.cc.cwnd:
        return True
    return k.cc.cwnd < k.cc.ssthresh and k.cc.cwnd < 2 * k.most_out


cdef void validation_sent(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """tcp_cwnd_validate()."""
    cdef validator *v
    cdef uint32_t out = tcp_flight(k)
    if t.config.cwnd_validation != VALIDATION_LINUX or out == 0:
        return
    v = held(t, k, now)
    if v == NULL:
        return
    if is_full(k):
        v.used = 0
        v.stamp = now
        return
    v.used = out if out > v.used else v.used
    if now - v.stamp >= k.rto:
        come_down(t, k, v, now)
        let_go(t, k)


# --- All of them ---

cdef void validation_idle(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef validator *v
    if t.config.cwnd_validation == VALIDATION_RESTART or cc_table(k.cc_ops).wants & CC_WINDOW:
        cc_table(k.cc_ops).on_idle(&k.cc)
    elif t.config.cwnd_validation == VALIDATION_LINUX:
        halve(k, now - k.last_send)
        v = held(t, k, now)
        if v != NULL:
            v.used = 0
            v.stamp = now
        let_go(t, k)
    elif k.validator != NONE:
        v = validator_at(t, k)
        v.since = v.since if v.since else k.last_send
        too_long(k, v, now)
        begin_round(k, v)


cdef bint validation_acked(tcp_state *t, tcb *k, bint limited, uint32_t acked, int64_t now) noexcept nogil:
    cdef validator *v
    cdef bint fresh
    if t.config.wide_growth and k.most_out and k.cc.cwnd < k.cc.ssthresh:
        limited = k.cc.cwnd >= 2 * k.most_out
    if t.config.cwnd_validation <= VALIDATION_RESTART:
        return limited
    fresh = k.validator == NONE
    v = held(t, k, now)
    if v == NULL or fresh:
        return limited
    if t.config.cwnd_validation == VALIDATION_LINUX:
        v.stamp = now
        return limited
    return not_validated(k, v, acked, now) or limited
