"""What follows from a segment that has left: timing, the retransmission timer, ACKs that are owed no more."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.delack cimport delack_acked, delack_answered
from usnet.tcp.output cimport tcp_flight
from usnet.tcp.recovery.episode cimport episode_resent, episode_sent
from usnet.tcp.recovery.flight cimport FLIGHT_RACK, FLIGHT_WATCHED, flight_leaves
from usnet.tcp.recovery.trial cimport trial_resent
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport T_DELACK, T_REXMT, TF_ACK_NOW, TF_DELACK, TF_PROBE, TF_RECOVERY, TF_RTT_TIMED, TF_TRIAL, tcb
from usnet.tcp.timers cimport tcb_arm, tcp_disarm, tcp_patience
from usnet.wire.seq cimport seq_ge, seq_lt, seq_max


cdef inline void note_usage(tcb *k) noexcept nogil:
    """The most that was out at once of the window that ends at usage_seq."""
    cdef uint32_t out = tcp_flight(k)
    if k.most_out == 0 or out > k.most_out or seq_ge(k.snd_una, k.usage_seq):
        k.most_out = out
        k.usage_seq = k.snd_max


cdef inline void note_new(tcp_state *t, uint32_t c, tcb *k, uint32_t seq, uint32_t n_seq, uint32_t n, int64_t now) noexcept nogil:
    """n_seq sequence numbers from snd_max on are out for the first time, n of them bytes: RTT timing, the retransmission timer."""
    t.counters.bytes_out += n
    if n:
        if t.config.adaptive_acks:
            delack_answered(k, now)
        if t.config.minshall and n % k.mss:
            k.snd_sml = seq + n_seq
    flight_leaves(t, k, seq, now)
    if not (k.flags & TF_RTT_TIMED):
        k.flags |= TF_RTT_TIMED
        k.rtt_seq = seq + (n_seq if n <= k.mss else k.mss)      # of a large frame, its first segment
        k.rtt_start = now
    k.snd_max = seq + n_seq
    k.last_send = now
    if not k.deadline[T_REXMT]:
        tcb_arm(t, k, T_REXMT, tcp_patience(t, k, now))


cdef inline void note_sent(tcp_state *t, uint32_t c, uint32_t seq, uint32_t n_seq, uint32_t n, int64_t now) noexcept nogil:
    """The same, whatever was out before."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t old = 0                   # of them were out before
    if k.flags & TF_PROBE:
        k.flags &= ~<uint32_t>TF_PROBE
        k.backoff = 0
        k.stalled_since = 0                 # the peer has opened its window: what comes now is no second timeout
        tcp_disarm(k, T_REXMT)
    if not seq_lt(seq, k.snd_max):
        note_new(t, c, k, seq, n_seq, n, now)
        if k.flags & TF_RECOVERY and k.timed & FLIGHT_RACK:
            episode_sent(t, k, n_seq)
        if k.timed & FLIGHT_WATCHED:
            note_usage(k)
        return
    old = k.snd_max - seq if seq_lt(k.snd_max, seq + n_seq) else n_seq
    if old > 1 or old == n_seq:             # one byte that a window probe carried does not make it a retransmission
        k.retransmits += 1
        k.bytes_retrans += old if old < n else n
        k.rexmt_at = now
        t.counters.retransmits += 1
        if k.timed & FLIGHT_RACK:
            episode_resent(t, k, seq, old, now)
        elif k.flags & TF_TRIAL:
            trial_resent(t, k, seq, old, now)
    if n > old:
        t.counters.bytes_out += n - old
    k.flags &= ~<uint32_t>TF_RTT_TIMED      # Karn: what is out twice measures nothing
    k.snd_max = seq_max(k.snd_max, seq + n_seq)
    k.last_send = now
    if k.timed & FLIGHT_WATCHED:
        note_usage(k)
    if not k.deadline[T_REXMT]:
        tcb_arm(t, k, T_REXMT, tcp_patience(t, k, now))


cdef inline void note_acked(tcb *k) noexcept nogil:
    """A segment with our newest rcv_nxt left: no ACK is owed."""
    if not k.flags & (TF_ACK_NOW | TF_DELACK) and k.delack_segs == 0:
        return
    if k.ato:
        delack_acked(k)
    k.flags &= ~<uint32_t>(TF_ACK_NOW | TF_DELACK)
    k.delack_segs = 0
    tcp_disarm(k, T_DELACK)
