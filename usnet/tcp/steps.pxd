"""Steps of an arriving segment that tcp/input and tcp/predict share (RFC 9293, section 3.10.7.4)."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from usnet.memory.pieces cimport queue_drop
from usnet.tcp.autotune cimport autotune_write
from usnet.tcp.chrono cimport chrono_end
from usnet.tcp.delack cimport delack_owe
from usnet.tcp.output cimport tcp_may_send, tcp_want_output
from usnet.tcp.rtt cimport tcp_rtt_sample, tcp_ts_now
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tables cimport tcp_notify
from usnet.tcp.tcb cimport T_DELACK, TF_DELACK, TF_RTT_TIMED, tcb
from usnet.tcp.timers cimport tcb_arm
from usnet.wire.seq cimport seq_diff, seq_ge, seq_le, seq_lt

cdef enum:
    DELACK_LIMIT = 8            # a full segment weighs 4, a small one 1: every second full one, also within a burst


cdef inline void record_timestamp(tcb *k, uint32_t seq, uint32_t ts_val, int64_t now) noexcept nogil:
    """RFC 7323, section 4.3: the TSval to echo is that of the segment that the next ACK answers first."""
    if seq_le(seq, k.last_ack_sent) and seq_ge(ts_val, k.ts_recent):
        k.ts_recent = ts_val
        k.ts_recent_at = now


cdef inline bint update_window(tcb *k, uint32_t seq, uint32_t ack, uint32_t field) noexcept nogil:
    """RFC 9293, 3.10.7.4: SND.WND from the newest segment only. True if it changed."""
    cdef uint32_t window = field << k.snd_wscale
    cdef bint changed = False
    if seq_lt(k.snd_wl1, seq) or (k.snd_wl1 == seq and seq_le(k.snd_wl2, ack)):
        changed = window != k.snd_wnd
        k.snd_wnd = window
        k.snd_wl1 = seq
        k.snd_wl2 = ack
        if window > k.max_window:
            k.max_window = window
    return changed


cdef inline bint echoes_lost_ack(tcp_state *t, const tcb *k, int64_t rtt, int64_t now) noexcept nogil:
    """Whether that time began before the last retransmission although the answer may well be to it: the first copy had arrived, its ACK was lost, and
    what was measured is how long we waited."""
    cdef int64_t since = now - k.rexmt_at
    return k.rexmt_at != 0 and rtt > since + t.config.granularity and since >= k.min_rtt // 2


cdef inline void sample_rtt(tcp_state *t, tcb *k, uint32_t ack, uint32_t ts_ecr, int64_t now) noexcept nogil:
    """Karn's rule: a timed segment if nothing was sent twice, else timestamps (RFC 7323, section 4); ts_ecr is 0 where there are none. Only a measurement
    ends the backoff."""
    cdef int32_t echo
    if k.flags & TF_RTT_TIMED and seq_ge(ack, k.rtt_seq):
        k.flags &= ~<uint32_t>TF_RTT_TIMED
        tcp_rtt_sample(t, k, now - k.rtt_start, ack)
        k.backoff = 0
    elif ts_ecr and (k.backoff or not k.flags & TF_RTT_TIMED):
        echo = seq_diff(tcp_ts_now(k, now), ts_ecr)
        if echo >= 0 and not echoes_lost_ack(t, k, <int64_t>echo * 1000000, now):
            tcp_rtt_sample(t, k, <int64_t>echo * 1000000, ack)
            k.backoff = 0


cdef inline uint32_t take_ack(tcp_state *t, tcb *k, uint32_t ack, uint32_t ts_ecr, int64_t now) noexcept nogil:
    """snd_una moves on to `ack`, which is past it. How many bytes of the queue that acknowledges: one fewer than numbers if a FIN was among them."""
    cdef uint32_t acked = ack - k.snd_una, data = acked
    if data > k.snd.span:
        data = k.snd.span
    k.ack_rtt = 0
    sample_rtt(t, k, ack, ts_ecr, now)
    queue_drop(t.pieces, &k.snd, data)
    k.snd_una = ack
    k.snd_pos += acked
    if k.snd.span == 0:
        chrono_end(k, now)
    if seq_lt(k.snd_nxt, ack):
        k.snd_nxt = ack
    k.snd_wnd = k.snd_wnd - acked if k.snd_wnd > acked else 0
    k.unanswered = 0
    k.stalled_since = 0
    return data


cdef inline void tell_room(tcp_state *t, uint32_t c, tcb *k, bint was_full) noexcept nogil:
    """To the owner, and to output, after an ACK."""
    if was_full and t.config.sndbuf_most > k.sndbuf and not t.config.charged_buffers:
        autotune_write(t, k)
    if was_full or k.snd.span * 3 < k.sndbuf * 2:
        tcp_notify(t, k)
    if tcp_may_send(k):
        tcp_want_output(t, c)


cdef inline bint goes_quickly(tcb *k) noexcept nogil:
    """Whether TCP_QUICKACK asks for an ACK at once, which uses one of its number up."""
    if k.quick == 0:
        return False
    k.quick -= 1
    return True


cdef inline uint8_t ack_weight(const tcp_state *t, const tcb *k, uint32_t n, uint32_t size) noexcept nogil:
    """What an arrival of n bytes, in segments of `size`, adds towards DELACK_LIMIT: several full ones in one are one arrival, and reach it alone."""
    if n < k.rcv_mss:
        return t.config.delack_small
    return DELACK_LIMIT if size < n and n >= 2 * <uint32_t>k.rcv_mss else 4


cdef inline bint owe_ack(tcp_state *t, uint32_t c, tcb *k, uint8_t weight, int64_t now) noexcept nogil:
    """Something of that weight arrived in order. True if its ACK is due at once."""
    if t.config.adaptive_acks:
        return delack_owe(t, k, now)
    k.flags |= TF_DELACK
    k.delack_segs += weight
    if goes_quickly(k) or k.delack_segs >= DELACK_LIMIT:
        return True
    if not k.deadline[T_DELACK]:
        tcb_arm(t, k, T_DELACK, now + t.config.delack)
    return False
