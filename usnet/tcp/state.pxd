"""What all connections of a stack share: tables, pools, settings, counters."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.ip.state cimport ip_state
from usnet.memory.arena cimport arena, arena_at, arena_live
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.hash cimport hash_table
from usnet.memory.idset cimport idset
from usnet.memory.pieces cimport piece_pool
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.tcp.fast cimport fast_state
from usnet.tcp.metrics cimport metrics_state
from usnet.tcp.counters cimport tcp_copies, tcp_counters
from usnet.tcp.record cimport record, tally, terms
from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.tcb cimport tcb

# Why a segment (or what was in it) was discarded: index of tcp_state.drops, named in tcp/names.py in the same order.
cdef enum tcp_drop:
    TDROP_SHORT
    TDROP_OFFSET
    TDROP_CHECKSUM
    TDROP_PORT_ZERO
    TDROP_NO_CONNECTION         # for no connection and no listener: answered by RST unless it is one
    TDROP_LISTEN_FLAGS          # to a listener, neither SYN nor answerable
    TDROP_SYN_QUEUE_FULL
    TDROP_ACCEPT_QUEUE_FULL
    TDROP_NO_MEMORY             # no TCB, no chunk
    TDROP_BAD_ACK               # ACK of something never sent
    TDROP_OLD_ACK               # ACK from before the window (RFC 5961, section 5)
    TDROP_WINDOW                # outside the receive window
    TDROP_PAWS                  # RFC 7323, section 5
    TDROP_RST_SEQ               # RST that is not exactly at rcv_nxt (RFC 5961, section 3)
    TDROP_SYN_IN_WINDOW         # SYN in a synchronized state (RFC 5961, section 4)
    TDROP_NO_ACK                # neither ACK nor anything allowed without it
    TDROP_DUPLICATE             # all of its bytes were here
    TDROP_PAST_WINDOW           # bytes past the window, cut off
    TDROP_OOO_LIMIT             # would make one gap too many
    TDROP_AFTER_FIN             # bytes behind the peer's FIN
    TDROP_TIME_WAIT
    TDROP_MD5_NOT_FOUND         # unsigned, where there is a key for its peer (RFC 2385)
    TDROP_MD5_UNEXPECTED        # signed, where there is none
    TDROP_MD5_FAILURE           # with another key, or another segment
    TDROP_ICMP                  # ICMP error that fits no connection, is outside its window, or is not acted upon (RFC 5461: soft ones)
    TCP_DROPS

# tcp_config.recovery: how losses are found and mended where both ends agreed on SACK.
cdef enum:
    RECOVERY_SACK = 0           # by what the peer reports (RFC 6675)
    RECOVERY_RACK = 1           # by time, with tail loss probes (RFC 8985) and proportional rate reduction (RFC 9937)

cdef struct tcp_config:
    uint32_t sndbuf             # bytes, at most 1 GiB; default 1 MiB
    uint32_t rcvbuf             # bytes, at most 1 GiB; default 1 MiB
    uint32_t max_backlog        # of listen(); default 4096
    uint32_t max_syn_queue      # half-open connections a listener; default 1024
    uint16_t mss                # 0: from the interface's MTU
    uint8_t syn_retries         # SYNs sent again; default 7
    uint8_t synack_retries      # SYN-ACKs sent again; default 5
    uint8_t data_retries        # default 15 (R2 of RFC 9293, 3.8.3)
    uint8_t orphan_retries      # the same for a connection that nobody holds any more; default 7
    uint8_t timestamps          # 1: offered
    uint8_t window_scaling      # 1: offered
    uint8_t sack                # 1: offered
    uint8_t short_way           # 1: expected segments take it (tcp/predict, ip/way); the same ones leave and arrive without
    uint8_t option_layout       # LAYOUT_* (wire/tcp.pxd): in which order a SYN has its options
    uint8_t window_scale        # least shift of our window, 0 to 14: room for buffers that are made larger later
    uint8_t round_rcvbuf        # 1: a receive buffer is rounded up to full segments when their size is known
    uint8_t all_room            # 1: windows say all the room there is, as in FreeBSD; 0: the edge moves by segments (RFC 9293, 3.8.6.2.2)
    uint8_t ecn                 # TCP_ECN_* (tcp/ecn)
    uint8_t ecn_retries         # SYNs sent again that still ask for ECN; default 0 (RFC 3168, 6.1.1.1)
    uint8_t ecn_option          # AccECN options (RFC 9768): 0 never sent, 1 where something changed and now and then, 2 whenever there is room; default 2
    uint8_t ecn_option_beacon   # ... now and then: so many a round trip; default 3
    uint8_t ecn_fallback        # 1: AccECN's checks of what the path did to the handshake count; default
    uint8_t ecn_generalized     # 1: with AccECN all but SYNs and RSTs is ECT(0), as in Linux; 0: new data alone
    uint8_t abe                 # 1: a mark lowers cwnd less than a loss does (RFC 8511)
    uint8_t mtu_probing         # MTU_* (tcp/mtu): when the path MTU is looked for by probes (RFC 4821, RFC 8899)
    uint8_t mtu_blackhole       # timeouts in a row that mean that a path swallows large segments; default 3
    uint16_t base_mss           # bytes: what is believed to get through when a search begins; default 1024
    uint16_t mtu_floor          # bytes of MSS: never believed to be too large; default 48
    uint32_t mtu_threshold      # bytes between what gets through and what does not at which a search ends; default 8
    int64_t mtu_raise           # ns after which a larger one is tried again; default 600 s
    uint8_t metrics             # 1: what connections learned of a path is remembered for those to come (tcp/metrics)
    int64_t metrics_timeout     # ns for which it is believed; default 1 h
    uint8_t dsack               # 1: what arrives twice is reported (RFC 2883)
    uint8_t delack_small        # weight of a small segment towards the next ACK, 1 to 8; a full one's is 4, and 8 make an ACK due
    uint8_t fin_again           # 1: what acknowledges while our FIN is out carries it once more, as in FreeBSD
    uint8_t insecure_rst        # 1: a RST anywhere in the window resets (RFC 793), not only at its beginning (RFC 5961, section 3)
    uint8_t insecure_syn        # 1: a SYN in the window resets (RFC 793) instead of earning an ACK (RFC 5961, section 4)
    uint8_t drop_synfin         # SYN with FIN is dropped: 0 never, 1 by listeners (Linux), 2 always
    uint8_t time_wait_quiet     # 1: in TIME-WAIT only what has ACK is answered, as in FreeBSD
    uint8_t push_bursts         # least segments of a burst whose last one has PSH, as Linux's large frames do; 0: only what ends the queue has it
    uint8_t quick_acks          # ACKs of data in order at the start of a connection that are not delayed
    uint8_t adaptive_acks       # 1: ACKs are delayed as in Linux (tcp/delack); 0: for `delack`
    uint8_t minshall            # 1: what is small may follow what is full, as in Linux; 0: nothing that is out (RFC 9293, 3.7.4)
    uint8_t bare_probes         # 1: window probes are empty segments from before the window, as in Linux; else the next byte (RFC 9293, 3.8.6.1)
    uint8_t rst_timestamps      # 1: a RST carries timestamps (RFC 7323, 3.2)
    uint8_t more_until_ack      # 1: what MSG_MORE holds back leaves with the next ACK, as in Linux; else with the next call without it
    uint8_t wide_growth         # 1: in slow start cwnd grows while less than twice of what is out, as in Linux; else while what is out fills it
    uint8_t charged_buffers     # 1: buffers are counted as in Linux: SO_SNDBUF and SO_RCVBUF are doubled, and what is queued is charged with its frames
    uint8_t lifetime_counters   # 1: TCP_INFO's counters outlive rest, which takes 32 bytes of a connection that has carried data; default
    uint32_t sndbuf_most        # bytes that a send buffer grows to with cwnd, unless SO_SNDBUF was set; 0: it does not grow
    uint32_t rcvbuf_most        # bytes that a receive buffer grows to with what a round trip brings, unless SO_RCVBUF was set; 0: it does not grow
    uint32_t notsent_lowat      # bytes not sent from which a stream is not writable (TCP_NOTSENT_LOWAT); 0: no limit
    uint8_t rto_spread          # 1: the RTO is Linux's (tcp/rtt): it exceeds SRTT by rto_min at least; else only where SRTT is as long
    uint8_t slow_start_step     # segments that one ACK lets cwnd grow by in slow start at most (L of RFC 3465); 0: no limit; default 2
    uint8_t cwnd_validation     # VALIDATION_* (congestion/validation): what becomes of a cwnd that is not filled; default VALIDATION_RESTART
    uint8_t congestion          # CC_* (congestion/ops): controller of a connection that asks for none; default CC_CUBIC
    uint8_t hystart             # HYSTART_* (congestion/hystart): whose slow start is that of RFC 9406; default HYSTART_CUBIC
    uint8_t pacing              # 1: all connections are paced; 0: those whose controller asks for it, or with SO_MAX_PACING_RATE; default
    uint8_t delivery_rate       # 1: TCP_INFO has the delivery rate of all connections; 0: of those whose controller asks for it; default
    uint16_t pacing_slow_start  # percent of cwnd a round trip, while cwnd is less than half of ssthresh; default 200
    uint16_t pacing_avoidance   # ... later; default 120
    uint32_t fixed_window       # bytes: cwnd of the controller CC_NONE; 0: as large as can be
    uint8_t recovery            # RECOVERY_*
    uint8_t probes              # with RECOVERY_RACK, 1: tail loss probes (RFC 8985, section 7); default
    uint8_t frto                # with RECOVERY_RACK, or without SACK, 1: timeouts are put on trial (RFC 5682); default
    uint8_t undo                # with RECOVERY_RACK, or without SACK, 1: what turns out to be no loss changes no window (RFC 3708, 4015); default
    uint8_t moderation          # with RECOVERY_RACK, 1: a recovery ends without a burst above that of a start; default
    uint8_t reordering          # duplicate ACKs, or segments reported, that mean a loss before more reordering was seen: DupThresh; default 3
    uint16_t max_reordering     # segments: more is not believed; default 300
    uint8_t rack_static_reo_wnd     # 1: DSACKs do not make RACK's reordering window longer (RFC 8985, 6.2, step 4)
    uint8_t rack_no_dupthresh   # 1: that many reports do not end it
    uint8_t thin_linear_timeouts    # 1: with fewer than four segments out the first six timeouts in a row come at the same distance, as in Linux
    uint8_t keepalive           # 1: every connection has SO_KEEPALIVE; default 0
    uint8_t error_rules         # ERRORS_* (tcp/icmp): which ICMP errors end an attempt to connect, and what applications hear of them and of resets
    uint8_t icmp_ends           # 1: ICMP errors may end attempts to connect at all
    uint8_t mtu_patience        # retransmission timeouts that a smaller path MTU has to be confirmed by, when more has arrived in one piece (RFC 5927, 7.2)
    uint8_t rfc1337             # 1: a RST does not end TIME-WAIT
    uint8_t time_wait_reuse     # 1: connect may take the ends of a connection in TIME-WAIT with timestamps (RFC 6191)
    uint32_t challenge_limit    # ACKs a second, of all connections together, that challenge_interval is about; about so many, drawn anew each second; 0: any
    uint32_t max_orphans        # connections that nobody holds and that are not over; closing one more resets it
    uint8_t uto                 # 1: user timeouts are told to peers and taken from them (RFC 5482)
    int64_t uto_least           # ns: what one from a peer is raised to (L_LIMIT), 100 s
    int64_t uto_most            # ns: ... lowered to (U_LIMIT), 1 h
    uint8_t syncookies          # COOKIE_* (tcp/cookies); default COOKIE_FULL
    uint8_t syn_queue_backlog   # 1: a listener has no more half-open connections than its backlog and one, as in Linux
    uint8_t abort_on_overflow   # 1: an ACK that finds the queue for accept full earns a RST, not silence
    uint8_t syn_linear          # SYNs sent again before the wait for an answer doubles, as in Linux from 6.5 on; default 0
    uint8_t syn_plain           # SYNs sent again before those that follow do without options but MSS, as in FreeBSD; 0: they keep them
    int64_t challenge_interval  # ns between ACKs in answer to empty segments outside the window (RFC 5961, section 7); default 500 ms
    int64_t rto_initial         # ns; default 1 s (RFC 6298, 2.1)
    int64_t rto_min             # ns; default 200 ms (Linux's; RFC 6298, 2.4 says 1 s: an option); beyond SRTT where that is as long
    int64_t rto_max             # ns; default 60 s
    int64_t delack              # ns; default 40 ms (at most 500 ms)
    int64_t msl                 # ns; default 30 s: TIME-WAIT lasts two
    int64_t fin_wait_2          # ns an orphan waits there; default 60 s
    int64_t keep_idle           # ns; default 2 h
    int64_t keep_interval       # ns; default 75 s
    uint8_t keep_count          # unanswered probes that end a connection; default 9
    int64_t granularity         # ns: clock granularity G of RFC 6298; default 1 ms
    uint16_t fastopen           # FASTOPEN_* (tcp/fast.pxd): what of RFC 7413 may be used; default 1: clients
    uint8_t fastopen_exp        # 1: a server that gives no cookie is asked once more by the experimental option, as in Linux
    uint8_t fastopen_queue      # 1: what is written with a SYN that carries no data waits in the send queue, as in FreeBSD; 0: EINPROGRESS
    int64_t fastopen_quiet      # ns for which a server that gave no cookie is not asked again; default 0
    int64_t fastopen_blackhole  # ns without Fast Open when a path seems to swallow it, doubled each time; default 0: never
    uint32_t working_set        # connections that are awake before any is put to rest; 0: all rest that can, at once; default 1024

cdef struct listener:
    uint32_t backlog            # connections that may wait for accept
    uint32_t n_syn              # half-open ones
    uint32_t n_ready            # waiting for accept
    uint32_t ready_head         # tcb, linked by next
    uint32_t ready_tail
    uint32_t syn_head           # half-open ones, linked by next and prev
    int64_t cookies_until       # ns: until then an ACK of nothing may bring a cookie back

cdef struct tcp_state:
    ip_state *ip
    chunk_pool *chunks
    piece_pool *pieces
    wheel *timers
    idset *notify               # owners with news
    rng *random
    arena records               # of record: its index is the connection's number
    uint64_t *whole             # [connection]: where its TCB lies, in bytes behind tcb_base; 0: at rest
    uint8_t *tcb_base           # private to the process: before the first TCB
    arena tcbs                  # of tcb: those awake
    uint32_t oldest             # connection that woke, or did something, longest ago; NONE
    uint32_t newest
    tally *tallies              # [connection] of those at rest
    uint32_t *aside_of          # [connection]: 1 + its struct aside while TF_ASIDE
    arena asides                # of aside
    arena marks                 # of mark
    arena notes                 # of note
    uint32_t looks              # how many of them may be looked at, whether they can rest: two for each that woke
    arena terms                 # of terms
    hash_table agreed           # terms by what they say
    arena histories             # of history
    arena listeners             # of listener
    arena ooos                  # of ranges
    arena boards                # of scoreboard
    arena flights               # of flight (recovery/flight)
    arena trials                # of trial (recovery/trial)
    arena pacers                # of pacer (tcp/pacing)
    arena validators            # of validator (congestion/validation)
    arena cc_blocks             # of CC_BLOCK bytes each (congestion/rates)
    arena signers               # of signer (tcp/signature)
    arena accecns               # of accecn
    arena searches              # of mtu_search
    metrics_state metrics
    hash_table conns            # by both ends
    hash_table ports            # by local port: bound and listening
    hash_table ends             # by local port: of the connections that share it, one of each address and SO_REUSE*
    idset output                # connections that may have something to send
    uint64_t hash_key[2]        # SipHash: what flow_key is drawn from
    uint64_t flow_key[4]        # table of connections, choice among listeners that share a port (hash_three)
    uint64_t isn_key[2]         # SipHash: initial sequence numbers (RFC 6528), timestamp offsets, ports (RFC 6056)
    uint64_t cookie_key[2]      # SipHash: SYN cookies
    uint32_t port_hint
    int64_t challenge_until     # ns: when challenge_left is drawn anew
    uint32_t challenge_left
    tcp_config config
    tcp_counters counters
    tcp_copies copies
    uint64_t drops[32]          # [tcp_drop]
    fast_state fast             # Fast Open (RFC 7413)


# Gives a connection at rest its TCB again. No other connection goes to rest by it, so that pointers to TCBs stay good.
cdef tcb *tcb_wake(tcp_state *t, uint32_t c) noexcept nogil
# The same of one whose timer the wheel has just freed; awake, it is as it was.
cdef tcb *tcb_fired(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The TCB that it would have, without waking it: for whoever only looks.
cdef void tcb_unpack(tcp_state *t, uint32_t c, tcb *out) noexcept nogil
# A new one joins those awake: its TCB, zeroed but for what links it; NULL when there is no room.
cdef tcb *tcb_begin(tcp_state *t, uint32_t c) noexcept nogil
cdef void tcb_finish(tcp_state *t, uint32_t c) noexcept nogil           # it ends: its TCB goes; its record stays to be given
# Puts to rest what has done nothing for longest, while more than config.working_set are awake. Pointers to TCBs do not outlive it: between runs only.
cdef void tcp_tend(tcp_state *t) noexcept nogil
# The timer of a connection at rest fired. True if it meant nothing: it was for something that has happened since.
cdef bint rest_unarmed(tcp_state *t, uint32_t c) noexcept nogil
cdef int rest_init(tcp_state *t, uint32_t max_connections) noexcept nogil         # 0 or -ENOMEM
cdef void rest_free(tcp_state *t) noexcept nogil
cdef void rest_reset(tcp_state *t) noexcept nogil


cdef inline tcb *tcb_awake(tcp_state *t, uint32_t c) noexcept nogil:
    """The TCB of a connection that is awake, or NULL."""
    cdef uint64_t at = t.whole[c]
    return <tcb *>(t.tcb_base + at) if at else NULL


cdef inline tcb *tcb_at(tcp_state *t, uint32_t c) noexcept nogil:
    cdef uint64_t at = t.whole[c]
    return <tcb *>(t.tcb_base + at) if at else tcb_wake(t, c)


cdef inline const tcb *tcb_seen(tcp_state *t, uint32_t c, tcb *room) noexcept nogil:
    """For reading: nobody wakes. `room` is what it may be unpacked into."""
    if t.whole[c]:
        return tcb_at(t, c)
    tcb_unpack(t, c, room)
    return room


cdef inline bint tcb_live(tcp_state *t, uint32_t c) noexcept nogil:
    """Whether there is such a connection."""
    return arena_live(&t.records, c)


cdef inline record *record_at(tcp_state *t, uint32_t c) noexcept nogil:
    return <record *>arena_at(&t.records, c)


cdef inline terms *terms_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <terms *>arena_at(&t.terms, i)


cdef inline scoreboard *board_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <scoreboard *>arena_at(&t.boards, k.board)


cdef inline listener *listener_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <listener *>arena_at(&t.listeners, i)


cdef inline void count_drop(tcp_state *t, int reason) noexcept nogil:
    """A segment, or part of one, was discarded for that reason (tcp_drop)."""
    t.drops[reason] += 1
