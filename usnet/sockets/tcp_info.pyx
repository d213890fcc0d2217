"""TCP_INFO: what a connection knows of itself, in Linux's units."""
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from usnet.ip.routes cimport ip_mtu
from usnet.memory.arena cimport NONE
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT
from usnet.tcp.segment cimport segment_our_mss
from usnet.tcp.state cimport listener, listener_at, tcb_seen, tcp_state
from usnet.tcp.tcb cimport (
    TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_LAST_ACK,
    TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_PROBE, TF_RECOVERY, TF_TIMESTAMPS, TF_WSCALE, TFO_FAIL, TFO_SYN_DATA,
    tcb,
)
from usnet.wire.seq cimport seq_diff

cdef enum:
    US = 1000                   # ns
    MS = 1000000
    NO_SSTHRESH = 0x7fffffff
    DUPLICATES = 3              # duplicate ACKs that mean a loss


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
    info.last_data_recv = info.last_ack_recv = ms_since(k.last_recv, now)


cdef void windows_of(tcp_state *t, const tcb *k, tcp_info *info) noexcept nogil:
    cdef uint32_t mss = k.mss if k.mss else 1
    cdef int64_t window = seq_diff(k.rcv_adv, k.rcv_nxt)
    info.pmtu = ip_mtu(t.ip, &k.raddr)
    info.advmss = segment_our_mss(t, k)
    info.snd_mss = k.mss
    info.rcv_mss = k.rcv_mss
    info.unacked = (k.snd_max - k.snd_una + mss - 1) // mss
    info.rcv_ssthresh = <uint32_t>window if window > 0 else 0
    info.rcv_space = k.rcvbuf
    info.snd_cwnd = k.cc.cwnd // mss
    info.snd_ssthresh = k.cc.ssthresh // mss if k.cc.ssthresh and k.cc.ssthresh < WINDOW_LIMIT else NO_SSTHRESH
    info.reordering = DUPLICATES


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
    info.ca_state = 3 if k.flags & TF_RECOVERY else (4 if k.backoff and not k.flags & TF_PROBE else 0)
    info.retransmits = 0 if k.flags & TF_PROBE else k.unanswered
    info.probes = k.unanswered if k.flags & TF_PROBE else 0
    info.backoff = k.backoff
    info.options = (1 if k.flags & TF_TIMESTAMPS else 0) | (4 if k.flags & TF_WSCALE else 0) | (32 if k.fastopen & TFO_SYN_DATA else 0)
    info.flags = k.fastopen & TFO_FAIL
    info.wscale = k.snd_wscale | <uint8_t>(k.rcv_wscale << 4)
    info.ato = <uint32_t>(t.config.delack // US)
    info.total_retrans = <uint32_t>k.retransmits
    times_of(k, now, info)
    windows_of(t, k, info)
