"""Opening a connection. The handshake never waits for the application: accept only takes what is ready."""
from libc.errno cimport ECONNREFUSED, ECONNRESET
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE
from usnet.tcp.autotune cimport LOCK_RCVBUF, autotune_half
from usnet.tcp.aside cimport aside, aside_at, aside_if, aside_inherit
from usnet.tcp.congestion.choice cimport cc_begin
from usnet.tcp.cookies cimport (
    COOKIE_ALWAYS, COOKIE_LIFE, COOKIE_NO_SCALE, cookie_check, cookie_make, cookie_stamp, cookie_terms, cookie_unstamp,
)
from usnet.tcp.accecn cimport accecn_over
from usnet.tcp.ecn cimport ecn_begin, ecn_established, ecn_syn_arrived
from usnet.tcp.fastopen cimport fastopen_answered, fastopen_arrived, fastopen_confirmed
from usnet.tcp.mtu cimport mtu_established
from usnet.tcp.output cimport tcp_may_send, tcp_want_output
from usnet.tcp.paths cimport paths_begin
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.rtt cimport tcp_rtt_sample
from usnet.tcp.segment cimport segment_our_mss, segment_refuse, segment_send_syn, segment_window
from usnet.tcp.signature cimport signature_borrow, signature_find, signature_inherit
from usnet.tcp.state cimport (
    RECOVERY_RACK,
    TDROP_ACCEPT_QUEUE_FULL, TDROP_BAD_ACK, TDROP_LISTEN_FLAGS, TDROP_NO_ACK, TDROP_NO_MEMORY, TDROP_RST_SEQ, TDROP_SYN_QUEUE_FULL,
    count_drop, listener, listener_at, tcb_at, tcb_live, tcp_state,
)
from usnet.tcp.states cimport tcp_set_state
from usnet.tcp.tables cimport tcb_defaults, tcb_drop, tcb_enter_new, tcb_new, tcp_new_isn, tcp_notify, tcp_ts_offset
from usnet.tcp.tcb cimport (
    T_KEEP, T_REXMT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_ACK_NOW, TF_ALL_ROOM, TF_ASIDE, TF_CONNECTED,
    TF_CORK, TF_FIN_QUEUED, TF_HELD, TF_KEEPALIVE, TF_NODELAY, TF_RCV_SHUT, TF_REUSE, TF_REUSEPORT, TF_RTT_TIMED, TF_SACK, TF_TIMESTAMPS,
    TF_WSCALE, TFO_PASSIVE, UTO_PEERS, tcb, tcb_header_len,
)
from usnet.tcp.teardown cimport tcp_end, tcp_end_reset
from usnet.tcp.timers cimport tcp_arm, tcp_disarm
from usnet.wire.seq cimport seq_gt, seq_le, seq_lt
from usnet.wire.tcp cimport (
    TCP_HLEN, TCP_MAX_WSCALE, TCP_MSS_DEFAULT, TCPO_MSS, TCPO_SACK_OK, TCPO_TIMESTAMP, TCPO_UTO, TCPO_WSCALE, TH_ACK, TH_CWR, TH_ECE, TH_FIN,
    TH_RST, TH_SYN, tcp_repr, tcp_uto_ns,
)

cdef enum:
    MIN_SEND_MSS = 48           # a peer that asks for less gets this (CVE-2019-11479's class)
    BEHIND_OLD = 65537          # sequence numbers that a reopened connection keeps from the last of its predecessor
    AFTER_SYN_LOSS = 3000000000     # ns: RTO of the first data when a SYN had to be sent again and nothing was measured


cdef uint8_t scale_for(uint32_t rcvbuf) noexcept nogil:
    """The smallest shift with which 16 bits can offer the whole buffer (RFC 7323, 2.3)."""
    cdef uint8_t shift = 0
    while shift < TCP_MAX_WSCALE and (<uint32_t>65535 << shift) < rcvbuf:
        shift += 1
    return shift


cdef void offer(tcp_state *t, tcb *k) noexcept nogil:
    """What our SYN offers; the answer takes away what the peer does not."""
    k.flags |= (TF_TIMESTAMPS if t.config.timestamps and not k.signs else 0) | (TF_WSCALE if t.config.window_scaling else 0)
    k.flags |= (TF_SACK if t.config.sack else 0) | (TF_ALL_ROOM if t.config.all_room else 0)
    k.rcv_wscale = scale_for(max(k.rcvbuf, 0 if k.locked & LOCK_RCVBUF else t.config.rcvbuf_most)) if t.config.window_scaling else 0
    if t.config.window_scaling and k.rcv_wscale < t.config.window_scale:
        k.rcv_wscale = t.config.window_scale


cdef void handshake_uto(const tcp_state *t, tcb *k, uint16_t field) noexcept nogil:
    cdef int64_t asked = tcp_uto_ns(field)
    if not t.config.uto or (k.user_timeout and not k.uto & UTO_PEERS) or asked == 0:
        return                              # 3.1: not where the program has said what it wants, and nothing by a field of 0
    asked = t.config.uto_least if asked < t.config.uto_least else asked
    k.user_timeout = t.config.uto_most if asked > t.config.uto_most else asked
    k.uto |= UTO_PEERS


cdef void take_options(tcp_state *t, tcb *k, const tcp_repr *r, int64_t now) noexcept nogil:
    """The peer's SYN: what both offer holds from now on; never anything else (RFC 7323, 2.2 and 3.2; RFC 9293, 3.7.1)."""
    cdef uint32_t mss, options
    k.irs = r.seq
    k.rcv_nxt = k.rcv_adv = k.last_ack_sent = r.seq + 1
    if not r.options & TCPO_WSCALE:
        k.flags &= ~<uint32_t>TF_WSCALE
        k.rcv_wscale = 0
    elif k.flags & TF_WSCALE:
        k.snd_wscale = r.wscale if r.wscale < TCP_MAX_WSCALE else TCP_MAX_WSCALE
    if not r.options & TCPO_TIMESTAMP:
        k.flags &= ~<uint32_t>TF_TIMESTAMPS
        k.form.way = 0                      # which has them
    elif k.flags & TF_TIMESTAMPS:
        k.ts_recent = r.ts_val
        k.ts_recent_at = now
    if not r.options & TCPO_SACK_OK:
        k.flags &= ~<uint32_t>TF_SACK
    if r.options & TCPO_UTO:
        handshake_uto(t, k, r.uto)
    k.peer_mss = r.mss if r.options & TCPO_MSS and r.mss else TCP_MSS_DEFAULT
    mss = segment_our_mss(t, k)
    if k.peer_mss < mss:
        mss = k.peer_mss
    if t.config.round_rcvbuf and mss and k.rcvbuf > mss:
        k.rcvbuf += (mss - k.rcvbuf % mss) % mss
    options = tcb_header_len(k) - TCP_HLEN
    if options < mss < k.rcv_mss + options:         # the peer's full segments are no longer than ours may be
        k.rcv_mss = <uint16_t>(mss - options)
    if mss < MIN_SEND_MSS:
        mss = MIN_SEND_MSS
    k.mss = <uint16_t>(mss - options)
    k.snd_wnd = k.max_window = r.window     # never scaled in a SYN
    k.snd_wl1 = r.seq
    k.snd_wl2 = r.ack if r.flags & TH_ACK else k.iss


cdef void start_at(tcb *k, uint32_t iss) noexcept nogil:
    k.iss = k.snd_una = k.snd_nxt = k.snd_max = k.recover = k.snd_sml = iss


cdef void handshake_number_above(tcb *k, uint32_t after) noexcept nogil:
    if seq_le(k.iss, after):
        start_at(k, after + BEHIND_OLD)
        k.snd_wl2 = k.iss


cdef void forget_attempt(tcp_state *t, tcb *k) noexcept nogil:
    """An earlier attempt that failed leaves no trace in the next."""
    k.flags &= ~<uint32_t>(TF_TIMESTAMPS | TF_WSCALE | TF_SACK | TF_RTT_TIMED | TF_ACK_NOW | TF_FIN_QUEUED | TF_RCV_SHUT)
    k.backoff = k.unanswered = k.syn_retries = k.dupacks = k.fastopen = k.ecn = 0
    k.snd_wscale = k.rcv_wscale = 0
    k.stalled_since = k.soft_error = 0
    k.srtt = k.rttvar = k.min_rtt = 0
    k.rto = t.config.rto_initial
    k.rcv_nxt = k.rcv_adv = k.last_ack_sent = k.form.way = 0


cdef void handshake_start(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    forget_attempt(t, k)
    accecn_over(t, k)
    k.signs = k.signer and signature_find(t, k, &k.raddr) != NULL
    tcp_new_isn(t, k, now)
    offer(t, k)
    ecn_begin(t, k)
    tcp_set_state(t, k, TCPS_SYN_SENT)
    t.counters.active_opens += 1
    tcp_want_output(t, c)


# --- LISTEN -----------------------------------------------------------------------------------------------------------------

cdef void inherit(tcp_state *t, tcb *k, const tcb *parent, const packet *p, const tcp_repr *r) noexcept nogil:
    k.laddr = p.dst
    k.raddr = p.src
    k.lport = r.dst_port
    k.rport = r.src_port
    k.sndbuf = parent.sndbuf
    k.rcvbuf = parent.rcvbuf
    k.locked = parent.locked
    k.tune_at = autotune_half(t, k)
    k.keep_idle = parent.keep_idle
    k.keep_interval = parent.keep_interval
    k.user_timeout = parent.user_timeout
    k.linger2 = parent.linger2
    k.user_mss = parent.user_mss
    k.cc_ops = parent.cc_ops
    k.keep_count = parent.keep_count
    k.ttl = parent.ttl
    k.tos = parent.tos
    k.flags = k.flags & ~<uint32_t>TF_KEEPALIVE | parent.flags & (TF_NODELAY | TF_CORK | TF_KEEPALIVE | TF_REUSE | TF_REUSEPORT)
    signature_borrow(t, k, parent)


cdef void join_syn_queue(tcp_state *t, uint32_t c, uint32_t parent) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef listener *q = listener_at(t, tcb_at(t, parent).listener)
    k.parent = parent
    k.prev = NONE
    k.next = q.syn_head
    if k.next != NONE:
        tcb_at(t, k.next).prev = c
    q.syn_head = c
    q.n_syn += 1


cdef uint32_t child(tcp_state *t, uint32_t parent, const packet *p, const tcp_repr *r) noexcept nogil:
    """A connection of the listener's between the segment's ends, or NONE: there is no room."""
    cdef uint32_t c = tcb_new(t)
    if c != NONE:
        inherit(t, tcb_at(t, c), tcb_at(t, parent), p, r)
        aside_inherit(t, tcb_at(t, c), tcb_at(t, parent))
        if signature_inherit(t, tcb_at(t, c)) and tcb_enter_new(t, c) == 0:
            return c
        tcb_drop(t, c)
    count_drop(t, TDROP_NO_MEMORY)
    return NONE


cdef void begin(tcp_state *t, uint32_t c, uint32_t parent, const tcp_repr *syn, int64_t now) noexcept nogil:
    """SYN-RECEIVED, with an initial sequence number."""
    cdef tcb *k = tcb_at(t, c)
    k.segs_in = 1
    if k.flags & TF_ASIDE:
        aside_at(t, k).stamp_base = k.iss + 1
    take_options(t, k, syn, now)
    join_syn_queue(t, c, parent)
    tcp_set_state(t, k, TCPS_SYN_RECEIVED)
    t.counters.passive_opens += 1


cdef void send_cookie(tcp_state *t, uint32_t parent, const packet *p, const tcp_repr *r, int64_t now) noexcept nogil:
    """A SYN-ACK by a TCB that lives for this one segment (RFC 4987, 3.6)."""
    cdef listener *q = listener_at(t, tcb_at(t, parent).listener)
    cdef uint32_t now_ms = <uint32_t>(now // 1000000)
    cdef cookie_terms m
    cdef tcp_repr syn = r[0]
    cdef tcb k
    memset(&k, 0, sizeof(tcb))
    tcb_defaults(t, &k)
    inherit(t, &k, tcb_at(t, parent), p, r)
    offer(t, &k)
    k.ts_offset = tcp_ts_offset(t, &k)
    if not (k.flags & TF_TIMESTAMPS and r.options & TCPO_TIMESTAMP):
        syn.options &= TCPO_MSS             # what could not be remembered is not agreed on
    take_options(t, &k, &syn, now)
    if k.flags & TF_TIMESTAMPS:
        m.wscale = k.snd_wscale if k.flags & TF_WSCALE else COOKIE_NO_SCALE
        m.sack = k.flags & TF_SACK != 0
        ecn_syn_arrived(t, &k, r, p.tos, False)
        m.ecn = k.ecn != 0
        k.ts_offset += cookie_stamp(now_ms, &m) - now_ms
    start_at(&k, cookie_make(t.cookie_key, &k, r.seq, k.peer_mss, now))
    segment_send_syn(t, &k, True, now)      # if the ring is full it is lost: the peer's timer will ask again
    q.cookies_until = now + COOKIE_LIFE
    t.counters.cookies_sent += 1


cdef bint read_cookie(tcp_state *t, const tcb *k, const tcp_repr *r, tcp_repr *syn, int64_t now) noexcept nogil:
    """The SYN whose cookie the ACK brings back, as far as it was remembered. k: its ends, and what we offer them. False: it brings none."""
    cdef cookie_terms m
    cdef uint32_t mss = cookie_check(t.cookie_key, k, r.seq - 1, r.ack - 1, now)
    if mss == 0:
        return False
    memset(syn, 0, sizeof(tcp_repr))
    syn.seq = r.seq - 1
    syn.flags = TH_SYN
    syn.window = r.window
    syn.options = TCPO_MSS
    syn.mss = <uint16_t>mss
    if not r.options & TCPO_TIMESTAMP:
        return True
    cookie_unstamp(r.ts_ecr - k.ts_offset, &m)
    if not k.flags & TF_TIMESTAMPS or (m.sack and not k.flags & TF_SACK) or (m.wscale != COOKIE_NO_SCALE and not k.flags & TF_WSCALE):
        return False                        # nothing that we would have said
    syn.flags |= TH_ECE | TH_CWR if m.ecn else 0
    syn.options |= TCPO_TIMESTAMP | (TCPO_SACK_OK if m.sack else 0) | (TCPO_WSCALE if m.wscale != COOKIE_NO_SCALE else 0)
    syn.ts_val = r.ts_val
    syn.wscale = m.wscale
    return True


cdef uint32_t offered(const tcb *k) noexcept nogil:
    """The window that our SYN or SYN-ACK promised, which is never scaled: text that comes next may fill it (RFC 9293, 3.10.7.3)."""
    cdef uint32_t window = segment_window(k)
    return window if window < 65535 else 65535


cdef uint32_t take_cookie(tcp_state *t, uint32_t parent, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil:
    """An ACK of nothing that is remembered, while cookies are out: the connection that it opens. NONE: it was dropped, or refused."""
    cdef listener *q = listener_at(t, tcb_at(t, parent).listener)
    cdef tcp_repr syn
    cdef uint32_t c
    cdef tcb like
    cdef tcb *k
    memset(&like, 0, sizeof(tcb))
    tcb_defaults(t, &like)
    inherit(t, &like, tcb_at(t, parent), p, r)
    offer(t, &like)
    like.ts_offset = tcp_ts_offset(t, &like)
    if not read_cookie(t, &like, r, &syn, now):
        t.counters.cookies_failed += 1
        count_drop(t, TDROP_LISTEN_FLAGS)
        segment_refuse(t, p, r, n, now)
        return NONE
    t.counters.cookies_received += 1
    if q.n_ready > q.backlog:
        count_drop(t, TDROP_ACCEPT_QUEUE_FULL)
        return NONE
    c = child(t, parent, p, r)
    if c != NONE:
        k = tcb_at(t, c)
        offer(t, k)
        k.ts_offset = like.ts_offset
        start_at(k, r.ack - 1)
        begin(t, c, parent, &syn, now)
        ecn_syn_arrived(t, k, &syn, 0, False)
        k.snd_nxt = k.snd_max = r.ack
        k.rcv_adv = k.rcv_nxt + offered(k)
    return c


cdef void handshake_settle(tcp_state *t, uint32_t c) noexcept nogil:
    if tcb_live(t, c) and tcb_at(t, c).state == TCPS_SYN_RECEIVED:
        tcp_end(t, c, 0)                    # nobody would send its SYN-ACK again


cdef bint syn_queue_full(const tcp_state *t, const listener *q) noexcept nogil:
    """Also where hardly any connection is left: an eighth of them is for those who come back with their cookie, and for the programs here."""
    return (q.n_syn >= t.config.max_syn_queue or (t.config.syn_queue_backlog and q.n_syn > q.backlog)
            or (t.config.syncookies and t.records.live >= t.records.capacity - t.records.capacity // 8))


cdef uint32_t handshake_listen(tcp_state *t, uint32_t parent, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil:
    cdef listener *q = listener_at(t, tcb_at(t, parent).listener)
    cdef uint32_t c
    if r.flags & TH_RST:
        count_drop(t, TDROP_LISTEN_FLAGS)
        return NONE
    if r.flags & (TH_ACK | TH_SYN) == TH_ACK and t.config.syncookies and now < q.cookies_until:
        return take_cookie(t, parent, p, r, n, now)
    if r.flags & TH_ACK:                    # nothing was sent that it could acknowledge
        count_drop(t, TDROP_LISTEN_FLAGS)
        segment_refuse(t, p, r, n, now)
        return NONE
    if not r.flags & TH_SYN or (r.flags & TH_FIN and t.config.drop_synfin):
        count_drop(t, TDROP_LISTEN_FLAGS)
        return NONE
    if q.n_ready > q.backlog:               # dropped, not refused: the peer tries again (as Linux and BSD do)
        count_drop(t, TDROP_ACCEPT_QUEUE_FULL)
        return NONE
    if t.config.syncookies == COOKIE_ALWAYS or (t.config.syncookies and syn_queue_full(t, q)):
        if t.records.live < t.records.capacity:
            send_cookie(t, parent, p, r, now)
        else:
            count_drop(t, TDROP_NO_MEMORY)  # who came back with it would find no room
        return NONE
    if syn_queue_full(t, q):
        count_drop(t, TDROP_SYN_QUEUE_FULL)
        return NONE
    c = child(t, parent, p, r)
    if c != NONE:
        offer(t, tcb_at(t, c))
        tcp_new_isn(t, tcb_at(t, c), now)
        begin(t, c, parent, r, now)
        ecn_syn_arrived(t, tcb_at(t, c), r, p.tos, False)
        if fastopen_arrived(t, c, parent, p, r, now):
            join_ready_queue(t, c)          # else data or FIN on the SYN is not kept: the peer sends it again (RFC 9293, 3.10.7.2)
        tcp_want_output(t, c)
    return NONE


# --- SYN-SENT ---------------------------------------------------------------------------------------------------------------

cdef void established(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Both SYNs are acknowledged: the congestion window opens, timers change their meaning."""
    cdef tcb *k = tcb_at(t, c)
    k.snd_una = k.iss + 1
    if k.snd_nxt == k.iss:
        k.snd_nxt = k.iss + 1
    if k.flags & TF_RTT_TIMED:
        k.flags &= ~<uint32_t>TF_RTT_TIMED
        tcp_rtt_sample(t, k, now - k.rtt_start, k.snd_una)
    elif k.syn_retries and k.rto < AFTER_SYN_LOSS:
        k.rto = AFTER_SYN_LOSS              # RFC 6298, 5.7
    tcp_disarm(k, T_REXMT)
    k.backoff = 0
    k.unanswered = 0
    k.stalled_since = 0
    mtu_established(t, k)
    if not k.fastopen & TFO_PASSIVE:
        cc_begin(t, k, k.syn_retries > 0)
    if not k.quick:
        k.quick = t.config.quick_acks
    paths_begin(t, k, now)
    if k.ecn:
        ecn_established(t, k)
    k.flags |= TF_CONNECTED
    k.last_recv = k.last_send = k.last_data = now
    tcp_set_state(t, k, TCPS_ESTABLISHED)
    if t.config.recovery == RECOVERY_RACK and k.flags & TF_SACK:
        k.timed |= FLIGHT_RACK
    if k.flags & TF_FIN_QUEUED:             # shut down before it was up
        tcp_set_state(t, k, TCPS_FIN_WAIT_1)
    if k.flags & TF_KEEPALIVE:
        tcp_arm(t, c, T_KEEP, now + k.keep_idle)


cdef bint handshake_syn_sent(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r, uint32_t n,
                             int64_t now) noexcept nogil:
    """RFC 9293, 3.10.7.3, in its order: ACK, RST, SYN."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint ack_ok = r.flags & TH_ACK and seq_gt(r.ack, k.iss) and seq_le(r.ack, k.snd_max)
    if r.flags & TH_ACK and not ack_ok:
        count_drop(t, TDROP_BAD_ACK)
        segment_refuse(t, p, r, n, now)
        return False
    if r.flags & TH_RST:
        if ack_ok:
            t.counters.rsts_in += 1
            tcp_end(t, c, ECONNREFUSED)
        else:
            count_drop(t, TDROP_RST_SEQ)
        return False
    if not r.flags & TH_SYN:
        count_drop(t, TDROP_NO_ACK)
        return False
    take_options(t, k, r, now)
    ecn_syn_arrived(t, k, r, p.tos, ack_ok)
    k.segs_in += 1
    k.rcv_adv = k.rcv_nxt + offered(k)
    if ack_ok:
        established(t, c, now)
        k.flags |= TF_ACK_NOW
        if k.fast != NONE:
            fastopen_answered(t, c, r, now)
        tcp_notify(t, k)
    else:                                   # simultaneous open (figure 8): our SYN again, with their ACK
        tcp_set_state(t, k, TCPS_SYN_RECEIVED)
        k.snd_nxt = k.iss
    tcp_want_output(t, c)
    return ack_ok


# --- SYN-RECEIVED -----------------------------------------------------------------------------------------------------------

cdef void join_ready_queue(tcp_state *t, uint32_t c) noexcept nogil:
    """From the listener's half-open connections to those that wait for accept, last in line."""
    cdef tcb *k = tcb_at(t, c)
    cdef tcb *parent = tcb_at(t, k.parent)
    cdef listener *q = listener_at(t, parent.listener)
    if k.prev != NONE:
        tcb_at(t, k.prev).next = k.next
    else:
        q.syn_head = k.next
    if k.next != NONE:
        tcb_at(t, k.next).prev = k.prev
    q.n_syn -= 1
    k.next = k.prev = NONE
    if q.ready_tail == NONE:
        q.ready_head = c
    else:
        tcb_at(t, q.ready_tail).next = c
    q.ready_tail = c
    q.n_ready += 1
    k.flags |= TF_HELD
    tcp_notify(t, parent)


cdef bint handshake_defers(tcp_state *t, const tcb *k) noexcept nogil:
    """As in Linux, for as many SYN-ACKs as TCP_DEFER_ACCEPT stands for; those in between are not sent again."""
    cdef aside *a = aside_if(t, k)
    if a == NULL or k.parent == NONE or k.syn_retries >= a.defer:
        return False
    a.deferred = 1
    return True


cdef bint handshake_complete(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef listener *q
    cdef uint32_t timed = 0
    if k.parent != NONE and not k.fastopen & TFO_PASSIVE:
        q = listener_at(t, tcb_at(t, k.parent).listener)
        if q.n_ready > q.backlog:
            count_drop(t, TDROP_ACCEPT_QUEUE_FULL)
            if t.config.abort_on_overflow:
                t.counters.queue_aborts += 1
                tcp_end_reset(t, c, ECONNRESET, now)
            return False
        join_ready_queue(t, c)
    if seq_lt(r.ack, k.rtt_seq):            # data is timed, and not acknowledged yet
        timed = k.flags & TF_RTT_TIMED
        k.flags &= ~<uint32_t>TF_RTT_TIMED
    established(t, c, now)
    k.flags |= timed
    k.snd_wnd = r.window if r.flags & TH_SYN else <uint32_t>r.window << k.snd_wscale    # never scaled in a SYN (RFC 7323, 2.2)
    k.max_window = k.snd_wnd if k.snd_wnd > k.max_window else k.max_window
    k.snd_wl1 = r.seq
    k.snd_wl2 = r.ack
    if k.fastopen & TFO_PASSIVE:
        fastopen_confirmed(t, c, now)
    elif k.fast != NONE:
        fastopen_answered(t, c, r, now)
    tcp_notify(t, k)
    if k.fastopen or tcp_may_send(k):
        tcp_want_output(t, c)               # a FIN may wait
    return True
