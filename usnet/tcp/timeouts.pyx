"""Deadlines that passed: retransmission (RFC 6298, section 5), persist (RFC 9293, 3.8.6.1), delayed ACK, keepalive (3.8.4), 2 MSL."""
from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.aside cimport aside_at
from usnet.tcp.delack cimport delack_missed
from usnet.tcp.fastopen cimport fastopen_timed_out
from usnet.tcp.mtu cimport mtu_timed_out
from usnet.tcp.output cimport (
    tcp_ack_now,
    tcp_resend_first,
    tcp_send_keepalive,
    tcp_send_probe,
    tcp_want_output,
)
from usnet.tcp.pacing cimport pacing_due
from usnet.tcp.rare cimport rare_syn_retries
from usnet.tcp.recovery.episode cimport episode_reorder_due, episode_timeout
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.recovery.newreno cimport recovery_timeout
from usnet.tcp.recovery.sack cimport sack_timeout
from usnet.tcp.recovery.tlp cimport tlp_due
from usnet.tcp.state cimport rest_unarmed, tcb_at, tcb_fired, tcb_live, tcp_state
from usnet.tcp.tcb cimport (
    REXMT_PROBE,
    REXMT_REORDER,
    T_DELACK,
    T_KEEP,
    T_LINGER,
    T_REXMT,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSED,
    TCPS_ESTABLISHED,
    TCPS_SYN_RECEIVED,
    TCPS_SYN_SENT,
    TF_ASIDE,
    TF_DELACK,
    TF_HELD,
    TF_KEEPALIVE,
    TF_PROBE,
    TF_RTT_TIMED,
    TF_SACK,
    TF_TIMESTAMPS,
    TF_WSCALE,
    TFO_ASKED,
    TFO_PASSIVE,
    TFO_SYNACK_DUE,
    tcb,
)
from usnet.tcp.teardown cimport tcp_end, tcp_end_reset
from usnet.tcp.timers cimport tcp_arm, tcp_disarm, tcp_patience, tcp_rearm, tcp_rto

cdef enum:
    THIN_SEGMENTS = 3           # that may be out
    THIN_RETRIES = 6


cdef bint gave_up(tcp_state *t, uint32_t c, uint8_t limit, int64_t now) noexcept nogil:
    """R2 of RFC 9293, 3.8.3: too many in a row unanswered, or the user timeout (RFC 5482). Ends the connection."""
    cdef tcb *k = tcb_at(t, c)
    if not k.stalled_since:
        k.stalled_since = now - tcp_rto(t, k) if now > tcp_rto(t, k) else 1     # since the segment was sent
    if ((k.unanswered < limit or (k.user_timeout and k.state >= TCPS_ESTABLISHED))
            and not (k.user_timeout and now - k.stalled_since >= k.user_timeout)
            and not (k.snd_wnd == 0 and not k.flags & TF_HELD and now - k.stalled_since >= t.config.fin_wait_2)):
        return False                        # the last: no peer keeps an orphan for ever by a closed window (RFC 6429)
    tcp_end(t, c, k.error if k.error else (k.soft_error if k.soft_error and k.soft_una == k.snd_una else ETIMEDOUT))
    return True


cdef void bump(tcb *k) noexcept nogil:
    if k.backoff < 30:
        k.backoff += 1
    if k.unanswered < 255:
        k.unanswered += 1


cdef inline bint stays_linear(const tcp_state *t, const tcb *k) noexcept nogil:
    """Linux's TCP_THIN_LINEAR_TIMEOUTS: so little is out that no duplicate ACKs can tell of a loss."""
    return (t.config.thin_linear_timeouts and k.state == TCPS_ESTABLISHED and k.snd_max - k.snd_una <= THIN_SEGMENTS * <uint32_t>k.mss
            and k.unanswered < THIN_RETRIES)


cdef void syn_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """The SYN or SYN-ACK again (RFC 6298, 5.5 to 5.7), or the end."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint8_t limit = rare_syn_retries(t, k) if k.state == TCPS_SYN_SENT else t.config.synack_retries
    if k.fastopen & TFO_ASKED:
        fastopen_timed_out(t, k, limit, now)
    if k.error or gave_up(t, c, limit, now):
        if tcb_live(t, c) and k.state != TCPS_CLOSED:
            tcp_end(t, c, k.error)          # no route to the peer: nothing to wait for
        return
    if k.state == TCPS_SYN_SENT and k.syn_retries < t.config.syn_linear:
        k.unanswered += 1
    else:
        bump(k)
    k.syn_retries += 1
    if t.config.syn_plain and k.syn_retries >= t.config.syn_plain and k.state == TCPS_SYN_SENT:
        k.flags &= ~<uint32_t>(TF_TIMESTAMPS | TF_WSCALE | TF_SACK)     # whatever answers nothing else may answer that
        k.rcv_wscale = 0
    k.flags &= ~<uint32_t>TF_RTT_TIMED
    if k.flags & TF_ASIDE and aside_at(t, k).deferred and k.syn_retries < aside_at(t, k).defer:
        tcp_arm(t, c, T_REXMT, tcp_patience(t, k, now))     # the peer has answered: what is missing is data
        return
    if k.fastopen & TFO_PASSIVE:
        k.fastopen |= TFO_SYNACK_DUE        # and nothing else, before its ACK has come
    else:
        k.snd_nxt = k.iss
    tcp_want_output(t, c)


cdef void retransmission_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef bint again = k.stalled_since != 0
    if k.fastopen & TFO_ASKED:
        fastopen_timed_out(t, k, t.config.data_retries, now)
    if gave_up(t, c, t.config.data_retries if k.flags & TF_HELD else t.config.orphan_retries, now):
        return
    t.counters.rto_count += 1
    k.total_rto += 1 if again else 0x10001
    mtu_timed_out(t, k)
    if k.timed & FLIGHT_RACK:
        episode_timeout(t, c, again, now)
    else:
        recovery_timeout(t, c, again, now)
        sack_timeout(t, c, again)
    if stays_linear(t, k):
        k.backoff = 0
        k.unanswered += 1
    else:
        bump(k)
    tcp_resend_first(t, c, now)             # exactly one segment; the rest goes as ACKs come back
    if not k.deadline[T_REXMT]:             # the ring was full: nothing left, but the clock goes on
        tcp_arm(t, c, T_REXMT, tcp_patience(t, k, now))


cdef void persist_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Probes go on for as long as the peer answers; the interval doubles up to rto_max."""
    cdef tcb *k = tcb_at(t, c)
    if gave_up(t, c, t.config.data_retries if k.flags & TF_HELD else t.config.orphan_retries, now):
        return
    bump(k)
    tcp_send_probe(t, c, now)
    if k.flags & TF_PROBE:
        tcp_arm(t, c, T_REXMT, tcp_patience(t, k, now))


cdef void keepalive_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if not k.flags & TF_KEEPALIVE or (k.state != TCPS_ESTABLISHED and k.state != TCPS_CLOSE_WAIT):
        return
    if k.keep_probes == 0 and now < k.last_recv + k.keep_idle:
        tcp_arm(t, c, T_KEEP, k.last_recv + k.keep_idle)
        return
    if k.snd.span or k.snd_max != k.snd_una:            # MUST-26: what is out, or waits, asks by itself
        tcp_arm(t, c, T_KEEP, now + k.keep_idle)
        return
    if k.keep_probes >= (k.keep_count if k.keep_count else t.config.keep_count):
        tcp_end_reset(t, c, ETIMEDOUT, now)
        return
    k.keep_probes += 1
    tcp_send_keepalive(t, c, now)
    tcp_arm(t, c, T_KEEP, now + k.keep_interval)


cdef void rexmt_due(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        syn_timeout(t, c, now)
    elif k.flags & TF_PROBE and k.snd_wnd and k.snd_una == k.snd_max:
        tcp_send_probe(t, c, now)           # a cork, or a window too small for a segment: nothing to count, or to lose patience with
    elif k.flags & TF_PROBE:
        persist_timeout(t, c, now)
    elif k.snd_max != k.snd_una:
        if k.pending == REXMT_PROBE:
            tlp_due(t, c, now)
        elif k.pending == REXMT_REORDER:
            episode_reorder_due(t, c, now)
        else:
            retransmission_timeout(t, c, now)


cdef bint take_due(tcb *k, int which, int64_t now) noexcept nogil:
    if not k.deadline[which] or k.deadline[which] > now:
        return False
    tcp_disarm(k, which)
    return True


cdef void tcp_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k
    if rest_unarmed(t, c):
        return
    k = tcb_fired(t, c, now)
    k.timer = NONE                          # the wheel freed it
    if take_due(k, T_LINGER, now):
        tcp_end(t, c, 0)                    # 2 MSL, or the patience with an orphan's peer, is over
    elif take_due(k, T_REXMT, now):
        rexmt_due(t, c, now)
    if tcb_live(t, c) and take_due(k, T_DELACK, now) and k.flags & TF_DELACK:
        t.counters.delayed_acks += 1
        delack_missed(k)
        tcp_ack_now(t, c, now)
    if tcb_live(t, c) and k.pacer != NONE and pacing_due(t, k, now):
        tcp_want_output(t, c)
    if tcb_live(t, c) and take_due(k, T_KEEP, now):
        keepalive_timeout(t, c, now)
    if tcb_live(t, c):
        tcp_rearm(t, c)
