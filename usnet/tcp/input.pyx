"""An arriving segment (RFC 9293, section 3.10.7.4). The parent, `synchronized`, holds the order of the steps; each step is a function that says
whether to go on."""
from libc.errno cimport ECONNREFUSED, ECONNRESET, EPIPE
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE
from usnet.tcp.aside cimport marks_acked
from usnet.tcp.blocks cimport blocks_twice
from usnet.tcp.challenge cimport challenge_allowed, time_wait_reused
from usnet.tcp.accecn cimport accecn_acked, accecn_arrived
from usnet.tcp.delack cimport TCP_MAX_QUICKACKS, delack_arrival, delack_quick
from usnet.tcp.ecn cimport ECN_ACCECN, ECN_RFC3168, ecn_echoed, ecn_text_arrived
from usnet.tcp.fastopen cimport fastopen_was_reset
from usnet.tcp.icmp cimport ERRORS_FREEBSD
from usnet.tcp.handshake cimport (
    handshake_complete, handshake_defers, handshake_listen, handshake_settle, handshake_syn_sent, handshake_uto,
)
from usnet.tcp.mtu cimport mtu_acked
from usnet.tcp.output cimport tcp_ack_now, tcp_corked, tcp_flight, tcp_may_send, tcp_want_output
from usnet.tcp.receive cimport receive_text
from usnet.tcp.congestion.rates cimport rates_acked, rates_before, rates_then
from usnet.tcp.recovery.episode cimport episode_ack
from usnet.tcp.recovery.flight cimport FLIGHT_RACK, FLIGHT_RATES
from usnet.tcp.recovery.newreno cimport recovery_ack, recovery_dupack
from usnet.tcp.recovery.sack cimport sack_ack, sack_dupack
from usnet.tcp.segment cimport segment_refuse
from usnet.tcp.signature cimport signature_holds
from usnet.tcp.state cimport (
    TDROP_AFTER_FIN, TDROP_BAD_ACK, TDROP_CHECKSUM, TDROP_DUPLICATE, TDROP_LISTEN_FLAGS, TDROP_NO_ACK, TDROP_NO_CONNECTION, TDROP_OFFSET,
    TDROP_OLD_ACK, TDROP_PAST_WINDOW, TDROP_PAWS, TDROP_PORT_ZERO, TDROP_RST_SEQ, TDROP_SHORT, TDROP_SYN_IN_WINDOW, TDROP_TIME_WAIT,
    TDROP_WINDOW, count_drop, tcb_at, tcb_live, tcp_state,
)
from usnet.tcp.steps cimport ack_weight, owe_ack, record_timestamp, take_ack, tell_room, update_window
from usnet.tcp.tables cimport tcb_find, tcb_find_listener, tcp_notify
from usnet.tcp.tcb cimport (
    T_REXMT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_SYN_RECEIVED, TCPS_SYN_SENT,
    TCPS_CLOSE_WAIT, TCPS_CLOSING,
    TCPS_TIME_WAIT, TF_ACK_NOW, TF_ASIDE, TF_ALL_ROOM, TF_FIN_HELD, TF_FIN_RECEIVED, TF_HELD, TF_MARKS, TF_MORE, TF_PROBE,
    TF_SACK, TF_TIMESTAMPS, TFO_PASSIVE, TFO_SYNACK_DUE, tcb,
)
from usnet.tcp.teardown cimport tcp_end, tcp_end_reset, tcp_enter_time_wait, tcp_fin_acked, tcp_fin_received
from usnet.tcp.timers cimport tcp_disarm
from usnet.tcp.urgent cimport urgent_arrived, urgent_here
from usnet.wire.flow cimport flow, flow_tos
from usnet.wire.seq cimport seq_diff, seq_ge, seq_gt, seq_le, seq_lt
from usnet.wire.tcp cimport (
    TCP_CHECKSUM, TCP_OK, TCP_SHORT, TCPO_MD5, TCPO_SACK, TCPO_TIMESTAMP, TCPO_UTO, TH_ACK, TH_ECE, TH_FIN, TH_RST, TH_SYN, TH_URG, tcp_parse,
    tcp_repr,
)

cdef enum:
    PAWS_IDLE = 24 * 86400              # s after which ts_recent is too old to compare with (RFC 7323, section 5.5)

cdef inline uint32_t text_len(const text *s) noexcept nogil:
    return s.n + s.fin + s.syn


# --- Steps: true means "go on" ------------------------------------------------------------------------------------------------

cdef bint check_paws(tcp_state *t, uint32_t c, const tcp_repr *r, const text *s, int64_t now) noexcept nogil:
    """RFC 7323, section 5.3, R1. A segment without the option is tolerated, as Linux does: middleboxes strip it."""
    cdef tcb *k = tcb_at(t, c)
    if not (k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP) or r.flags & TH_RST:
        return True
    if seq_ge(r.ts_val, k.ts_recent) or (now - k.ts_recent_at) // 1000000000 > PAWS_IDLE:
        return True
    count_drop(t, TDROP_PAWS)
    answer_outside(t, c, s, now)
    return False


cdef void answer_outside(tcp_state *t, uint32_t c, const text *s, int64_t now) noexcept nogil:
    """The ACK that an unacceptable segment earns; for those without text at a limited rate (RFC 5961, section 7), so that two ends cannot keep each
    other busy."""
    cdef tcb *k = tcb_at(t, c)
    if s.n + s.fin == 0 or s.syn:
        if k.last_oow_ack and now - k.last_oow_ack < t.config.challenge_interval or not challenge_allowed(t, now):
            return
        k.last_oow_ack = now
        t.counters.challenge_acks += 1
    tcp_ack_now(t, c, now)


cdef bint acceptable(const tcb *k, const text *s) noexcept nogil:
    """RFC 9293, 3.10.7.4, first step: the four cases of window and length."""
    cdef uint32_t window = <uint32_t>seq_diff(k.rcv_adv, k.rcv_nxt) if seq_gt(k.rcv_adv, k.rcv_nxt) else 0
    cdef uint32_t n = text_len(s)
    if (k.flags & TF_ALL_ROOM and (TCPS_ESTABLISHED if k.parent != NONE else TCPS_SYN_RECEIVED) <= k.state < TCPS_TIME_WAIT
            and k.rcvbuf > k.rcv_ready + window):
        window = k.rcvbuf - k.rcv_ready     # more than 16 bits could say
    if window == 0:
        return n == 0 and s.seq == k.rcv_nxt
    if seq_ge(s.seq, k.rcv_nxt) and seq_lt(s.seq, k.rcv_nxt + window):
        return True
    return n > 0 and seq_gt(s.seq + n, k.rcv_nxt) and seq_le(s.seq + n, k.rcv_nxt + window)


cdef bint at_edge(const tcb *k, const text *s) noexcept nogil:
    """An empty segment right behind the window, from a peer that has filled it. The letter of RFC 9293 discards it; but if what fills the window
    begins with a gap, that would be every ACK of the peer until the gap is mended, and our own data would be sent again for nothing."""
    return text_len(s) == 0 and s.seq == k.rcv_adv


cdef bint spans_window(const tcb *k, const text *s) noexcept nogil:
    """Starts before the window and ends behind it: acceptable too once trimmed."""
    return text_len(s) > 0 and seq_lt(s.seq, k.rcv_nxt) and seq_gt(s.seq + text_len(s), k.rcv_adv) and seq_gt(k.rcv_adv, k.rcv_nxt)


cdef inline void timestamp(tcb *k, const tcp_repr *r, const text *s, int64_t now) noexcept nogil:
    if k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP:
        record_timestamp(k, s.seq, r.ts_val, now)


cdef bint check_seq(tcp_state *t, uint32_t c, const tcp_repr *r, text *s, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if acceptable(k, s) or spans_window(k, s) or (at_edge(k, s) and not r.flags & TH_RST):
        return True
    if r.flags & TH_RST:
        count_drop(t, TDROP_RST_SEQ)
        return False
    if k.state == TCPS_TIME_WAIT and s.fin and s.seq + s.n + 1 == k.rcv_nxt:
        tcp_enter_time_wait(t, c, now)      # the peer did not get our last ACK: 2 MSL begin again (RFC 9293, 3.10.7.4, eighth step)
    if seq_le(s.seq + text_len(s), k.rcv_nxt) and text_len(s):
        count_drop(t, TDROP_DUPLICATE)
        if s.n:
            blocks_twice(t, k, s.seq, s.seq + s.n)
        if t.config.adaptive_acks:
            delack_quick(t, k, TCP_MAX_QUICKACKS)
        if seq_ge(s.seq + text_len(s), k.last_ack_sent):
            timestamp(k, r, s, now)  # our ACK was lost: echoing the first copy would measure the wait for this one
    else:
        count_drop(t, TDROP_WINDOW)
    if (r.flags & TH_ACK and (s.seq == k.rcv_nxt or (k.state == TCPS_CLOSING and s.fin)) and k.state >= TCPS_ESTABLISHED
            and not check_ack(t, c, r, s, now)):
        return False                        # a probe into our closed window still carries a good ACK, and so does their FIN when it comes again
    answer_outside(t, c, s, now)
    return False


cdef int reset_errno(const tcp_state *t, const tcb *k) noexcept nogil:
    if k.state == TCPS_TIME_WAIT:
        return 0
    if k.state == TCPS_SYN_RECEIVED and k.parent == NONE and not k.fastopen & TFO_PASSIVE:
        return ECONNREFUSED
    if k.state == TCPS_CLOSE_WAIT and t.config.error_rules != ERRORS_FREEBSD:
        return EPIPE                        # all was heard: only writing fails
    return ECONNRESET


cdef bint check_rst(tcp_state *t, uint32_t c, const tcp_repr *r, const text *s, int64_t now) noexcept nogil:
    """RFC 5961, section 3: only a RST at exactly rcv_nxt resets."""
    cdef tcb *k = tcb_at(t, c)
    cdef text bare = s[0]
    if not r.flags & TH_RST:
        return True
    if k.state == TCPS_TIME_WAIT and (t.config.rfc1337 or r.seq != k.rcv_nxt):
        count_drop(t, TDROP_TIME_WAIT)
    elif r.seq == k.rcv_nxt or t.config.insecure_rst:
        t.counters.rsts_in += 1
        if k.fastopen & TFO_PASSIVE:
            fastopen_was_reset(t, k, now)
        tcp_end(t, c, reset_errno(t, k))
    else:
        count_drop(t, TDROP_RST_SEQ)
        bare.n = bare.fin = 0               # at a limited rate, whatever it carries
        answer_outside(t, c, &bare, now)
    return False


cdef bint check_syn(tcp_state *t, uint32_t c, const tcp_repr *r, text *s, int64_t now) noexcept nogil:
    """RFC 5961, section 4: a SYN in a synchronized state earns an ACK and nothing else."""
    cdef tcb *k = tcb_at(t, c)
    if not r.flags & TH_SYN:
        return True
    if k.state == TCPS_SYN_RECEIVED and r.seq == k.irs:
        if not r.flags & TH_ACK:            # the same SYN again: our SYN-ACK was lost
            if k.fastopen & TFO_PASSIVE:
                k.fastopen |= TFO_SYNACK_DUE
            else:
                k.snd_nxt = k.iss
            tcp_want_output(t, c)
            return False
        s.seq += 1                          # simultaneous open: their SYN-ACK; its SYN is old, its ACK counts
        s.syn = 0
        return True
    count_drop(t, TDROP_SYN_IN_WINDOW)
    if t.config.insecure_syn and k.state != TCPS_TIME_WAIT:
        tcp_end_reset(t, c, ECONNRESET, now)
        return False
    answer_outside(t, c, s, now)
    return False


cdef bint new_ack(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    """snd_una moves on. False if the connection is gone (LAST-ACK)."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t acked = r.ack - k.snd_una, flight = tcp_flight(k)
    cdef bint was_full = k.snd.span >= k.sndbuf
    cdef bint stamped = k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP
    cdef bint fin_acked = take_ack(t, k, r.ack, r.ts_ecr if stamped else 0, now) < acked     # the FIN's number, with the rest
    if k.search != NONE:
        mtu_acked(t, k)
    if t.config.more_until_ack:
        k.flags &= ~<uint32_t>TF_MORE
    if k.flags & TF_SACK:
        sack_ack(t, c, r, acked, flight, now)
    else:
        recovery_ack(t, c, acked, flight, r.ts_ecr if stamped else 0, now)
    if k.flags & TF_MARKS:
        marks_acked(t, k, now)
    tell_room(t, c, k, was_full)
    return not (fin_acked and tcp_fin_acked(t, c, now))


cdef bint check_ack(tcp_state *t, uint32_t c, const tcp_repr *r, const text *s, int64_t now) noexcept nogil:
    """Fifth step, for ESTABLISHED and later. False: go no further (unacceptable, or the connection ended)."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint window_changed
    cdef uint32_t old_window = k.snd_wnd
    cdef rates_then then
    if k.timed & FLIGHT_RATES:
        rates_before(t, k, &then)
    if seq_gt(r.ack, k.snd_max):
        count_drop(t, TDROP_BAD_ACK)
        answer_outside(t, c, s, now)
        return False
    if seq_lt(r.ack, k.snd_una - k.max_window):
        count_drop(t, TDROP_OLD_ACK)         # RFC 5961, section 5
        answer_outside(t, c, s, now)
        return False
    if k.ecn & ECN_ACCECN:
        accecn_acked(t, c, r, now)
    elif k.ecn and r.flags & (TH_ECE | TH_SYN) == TH_ECE:
        ecn_echoed(t, c, r, now)
    if seq_gt(r.ack, k.snd_una):
        if not new_ack(t, c, r, now):
            return False
        update_window(k, r.seq, r.ack, r.window)
    elif r.ack == k.snd_una:                # an older one says nothing about the window of today
        window_changed = update_window(k, r.seq, r.ack, r.window)
        if (text_len(s) == 0 and not window_changed and k.snd_max != k.snd_una and old_window
                and not r.flags & (TH_SYN | TH_FIN)):
            t.counters.dupacks_in += 1
            if not k.flags & TF_SACK:
                recovery_dupack(t, c, now)
        if k.timed & FLIGHT_RACK:
            episode_ack(t, c, r, 0, tcp_flight(k), text_len(s) == 0 and not window_changed, now)
        elif k.flags & TF_SACK and r.options & TCPO_SACK:
            sack_dupack(t, c, r, now)
    elif k.timed & FLIGHT_RACK:
        episode_ack(t, c, r, 0, tcp_flight(k), False, now)
    elif k.flags & TF_SACK and r.options & TCPO_SACK:
        sack_dupack(t, c, r, now)           # overtaken; what it reports arrived all the same
    if k.snd_wnd == 0:
        k.unanswered = 0                    # a window that stays closed is no reason to give up (RFC 9293, 3.8.6.1)
    elif k.flags & TF_PROBE and not (old_window and tcp_corked(k)):     # a cork's time goes on
        k.flags &= ~<uint32_t>TF_PROBE      # the window opened: whatever waits goes now
        k.backoff = 0
        k.unanswered = 0
        k.stalled_since = 0
        tcp_disarm(k, T_REXMT)
    if k.timed & FLIGHT_RATES:
        rates_acked(t, c, &then, now)
    if tcp_may_send(k):
        tcp_want_output(t, c)
    return True


cdef bint accept_text(tcp_state *t, uint32_t c, text *s, int64_t now) noexcept nogil:
    """Seventh step: trims to the window and to the peer's FIN, queues. True if an ACK is due at once, of a FIN too."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t skip, room, before = k.rcv_nxt
    cdef int status
    cdef bint at_once = False
    if seq_lt(s.seq, k.rcv_nxt):
        skip = <uint32_t>seq_diff(k.rcv_nxt, s.seq)
        skip = s.n if s.n < skip else skip
        if skip:
            blocks_twice(t, k, s.seq, s.seq + skip)
        s.p += skip
        s.n -= skip
        s.seq += skip
        k.flags |= TF_ACK_NOW               # part of it was a duplicate
        tcp_want_output(t, c)
    room = <uint32_t>seq_diff(k.rcv_adv, s.seq) if seq_gt(k.rcv_adv, s.seq) else 0
    if s.n > room:
        count_drop(t, TDROP_PAST_WINDOW)
        s.n = room
        s.fin = 0
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)
    if s.n:
        k.data_segs_in += s.segments
        if t.config.adaptive_acks and s.seq == k.rcv_nxt:
            delack_arrival(t, k, s.n, s.size if s.size < s.n else s.n, s.flags, now)
        k.last_data = now
    if k.flags & TF_FIN_HELD and k.rcv_pos + <uint32_t>seq_diff(s.seq, k.rcv_nxt) + s.n > k.fin_pos:
        count_drop(t, TDROP_AFTER_FIN)
        s.n = 0
    if s.n:
        if s.size > s.n:
            s.size = s.n
        if s.size > k.rcv_mss and not t.config.adaptive_acks:
            k.rcv_mss = <uint16_t>s.size if s.size < 65535 else 65535
        status = receive_text(t, c, <uint32_t>seq_diff(s.seq, k.rcv_nxt), s.p, s.n)
        if k.rcv_nxt != before:
            tcp_notify(t, k)
        if status != 1:
            k.flags |= TF_ACK_NOW           # out of order, fills a gap, duplicate or dropped: said at once, each time
            if status < 0:
                s.fin = 0
            at_once = True
        else:
            at_once = owe_ack(t, c, k, ack_weight(t, k, s.n, s.size), now)
    return at_once


cdef bint check_fin(tcp_state *t, uint32_t c, const text *s, int64_t now) noexcept nogil:
    """Eighth step. A FIN ahead of missing data is held until that is here; of several the first counts. True if it is
    held, and an ACK due at once."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint64_t pos
    cdef bint at_once = False
    if s.fin and not k.flags & TF_FIN_RECEIVED and seq_ge(s.seq + s.n, k.rcv_nxt):
        pos = k.rcv_pos + <uint32_t>seq_diff(s.seq + s.n, k.rcv_nxt)
        if not k.flags & TF_FIN_HELD or pos < k.fin_pos:
            k.fin_pos = pos
        k.flags |= TF_FIN_HELD
        at_once = k.fin_pos != k.rcv_pos
    if k.flags & TF_FIN_HELD and k.rcv_pos == k.fin_pos and not k.flags & TF_FIN_RECEIVED:
        tcp_fin_received(t, c, now)
        tcp_want_output(t, c)
    return at_once


# --- The steps in order -------------------------------------------------------------------------------------------------------

cdef bint data_after_close(tcp_state *t, uint32_t c, const text *s, int64_t now) noexcept nogil:
    """New data for a connection that nobody will read (RFC 9293, 3.10.4; RFC 2525, 2.17): reset, so that the peer learns of it."""
    cdef tcb *k = tcb_at(t, c)
    if (k.flags & TF_HELD or s.n == 0 or seq_le(s.seq + s.n, k.rcv_nxt)
            or (k.state != TCPS_FIN_WAIT_1 and k.state != TCPS_FIN_WAIT_2)):
        return False
    tcp_end_reset(t, c, ECONNRESET, now)
    return True


cdef void synchronized(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r, text *s, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.state == TCPS_TIME_WAIT and time_wait_reused(t, c, p, r, s.n, now):
        return
    k.segs_in += s.segments
    if k.state == TCPS_TIME_WAIT and t.config.time_wait_quiet and not r.flags & TH_ACK:
        count_drop(t, TDROP_TIME_WAIT)
        return
    if k.state == TCPS_SYN_RECEIVED and r.flags & (TH_SYN | TH_RST) == TH_SYN:
        if not check_syn(t, c, r, s, now):
            return
    if not check_paws(t, c, r, s, now) or not check_seq(t, c, r, s, now) or not check_rst(t, c, r, s, now):
        return
    if s.syn and not check_syn(t, c, r, s, now):
        return
    if not r.flags & TH_ACK:
        count_drop(t, TDROP_NO_ACK)
        return
    if seq_le(r.ack, k.snd_max):            # else it is not the peer's
        timestamp(k, r, s, now)
    k.last_recv = now
    k.keep_probes = 0
    if k.ecn & ECN_ACCECN:
        accecn_arrived(t, c, r, p.tos, s.n, s.segments, now)
    if r.options & TCPO_UTO:
        handshake_uto(t, k, r.uto)
    if k.state == TCPS_SYN_RECEIVED:
        if not (seq_gt(r.ack, k.iss) and seq_le(r.ack, k.snd_max)):
            count_drop(t, TDROP_BAD_ACK)
            segment_refuse(t, p, r, s.n, now)
            return
        if (text_len(s) == 0 and handshake_defers(t, k)) or not handshake_complete(t, c, r, now):
            return
        if k.snd_max != k.snd_una and not check_ack(t, c, r, s, now):
            return
    elif not check_ack(t, c, r, s, now):
        return
    if k.state == TCPS_TIME_WAIT and s.n == 0 and (s.seq != k.rcv_nxt or r.ack != k.snd_max):
        answer_outside(t, c, s, now)        # of an older or another connection; what only repeats our last ACK is not answered
    if r.flags & TH_URG:
        urgent_arrived(t, k, r)
    if k.ecn & ECN_RFC3168 and s.n:
        ecn_text_arrived(t, c, r, p.tos, s.n, s.segments, now)
    finish(t, c, s, now)
    if tcb_live(t, c) and k.flags & TF_ASIDE:
        urgent_here(t, k)


cdef void finish(tcp_state *t, uint32_t c, text *s, int64_t now) noexcept nogil:
    """Text and FIN, in the states that still take them."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint at_once = False
    if k.state == TCPS_ESTABLISHED or k.state == TCPS_FIN_WAIT_1 or k.state == TCPS_FIN_WAIT_2:
        if data_after_close(t, c, s, now):
            return
        if s.n:
            at_once = accept_text(t, c, s, now)
        at_once |= check_fin(t, c, s, now)
        if at_once:                         # one ACK for text and FIN: the first of two would ask for the FIN again
            tcp_ack_now(t, c, now)
    elif k.state == TCPS_TIME_WAIT and s.fin:
        tcp_enter_time_wait(t, c, now)      # whichever FIN it is: acknowledged, and 2 MSL begin again (3.10.7.4, fifth step)
        tcp_ack_now(t, c, now)


cdef void dispatch(tcp_state *t, const packet *p, const tcp_repr *r, text *s, int64_t now) noexcept nogil:
    cdef uint32_t c = tcb_find(t, &p.dst, r.dst_port, &p.src, r.src_port)
    cdef uint32_t door = NONE           # a listener
    if s.syn and s.fin and t.config.drop_synfin > 1:
        count_drop(t, TDROP_LISTEN_FLAGS)
        return
    if c == NONE:
        door = tcb_find_listener(t, &p.dst, r.dst_port, &p.src, r.src_port)
    if (t.signers.live or r.options & TCPO_MD5) and (c != NONE or door != NONE) and not signature_holds(t, c if c != NONE else door, p, r):
        return
    if c == NONE:
        if door != NONE:
            c = handshake_listen(t, door, p, r, text_len(s), now)
            if c != NONE:
                synchronized(t, c, p, r, s, now)
                handshake_settle(t, c)
            return
        count_drop(t, TDROP_NO_CONNECTION)
        segment_refuse(t, p, r, text_len(s), now)
    elif tcb_at(t, c).state == TCPS_SYN_SENT:
        if handshake_syn_sent(t, c, p, r, text_len(s), now):
            s.seq += 1
            s.syn = 0
            finish(t, c, s, now)
    else:
        synchronized(t, c, p, r, s, now)


cdef void tcp_input(tcp_state *t, const packet *p, int64_t now) noexcept nogil:
    cdef tcp_repr r
    cdef text s
    cdef int status = tcp_parse(p.l4, p.l4_len, &p.src, &p.dst, &r, not p.csum_ok and t.ip.config.verify_checksums)
    t.counters.segments_in += 1
    if status != TCP_OK:
        count_drop(t, TDROP_SHORT if status == TCP_SHORT else (TDROP_CHECKSUM if status == TCP_CHECKSUM else TDROP_OFFSET))
        return
    if r.src_port == 0 or r.dst_port == 0:
        count_drop(t, TDROP_PORT_ZERO)
        return
    s.p = p.l4 + r.header_len
    s.n = p.l4_len - r.header_len
    s.size = s.n
    s.segments = 1
    if p.gso_size and p.gso_size < s.n:
        s.segments = (s.n + p.gso_size - 1) // p.gso_size
        s.size = p.gso_size
        t.counters.segments_in += (s.n - 1) // p.gso_size
    s.seq = r.seq
    s.fin = 1 if r.flags & TH_FIN else 0
    s.syn = 1 if r.flags & TH_SYN else 0
    s.flags = r.flags
    dispatch(t, p, &r, &s, now)


cdef void tcp_known(tcp_state *t, uint32_t c, const flow *f, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef packet p
    cdef tcp_repr r
    cdef text s
    memset(&p, 0, sizeof(p))
    memset(&r, 0, sizeof(r))
    p.src, p.dst = k.raddr, k.laddr
    r.src_port, r.dst_port = f.src_port, f.dst_port
    p.tos = flow_tos(f)
    r.seq, r.ack, r.window, r.flags = f.seq, f.ack, f.window, f.flags
    if f.timestamps:
        r.options = TCPO_TIMESTAMP
        r.ts_val, r.ts_ecr = f.ts_val, f.ts_ecr
    s.p = f.payload
    s.n = s.size = f.n
    s.seq = f.seq
    s.fin = f.flags & TH_FIN != 0
    s.syn = 0
    s.flags = r.flags
    s.segments = 1
    t.counters.segments_in += 1
    synchronized(t, c, &p, &r, &s, now)
