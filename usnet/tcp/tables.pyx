"""Connections and ports: how they are kept, found, and numbered."""
from libc.errno cimport EADDRINUSE, EADDRNOTAVAIL, ENOMEM, ENOSPC
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.ip.state cimport EPHEMERAL_COUNT, EPHEMERAL_FIRST, NETIF_LOOPBACK, ip_state, port_tag
from usnet.memory.arena cimport NONE, arena, arena_free, arena_give, arena_init, arena_reset, arena_take
from usnet.memory.chunks cimport chain_truncate, chunk_pool
from usnet.memory.hash cimport (
    hash_first, hash_free, hash_init, hash_insert, hash_next, hash_remove, hash_reset, hash_three, siphash, siphash_twelve,
)
from usnet.memory.idset cimport idset, idset_free, idset_init, idset_reset
from usnet.memory.pieces cimport piece_pool, queue_chained, queue_clear, queue_init
from usnet.memory.random cimport rng, rng_below, rng_u64
from usnet.memory.ranges cimport ranges
from usnet.memory.wheel cimport wheel, wheel_cancel
from usnet.tcp.autotune cimport autotune_half
from usnet.tcp.congestion.choice cimport cc_over
from usnet.tcp.congestion.hystart cimport HYSTART_CUBIC
from usnet.tcp.congestion.ops cimport CC_BLOCK, CC_CUBIC
from usnet.tcp.cookies cimport COOKIE_FULL
from usnet.tcp.fast cimport FASTOPEN_CLIENT, fast_free, fast_init, fast_reset
from usnet.tcp.fastopen cimport fastopen_over
from usnet.tcp.paths cimport paths_defaults, paths_drop, paths_free, paths_init, paths_reset
from usnet.tcp.recovery.arenas cimport recovery_drop, recovery_free, recovery_init, recovery_reset
from usnet.tcp.record cimport REST_STATE, record
from usnet.tcp.aside cimport aside_drop, aside_need, asides_free, asides_init, asides_reset
from usnet.tcp.congestion.validation cimport validation_give, validator
from usnet.tcp.pacing cimport pacer, pacing_give
from usnet.tcp.signature cimport MAX_SIGNERS, signature_free, signer
from usnet.tcp.state cimport (
    RECOVERY_RACK, listener, record_at, rest_free, rest_init, rest_reset, tcb_at, tcb_awake, tcb_begin, tcb_finish, tcp_config, tcp_state, terms_at,
)
from usnet.tcp.tcb cimport TCPS_LISTEN, TCPS_TIME_WAIT, TF_BOUND, TF_HASHED, TF_KEEPALIVE, TF_REUSE, TF_REUSEPORT, TF_TIMESTAMPS, tcb
from usnet.wire.addr cimport addr_as_it_lies, addr_eq, addr_is_any, addr_is_v4, addr_v4, ip_addr
from usnet.wire.flow cimport flow
from usnet.wire.tcp cimport TCP_MSS_DEFAULT

cdef enum:
    MS = 1000000                # ns
    SHARING = TF_REUSE | TF_REUSEPORT
    TUPLE_BYTES = 36            # laddr, raddr, lport, rport as they lie in a tcb
    REUSE_AFTER = 1000000000    # ns behind the last timestamp: whatever clock the peer counts by, ours has moved on (RFC 6191, section 2)


cdef void set_defaults(tcp_config *g) noexcept nogil:
    memset(g, 0, sizeof(tcp_config))
    g.sndbuf = g.rcvbuf = 1 << 20
    g.sndbuf_most = g.rcvbuf_most = 16 << 20
    g.max_backlog = 4096
    g.max_syn_queue = 1024
    g.syn_retries = 7
    g.synack_retries = 5
    g.data_retries = 15
    g.orphan_retries = 7
    g.delack_small = g.drop_synfin = g.cwnd_validation = 1
    g.slow_start_step = 0
    g.lifetime_counters = 1
    paths_defaults(g)
    g.syncookies = COOKIE_FULL
    g.icmp_ends = g.mtu_patience = g.rfc1337 = 1
    g.max_orphans = 65536
    g.uto_least = 100000 * <int64_t>MS
    g.uto_most = 3600000 * <int64_t>MS
    g.challenge_interval = 500000000
    g.timestamps = g.window_scaling = g.sack = g.short_way = 1
    g.recovery = RECOVERY_RACK
    g.dsack = 1
    g.reordering = 3
    g.max_reordering = 300
    g.probes = g.frto = g.undo = g.moderation = 1
    g.congestion = CC_CUBIC
    g.hystart = HYSTART_CUBIC
    g.pacing_slow_start = 200
    g.pacing_avoidance = 120
    g.rto_initial = 1000 * <int64_t>MS
    g.rto_min = 200 * <int64_t>MS
    g.rto_max = 60000 * <int64_t>MS
    g.delack = 40 * <int64_t>MS
    g.msl = 30000 * <int64_t>MS
    g.fin_wait_2 = 60000 * <int64_t>MS
    g.keep_idle = 7200000 * <int64_t>MS
    g.keep_interval = 75000 * <int64_t>MS
    g.keep_count = 9
    g.granularity = MS
    g.fastopen = FASTOPEN_CLIENT
    g.working_set = 1024


cdef void draw_keys(tcp_state *t) noexcept nogil:
    cdef uint8_t i
    t.hash_key[0] = rng_u64(t.random)
    t.hash_key[1] = rng_u64(t.random)
    for i in range(4):
        t.flow_key[i] = siphash(t.hash_key, &i, 1)
    t.isn_key[0] = rng_u64(t.random)
    t.isn_key[1] = rng_u64(t.random)
    for i in range(2):
        t.cookie_key[i] = siphash(t.isn_key, &i, 1)
    t.port_hint = <uint32_t>rng_u64(t.random)


cdef int tcp_init(tcp_state *t, ip_state *ip, chunk_pool *chunks, piece_pool *pieces, wheel *timers, idset *notify, rng *random,
                  uint32_t max_connections) noexcept nogil:
    memset(t, 0, sizeof(tcp_state))
    t.ip = ip
    t.chunks = chunks
    t.pieces = pieces
    t.timers = timers
    t.notify = notify
    t.random = random
    set_defaults(&t.config)
    draw_keys(t)
    if (rest_init(t, max_connections) or asides_init(t, max_connections) or arena_init(&t.listeners, sizeof(listener), 4096, 8)
            or arena_init(&t.ooos, sizeof(ranges), max_connections, 8) or arena_init(&t.signers, sizeof(signer), MAX_SIGNERS, 8)
            or recovery_init(t, max_connections)
            or arena_init(&t.validators, sizeof(validator), max_connections, 8) or hash_init(&t.conns, max_connections)
            or arena_init(&t.pacers, sizeof(pacer), max_connections, 8) or arena_init(&t.cc_blocks, CC_BLOCK, max_connections, 8)
            or hash_init(&t.ports, 65536) or hash_init(&t.ends, max_connections) or idset_init(&t.output, max_connections)
            or fast_init(&t.fast, max_connections) or paths_init(t, max_connections)):
        tcp_free(t)
        return -ENOMEM
    fast_reset(&t.fast, t.isn_key)
    paths_reset(t)
    return 0


cdef void each_pool(tcp_state *t, void (*act)(arena *) noexcept nogil) noexcept nogil:
    act(&t.listeners)
    act(&t.ooos)
    act(&t.pacers)
    act(&t.validators)
    act(&t.cc_blocks)
    act(&t.signers)


cdef void tcp_free(tcp_state *t) noexcept nogil:
    rest_free(t)
    asides_free(t)
    recovery_free(t)
    each_pool(t, arena_free)
    hash_free(&t.conns)
    hash_free(&t.ports)
    hash_free(&t.ends)
    idset_free(&t.output)
    fast_free(&t.fast)
    paths_free(t)


cdef void tcp_reset(tcp_state *t) noexcept nogil:
    asides_reset(t)
    rest_reset(t)
    recovery_reset(t)
    each_pool(t, arena_reset)
    hash_reset(&t.conns)
    hash_reset(&t.ports)
    hash_reset(&t.ends)
    idset_reset(&t.output)
    memset(&t.counters, 0, sizeof(t.counters))
    memset(&t.copies, 0, sizeof(t.copies))
    memset(t.drops, 0, sizeof(t.drops))
    draw_keys(t)
    fast_reset(&t.fast, t.isn_key)
    paths_reset(t)


# --- Connections ------------------------------------------------------------------------------------------------------------

cdef uint32_t tcb_new(tcp_state *t) noexcept nogil:
    cdef uint32_t c = arena_take(&t.records)
    cdef record *r
    cdef tcb *k
    if c == NONE:
        return NONE
    r = record_at(t, c)
    r.like_next = r.like_prev = r.history = NONE
    k = tcb_begin(t, c)
    tcb_defaults(t, k)
    if (t.config.charged_buffers or t.config.notsent_lowat) and aside_need(t, k) == NULL:
        tcb_drop(t, c)
        return NONE
    return c


cdef void tcb_defaults(const tcp_state *t, tcb *k) noexcept nogil:
    k.timer = k.owner = k.ooo = k.board = k.flight = k.parent = k.next = k.prev = k.listener = k.fast = NONE
    k.accecn = k.search = k.validator = k.pacer = k.cc_block = k.trial = NONE
    queue_init(&k.snd)
    queue_init(&k.rcv)
    k.netif = NETIF_LOOPBACK
    k.sndbuf = t.config.sndbuf
    k.rcvbuf = t.config.rcvbuf
    k.tune_at = autotune_half(t, k)
    k.cc_ops = t.config.congestion
    k.rto = t.config.rto_initial
    k.peer_mss = TCP_MSS_DEFAULT
    k.rcv_mss = TCP_MSS_DEFAULT
    k.mss = TCP_MSS_DEFAULT
    if t.config.keepalive:
        k.flags |= TF_KEEPALIVE
    k.keep_idle = t.config.keep_idle
    k.keep_interval = t.config.keep_interval


cdef void tcb_clear_queues(tcp_state *t, tcb *k, bint keep_unread) noexcept nogil:
    """Frees what waits to be sent and what arrived; with keep_unread, what the application can still read stays."""
    queue_clear(t.pieces, &k.snd)
    if k.ooo != NONE:
        arena_give(&t.ooos, k.ooo)
        k.ooo = NONE
    recovery_drop(t, k)
    if keep_unread and k.rcv_ready:
        chain_truncate(t.chunks, &k.rcv.c, queue_chained(&k.rcv))
    else:
        queue_clear(t.pieces, &k.rcv)
        k.rcv_ready = 0


cdef void tcb_drop(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    tcb_leave(t, c)
    cc_over(t, k)
    pacing_give(t, k)
    validation_give(t, k)
    tcb_clear_queues(t, k, False)
    aside_drop(t, k)
    if k.timer != NONE:
        wheel_cancel(t.timers, k.timer)
        k.timer = NONE
    if k.signer:
        signature_free(t, k)
    if k.listener != NONE:
        arena_give(&t.listeners, k.listener)
        k.listener = NONE
    if k.fast != NONE:
        fastopen_over(t, k)
    paths_drop(t, k)
    tcb_finish(t, c)
    arena_give(&t.records, c)


# What the tables compare of a connection, awake or at rest.
cdef struct ends:
    const ip_addr *laddr
    const ip_addr *raddr
    uint32_t flags
    uint16_t lport
    uint16_t rport
    uint8_t state


cdef inline void look(tcp_state *t, uint32_t c, ends *e) noexcept nogil:
    cdef const tcb *k = tcb_awake(t, c)
    cdef const record *r
    if k != NULL:
        e.laddr, e.raddr, e.lport, e.rport, e.flags, e.state = &k.laddr, &k.raddr, k.lport, k.rport, k.flags, k.state
    else:
        r = record_at(t, c)
        e.laddr, e.raddr, e.lport, e.rport = &terms_at(t, r.terms).laddr, &r.raddr, r.lport, r.rport
        e.flags, e.state = r.flags, r.state & REST_STATE


cdef uint32_t tuple_hash(tcp_state *t, const tcb *k) noexcept nogil:
    """Of IPv4 what is in the addresses; of others all 36 bytes, folded by SipHash."""
    cdef uint64_t whole
    if addr_is_v4(&k.laddr) and addr_is_v4(&k.raddr):
        return tcb_flow_tag(t, addr_as_it_lies(&k.laddr), addr_as_it_lies(&k.raddr), k.lport, k.rport)
    whole = siphash(t.hash_key, <const uint8_t *>&k.laddr, TUPLE_BYTES)
    return hash_three(t.flow_key, <uint32_t>whole, <uint32_t>(whole >> 32), 0)


cdef bint is_of_flow(tcp_state *t, uint32_t c, const flow *f) noexcept nogil:
    cdef ends e
    look(t, c, &e)
    return (e.lport == f.dst_port and e.rport == f.src_port and addr_as_it_lies(e.raddr) == f.src and addr_as_it_lies(e.laddr) == f.dst
            and addr_is_v4(e.raddr) and addr_is_v4(e.laddr))


cdef inline void fill_tuple(tcb *k, const ip_addr *laddr, uint16_t lport, const ip_addr *raddr, uint16_t rport) noexcept nogil:
    k.laddr = laddr[0]
    k.raddr = raddr[0]
    k.lport = lport
    k.rport = rport


cdef uint32_t find_hashed(tcp_state *t, const tcb *like, uint32_t tag) noexcept nogil:
    cdef uint32_t pos = hash_first(&t.conns, tag)
    cdef ends e
    while pos != NONE:
        look(t, t.conns.entries[pos].index, &e)
        if e.lport == like.lport and e.rport == like.rport and addr_eq(e.raddr, &like.raddr) and addr_eq(e.laddr, &like.laddr):
            return t.conns.entries[pos].index
        pos = hash_next(&t.conns, tag, pos)
    return NONE


cdef uint32_t tcb_find(tcp_state *t, const ip_addr *laddr, uint16_t lport, const ip_addr *raddr, uint16_t rport) noexcept nogil:
    cdef tcb like
    fill_tuple(&like, laddr, lport, raddr, rport)
    return find_hashed(t, &like, tuple_hash(t, &like))


cdef int tcb_enter(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    return enter(t, c, k, tuple_hash(t, k)) if find_hashed(t, k, tuple_hash(t, k)) == NONE else -EADDRNOTAVAIL


cdef int tcb_enter_new(tcp_state *t, uint32_t c) noexcept nogil:
    return enter(t, c, tcb_at(t, c), tuple_hash(t, tcb_at(t, c)))


cdef int enter(tcp_state *t, uint32_t c, tcb *k, uint32_t tag) noexcept nogil:
    cdef int status = hash_insert(&t.conns, tag, c)
    if status == 0:
        k.flags |= TF_HASHED
        join_ends(t, c)
    return status


cdef void tcb_leave(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.flags & TF_HASHED:
        hash_remove(&t.conns, tuple_hash(t, k), c)
        leave_ends(t, c)
    if k.flags & TF_BOUND:
        hash_remove(&t.ports, port_tag(k.lport), c)
    k.flags &= ~<uint32_t>(TF_HASHED | TF_BOUND)


# --- Ports ------------------------------------------------------------------------------------------------------------------

cdef bint port_conflicts(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil:
    """Whether another bound socket keeps c from (addr, port): as Linux, SO_REUSEADDR on both helps unless one listens."""
    cdef const tcb *k = tcb_at(t, c)
    cdef ends o
    cdef uint32_t tag = port_tag(port), pos = hash_first(&t.ports, tag)
    while pos != NONE:
        look(t, t.ports.entries[pos].index, &o)
        if (t.ports.entries[pos].index != c and o.lport == port
                and (addr_is_any(addr) or addr_is_any(o.laddr) or addr_eq(addr, o.laddr))
                and not (k.flags & o.flags & TF_REUSEPORT)
                and not ((k.flags & o.flags & TF_REUSE) and o.state != TCPS_LISTEN)):
            return True
        pos = hash_next(&t.ports, tag, pos)
    return False


cdef uint32_t first_like(tcp_state *t, const tcb *k) noexcept nogil:
    """The connection that stands in the table of ends for all like k, or NONE."""
    cdef ends o
    cdef uint32_t tag = port_tag(k.lport), pos = hash_first(&t.ends, tag)
    while pos != NONE:
        look(t, t.ends.entries[pos].index, &o)
        if o.lport == k.lport and addr_eq(o.laddr, &k.laddr) and (o.flags ^ k.flags) & SHARING == 0:
            return t.ends.entries[pos].index
        pos = hash_next(&t.ends, tag, pos)
    return NONE


cdef void join_ends(tcp_state *t, uint32_t c) noexcept nogil:
    cdef const tcb *k = tcb_at(t, c)
    cdef record *r = record_at(t, c)
    r.like_prev = first_like(t, k)
    if r.like_prev == NONE:
        r.like_next = NONE
        hash_insert(&t.ends, port_tag(k.lport), c)          # as large as the table of connections
        return
    r.like_next = record_at(t, r.like_prev).like_next
    record_at(t, r.like_prev).like_next = c
    if r.like_next != NONE:
        record_at(t, r.like_next).like_prev = c


cdef void leave_ends(tcp_state *t, uint32_t c) noexcept nogil:
    cdef const tcb *k = tcb_at(t, c)
    cdef record *r = record_at(t, c)
    if r.like_prev != NONE:
        record_at(t, r.like_prev).like_next = r.like_next
    else:
        hash_remove(&t.ends, port_tag(k.lport), c)
        if r.like_next != NONE:
            hash_insert(&t.ends, port_tag(k.lport), r.like_next)
    if r.like_next != NONE:
        record_at(t, r.like_next).like_prev = r.like_prev
    r.like_next = r.like_prev = NONE


cdef void tcb_share(tcp_state *t, uint32_t c, uint32_t flag, bint on) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.flags & TF_HASHED:
        leave_ends(t, c)
    k.flags = k.flags | flag if on else k.flags & ~flag
    if k.flags & TF_HASHED:
        join_ends(t, c)


cdef bint tcb_connections_conflict(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef const tcb *k = tcb_at(t, c)
    cdef ends o
    cdef uint32_t tag = port_tag(port), pos = hash_first(&t.ends, tag)
    while pos != NONE:
        look(t, t.ends.entries[pos].index, &o)
        if o.lport == port and (addr_is_any(addr) or addr_eq(addr, o.laddr)) and not k.flags & o.flags & SHARING:
            return True
        pos = hash_next(&t.ends, tag, pos)
    return False


cdef int tcb_bind(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if port_conflicts(t, c, addr, port):
        return -EADDRINUSE
    if hash_insert(&t.ports, port_tag(port), c):
        return -ENOSPC
    k.laddr = addr[0]
    k.lport = port
    k.flags |= TF_BOUND
    return 0


cdef int tcb_pick_bound_port(tcp_state *t, uint32_t c, const ip_addr *addr) noexcept nogil:
    cdef uint32_t i, start = rng_below(t.random, EPHEMERAL_COUNT)
    for i in range(EPHEMERAL_COUNT):
        if tcb_bind(t, c, addr, <uint16_t>(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT)) == 0:
            return 0
    return -EADDRINUSE


cdef bint tcb_may_inherit(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef const tcb *k
    if not t.config.time_wait_reuse:
        return False
    k = tcb_at(t, c)
    return k.state == TCPS_TIME_WAIT and k.flags & TF_TIMESTAMPS and now - k.ts_recent_at >= REUSE_AFTER


cdef int tcb_pick_port(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """RFC 6056, algorithm 4: a keyed offset for the pair of ends, and a counter."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t offset, other, _i
    cdef uint16_t port
    k.lport = 0
    offset = <uint32_t>keyed_ends(t, k)
    for _i in range(EPHEMERAL_COUNT):
        port = <uint16_t>(EPHEMERAL_FIRST + (offset + t.port_hint) % EPHEMERAL_COUNT)
        t.port_hint += 1
        if hash_first(&t.ports, port_tag(port)) == NONE or not port_conflicts(t, c, &k.laddr, port):
            k.lport = port
            other = find_hashed(t, k, tuple_hash(t, k))
            if other == NONE or tcb_may_inherit(t, other, now):
                return other != NONE
    k.lport = 0
    return -EADDRNOTAVAIL


cdef uint32_t tcb_find_listener(tcp_state *t, const ip_addr *laddr, uint16_t lport, const ip_addr *raddr,
                                uint16_t rport) noexcept nogil:
    """An exact address before the wildcard; among equals (SO_REUSEPORT) the flow's hash decides."""
    cdef uint32_t tag = port_tag(lport), pos = hash_first(&t.ports, tag)
    cdef uint32_t best = NONE, index, rank, best_rank = 0, n = 0, drawn = 0
    cdef ends e
    cdef tcb like
    while pos != NONE:
        index = t.ports.entries[pos].index
        look(t, index, &e)
        if e.state == TCPS_LISTEN and e.lport == lport:
            rank = 2 if addr_eq(e.laddr, laddr) else (1 if addr_is_any(e.laddr) else 0)
            if rank > best_rank:
                best, best_rank, n = index, rank, 1
            elif rank == best_rank and rank:
                if n == 1:
                    fill_tuple(&like, laddr, lport, raddr, rport)
                    drawn = tuple_hash(t, &like)
                n += 1
                if drawn % n == n - 1:       # reservoir choice by the flow's hash: the same flow, the same listener
                    best = index
        pos = hash_next(&t.ports, tag, pos)
    return best


# --- Numbers ----------------------------------------------------------------------------------------------------------------

cdef uint64_t keyed_ends(const tcp_state *t, const tcb *k) noexcept nogil:
    """64 bits of both ends under the secret key, of which who is told some does not know the others."""
    if addr_is_v4(&k.laddr) and addr_is_v4(&k.raddr):
        return siphash_twelve(t.isn_key, <uint64_t>addr_v4(&k.laddr) << 32 | addr_v4(&k.raddr), <uint32_t>k.lport << 16 | k.rport)
    return siphash(t.isn_key, <const uint8_t *>&k.laddr, TUPLE_BYTES)


cdef void tcp_new_isn(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """M + F(ends, key), M a clock of 4 us ticks; the half of F that is not needed for it is what timestamps begin with."""
    cdef uint64_t keyed = keyed_ends(t, k)
    k.iss = k.snd_una = k.snd_nxt = k.snd_max = k.recover = k.snd_sml = <uint32_t>(now // 4000) + <uint32_t>(keyed >> 32)
    k.ts_offset = <uint32_t>keyed


cdef uint32_t tcp_ts_offset(tcp_state *t, const tcb *k) noexcept nogil:
    return <uint32_t>keyed_ends(t, k)
