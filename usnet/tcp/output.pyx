"""The sender. Sequence space: the send queue's front byte is snd_una once the SYN is acknowledged; a FIN takes the number behind the last byte."""
from libc.errno cimport EAGAIN, EALREADY, ECONNABORTED, EHOSTUNREACH, ENETUNREACH
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.aside cimport marks_end_at, marks_room, marks_sent
from usnet.tcp.blocks cimport blocks_due, blocks_fit
from usnet.tcp.charge cimport charge_burst_end, charge_grow
from usnet.tcp.chrono cimport chrono_begin, chrono_output
from usnet.tcp.congestion.ops cimport CC_FAILED, CC_FALLIBLE, CC_PACER
from usnet.tcp.congestion.validation cimport validation_idle, validation_sent
from usnet.tcp.delack cimport delack_patience
from usnet.tcp.fastopen cimport fastopen_deferred, fastopen_syn_left
from usnet.tcp.mtu cimport mtu_probe_begin, mtu_probe_due, mtu_probe_undone
from usnet.tcp.recovery.flight cimport FLIGHT_RACK, FLIGHT_WATCHED
from usnet.tcp.recovery.resent cimport board_flight, resent_next
from usnet.tcp.recovery.tlp cimport tlp_sent
from usnet.tcp.recovery.scoreboard cimport (
    board_below, board_hole, board_last_hole, board_lost, board_pipe, board_room, board_skip, board_top, scoreboard)
from usnet.tcp.recovery.trial cimport trial_output
from usnet.tcp.output cimport tcp_corked, tcp_want_output, tcp_window_again
from usnet.tcp.pacing cimport pacing_room, pacing_sent
from usnet.tcp.plain cimport send_plain
from usnet.tcp.sent cimport note_acked, note_new, note_sent
from usnet.tcp.segment cimport segment_most, segment_send, segment_send_syn, segment_seq
from usnet.tcp.state cimport board_at, tcb_at, tcp_state
from usnet.tcp.tcb cimport (
    T_DELACK, T_REXMT, CHRONO_BUSY, CHRONO_NONE, TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_ACK_NOW, TF_DELACK,
    TF_FIN_QUEUED, TF_FIN_SENT, TF_FORCE, TF_MARKS, TF_PROBE, TF_RECOVERY, TF_REXMT_NOW, TF_TRIAL, TF_UNPUSHED, TFO_PASSIVE, TFO_SYNACK_DUE, tcb,
)
from usnet.tcp.teardown cimport tcp_end_reset
from usnet.tcp.urgent cimport urgent_pointer
from usnet.tcp.timers cimport tcb_arm, tcp_arm, tcp_patience, tcp_rto
from usnet.tcp.worth cimport tail_may_go, worth_sending
from usnet.wire.seq cimport seq_gt, seq_lt, seq_max
from usnet.wire.tcp cimport TH_ACK, TH_FIN, TH_PSH, TH_URG

cdef enum:
    CORK_LIMIT = 200000000              # ns that TCP_CORK holds data back while nothing is out, as in Linux


cdef uint32_t send_window(tcp_state *t, const tcb *k) noexcept nogil:
    """Bytes behind snd_una that may be out: the smaller of the peer's window and ours, with limited transmit (RFC 3042). What the peer has reported
    has left the network; in a recovery the pipe says what is in it (RFC 6675, steps 3 and C)."""
    cdef uint32_t cwnd = k.cc.cwnd, pipe
    if k.board != NONE and k.timed & FLIGHT_RACK:
        pipe = board_flight(board_at(t, k), k.snd_una, k.snd_max)
        cwnd = k.snd_nxt - k.snd_una + (cwnd - pipe if cwnd > pipe else 0)
    elif k.board != NONE and k.flags & TF_RECOVERY:
        pipe = board_pipe(board_at(t, k), k.snd_una, k.snd_max, k.mss)
        cwnd = k.snd_nxt - k.snd_una + (cwnd - pipe if cwnd >= pipe + k.mss else 0)
    elif k.board != NONE:
        cwnd += board_below(board_at(t, k), k.snd_nxt)
    elif k.dupacks and not (k.flags & TF_RECOVERY):
        cwnd += (k.dupacks if k.dupacks < 2 else 2) * <uint32_t>k.mss
    return cwnd if cwnd < k.snd_wnd else k.snd_wnd


cdef int send_one(tcp_state *t, uint32_t c, uint32_t seq, uint32_t n, bint push, int64_t now) noexcept nogil:
    """The segment of n bytes at seq, with FIN if it ends the stream; push: it has PSH also before the end. 0 or -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t at = seq - k.snd_una
    cdef bint last = at + n == k.snd.span or (k.flags & TF_MARKS and marks_end_at(t, k, seq + n))
    cdef bint fin = at + n == k.snd.span and k.flags & TF_FIN_QUEUED
    cdef uint8_t flags = TH_ACK
    cdef int status
    if fin:
        flags |= TH_FIN
    if n and (push or (last and not k.flags & TF_UNPUSHED)):
        flags |= TH_PSH
    if k.flags & TF_MARKS and urgent_pointer(t, k, seq):
        flags |= TH_URG
    status = segment_send(t, k, seq, flags, at, n, now)
    if status == -EAGAIN:
        return -EAGAIN
    if fin:
        k.flags |= TF_FIN_SENT
    if status != -EALREADY and (not blocks_due(k) or blocks_fit(k, n)):
        note_acked(k)                       # else an ACK (with blocks) stays owed
    note_sent(t, c, seq, n + fin, n, now)
    if k.cc.wants & CC_PACER and n:
        pacing_sent(t, k, n, now)
    return 0


cdef int output_syn(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """SYN or SYN-ACK, first or again."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint again = k.fastopen & TFO_SYNACK_DUE != 0      # with data behind it
    cdef uint32_t n = 0
    cdef int status
    if (k.snd_nxt != k.iss and not again) or (k.fast != NONE and fastopen_deferred(t, k)):
        return 0
    status = segment_send_syn(t, k, k.state == TCPS_SYN_RECEIVED, now)
    if status == -EAGAIN:
        return status
    if k.state == TCPS_SYN_SENT and (status == -EHOSTUNREACH or status == -ENETUNREACH):
        k.error = -status                   # nobody there: told at once (tcp/timeouts ends the connection)
        tcp_arm(t, c, T_REXMT, now + 1)     # not 0, which means off
        return 0
    if k.fast != NONE:
        n = fastopen_syn_left(t, k)
    k.fastopen &= ~<uint8_t>TFO_SYNACK_DUE
    if not again:
        k.snd_nxt = k.iss + 1 + n
    if k.state == TCPS_SYN_RECEIVED:
        note_acked(k)
    note_sent(t, c, k.iss, 1 + n, n, now)
    return 0


cdef void watch_window(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Data waits and nothing is out: only a timer can find out that the window has opened (RFC 9293, 3.8.6.1), or ends the patience with a cork."""
    cdef tcb *k = tcb_at(t, c)
    if k.snd.span and not k.deadline[T_REXMT]:
        k.flags |= TF_PROBE
        tcp_arm(t, c, T_REXMT, now + (CORK_LIMIT if tcp_corked(k) and k.snd_wnd else tcp_rto(t, k)))


cdef uint32_t one_frame(tcp_state *t, const tcb *k, uint32_t n, uint32_t left, int64_t now) noexcept nogil:
    """What of n > mss bytes, all of which may leave now, goes into one frame: a segment, or new data of several for a port that cuts it. A last one
    that is not full goes along where Nagle does not hold it back."""
    cdef uint32_t most = k.mss
    if n >= 2 * <uint32_t>k.mss and k.snd_nxt == k.snd_max and t.ip.n_offload:
        most = segment_most(t, k, now)
    if n > most:
        return most
    if n == left and tail_may_go(t, k):
        return n
    return n - n % k.mss


cdef inline bint calm(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether all that is out is out once, nothing is known to be missing, the stream goes on, and nothing is to be done as another system would."""
    return (k.board == NONE and k.dupacks == 0 and k.snd_nxt == k.snd_max and not k.cc.wants & (CC_PACER | CC_FALLIBLE)
            and not k.flags & (TF_RECOVERY | TF_REXMT_NOW | TF_PROBE | TF_FIN_QUEUED | TF_MARKS | TF_UNPUSHED)
            and k.snd_nxt - k.snd_una <= k.snd.span and not (k.timed & FLIGHT_WATCHED or t.config.push_bursts or t.config.charged_buffers))


cdef int output_calm(tcp_state *t, uint32_t c, tcb *k, int64_t now) noexcept nogil:
    """output_data() of such a connection: only new data leaves, and the window stays what it is meanwhile. 0 or -EAGAIN."""
    cdef uint32_t window = k.cc.cwnd if k.cc.cwnd < k.snd_wnd else k.snd_wnd, out = k.snd_nxt - k.snd_una, left, n
    cdef bint large = t.ip.n_offload != 0
    cdef uint8_t flags
    cdef int status
    while out < k.snd.span:
        left = k.snd.span - out
        n = window - out if window > out else 0
        n = left if left < n else n
        if n > k.mss:
            n = one_frame(t, k, n, left, now) if large else k.mss
        elif n < k.mss and not worth_sending(t, k, n, left):
            break
        flags = TH_ACK | TH_PSH if n == left else TH_ACK
        status = 0 if send_plain(t, k, k.snd_nxt, flags, out, n, now) else segment_send(t, k, k.snd_nxt, flags, out, n, now)
        if status == -EAGAIN:
            return -EAGAIN
        if status != -EALREADY and (not blocks_due(k) or blocks_fit(k, n)):
            note_acked(k)
        note_new(t, c, k, k.snd_nxt, n, n, now)
        k.flags &= ~<uint32_t>TF_FORCE
        k.snd_nxt += n
        out += n
    left = k.snd.span - out
    if left == 0 and k.chrono == CHRONO_NONE and not k.no_room and out:
        chrono_begin(k, now)
    elif left or k.chrono != CHRONO_BUSY or k.no_room:
        n = window - out if window > out else 0
        chrono_output(k, left, n if n < left else left, window, now)
    return 0


cdef int probe_path(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """New data in a segment larger than others, if it is time for one. 1: go on; 0: wait, since there will be room for it; -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    cdef int32_t n = mtu_probe_due(t, k, send_window(t, k), now)
    if n <= 0:
        return 1 if n == 0 else 0
    mtu_probe_begin(t, k, k.snd_nxt, <uint32_t>n)
    if send_one(t, c, k.snd_nxt, <uint32_t>n, False, now):
        mtu_probe_undone(t, k)
        return -EAGAIN
    k.snd_nxt += <uint32_t>n
    return 1


cdef inline bint has_none(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether it has nothing to say: nothing waits, nothing is out, no FIN is to follow, and output_data() would change nothing."""
    return (k.snd.span == 0 and k.snd_una == k.snd_max and k.chrono == CHRONO_NONE and not k.no_room and not t.config.charged_buffers
            and (k.flags & (TF_FIN_QUEUED | TF_FIN_SENT)) != TF_FIN_QUEUED and k.snd_nxt == k.snd_max)


cdef inline bint has_fin(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether all that it has to say is a FIN that was not said before."""
    return (k.snd.span == 0 and k.snd_una == k.snd_max and k.snd_nxt == k.snd_max and (k.flags & (TF_FIN_QUEUED | TF_FIN_SENT)) == TF_FIN_QUEUED
            and k.state != TCPS_SYN_RECEIVED and k.board == NONE and not k.flags & (TF_PROBE | TF_MARKS) and not k.timed & FLIGHT_WATCHED)


cdef int output_fin(tcp_state *t, uint32_t c, tcb *k, int64_t now) noexcept nogil:
    """output_data() of such a connection. 0 or -EAGAIN."""
    if segment_send(t, k, k.snd_nxt, TH_ACK | TH_FIN, 0, 0, now) == -EAGAIN:
        return -EAGAIN
    k.flags = (k.flags | TF_FIN_SENT) & ~<uint32_t>TF_FORCE
    if not blocks_due(k) or blocks_fit(k, 0):
        note_acked(k)
    note_new(t, c, k, k.snd_nxt, 1, 0, now)
    k.snd_nxt += 1
    return 0


cdef int output_data(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """New data (and, behind a retransmission timeout, old) as far as windows, Nagle and the ring allow."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t window = 0, out, left, n = 0, burst = k.snd_nxt
    cdef bint fin_due, again, record
    cdef int status
    if k.snd_max == k.snd_una and k.snd.span and k.srtt and now - k.last_send > k.rto and t.config.cwnd_validation:
        validation_idle(t, k, now)
    if k.search != NONE:
        status = probe_path(t, c, now)
        if status <= 0:
            return status
    if calm(t, k):
        if output_calm(t, c, k, now):
            return -EAGAIN
        if k.snd_max == k.snd_una:
            watch_window(t, c, now)
        return 0
    while True:
        again = k.board != NONE and seq_lt(k.snd_nxt, k.snd_max)
        if again:                           # behind a timeout: only what the peer has not reported
            k.snd_nxt = board_skip(board_at(t, k), k.snd_nxt)
        out = k.snd_nxt - k.snd_una
        if out > k.snd.span:                # the FIN is out
            return 0
        left = k.snd.span - out
        if left == 0 and not k.flags & TF_FIN_QUEUED:
            break
        window = send_window(t, k)
        n = window - out if window > out else 0
        n = left if left < n else n
        if k.flags & TF_MARKS:
            n = marks_room(t, k, k.snd_nxt, n)
        if k.cc.wants & CC_PACER and n:
            n = pacing_room(t, k, n, now)
            if n == 0:
                break
        if t.config.push_bursts and not again and burst == k.snd_nxt:
            burst = charge_burst_end(t, k, n)
        if n > k.mss:
            n = k.mss if again else one_frame(t, k, n, left, now)
        if again:
            n = board_room(board_at(t, k), k.snd_nxt, n)
        fin_due = (n == left and k.flags & TF_FIN_QUEUED
                   and (not (k.flags & TF_FIN_SENT) or seq_lt(k.snd_nxt, k.snd_max)))
        record = k.flags & TF_MARKS and 0 < n < left and marks_end_at(t, k, k.snd_nxt + n)
        if not fin_due and not record and not worth_sending(t, k, n, left):
            break
        if send_one(t, c, k.snd_nxt, n, k.snd_nxt != burst and k.snd_nxt + n == burst, now):
            return -EAGAIN
        k.flags &= ~<uint32_t>TF_FORCE
        k.snd_nxt += n + fin_due
        if k.flags & TF_MARKS:
            marks_sent(t, k, k.snd_nxt, now)
    if t.config.sndbuf_most and t.config.charged_buffers:
        charge_grow(t, k)
    if k.timed & FLIGHT_WATCHED:
        validation_sent(t, k, now)
    if left or k.chrono != CHRONO_BUSY or k.no_room:
        chrono_output(k, left, n, window, now)
    if k.snd_max == k.snd_una:
        watch_window(t, c, now)
    return 0


cdef int tcp_resend_first(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t n = k.snd.span
    if k.snd_una == k.snd_max:
        return 0
    n = k.mss if n > k.mss else n
    if n > k.snd_max - k.snd_una:
        n = k.snd_max - k.snd_una           # nothing that was not sent before
    if n > tcp_window_again(k):
        n = tcp_window_again(k)             # the window shrank
    if k.board != NONE:
        n = board_room(board_at(t, k), k.snd_una, n)
    if k.flags & TF_MARKS:
        n = marks_room(t, k, k.snd_una, n)
    if n == 0 and k.snd.span:
        tcp_send_probe(t, c, now)
        return 0
    if send_one(t, c, k.snd_una, n, False, now):
        return -EAGAIN
    k.snd_nxt = seq_max(k.snd_nxt, k.snd_una + n)
    if n == k.snd.span and k.flags & TF_FIN_SENT:
        k.snd_nxt = seq_max(k.snd_nxt, k.snd_una + n + 1)
    if k.board != NONE:
        board_at(t, k).high_rxt = seq_max(board_at(t, k).high_rxt, k.snd_una + n)
    return 0


cdef int tcp_resend_until(tcp_state *t, uint32_t c, uint32_t end, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t n
    while seq_lt(k.snd_nxt, end):
        n = end - k.snd_nxt
        n = k.mss if n > k.mss else n
        if k.snd_nxt + n - k.snd_una > tcp_window_again(k):
            break
        if send_one(t, c, k.snd_nxt, n, k.snd_nxt + n == end and t.config.push_bursts, now):
            return -EAGAIN
        k.snd_nxt += n
    return 0


cdef int resend_hole(tcp_state *t, uint32_t c, uint32_t seq, uint32_t *n, int64_t now) noexcept nogil:
    """n numbers from seq on once more, with the FIN if it is the last; n becomes how many were sent, 0 if the peer's window is smaller now. 0 or
    -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t at = seq - k.snd_una, bytes = n[0], most
    if at + bytes > k.snd.span:
        bytes = k.snd.span - at             # the last number is the FIN's
    if at + bytes > tcp_window_again(k):
        bytes = n[0] = tcp_window_again(k) - at if tcp_window_again(k) > at else 0
        if bytes == 0:
            return 0
    if k.flags & TF_MARKS and bytes:
        most = marks_room(t, k, seq, bytes)
        if most < bytes:
            bytes = n[0] = most
    if send_one(t, c, seq, bytes, False, now):
        return -EAGAIN
    k.snd_nxt = seq_max(k.snd_nxt, k.snd_max)
    return 0


cdef int resend_holes(tcp_state *t, uint32_t c, bint doubtful, int64_t now) noexcept nogil:
    """NextSeg (RFC 6675, section 4) while the pipe has room for a full segment: rule 1, what is lost; or with `doubtful`, when there was nothing new
    to send, rules 3 and 4: what something newer arrived before, and once in a recovery the end of what was out when it began, unless that has been
    sent again already (the RFC would send it once more). 0 or -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = board_at(t, k)
    cdef uint32_t below = board_top(b, k.snd_una) if doubtful else board_lost(b, k.snd_una, k.mss)
    cdef uint32_t pipe = board_pipe(b, k.snd_una, k.snd_max, k.mss), seq = 0, n
    cdef bint rescue
    while k.cc.cwnd >= pipe + k.mss and (not k.cc.wants & CC_PACER or pacing_room(t, k, k.mss, now)):
        n = board_hole(b, seq_max(b.high_rxt, k.snd_una), below, k.mss, &seq)
        rescue = n == 0 and doubtful and seq_gt(k.snd_una, b.rescue)
        if rescue:
            n = board_last_hole(b, k.snd_una, k.recover, k.mss, &seq)
        if n == 0 or seq_lt(seq + n, b.high_rxt + 1):
            return 0
        if resend_hole(t, c, seq, &n, now):
            return -EAGAIN
        if n == 0:
            return 0
        if rescue:
            b.rescue = k.recover
            t.counters.rescues += 1
        else:
            b.high_rxt = seq + n
        pipe += n
    return 0


cdef int resend_lost(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """What recovery/rack has given up, the first first, while the window has room; but not while F-RTO tries new data. 0 or -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = board_at(t, k)
    cdef uint32_t pipe = board_flight(b, k.snd_una, k.snd_max), seq = 0, n
    while not b.hold:
        n = resent_next(b, k.snd_una, k.snd_max, k.mss, &seq)
        if n == 0 or pipe + n > k.cc.cwnd or (k.cc.wants & CC_PACER and pacing_room(t, k, n, now) == 0):
            return 0
        if resend_hole(t, c, seq, &n, now):
            return -EAGAIN
        if n == 0:
            return 0
        pipe += n
    return 0


cdef bint tcp_send_loss_probe(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t out = k.snd_max - k.snd_una, n = k.snd.span - out if k.snd.span > out else 0, seq = k.last_seq
    n = k.mss if n > k.mss else n
    if n and k.snd_nxt == k.snd_max and out + n <= k.snd_wnd:
        if send_one(t, c, k.snd_nxt, n, False, now):
            return False
        k.snd_nxt = k.snd_max
        return True
    seq = seq_max(seq + (k.snd_max - seq - 1) // k.mss * k.mss, k.snd_una)         # of a large frame its last segment
    if k.flags & TF_FIN_SENT and k.snd_max - seq == 1:      # a FIN alone: with what lies before it the peer has more to report
        seq -= k.mss if seq - k.snd_una > k.mss else seq - k.snd_una
    n = k.snd_max - seq
    return resend_hole(t, c, seq, &n, now) == 0 and n > 0


cdef int resend_entry(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """The first segment, which opens a recovery, or what F-RTO tries; with SACK the timer counts from here (RFC 6675, section 6). 0 or -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    if trial_output(t, c, now) if k.flags & TF_TRIAL else tcp_resend_first(t, c, now):
        return -EAGAIN
    k.flags &= ~<uint32_t>TF_REXMT_NOW
    if k.board != NONE:
        board_at(t, k).rescue = board_at(t, k).high_rxt
        if not k.flags & TF_PROBE:
            tcb_arm(t, k, T_REXMT, tcp_patience(t, k, now))
    return 0


cdef int fin_once_more(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """The ACK that is owed, with our FIN, which is out. 0 or -EAGAIN."""
    cdef tcb *k = tcb_at(t, c)
    if segment_send(t, k, k.snd_max - 1, TH_ACK | TH_FIN, 0, 0, now) == -EAGAIN:
        return -EAGAIN
    note_acked(k)
    return 0


cdef int tcp_ack_now(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if segment_send(t, k, segment_seq(k), TH_ACK, 0, 0, now) == -EAGAIN:
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)
        return -EAGAIN
    t.counters.acks_out += 1
    note_acked(k)
    return 0


cdef inline int output_timed(tcp_state *t, uint32_t c, tcb *k, int64_t now) noexcept nogil:
    """output_data(), and the tail loss probe behind what is new."""
    cdef uint32_t before = k.snd_max
    cdef int status = output_fin(t, c, k, now) if has_fin(t, k) else output_data(t, c, now)
    if k.snd_max != before and k.timed & FLIGHT_RACK:
        tlp_sent(t, k, now)
    return status


cdef int tcp_output(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int status = 0
    cdef bint repair
    if k.cc.wants & CC_FAILED:
        tcp_end_reset(t, c, ECONNABORTED, now)  # what it was, the application finds out from the controller
        return 0
    if k.state == TCPS_ESTABLISHED and not k.flags & (TF_REXMT_NOW | TF_RECOVERY | TF_ACK_NOW) and (not k.flags & TF_DELACK or k.deadline[T_DELACK]):
        return 0 if has_none(t, k) else output_timed(t, c, k, now)      # nothing else is due
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        status = output_syn(t, c, now)
        if status or k.state == TCPS_SYN_SENT:
            return status
    elif k.state == TCPS_CLOSED or k.state == TCPS_LISTEN:
        return 0
    elif k.flags & TF_REXMT_NOW and resend_entry(t, c, now):
        return -EAGAIN
    repair = k.board != NONE and k.flags & TF_RECOVERY
    if repair:
        status = resend_lost(t, c, now) if k.timed & FLIGHT_RACK else resend_holes(t, c, False, now)
    if status == 0 and not has_none(t, k) and (k.state != TCPS_SYN_RECEIVED or k.fastopen & TFO_PASSIVE):
        status = output_timed(t, c, k, now)
    if status == 0 and repair and not k.timed & FLIGHT_RACK:
        status = resend_holes(t, c, True, now)
    if status == 0 and k.flags & TF_ACK_NOW:
        if t.config.fin_again and k.flags & TF_FIN_SENT and k.snd_una != k.snd_max and k.snd_nxt == k.snd_max:
            status = fin_once_more(t, c, now)
        else:
            status = tcp_ack_now(t, c, now)
    if status == 0 and k.flags & TF_DELACK and not k.deadline[T_DELACK]:
        tcp_arm(t, c, T_DELACK, now + delack_patience(t, k))
    return status


cdef void tcp_send_probe(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Keeps TF_PROBE: the timer goes on as persist timer. The byte stays in the queue and is sent again when the window opens."""
    cdef tcb *k = tcb_at(t, c)
    if k.snd_wnd and k.snd_una == k.snd_nxt:
        k.flags &= ~<uint32_t>TF_UNPUSHED
        k.flags |= TF_FORCE                 # a small window that Nagle or silly-window avoidance held back: use it
        if output_data(t, c, now):
            tcp_want_output(t, c)           # the ring is full: no timer runs now
        return
    t.counters.probes += 1
    if t.config.bare_probes:
        if segment_send(t, k, k.snd_una - 1, TH_ACK, 0, 0, now) != -EAGAIN:
            note_acked(k)
        return
    if segment_send(t, k, k.snd_una, TH_ACK | TH_PSH, 0, 1, now) != -EAGAIN:
        if k.snd_max == k.snd_una:
            k.snd_max += 1
            t.counters.bytes_out += 1
        note_acked(k)


cdef void tcp_send_keepalive(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    t.counters.keep_probes += 1
    segment_send(t, k, k.snd_una - 1, TH_ACK, 0, 0, now)
