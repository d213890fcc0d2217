"""From a TCB to a record and back: what is left out has the value that it has in any connection at rest."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_at
from usnet.memory.pieces cimport queue_init
from usnet.memory.wheel cimport wheel_deadline
from usnet.tcp.autotune cimport autotune_half
from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_table
from usnet.tcp.recovery.flight cimport FLIGHT_HELD
from usnet.tcp.record cimport (
    REST_ACTIVE, REST_KEEP, REST_LATER, REST_LINGER, REST_PASSIVE, REST_QUICK, REST_RECOVER, REST_STATE, history, record, tally, terms,
)
from usnet.tcp.state cimport record_at, tcp_state, terms_at
from usnet.tcp.tcb cimport T_KEEP, T_LINGER, TF_FIN_HELD, tcb


cdef void terms_of(const tcb *k, terms *m) noexcept nogil:
    memset(m, 0, sizeof(terms))
    m.laddr = k.laddr
    m.keep_idle = k.keep_idle
    m.keep_interval = k.keep_interval
    m.user_timeout = k.user_timeout
    m.linger2 = k.linger2
    m.sndbuf = k.sndbuf
    m.rcvbuf = k.rcvbuf
    m.cc_mss = k.cc.mss
    m.mss = k.mss
    m.peer_mss = k.peer_mss
    m.user_mss = k.user_mss
    m.snd_wscale = k.snd_wscale
    m.rcv_wscale = k.rcv_wscale
    m.cc_ops = k.cc_ops
    m.netif = k.netif
    m.syn_retries = k.syn_retries
    m.keep_count = k.keep_count
    m.ttl = k.ttl
    m.tos = k.tos
    m.fastopen = k.fastopen
    m.uto = k.uto
    m.ecn = k.ecn
    m.locked = k.locked
    m.timed = k.timed & ~<uint8_t>FLIGHT_HELD


cdef void take_terms(const terms *m, tcb *k) noexcept nogil:
    k.laddr = m.laddr
    k.keep_idle = m.keep_idle
    k.keep_interval = m.keep_interval
    k.user_timeout = m.user_timeout
    k.linger2 = m.linger2
    k.sndbuf = m.sndbuf
    k.rcvbuf = m.rcvbuf
    k.cc.mss = m.cc_mss
    k.mss = m.mss
    k.peer_mss = m.peer_mss
    k.user_mss = m.user_mss
    k.snd_wscale = m.snd_wscale
    k.rcv_wscale = m.rcv_wscale
    k.cc_ops = m.cc_ops
    k.netif = m.netif
    k.syn_retries = m.syn_retries
    k.keep_count = m.keep_count
    k.ttl = m.ttl
    k.tos = m.tos
    k.fastopen = m.fastopen
    k.uto = m.uto
    k.ecn = m.ecn
    k.locked = m.locked
    k.timed = m.timed


cdef void pack(const tcb *k, record *r) noexcept nogil:
    r.flags = k.flags
    r.owner = k.owner
    r.timer = k.timer
    r.lport = k.lport
    r.rport = k.rport
    r.terms = <uint16_t>k.terms
    r.state = k.state
    if k.deadline[T_KEEP]:
        r.state |= REST_KEEP | (REST_LATER if k.deadline[T_KEEP] != k.timer_at else 0)
    if k.deadline[T_LINGER]:
        r.state |= REST_LINGER | (REST_LATER if k.deadline[T_LINGER] != k.timer_at else 0)
    if k.recover == k.snd_una - 1:
        r.state |= REST_RECOVER
    r.quick = k.quick
    r.raddr = k.raddr
    r.snd_nxt = k.snd_nxt
    r.rcv_nxt = k.rcv_nxt
    r.snd_wnd = k.snd_wnd
    r.rcv_adv = k.rcv_adv
    r.ts_recent = k.ts_recent
    r.ts_offset = k.ts_offset
    r.iss = k.iss
    r.irs = k.irs
    r.max_window = k.max_window
    r.cwnd = k.cc.cwnd
    r.srtt = <uint32_t>k.srtt
    r.rttvar = <uint32_t>k.rttvar
    r.min_rtt = <uint32_t>k.min_rtt
    r.rto = <uint32_t>k.rto
    r.way = k.way
    r.hop = k.hop
    r.rcv_mss = k.rcv_mss
    r.wl1_before = <uint16_t>(k.rcv_nxt - k.snd_wl1)
    r.sent_before = <int32_t>(k.last_recv - k.last_send)
    r.last_recv = k.last_recv


cdef void count(const tcb *k, record *r, tally *y) noexcept nogil:
    """Its lifetime counters; those of a bare handshake need no tally, so that no memory is touched for it."""
    if not k.data_segs_in and not k.data_segs_out and k.last_data == k.last_recv and k.busy == 0:
        if k.segs_in == 1 and k.segs_out == 2:
            r.quick |= REST_ACTIVE
            return
        if k.segs_in == 2 and k.segs_out == 1:
            r.quick |= REST_PASSIVE
            return
    y.segs_in = k.segs_in
    y.segs_out = k.segs_out
    y.data_segs_in = k.data_segs_in
    y.data_segs_out = k.data_segs_out
    y.busy = k.busy
    y.last_data = k.last_data


cdef void recount(tcp_state *t, const record *r, const tally *y, tcb *k) noexcept nogil:
    k.last_data = r.last_recv
    if r.quick & REST_ACTIVE:
        k.segs_in = 1
        k.segs_out = 2
    elif r.quick & REST_PASSIVE:
        k.segs_in = 2
        k.segs_out = 1
    elif t.config.lifetime_counters:
        k.segs_in = y.segs_in
        k.segs_out = y.segs_out
        k.data_segs_in = y.data_segs_in
        k.data_segs_out = y.data_segs_out
        k.busy = y.busy
        k.last_data = y.last_data


cdef void tell(const tcb *k, history *h) noexcept nogil:
    h.snd_pos = k.snd_pos
    h.bytes_retrans = k.bytes_retrans
    h.rwnd_limited = k.rwnd_limited
    h.sndbuf_limited = k.sndbuf_limited
    h.dsacks = k.dsacks
    h.reord_seen = k.reord_seen
    h.reordering = k.reordering
    h.reo_wnd_steps = k.reo_wnd_steps
    h.reo_wnd_persist = k.reo_wnd_persist
    h.rtt_round = k.rtt_round
    h.rto_var = k.rto_var
    h.mdev_max = k.mdev_max
    h.ooo_segs = k.ooo_segs
    h.ato, h.last_seg, h.acks = k.ato, k.last_seg, k.acks
    h.total_rto = k.total_rto
    h.delivered_ce = k.delivered_ce
    h.accecn = k.accecn
    h.search = k.search
    h.cc = k.cc
    h.pacer, h.cc_block = k.pacer, k.cc_block
    h.recover = k.recover
    h.snd_wl1 = k.snd_wl1
    h.snd_wl2 = k.snd_wl2
    h.rcv_pos = k.rcv_pos
    h.retransmits = k.retransmits
    h.rexmt_at = k.rexmt_at
    h.last_oow_ack = k.last_oow_ack
    h.last_send = k.last_send
    h.ts_recent_at = k.ts_recent_at
    h.tune_at = k.tune_at
    h.tune_since = k.tune_since
    h.deadline = k.deadline[T_KEEP] | k.deadline[T_LINGER]


cdef void remember(const history *h, tcb *k) noexcept nogil:
    k.snd_pos = h.snd_pos
    k.bytes_retrans = h.bytes_retrans
    k.rwnd_limited = h.rwnd_limited
    k.sndbuf_limited = h.sndbuf_limited
    k.dsacks = h.dsacks
    k.reord_seen = h.reord_seen
    k.reordering = h.reordering
    k.reo_wnd_steps = h.reo_wnd_steps
    k.reo_wnd_persist = h.reo_wnd_persist
    k.rtt_round = h.rtt_round
    k.rto_var = h.rto_var
    k.mdev_max = h.mdev_max
    k.ooo_segs = h.ooo_segs
    k.ato, k.last_seg, k.acks = h.ato, h.last_seg, h.acks
    k.total_rto = h.total_rto
    k.delivered_ce = h.delivered_ce
    k.accecn = h.accecn
    k.search = h.search
    k.cc = h.cc
    k.pacer, k.cc_block = h.pacer, h.cc_block
    k.recover = h.recover
    k.snd_wl1 = h.snd_wl1
    k.snd_wl2 = h.snd_wl2
    k.rcv_pos = h.rcv_pos
    k.retransmits = h.retransmits
    k.rexmt_at = h.rexmt_at
    k.last_oow_ack = h.last_oow_ack
    k.last_send = h.last_send
    k.ts_recent_at = h.ts_recent_at
    k.tune_at = h.tune_at
    k.tune_since = h.tune_since


cdef void unpack(tcp_state *t, uint32_t c, tcb *k) noexcept nogil:
    """Into a zeroed TCB."""
    cdef const record *r = record_at(t, c)
    cdef int64_t deadline = 0
    recount(t, r, &t.tallies[c], k)
    k.flags = r.flags
    k.owner = r.owner
    k.timer = r.timer
    k.lport = r.lport
    k.rport = r.rport
    k.terms = r.terms
    k.state = r.state & REST_STATE
    k.quick = r.quick & REST_QUICK
    k.snd_pos = <uint32_t>(r.snd_nxt - r.iss - 1)
    k.raddr = r.raddr
    k.snd_una = k.snd_nxt = k.snd_max = k.snd_wl2 = k.cwr_high = k.snd_sml = r.snd_nxt
    k.rcv_nxt = k.last_ack_sent = r.rcv_nxt
    k.snd_wnd = r.snd_wnd
    k.rcv_adv = r.rcv_adv
    k.ts_recent = r.ts_recent
    k.ts_offset = r.ts_offset
    k.iss = r.iss
    k.irs = r.irs
    k.max_window = r.max_window
    k.cc.cwnd = r.cwnd
    k.cc.ssthresh = WINDOW_LIMIT
    k.srtt = r.srtt
    k.rttvar = r.rttvar
    k.min_rtt = r.min_rtt
    k.rto = r.rto
    k.way = r.way
    k.hop = r.hop
    k.rcv_mss = r.rcv_mss
    k.snd_wl1 = r.rcv_nxt - r.wl1_before
    k.last_recv = k.ts_recent_at = r.last_recv
    k.last_send = r.last_recv - r.sent_before
    k.rcv_pos = <uint32_t>(r.rcv_nxt - r.irs - 1)
    k.recover = r.snd_nxt - (1 if r.state & REST_RECOVER else 0)
    k.ooo = k.board = k.flight = k.parent = k.next = k.prev = k.listener = k.fast = NONE
    k.accecn = k.search = k.validator = k.pacer = k.cc_block = k.trial = NONE
    k.cc.step = t.config.slow_start_step
    k.cc.hystart = t.config.hystart
    queue_init(&k.snd)
    queue_init(&k.rcv)
    take_terms(terms_at(t, r.terms), k)
    k.tune_at = autotune_half(t, k)
    k.cc.wants = <uint8_t>cc_table(k.cc_ops).wants
    k.cc.number = cc_table(k.cc_ops).number
    if r.timer != NONE:
        k.timer_at = deadline = wheel_deadline(t.timers, r.timer)
    if r.history != NONE:
        remember(<const history *>arena_at(&t.histories, r.history), k)
        if r.state & REST_LATER:
            deadline = (<const history *>arena_at(&t.histories, r.history)).deadline
    if r.flags & TF_FIN_HELD:
        k.fin_pos = k.rcv_pos - 1
    if r.state & REST_KEEP:
        k.deadline[T_KEEP] = deadline
    if r.state & REST_LINGER:
        k.deadline[T_LINGER] = deadline
