"""Connections awake and at rest: what goes into a record, what comes out of it, and who rests when."""
from libc.errno cimport ENOMEM
from libc.stdint cimport INT32_MAX, INT32_MIN, UINT32_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from usnet.memory.arena cimport NONE, arena_at, arena_free, arena_give, arena_init, arena_reset, arena_take
from usnet.memory.hash cimport hash_first, hash_free, hash_init, hash_insert, hash_next, hash_remove, hash_reset, siphash
from usnet.memory.idset cimport idset_free, idset_init
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.memory.pieces cimport piece_queue, queue_init
from usnet.memory.prefetch cimport prefetch
from usnet.memory.wheel cimport wheel, wheel_add, wheel_free, wheel_init
from usnet.tcp.ecn cimport ECN_CWR
from usnet.tcp.packing cimport count, pack, tell, terms_of, unpack
from usnet.tcp.pacing cimport pacer_at
from usnet.tcp.recovery.flight cimport FLIGHT_RATES, flight_give
from usnet.tcp.record cimport REST_KEEP, REST_LINGER, history, record, tally, terms
from usnet.tcp.tcb cimport (
    T_DELACK, T_KEEP, T_LINGER, T_REXMT, TCPS_CLOSE_WAIT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_2, TCPS_TIME_WAIT,
    TF_ACK_NOW, TF_DELACK, TF_FIN_HELD, TF_FIN_RECEIVED, TF_PROBE, TF_RECOVERY, TF_REXMT_NOW, TF_RTT_TIMED, tcb,
)
from usnet.tcp.autotune cimport autotune_half
from usnet.tcp.congestion.ops cimport cc_table, cc_untouched

cdef enum:
    MAX_TERMS = 65535           # record.terms has 16 bits
    LINE = 64
    PATIENCE = 16               # looks in vain of one run, beyond those that were not
    RESTLESS = TF_ACK_NOW | TF_DELACK | TF_PROBE | TF_RECOVERY | TF_REXMT_NOW | TF_RTT_TIMED


cdef inline size_t terms_bytes() noexcept nogil:
    """Of those that are compared."""
    cdef terms m
    return <size_t>(<const uint8_t *>&m.refs - <const uint8_t *>&m)


cdef int rest_init(tcp_state *t, uint32_t max_connections) noexcept nogil:
    t.oldest = t.newest = NONE
    t.whole = <uint64_t *>map_reserve(page_round(<uint64_t>max_connections * sizeof(uint64_t)))
    if (t.whole == NULL or arena_init(&t.records, sizeof(record), max_connections, 64)
            or arena_init(&t.tcbs, sizeof(tcb), max_connections, LINE) or arena_init(&t.terms, sizeof(terms), MAX_TERMS, 8)
            or hash_init(&t.agreed, MAX_TERMS) or arena_init(&t.histories, sizeof(history), max_connections, 8)):
        return -ENOMEM
    t.tcb_base = t.tcbs.base - LINE
    t.tallies = <tally *>map_reserve(page_round(<uint64_t>max_connections * sizeof(tally)))
    return -ENOMEM if t.tallies == NULL else 0


cdef void rest_free(tcp_state *t) noexcept nogil:
    map_release(t.whole, page_round(<uint64_t>t.records.capacity * sizeof(uint64_t)))
    if t.tallies != NULL:
        map_release(t.tallies, page_round(<uint64_t>t.records.capacity * sizeof(tally)))
    arena_free(&t.records)
    arena_free(&t.tcbs)
    arena_free(&t.terms)
    arena_free(&t.histories)
    hash_free(&t.agreed)


cdef void rest_reset(tcp_state *t) noexcept nogil:
    memset(t.whole, 0, t.records.used * sizeof(uint64_t))
    arena_reset(&t.records)
    arena_reset(&t.tcbs)
    arena_reset(&t.terms)
    arena_reset(&t.histories)
    hash_reset(&t.agreed)
    t.oldest = t.newest = NONE
    t.looks = 0


# --- Who is awake -----------------------------------------------------------------------------------------------------------

cdef void enlist(tcp_state *t, tcb *k) noexcept nogil:
    k.newer = NONE
    k.older = t.newest
    if t.newest != NONE:
        tcb_at(t, t.newest).newer = k.id
    else:
        t.oldest = k.id
    t.newest = k.id


cdef void delist(tcp_state *t, tcb *k) noexcept nogil:
    if k.older != NONE:
        tcb_at(t, k.older).newer = k.newer
    else:
        t.oldest = k.newer
    if k.newer != NONE:
        tcb_at(t, k.newer).older = k.older
    else:
        t.newest = k.older


cdef tcb *tcb_begin(tcp_state *t, uint32_t c) noexcept nogil:
    cdef uint32_t at = arena_take(&t.tcbs)          # as many as records
    cdef tcb *k
    if at == NONE:
        return NULL
    t.whole[c] = <uint64_t>at * t.tcbs.item_size + LINE
    k = tcb_at(t, c)
    k.id = c
    k.terms = NONE
    enlist(t, k)
    t.looks += 2
    return k


cdef void give_tcb(tcp_state *t, tcb *k) noexcept nogil:
    cdef uint32_t at = <uint32_t>((t.whole[k.id] - LINE) // t.tcbs.item_size)
    delist(t, k)
    t.whole[k.id] = 0
    arena_give(&t.tcbs, at)


cdef void tcb_finish(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    leave_terms(t, k.terms)
    give_tcb(t, k)


cdef tcb *tcb_wake(tcp_state *t, uint32_t c) noexcept nogil:
    cdef record *r = record_at(t, c)
    cdef tcb *k = tcb_begin(t, c)
    cdef uint32_t older = k.older
    unpack(t, c, k)
    k.id, k.older, k.newer, k.mark = c, older, NONE, mark_of(k)
    if r.history != NONE:
        arena_give(&t.histories, r.history)
        r.history = NONE
    return k


cdef tcb *tcb_fired(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """What it was armed for is due, if not for later; when exactly, the wheel does not know any more."""
    cdef record *r = record_at(t, c)
    cdef tcb *k
    if t.whole[c]:
        return tcb_at(t, c)
    r.timer = NONE
    k = tcb_wake(t, c)
    if r.state & REST_KEEP and not k.deadline[T_KEEP]:
        k.deadline[T_KEEP] = now
    if r.state & REST_LINGER and not k.deadline[T_LINGER]:
        k.deadline[T_LINGER] = now
    return k


cdef void tcb_unpack(tcp_state *t, uint32_t c, tcb *out) noexcept nogil:
    memset(out, 0, sizeof(tcb))
    unpack(t, c, out)
    out.id = c
    out.older = out.newer = NONE


cdef inline uint32_t mark_of(const tcb *k) noexcept nogil:
    """Changes when data is sent or received."""
    return k.snd_max * 3 + k.rcv_nxt


cdef void tcp_tend(tcp_state *t) noexcept nogil:
    """A second chance for whoever did something since it was last looked at. What cannot rest is looked at again when its turn comes; where hardly
    any can, only a few are looked at in a run."""
    cdef uint32_t left = t.looks + 1, patience = PATIENCE
    cdef bint all_of_them = t.config.working_set == 0
    cdef uint32_t mark
    cdef tcb *k
    t.looks = 0
    if all_of_them:
        left = t.tcbs.live
    while left and patience and t.tcbs.live > t.config.working_set:
        left -= 1
        k = tcb_at(t, t.oldest)
        mark = mark_of(k)
        if k.newer != NONE:
            prefetch(tcb_at(t, k.newer))            # the next to be looked at
        if mark == k.mark or all_of_them:
            if rest(t, k):
                patience += 1
                continue
            patience -= not all_of_them
        k.mark = mark
        delist(t, k)
        enlist(t, k)


cdef bint rest_unarmed(tcp_state *t, uint32_t c) noexcept nogil:
    if t.whole[c]:
        t.looks += 1                                # it may have been the last that it waited for
        return False
    if record_at(t, c).state & (REST_KEEP | REST_LINGER):
        return False
    record_at(t, c).timer = NONE
    return True


# --- Terms ------------------------------------------------------------------------------------------------------------------

cdef void leave_terms(tcp_state *t, uint32_t i) noexcept nogil:
    cdef terms *m
    if i == NONE:
        return
    m = terms_at(t, i)
    m.refs -= 1
    if m.refs == 0:
        hash_remove(&t.agreed, m.tag, i)
        arena_give(&t.terms, i)


cdef uint32_t find_terms(tcp_state *t, const terms *m, uint32_t tag) noexcept nogil:
    cdef uint32_t pos = hash_first(&t.agreed, tag)
    while pos != NONE:
        if memcmp(m, terms_at(t, t.agreed.entries[pos].index), terms_bytes()) == 0:
            return t.agreed.entries[pos].index
        pos = hash_next(&t.agreed, tag, pos)
    return NONE


cdef bint agree(tcp_state *t, tcb *k) noexcept nogil:
    """Sees to it that k.terms are those that it has now. False: there are too many different ones."""
    cdef terms m
    cdef uint32_t tag, i
    terms_of(k, &m)
    if k.terms != NONE and memcmp(&m, terms_at(t, k.terms), terms_bytes()) == 0:
        return True
    leave_terms(t, k.terms)
    tag = <uint32_t>siphash(t.hash_key, <const uint8_t *>&m, terms_bytes())
    k.terms = i = find_terms(t, &m, tag)
    if i == NONE:
        k.terms = i = arena_take(&t.terms)
        if i == NONE:
            return False
        m.tag = tag
        memcpy(terms_at(t, i), &m, sizeof(terms))
        hash_insert(&t.agreed, tag, i)
    terms_at(t, i).refs += 1
    return True


# --- Rest -------------------------------------------------------------------------------------------------------------------

cdef inline bint is_empty(const piece_queue *q) noexcept nogil:
    return q.span == 0 and q.c.first == NONE and q.first == NONE


cdef inline bint fits(int64_t x) noexcept nogil:
    return 0 <= x and x <= UINT32_MAX


cdef bint may_rest(tcp_state *t, const tcb *k) noexcept nogil:
    """Whether nothing of it is under way, and a record can say all that there is."""
    if k.state != TCPS_ESTABLISHED and k.state != TCPS_CLOSE_WAIT and k.state != TCPS_FIN_WAIT_2 and k.state != TCPS_TIME_WAIT:
        return False
    if k.flags & RESTLESS or k.snd_una != k.snd_max or k.snd_nxt != k.snd_max or k.dupacks or k.backoff or k.delack_segs:
        return False
    if (k.rcv_ready or k.ooo != NONE or k.board != NONE or not is_empty(&k.snd) or not is_empty(&k.rcv) or k.deadline[T_REXMT]
            or k.trial != NONE or k.deadline[T_DELACK] or (k.deadline[T_KEEP] and k.deadline[T_LINGER]) or t.output.member[k.id]):
        return False
    if k.flags & TF_FIN_HELD and not (k.flags & TF_FIN_RECEIVED and k.fin_pos == k.rcv_pos - 1):
        return False                        # data is missing before it
    if (k.timed & FLIGHT_RATES and k.flight != NONE) or (k.pacer != NONE and pacer_at(t, k).deadline):
        return False
    if k.validator != NONE or k.parent != NONE or k.next != NONE or k.prev != NONE or k.listener != NONE or k.fast != NONE:
        return False
    if k.ecn & ECN_CWR and k.cwr_high != k.snd_una:
        return False
    if (k.dsack_left != k.dsack_right or k.last_ack_sent != k.rcv_nxt or k.keep_probes or k.unanswered or k.stalled_since
            or k.error or k.chrono or k.no_room or k.signer):
        return False
    return fits(k.srtt) and fits(k.rttvar) and fits(k.min_rtt) and fits(k.rto)


cdef bint is_plain(const tcp_state *t, const tcb *k) noexcept nogil:
    """Whether its record says it all, without a history."""
    cdef int64_t sent = k.last_recv - k.last_send, deadline = k.deadline[T_KEEP] | k.deadline[T_LINGER]
    if (k.snd_pos != <uint32_t>(k.snd_una - k.iss - 1) or k.bytes_retrans or k.rwnd_limited or k.sndbuf_limited or k.dsacks or k.ooo_segs
            or k.reord_seen or k.reordering or k.reo_wnd_steps or k.reo_wnd_persist or k.mdev_max or k.rto_var or k.rtt_round
            or k.total_rto or k.delivered_ce or k.accecn != NONE or k.search != NONE):
        return False
    if k.tune_since or k.tune_at != autotune_half(t, k) or k.ato or k.acks or k.last_seg:
        return False
    return (cc_untouched(&k.cc) and k.pacer == NONE and k.cc_block == NONE and k.cc.wants == cc_table(k.cc_ops).wants
            and k.retransmits == 0 and k.rexmt_at == 0
            and k.last_oow_ack == 0 and (k.recover == k.snd_una or k.recover == k.snd_una - 1)
            and k.rcv_nxt - k.snd_wl1 <= 0xffff and k.snd_wl2 == k.snd_una and k.ts_recent_at == k.last_recv
            and INT32_MIN <= sent and sent <= INT32_MAX and k.rcv_pos == <uint32_t>(k.rcv_nxt - k.irs - 1)
            and (deadline == 0 or (k.timer != NONE and deadline == k.timer_at)))


cdef bint rest(tcp_state *t, tcb *k) noexcept nogil:
    """Puts k to rest. False if it cannot: then nothing has changed."""
    cdef record *r = record_at(t, k.id)
    cdef uint32_t told = NONE
    if not may_rest(t, k) or not agree(t, k):
        return False
    if not is_plain(t, k):
        told = arena_take(&t.histories)         # as many as connections
        tell(k, <history *>arena_at(&t.histories, told))
    pack(k, r)
    r.history = told
    if t.config.lifetime_counters:
        count(k, r, &t.tallies[k.id])
    flight_give(t, k)
    give_tcb(t, k)
    return True


# --- For tests --------------------------------------------------------------------------------------------------------------

def rested(dict fields not None):
    """An idle connection with these fields of its TCB, put to rest and woken: all fields (before, as they are told of at rest, woken); None where it
    cannot rest."""
    cdef tcp_state t
    cdef wheel w
    cdef tcb given, room
    cdef tcb *k
    cdef uint32_t c
    memset(&t, 0, sizeof(t))
    memset(&given, 0, sizeof(given))
    if wheel_init(&w, 4, 0) or rest_init(&t, 4) or idset_init(&t.output, 4):
        raise MemoryError
    t.timers = &w
    t.config.lifetime_counters = 1
    try:
        c = arena_take(&t.records)
        record_at(&t, c).history = NONE
        k = tcb_begin(&t, c)
        given.owner = given.timer = given.ooo = given.board = given.flight = given.parent = given.next = given.prev = NONE
        given.listener = given.fast = given.accecn = given.search = given.validator = given.pacer = given.cc_block = given.trial = NONE
        queue_init(&given.snd)
        queue_init(&given.rcv)
        given.state = TCPS_ESTABLISHED
        whole = dict(given)
        whole["form"]["bytes"] = [0] * sizeof(given.form.bytes)     # an array of bytes comes as text that ends with its first zero
        given = {**whole, **fields}
        given.id, given.older, given.newer, given.terms, given.mark = k.id, k.older, k.newer, NONE, 0
        if given.timer != NONE:
            given.timer = wheel_add(&w, given.timer_at, 0, c)
        k[0] = given
        tcp_tend(&t)
        if t.whole[c]:
            return None
        tcb_unpack(&t, c, &room)
        return dict(given), dict(room), dict(tcb_at(&t, c)[0])
    finally:
        idset_free(&t.output)
        rest_free(&t)
        wheel_free(&w)
