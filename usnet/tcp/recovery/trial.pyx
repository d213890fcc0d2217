"""Episodes on trial, without SACK."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.output cimport tcp_flight, tcp_resend_first, tcp_resend_until
from usnet.tcp.rtt cimport tcp_ts_now
from usnet.tcp.state cimport tcb_at
from usnet.tcp.tcb cimport TF_RECOVERY, TF_REXMT_NOW, TF_TRIAL
from usnet.tcp.worth cimport tail_may_go
from usnet.wire.seq cimport seq_ge, seq_gt, seq_lt, seq_max

cdef enum:
    NEW_SEGMENTS = 2            # step 2.b


cdef trial *begin(tcp_state *t, tcb *k) noexcept nogil:
    """One is taken where there is none; NULL when none is left, which cannot be: there is one for each connection."""
    if not k.flags & TF_TRIAL:
        k.trial = arena_take(&t.trials)
        if k.trial == NONE:
            return NULL
        k.flags |= TF_TRIAL
        memset(trial_at(t, k), 0, sizeof(trial))
        trial_at(t, k).end = k.snd_una
    return trial_at(t, k)


cdef void trial_end(tcp_state *t, tcb *k) noexcept nogil:
    if k.flags & TF_TRIAL:
        arena_give(&t.trials, k.trial)
        k.trial = NONE
        k.flags &= ~<uint32_t>TF_TRIAL


cdef void trial_recovery(tcp_state *t, tcb *k) noexcept nogil:
    cdef trial *v = begin(t, k) if t.config.undo else NULL
    if v != NULL:
        v.undo = 1
        v.stamped = v.frto = 0              # all that was sent again before is acknowledged


cdef void trial_timeout(tcp_state *t, tcb *k, bint again) noexcept nogil:
    """Step 1. F-RTO is of use where no recovery ran, or a timeout follows another (3.2)."""
    cdef bint fresh = not k.flags & (TF_RECOVERY | TF_TRIAL)
    cdef trial *v = begin(t, k) if t.config.undo or t.config.frto else NULL
    if v == NULL:
        return
    if not again:                           # it reduces the windows once more; those of a fast recovery are inflated, and do not come back
        v.undo = t.config.undo and not k.flags & TF_RECOVERY
        if not seq_gt(v.end, k.snd_una):    # nothing that an earlier episode sent again may still be acknowledged
            v.stamped = 0
    v.frto = TRIAL_FIRST if t.config.frto and (fresh or again) else 0


cdef void trial_resent(tcp_state *t, tcb *k, uint32_t seq, uint32_t n, int64_t now) noexcept nogil:
    cdef trial *v = trial_at(t, k)
    if not v.stamped:
        v.stamped = 1
        v.resent_ts = tcp_ts_now(k, now)
    v.end = seq_max(v.end, seq + n)


cdef bint of_first_copy(const trial *v, uint32_t ts_ecr) noexcept nogil:
    """What was acknowledged was sent before anything was sent again: while nothing was, that is plain."""
    if not v.undo:
        return False
    return ts_ecr != 0 and seq_lt(ts_ecr, v.resent_ts) if v.stamped else True


cdef void undo(tcp_state *t, tcb *k) noexcept nogil:
    if trial_at(t, k).undo:
        cc_table(k.cc_ops).on_undo(&k.cc)
    k.flags &= ~<uint32_t>(TF_RECOVERY | TF_REXMT_NOW)
    trial_end(t, k)


cdef bint trial_recovery_ack(tcp_state *t, tcb *k, uint32_t ts_ecr) noexcept nogil:
    """The recovery point stays: what was sent again arrives twice, and is no reason for another."""
    cdef trial *v = trial_at(t, k)
    cdef bint all_ = seq_ge(k.snd_una, k.recover)
    if of_first_copy(v, ts_ecr) and (all_ or not seq_gt(v.end, k.snd_una)):
        cc_table(k.cc_ops).on_recovered(&k.cc, tcp_flight(k))
        t.counters.full_undos += all_
        t.counters.partial_undos += not all_
        undo(t, k)
        return True
    if all_:
        trial_end(t, k)
    return False


cdef void take_back(tcp_state *t, tcb *k, bint spurious) noexcept nogil:
    """The timeout was no sign of congestion (RFC 4015, section 3.2), and nothing is sent again for it any more."""
    t.counters.loss_undos += trial_at(t, k).undo
    t.counters.spurious_rtos += spurious
    k.backoff = 0
    k.snd_nxt = k.snd_max
    undo(t, k)


cdef void try_new(const tcp_state *t, tcb *k, trial *v) noexcept nogil:
    """Step 2.b: new data, if there is any; else all that is out is sent again, as ever."""
    cdef uint32_t out = k.snd_max - k.snd_una, n = k.snd.span - out if k.snd.span > out else 0
    if n > NEW_SEGMENTS * <uint32_t>k.mss:
        n = NEW_SEGMENTS * <uint32_t>k.mss
    elif not tail_may_go(t, k):
        n -= n % k.mss                      # Nagle
    v.frto = TRIAL_NEW if n else 0
    if n:
        v.before = k.snd_max
        v.until = k.snd_max + n
        k.snd_nxt = k.snd_max
        k.flags |= TF_REXMT_NOW


cdef void trial_timeout_ack(tcp_state *t, tcb *k, uint32_t ts_ecr) noexcept nogil:
    cdef trial *v = trial_at(t, k)
    if of_first_copy(v, ts_ecr):
        take_back(t, k, False)
    elif v.frto == TRIAL_NEW:               # step 3.b: what was sent once has arrived
        k.recover = k.snd_una
        take_back(t, k, True)
    elif seq_ge(k.snd_una, k.recover):
        trial_end(t, k)
    elif v.frto and not seq_gt(v.end, k.snd_una):
        try_new(t, k, v)
    else:
        v.frto = 0                          # step 2.a


cdef void trial_dupack(tcp_state *t, tcb *k) noexcept nogil:
    """Steps 2.a and 3.a: something is missing."""
    cdef trial *v = trial_at(t, k)
    if v.frto == TRIAL_NEW:
        k.snd_nxt = k.snd_una
        k.recover = k.snd_max
        k.flags &= ~<uint32_t>TF_REXMT_NOW
    v.frto = 0


cdef int trial_output(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Where the peer's window has no room for new data, step 2.b says to go on as ever."""
    cdef tcb *k = tcb_at(t, c)
    cdef trial *v = trial_at(t, k)
    cdef int status
    if v.frto != TRIAL_NEW:
        return tcp_resend_first(t, c, now)
    status = tcp_resend_until(t, c, v.until, now)
    if status == 0 and k.snd_max == v.before:
        v.frto = 0
        k.snd_nxt = k.snd_una
        return 0
    k.snd_nxt = k.snd_max                   # a FIN went along with the last byte
    return status
