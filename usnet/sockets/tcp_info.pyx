"""TCP_INFO: what a connection knows of itself, in Linux's units."""
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT
from usnet.tcp.congestion.rates cimport rates_newest
from usnet.tcp.pacing cimport pacer_at, pacing_rate
from usnet.tcp.accecn cimport accecn, accecn_at
from usnet.tcp.delack cimport delack_patience
from usnet.tcp.ecn cimport ECN_ACCECN, ECN_CWR, ECN_RFC3168, ECN_SEEN
from usnet.tcp.mtu cimport mtu_of
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.recovery.resent cimport board_lost_out, board_resent_out
from usnet.tcp.recovery.scoreboard cimport CA_CWR, CA_DISORDER, CA_LOSS, CA_OPEN, CA_RECOVERY, board_below, board_lost, scoreboard
from usnet.tcp.segment cimport segment_our_mss
from usnet.tcp.state cimport board_at, listener, listener_at, tcb_seen, tcp_state
from usnet.tcp.tcb cimport (
    CHRONO_NONE, CHRONO_RWND, CHRONO_SNDBUF, TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_LAST_ACK,
    TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_CONNECTED, TF_FIN_RECEIVED, TF_FIN_SENT, TF_PROBE, TF_RECOVERY, TF_SACK, TF_TIMESTAMPS,
    TF_WSCALE, TFO_ASKED, TFO_FAIL, TFO_SYN_DATA, tcb,
)
from usnet.wire.seq cimport seq_diff, seq_gt

cdef enum:
    US = 1000                   # ns
    MS = 1000000
    NO_SSTHRESH = 0x7fffffff
    NOT_MEASURED = 0xffffffff


cdef uint8_t linux_state(uint8_t state) noexcept nogil:
    if state == TCPS_ESTABLISHED:
        return 1
    if state == TCPS_SYN_SENT:
        return 2
    if state == TCPS_SYN_RECEIVED:
        return 3
    if state == TCPS_FIN_WAIT_1:
        return 4
    if state == TCPS_FIN_WAIT_2:
        return 5
    if state == TCPS_CLOSE_WAIT:
        return 8
    if state == TCPS_LAST_ACK:
        return 9
    if state == TCPS_LISTEN:
        return 10
    if state == TCPS_CLOSING:
        return 11
    return 7                    # of TIME-WAIT too: as in Linux, the socket itself is through


cdef uint32_t ms_since(int64_t then, int64_t now) noexcept nogil:
    return <uint32_t>((now - then) // MS) if then and now > then else 0


cdef void times_of(const tcb *k, int64_t now, tcp_info *info) noexcept nogil:
    info.rto = <uint32_t>(k.rto // US)
    info.rtt = <uint32_t>(k.srtt // US)
    info.rttvar = <uint32_t>(k.rttvar // US)
    info.last_data_sent = ms_since(k.last_send, now)
    info.last_data_recv = ms_since(k.last_data, now)
    info.last_ack_recv = ms_since(k.last_recv, now)
    info.min_rtt = <uint32_t>(k.min_rtt // US) if k.min_rtt else NOT_MEASURED


cdef void rates_of(tcp_state *t, const tcb *k, tcp_info *info) noexcept nogil:
    cdef bint limited
    info.pacing_rate = info.max_pacing_rate = UINT64_MAX
    if k.pacer != NONE:
        if pacing_rate(t, k):
            info.pacing_rate = pacing_rate(t, k)
        if pacer_at(t, k).max_rate:
            info.max_pacing_rate = pacer_at(t, k).max_rate
    info.delivery_rate = rates_newest(t, k, &limited)
    info.flags |= limited


cdef void windows_of(tcp_state *t, const tcb *k, tcp_info *info) noexcept nogil:
    cdef uint32_t mss = k.mss if k.mss else 1
    cdef int64_t window = seq_diff(k.rcv_adv, k.rcv_nxt)
    info.pmtu = mtu_of(t, k)
    info.advmss = segment_our_mss(t, k)
    info.snd_mss = k.mss
    info.rcv_mss = k.rcv_mss
    info.unacked = (k.snd_max - k.snd_una + mss - 1) // mss
    info.rcv_ssthresh = <uint32_t>window if window > 0 else 0
    info.rcv_space = k.rcvbuf
    info.snd_cwnd = k.cc.cwnd // mss
    info.snd_ssthresh = k.cc.ssthresh // mss if k.cc.ssthresh and k.cc.ssthresh < WINDOW_LIMIT else NO_SSTHRESH
    info.reordering = k.reordering if k.reordering > t.config.reordering else t.config.reordering
    info.reord_seen = k.reord_seen


cdef uint8_t phase_of(tcp_state *t, const tcb *k) noexcept nogil:
    """Linux's enum tcp_ca_state."""
    if k.timed & FLIGHT_RACK:
        return board_at(t, k).ca_state if k.board != NONE else CA_OPEN
    if k.flags & TF_RECOVERY:
        return CA_RECOVERY
    if k.ecn & ECN_CWR and k.snd_una != k.snd_max:
        return CA_CWR
    if not k.flags & TF_PROBE and (k.backoff or k.snd_nxt != k.snd_max or (seq_gt(k.recover, k.snd_una) and k.snd_una != k.snd_max)):
        return CA_LOSS
    return CA_DISORDER if k.dupacks or k.board != NONE else CA_OPEN


cdef inline uint32_t segments(const tcb *k, uint32_t n) noexcept nogil:
    return (n + k.mss - 1) // k.mss if k.mss else 0


cdef void losses_of(tcp_state *t, const tcb *k, tcp_info *info) noexcept nogil:
    """In segments, as far as bytes tell. Without SACK a duplicate ACK stands for a segment that arrived, as in Linux."""
    cdef const scoreboard *b
    cdef uint32_t below, out = k.snd_max - k.snd_una
    if k.board == NONE:
        info.sacked = k.dupacks if k.dupacks < info.unacked else info.unacked
        if info.ca_state == CA_LOSS:
            info.lost = info.unacked - info.sacked
            info.retrans = segments(k, k.snd_nxt - k.snd_una)
        elif info.ca_state == CA_RECOVERY:
            info.lost = info.retrans = 1
        return
    b = board_at(t, k)
    info.sacked = segments(k, b.sacked)
    if k.timed & FLIGHT_RACK:
        info.lost = segments(k, board_lost_out(b, k.snd_una, k.snd_max))
        info.retrans = segments(k, board_resent_out(b, k.snd_una, k.snd_max))
        return
    below = k.snd_max if info.ca_state == CA_LOSS else board_lost(b, k.snd_una, k.mss)
    info.lost = segments(k, below - k.snd_una - board_below(b, below))
    below = k.snd_nxt if info.ca_state == CA_LOSS else b.high_rxt
    if seq_gt(below, k.snd_una) and below - k.snd_una <= out:
        info.retrans = segments(k, below - k.snd_una - board_below(b, below))


cdef void counts_of(const tcb *k, tcp_info *info) noexcept nogil:
    """Of the numbers that are acknowledged one may be the FIN's, as of those received."""
    cdef bint fin_acked = k.flags & TF_FIN_SENT and k.snd_una == k.snd_max and k.snd_pos
    cdef uint32_t again = <uint32_t>k.retransmits - (k.syn_retries if k.retransmits > k.syn_retries else 0)
    cdef uint32_t first = k.data_segs_out - again if k.data_segs_out > again else 0, out = info.unacked - info.sacked
    cdef uint32_t sent = k.snd_nxt - k.snd_una
    if k.fastopen & TFO_ASKED and k.fastopen & TFO_SYN_DATA and first:
        first -= 1                          # with the SYN it was one segment
    info.total_retrans = <uint32_t>k.retransmits
    info.bytes_acked = k.snd_pos - fin_acked
    info.bytes_received = k.rcv_pos - (1 if k.flags & TF_FIN_RECEIVED else 0)
    info.segs_out = k.segs_out
    info.segs_in = k.segs_in
    info.data_segs_in = k.data_segs_in
    info.data_segs_out = k.data_segs_out
    info.notsent_bytes = k.snd.span - sent if k.snd.span > sent else 0
    info.delivered = 1 + (first - out if first > out else 0)
    info.bytes_retrans = k.bytes_retrans
    info.bytes_sent = info.bytes_acked + (sent if sent < k.snd.span else k.snd.span) + k.bytes_retrans
    info.dsack_dups = k.dsacks
    info.rcv_ooopack = k.ooo_segs
    info.snd_wnd = k.snd_wnd
    info.rcv_wnd = info.rcv_ssthresh
    info.total_rto = <uint16_t>k.total_rto
    info.total_rto_recoveries = <uint16_t>(k.total_rto >> 16)


cdef void chrono_of(const tcb *k, int64_t now, tcp_info *info) noexcept nogil:
    cdef int64_t running = now - k.chrono_since if k.chrono != CHRONO_NONE else 0
    info.busy_time = <uint64_t>((k.busy + running) // US)
    info.rwnd_limited = <uint64_t>((k.rwnd_limited + (running if k.chrono == CHRONO_RWND else 0)) // US)
    info.sndbuf_limited = <uint64_t>((k.sndbuf_limited + (running if k.chrono == CHRONO_SNDBUF else 0)) // US)


cdef void ecn_of(tcp_state *t, const tcb *k, tcp_info *info) noexcept nogil:
    """Byte counters of ECT(1), ECT(0), CE: what the peer has told of ours, and what arrived here."""
    cdef const accecn *a
    cdef uint32_t i
    info.options |= 8 | (16 if k.ecn & ECN_SEEN else 0)
    info.delivered_ce = k.delivered_ce
    if k.accecn == NONE:
        return
    a = accecn_at(t, k)
    info.accecn[0] = a.received_ce
    for i in range(3):
        info.accecn[1 + i] = a.delivered[i]
        info.accecn[4 + i] = a.received[i]
    info.accecn_fail_mode = a.fail_mode
    info.accecn_opt_seen = a.opt_seen


cdef void tcp_info_of(tcp_state *t, uint32_t c, int64_t now, tcp_info *info) noexcept nogil:
    cdef tcb room
    cdef const tcb *k = tcb_seen(t, c, &room)
    cdef listener *q
    memset(info, 0, sizeof(tcp_info))
    info.state = linux_state(k.state)
    if k.state == TCPS_LISTEN and k.listener != NONE:
        q = listener_at(t, k.listener)
        info.unacked = q.n_ready
        info.sacked = q.backlog
        return
    info.ca_state = phase_of(t, k)
    info.retransmits = 0 if k.flags & TF_PROBE else k.unanswered
    info.probes = k.unanswered if k.flags & TF_PROBE else 0
    info.backoff = k.backoff
    info.options = ((1 if k.flags & TF_TIMESTAMPS else 0) | (2 if k.flags & TF_SACK else 0) | (4 if k.flags & TF_WSCALE else 0)
                    | (32 if k.fastopen & TFO_SYN_DATA else 0))
    if k.ecn & (ECN_RFC3168 | ECN_ACCECN) and k.flags & TF_CONNECTED:
        ecn_of(t, k, info)
    info.flags |= k.fastopen & TFO_FAIL
    info.wscale = k.snd_wscale | <uint8_t>(k.rcv_wscale << 4)
    info.ato = <uint32_t>(delack_patience(t, k) // US) if k.ato == 0 else k.ato * <uint32_t>1000
    times_of(k, now, info)
    windows_of(t, k, info)
    rates_of(t, k, info)
    if k.flags & TF_CONNECTED:
        losses_of(t, k, info)
        counts_of(k, info)
        chrono_of(k, now, info)
