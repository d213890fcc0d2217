"""Paths: from connections to the table of tcp/metrics, and back. What is kept, and how old and new are mixed, is as in Linux."""
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.memory.arena cimport NONE, arena_free, arena_give, arena_init, arena_reset
from usnet.tcp.accecn cimport accecn
from usnet.tcp.congestion.known cimport cc_known
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_table
from usnet.tcp.ecn cimport TCP_ECN_ACCEPT
from usnet.tcp.metrics cimport metrics_find, metrics_free, metrics_init, metrics_learn, metrics_reset, path_metric
from usnet.tcp.mtu cimport mtu_of, mtu_search
from usnet.tcp.state cimport tcp_config, tcp_state
from usnet.tcp.tcb cimport TF_RECOVERY, tcb, tcb_header_len
from usnet.wire.addr cimport addr_eq
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.seq cimport seq_lt

cdef int64_t SECOND = 1000000000    # ns


cdef void paths_defaults(tcp_config *g) noexcept nogil:
    g.ecn = TCP_ECN_ACCEPT
    g.ecn_option = 2
    g.ecn_option_beacon = 3
    g.ecn_fallback = 1
    g.mtu_blackhole = 3
    g.base_mss = 1024
    g.mtu_floor = 48
    g.mtu_threshold = 8
    g.mtu_raise = 600 * SECOND
    g.metrics_timeout = 3600 * SECOND


cdef int paths_init(tcp_state *t, uint32_t max_connections) noexcept nogil:
    return -ENOMEM if (arena_init(&t.accecns, sizeof(accecn), max_connections, 8) or arena_init(&t.searches, sizeof(mtu_search), max_connections, 8)
                       or metrics_init(&t.metrics)) else 0


cdef void paths_free(tcp_state *t) noexcept nogil:
    arena_free(&t.accecns)
    arena_free(&t.searches)
    metrics_free(&t.metrics)


cdef void paths_reset(tcp_state *t) noexcept nogil:
    arena_reset(&t.accecns)
    arena_reset(&t.searches)
    metrics_reset(&t.metrics, t.isn_key)


cdef void paths_drop(tcp_state *t, tcb *k) noexcept nogil:
    if k.accecn != NONE:
        arena_give(&t.accecns, k.accecn)
        k.accecn = NONE
    if k.search != NONE:
        arena_give(&t.searches, k.search)
        k.search = NONE


cdef void paths_begin(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """A round trip that was longer before may be so again: the RTO is that of a first measurement of it."""
    cdef const path_metric *m
    cdef int64_t spread
    cdef uint32_t header = IPV4_HLEN + tcb_header_len(k)
    if not t.config.metrics:
        return
    m = metrics_find(&t.metrics, &k.laddr, &k.raddr, t.config.metrics_timeout, now)
    if m == NULL:
        return
    t.counters.metrics_hits += 1
    if m.ssthresh:
        cc_known(&k.cc, m.ssthresh)
    if m.srtt > k.srtt:
        spread = 2 * m.srtt if 2 * m.srtt > t.config.rto_min else t.config.rto_min
        if m.srtt + spread > k.rto:
            k.rto = m.srtt + spread if m.srtt + spread < t.config.rto_max else t.config.rto_max
    if m.mtu and m.mtu > header + t.config.mtu_floor and m.mtu < k.mss + header:
        k.mss = <uint16_t>(m.mtu - header)
        cc_table(k.cc_ops).on_mss(&k.cc, k.mss)


cdef void learn_times(path_metric *m, const tcb *k) noexcept nogil:
    """A longer round trip counts at once, a shorter one by an eighth."""
    cdef int64_t spread = k.rttvar
    if k.backoff or k.srtt == 0:
        m.srtt = m.rttvar = 0               # it timed out at the end: nothing is known
        return
    m.srtt = k.srtt if k.srtt >= m.srtt else m.srtt - (m.srtt - k.srtt) // 8
    m.rttvar = spread if spread >= m.rttvar else m.rttvar - (m.rttvar - spread) // 4


cdef void learn_windows(path_metric *m, const tcb *k) noexcept nogil:
    """A slow start that never ended says at least that so much got through; congestion avoidance, where the window was; a recovery, its ssthresh."""
    cdef uint32_t half = k.cc.cwnd // 2
    if k.cc.ssthresh >= WINDOW_LIMIT:
        if m.ssthresh and half > m.ssthresh:
            m.ssthresh = half
        m.cwnd = k.cc.cwnd if k.cc.cwnd > m.cwnd else m.cwnd
    elif k.cc.cwnd >= k.cc.ssthresh and not k.flags & TF_RECOVERY and not seq_lt(k.snd_una, k.recover):
        m.ssthresh = half if half > k.cc.ssthresh else k.cc.ssthresh
        m.cwnd = (m.cwnd + k.cc.cwnd) // 2 if m.cwnd else k.cc.cwnd
    else:
        m.ssthresh = k.cc.ssthresh if k.cc.ssthresh > m.ssthresh else m.ssthresh
        m.cwnd = (m.cwnd + k.cc.ssthresh) // 2 if m.cwnd else k.cc.ssthresh


cdef void paths_end(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef path_metric *m
    if not t.config.metrics or addr_eq(&k.raddr, &k.laddr):
        return
    m = metrics_learn(&t.metrics, &k.laddr, &k.raddr, t.config.metrics_timeout, now)
    learn_times(m, k)
    learn_windows(m, k)
    m.mtu = mtu_of(t, k)
