"""Looks at the state of stacks behind every event of their world. What it compares with is what it saw the last time; it knows the fields of a
connection, and no function of the core but the scoreboard's."""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t
from libc.stdlib cimport calloc, free

from usnet.backends.sim.clocks cimport clock_instant, clock_reading
from usnet.backends.sim.host cimport SimHost
from usnet.backends.sim.network cimport Network
from usnet.backends.sim.pair cimport Direction
from usnet.memory.arena cimport NONE
from usnet.sockets.host cimport Stack
from usnet.tcp.congestion.ops cimport CC_ECT
from usnet.tcp.counters cimport tcp_counters
from usnet.tcp.ecn cimport ECN_CWR
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.recovery.resent cimport board_flight
from usnet.tcp.recovery.scoreboard cimport board_pipe
from usnet.tcp.state cimport board_at, tcb_live, tcb_seen
from usnet.tcp.tcb cimport (
    T_COUNT,
    T_DELACK,
    T_LINGER,
    T_REXMT,
    TCPS_CLOSED,
    TCPS_ESTABLISHED,
    TCPS_FIN_WAIT_2,
    TCPS_LISTEN,
    TCPS_SYN_SENT,
    TCPS_TIME_WAIT,
    TF_ACK_NOW,
    TF_DELACK,
    TF_FIN_QUEUED,
    TF_FIN_RECEIVED,
    TF_FIN_SENT,
    TF_HELD,
    TF_PROBE,
    TF_RCV_SHUT,
    TF_RECOVERY,
    TF_TRIAL,
    TF_WSCALE,
    tcb,
)

from usnet.tcp.states import NAMES as STATES

cdef enum:
    TWO_MS = 2_000_000

RULES = {
    "progress": "whoever has data, a SYN or a FIN unacknowledged has a timer running, or is about to send (RFC 6298, 5.1; RFC 9293, 3.8.6.1)",
    "owed_ack": "whoever owes an ACK is about to send it, or has a timer running for it (RFC 9293, 3.8.6.3)",
    "timer": "no deadline is later than the timer that stands for it, nor that than the host's alarm",
    "numbers": "SND.UNA <= SND.NXT <= SND.MAX and RCV.NXT <= its right edge, of bytes that are there, and none of them goes back (RFC 9293, 3.4)",
    "queues": "no queue holds more than its buffer, and no window promises more than is free",
    "memory": "what connections hold is what the pools have given out",
    "silent_window": "a receiver with half its buffer free never keeps silent about a window below a segment (RFC 9293, 3.8.6.2.2)",
    "cwnd": "cwnd is a segment at least and ssthresh two, cwnd grows by what is acknowledged at most, new data stays within it (RFC 5681, 3.1)",
    "reduction": "ssthresh falls once a recovery, timeout or episode of marks, and a timeout leaves a window of one segment (RFC 5681, 3.1; "
    "RFC 6675, 5; RFC 3168, 6.1.2)",
    "rto": "the timeout lies between its limits and never comes early (RFC 6298, 2)",
    "rtt": "no round trip is measured that is shorter than the path (RFC 6298, 3)",
    "backoff": "a timeout sends one segment, and the next one comes no sooner than twice as late, up to its limit "
    "(RFC 6298, 5.4 to 5.6; RFC 2525, 2.14)",
    "unused_window": "a window of which less than half is used does not grow (RFC 7661, 4.1; RFC 9438, 5.8)",
}
"""The rules that Watch checks, by name."""


cdef void tell(watcher *w, uint32_t rule, uint32_t number, uint32_t c, int64_t seen, int64_t limit, int64_t now) noexcept nogil:
    cdef finding *f
    w.found[rule] += 1
    if w.found[rule] > 2 or w.n_first == MOST_FOUND:
        return
    f = &w.first[w.n_first]
    w.n_first += 1
    f.t, f.rule, f.stack, f.connection, f.seen, f.limit = now, rule, number, c, seen, limit
    f.k = tcb_seen(&w.stacks[number].s.tcp, c, &f.k)[0]


cdef inline int32_t ahead(uint32_t a, uint32_t b) noexcept nogil:
    """How far a lies ahead of b in sequence space."""
    return <int32_t>(a - b)


cdef inline bint about_to_send(watched_stack *x, uint32_t c) noexcept nogil:
    return x.s.tcp.output.member[c] != 0


cdef void check_progress(watcher *w, uint32_t n, uint32_t c, const tcb *k, int64_t now) noexcept nogil:
    """Nobody waits for a peer that waits for nothing."""
    cdef watched_stack *x = &w.stacks[n]
    cdef bint work = k.snd_max != k.snd_una or k.snd.span or (k.flags & TF_FIN_QUEUED and not k.flags & TF_FIN_SENT)
    w.busy |= work
    if k.state != TCPS_TIME_WAIT and work and not k.deadline[T_REXMT] and not about_to_send(x, c):
        tell(w, WATCH_PROGRESS, n, c, k.snd.span, ahead(k.snd_max, k.snd_una), now)
    if (k.state == TCPS_TIME_WAIT or (k.state == TCPS_FIN_WAIT_2 and not k.flags & TF_HELD)) and not k.deadline[T_LINGER]:
        tell(w, WATCH_PROGRESS, n, c, 0, 0, now)
    if k.flags & TF_ACK_NOW and not about_to_send(x, c):
        tell(w, WATCH_OWED_ACK, n, c, k.flags, 0, now)
    if k.flags & TF_DELACK and not k.deadline[T_DELACK] and not about_to_send(x, c):
        tell(w, WATCH_OWED_ACK, n, c, k.flags, 1, now)


cdef void check_timer(watcher *w, uint32_t n, uint32_t c, const tcb *k, int64_t now) noexcept nogil:
    cdef watched_stack *x = &w.stacks[n]
    cdef int i
    for i in range(T_COUNT):
        if not k.deadline[i]:
            continue
        if k.timer == NONE or k.timer_at > k.deadline[i]:
            tell(w, WATCH_TIMER, n, c, INT64_MAX if k.timer == NONE else k.timer_at, k.deadline[i], now)
        elif not x.h.due and x.h.wake.t > clock_instant(&x.h.clock, k.deadline[i]):
            tell(w, WATCH_TIMER, n, c, x.h.wake.t, k.deadline[i], now)


cdef void check_numbers(watcher *w, uint32_t n, uint32_t c, const tcb *k, const tcb *was, int64_t now) noexcept nogil:
    cdef int32_t out = ahead(k.snd_max, k.snd_una)
    cdef int64_t own = <int64_t>k.snd.span + (1 if k.flags & TF_FIN_SENT else 0)
    if ahead(k.snd_nxt, k.snd_una) < 0 or ahead(k.snd_max, k.snd_nxt) < 0:
        tell(w, WATCH_NUMBERS, n, c, ahead(k.snd_nxt, k.snd_una), out, now)
    if k.state >= TCPS_ESTABLISHED:
        if k.state != TCPS_TIME_WAIT and out > own:
            tell(w, WATCH_NUMBERS, n, c, out, own, now)
        if ahead(k.rcv_nxt, k.rcv_adv) > (1 if k.flags & TF_FIN_RECEIVED else 0):
            tell(w, WATCH_NUMBERS, n, c, ahead(k.rcv_nxt, k.rcv_adv), 0, now)
    if was != NULL and (ahead(k.snd_una, was.snd_una) < 0 or ahead(k.snd_max, was.snd_max) < 0):
        tell(w, WATCH_NUMBERS, n, c, ahead(k.snd_una, was.snd_una), ahead(k.snd_max, was.snd_max), now)
    if was != NULL and was.state >= TCPS_ESTABLISHED and (ahead(k.rcv_nxt, was.rcv_nxt) < 0 or ahead(k.rcv_adv, was.rcv_adv) < 0):
        tell(w, WATCH_NUMBERS, n, c, ahead(k.rcv_nxt, was.rcv_nxt), ahead(k.rcv_adv, was.rcv_adv), now)


cdef inline int64_t promised(const tcb *k) noexcept nogil:
    return ahead(k.rcv_adv, k.rcv_nxt) if ahead(k.rcv_adv, k.rcv_nxt) > 0 else 0


cdef void check_queues(watcher *w, uint32_t n, uint32_t c, const tcb *k, const tcb *was, int64_t now) noexcept nogil:
    """A buffer that was made smaller may hold more for a while."""
    cdef int64_t held = k.rcv_ready + promised(k), unit = k.rcvbuf >> 4, free_, most
    if was == NULL or was.sndbuf != k.sndbuf or was.rcvbuf != k.rcvbuf:
        return
    if k.snd.span > k.sndbuf and k.snd.span > was.snd.span:
        tell(w, WATCH_QUEUES, n, c, k.snd.span, k.sndbuf, now)
    if k.flags & TF_WSCALE and unit < 1 << k.rcv_wscale:
        unit = 1 << k.rcv_wscale
    if k.state < TCPS_ESTABLISHED:
        return
    if held > k.rcvbuf + unit and held > was.rcv_ready + promised(was):
        tell(w, WATCH_QUEUES, n, c, held, k.rcvbuf, now)
    if k.rcv.span != k.rcv_ready:
        tell(w, WATCH_QUEUES, n, c, k.rcv.span, k.rcv_ready, now)
    most = <int64_t>65535 << (k.rcv_wscale if k.flags & TF_WSCALE else 0)
    free_ = <int64_t>k.rcvbuf - k.rcv_ready
    free_ = most if free_ > most else free_
    if (not k.flags & (TF_FIN_RECEIVED | TF_RCV_SHUT) and promised(k) < k.rcv_mss and promised(k) < k.rcvbuf // 4
            and free_ - promised(k) >= k.rcvbuf // 2 and not about_to_send(&w.stacks[n], c)):
        tell(w, WATCH_SILENT_WINDOW, n, c, promised(k), free_, now)


cdef inline uint64_t episodes_of(const tcp_counters *n) noexcept nogil:
    return (n.fast_retransmits + n.loss_probe_recoveries + n.dsack_undos + n.full_undos + n.partial_undos + n.loss_undos)


cdef int64_t in_flight(watched_stack *x, const tcb *k) noexcept nogil:
    if k.board == NONE:
        return ahead(k.snd_max, k.snd_una)
    if k.timed & FLIGHT_RACK:
        return board_flight(board_at(&x.s.tcp, k), k.snd_una, k.snd_max)
    return board_pipe(board_at(&x.s.tcp, k), k.snd_una, k.snd_max, k.mss)


cdef inline uint32_t sacked_of(watched_stack *x, const tcb *k) noexcept nogil:
    return board_at(&x.s.tcp, k).sacked if k.board != NONE else 0


cdef int64_t most_out(past *p, const tcb *k, const tcb *was, int64_t now) noexcept nogil:
    """Bytes that were in flight at once, in the last round trip or two."""
    cdef int64_t trip = k.srtt if k.srtt > TWO_MS else TWO_MS
    cdef uint32_t out = <uint32_t>ahead(was.snd_max, was.snd_una)
    if now - p.turned > trip:
        p.most_out[1], p.most_out[0], p.turned = p.most_out[0], 0, now
    if out > p.most_out[0]:
        p.most_out[0] = out
    return p.most_out[0] if p.most_out[0] > p.most_out[1] else p.most_out[1]


cdef void check_cwnd(watcher *w, uint32_t n, uint32_t c, const tcb *k, const past *p, bint calm, int64_t now) noexcept nogil:
    """calm: no recovery began, none was taken back, and no timeout struck in this stack since the last look. p: what it was; NULL."""
    cdef watched_stack *x = &w.stacks[n]
    cdef int64_t acked, grown, flight, most, used
    cdef const tcb *was = &p.k if p != NULL else NULL
    if k.state < TCPS_ESTABLISHED or k.state == TCPS_TIME_WAIT or was == NULL or was.state < TCPS_ESTABLISHED:
        return
    if k.cc.cwnd < k.cc.mss or k.cc.ssthresh < 2 * k.cc.mss:
        tell(w, WATCH_CWND, n, c, k.cc.cwnd, k.cc.ssthresh, now)
    used = most_out(&x.seen[c], k, was, now)
    acked = ahead(k.snd_una, was.snd_una)
    most = acked + sacked_of(x, k) - p.sacked           # reported or acknowledged for the first time
    acked = most if most > acked else acked
    grown = <int64_t>k.cc.cwnd - was.cc.cwnd
    most = k.cc.mss if was.cc.cwnd >= was.cc.ssthresh and acked < k.cc.mss else acked      # in congestion avoidance a segment for a window's worth
    if calm and not (k.flags | was.flags) & TF_RECOVERY and grown > most:
        tell(w, WATCH_CWND, n, c, grown, most, now)
    if calm and grown > 0 and not (k.flags | was.flags) & TF_RECOVERY and 2 * used + 4 * <int64_t>k.cc.mss < was.cc.cwnd:
        tell(w, WATCH_UNUSED, n, c, used, was.cc.cwnd, now)
    # A slow start may end by itself (RFC 9406); who wants each mark goes by its own windows (RFC 8257)
    if (calm and k.cc.ssthresh < was.cc.ssthresh and k.cc.ssthresh < was.cc.cwnd and not (k.cc.wants & CC_ECT and k.delivered_ce != was.delivered_ce)
            and not (k.ecn & ECN_CWR and (not was.ecn & ECN_CWR or k.cwr_high != was.cwr_high))):
        tell(w, WATCH_REDUCTION, n, c, k.cc.ssthresh, was.cc.ssthresh, now)
    most = k.cc.mss + (in_flight(x, k) if k.timed & FLIGHT_RACK else 0)
    if k.backoff > was.backoff and not (k.flags | was.flags) & TF_PROBE and acked == 0 and k.cc.cwnd > most:
        tell(w, WATCH_REDUCTION, n, c, k.cc.cwnd, k.cc.mss, now)
    if ahead(k.snd_max, was.snd_max) > 1 and not was.flags & TF_TRIAL:       # F-RTO sends two beyond what is out (RFC 5682, 2.1)
        flight = in_flight(x, k)
        most = (k.cc.cwnd if k.cc.cwnd > was.cc.cwnd else was.cc.cwnd) + 2 * <int64_t>k.mss + 1
        if flight > most:
            tell(w, WATCH_CWND, n, c, flight, most, now)


cdef void check_timeout(watcher *w, uint32_t n, uint32_t c, const tcb *k, const tcb *was, int64_t clock, int64_t now) noexcept nogil:
    """A timeout has struck: one segment leaves, and the next timeout comes twice as late, or when the user's patience is over."""
    cdef int64_t next_ = k.rto << (k.backoff if k.backoff < 20 else 20)
    if next_ > w.stacks[n].s.tcp.config.rto_max:
        next_ = w.stacks[n].s.tcp.config.rto_max
    if k.user_timeout and next_ > k.stalled_since + k.user_timeout - clock:
        next_ = k.stalled_since + k.user_timeout - clock
    if k.data_segs_out - was.data_segs_out > 1:
        tell(w, WATCH_BACKOFF, n, c, k.data_segs_out - was.data_segs_out, 1, now)
    if k.deadline[T_REXMT] and k.deadline[T_REXMT] - clock < next_:
        tell(w, WATCH_BACKOFF, n, c, k.deadline[T_REXMT] - clock, next_, now)


cdef void check_rto(watcher *w, uint32_t n, uint32_t c, const tcb *k, const tcb *was, int64_t now) noexcept nogil:
    cdef watched_stack *x = &w.stacks[n]
    cdef int64_t clock = clock_reading(&x.h.clock, now), floor
    if k.srtt and not x.s.tcp.config.rto_min <= k.rto <= x.s.tcp.config.rto_max:
        tell(w, WATCH_RTO, n, c, k.rto, x.s.tcp.config.rto_max, now)
    if was != NULL and k.backoff > was.backoff and was.deadline[T_REXMT] > clock:
        tell(w, WATCH_RTO, n, c, clock, was.deadline[T_REXMT], now)
    if (was != NULL and k.backoff > was.backoff and was.state >= TCPS_ESTABLISHED and k.snd_una == was.snd_una
            and not (k.flags | was.flags) & TF_PROBE):
        check_timeout(w, n, c, k, was, clock, now)
    floor = w.least[0] + w.least[1]
    if x.h.clock.drift < 0:
        floor += floor // 1000 * x.h.clock.drift // 1000000     # a slow clock measures less
    if k.min_rtt and k.min_rtt < floor - x.h.clock.granularity:
        tell(w, WATCH_RTT, n, c, k.min_rtt, floor, now)


cdef void look_at(watcher *w, uint32_t n, int64_t now) noexcept nogil:
    cdef watched_stack *x = &w.stacks[n]
    cdef uint32_t c, chunks = 0, gaps = 0, boards = 0
    cdef tcb room
    cdef const tcb *k
    cdef tcb *was
    cdef bint calm = x.rto_count == x.s.tcp.counters.rto_count and x.episodes == episodes_of(&x.s.tcp.counters)
    for c in range(x.s.tcp.records.used):
        if not tcb_live(&x.s.tcp, c):
            continue
        k = tcb_seen(&x.s.tcp, c, &room)
        chunks += k.snd.c.n_chunks + k.rcv.c.n_chunks
        gaps += k.ooo != NONE
        boards += k.board != NONE
        if k.state != TCPS_CLOSED and k.state != TCPS_LISTEN:
            was = &x.seen[c].k if x.seen[c].generation == x.s.tcp.records.generation[c] and x.seen[c].k.state >= TCPS_SYN_SENT else NULL
            check_progress(w, n, c, k, now)
            check_timer(w, n, c, k, now)
            check_numbers(w, n, c, k, was, now)
            check_queues(w, n, c, k, was, now)
            check_cwnd(w, n, c, k, &x.seen[c] if was != NULL else NULL, calm, now)
            check_rto(w, n, c, k, was, now)
        if x.seen[c].generation != x.s.tcp.records.generation[c]:
            x.seen[c].most_out[0] = x.seen[c].most_out[1] = 0
        x.seen[c].generation = x.s.tcp.records.generation[c]
        x.seen[c].sacked = sacked_of(x, k)
        x.seen[c].k = k[0]
    if chunks > x.s.chunks.heads.live or gaps != x.s.tcp.ooos.live or boards != x.s.tcp.boards.live:
        w.found[WATCH_MEMORY] += 1
    x.rto_count = x.s.tcp.counters.rto_count
    x.episodes = episodes_of(&x.s.tcp.counters)


cdef void look(void *ctx, int64_t now) noexcept nogil:
    cdef watcher *w = <watcher *>ctx
    cdef uint32_t i
    w.looks += 1
    for i in range(2):
        if w.ways[i] != NULL and w.ways[i].delay < w.least[i]:
            w.least[i] = w.ways[i].delay
    if w.busy and now - w.last > w.largest_gap:
        w.largest_gap = now - w.last
    w.last, w.busy = now, False
    for i in range(w.n_stacks):
        if w.every or w.stacks[i].h.s.last_run == w.stacks[i].h:
            look_at(w, i, now)


cdef class Watch:
    """Watch(world): from now on all rules are checked behind every event. It changes nothing that happens, and no digest.

    `every`: all stacks behind each event; else only the one that ran (None: all where there are up to four). At most 32 stacks are watched.
    `violations` are texts by rule. close() ends it.
    """
    cdef watcher w
    cdef Network network
    cdef list names
    cdef object keep

    def __init__(self, world, every=None):
        cdef watched_stack *x
        cdef Stack stack
        hosts = list(world.hosts.items())[:32]
        self.network = world.network
        self.names = [name for name, _ in hosts]
        self.keep = [host.stack for _, host in hosts]
        self.w.every = len(hosts) <= 4 if every is None else every
        links = list(world.network.links.values())
        if len(hosts) == 2 and len(links) == 1:
            self.look_at_delays(links[0].up, links[0].down)
        for _, host in hosts:
            stack = host.stack
            x = &self.w.stacks[self.w.n_stacks]
            x.s = &stack.core.s
            x.h = &(<SimHost>host.simulated).h
            x.seen = <past *>calloc(x.s.tcp.records.capacity, sizeof(past))
            if x.seen == NULL:
                raise MemoryError
            self.w.n_stacks += 1
        self.network.scheduler.s.watch_ctx = &self.w
        self.network.scheduler.s.watch = look

    cdef int look_at_delays(self, Direction up, Direction down) except -1:
        """No round trip is shorter than the least that they were; of delays that vary in both directions nothing is known."""
        self.w.ways[0], self.w.ways[1] = &up.d, &down.d
        for i, way in enumerate((up, down)):
            jitter = way.jitter
            self.w.least[i] = 0 if isinstance(jitter, dict) and jitter["kind"] != "trace" else way.delay
        return 0

    def __dealloc__(self):
        cdef uint32_t i
        if self.network is not None and self.network.scheduler.s.watch_ctx == &self.w:
            self.network.scheduler.s.watch = NULL
        for i in range(self.w.n_stacks):
            free(self.w.stacks[i].seen)

    def close(self):
        """No further looks."""
        if self.network.scheduler.s.watch_ctx == &self.w:
            self.network.scheduler.s.watch = NULL

    @property
    def looks(self):
        """How often it has looked."""
        return self.w.looks

    @property
    def largest_gap(self):
        """The longest time, ns, in which nothing happened although something was not acknowledged."""
        return self.w.largest_gap

    @property
    def found(self):
        """How often each rule was broken."""
        return {rule: self.w.found[i] for i, rule in enumerate(RULES) if self.w.found[i]}

    @property
    def violations(self):
        """Rule -> texts of the first times."""
        told = {rule: [] for rule in self.found}
        for i in range(self.w.n_first):
            self._describe(i, told)
        for rule, texts in told.items():
            if not texts:
                texts.append(RULES[rule])
        return told

    cdef object _describe(self, uint32_t i, dict told):
        cdef finding *f = &self.w.first[i]
        cdef dict k = f.k
        flight, edge = (k["snd_max"] - k["snd_una"]) & 0xFFFFFFFF, (k["rcv_adv"] - k["rcv_nxt"]) & 0xFFFFFFFF
        timers = {name: k["deadline"][n] for n, name in enumerate(("rexmt", "delack", "keep", "linger")) if k["deadline"][n]}
        told[list(RULES)[f.rule]].append(
            f"at {f.t / 1e9:.9f} s {self.names[f.stack]} port {k['lport']} in {STATES[k['state']]}: {f.seen} against {f.limit}; "
            f"{flight} in flight of {k['snd']['span']} queued, window {k['snd_wnd']}, cwnd {k['cc']['cwnd']}; "
            f"{k['rcv_ready']} to read, {edge} promised of {k['rcvbuf']}; timers {timers or 'none'}, flags {k['flags']:#x}"
        )
