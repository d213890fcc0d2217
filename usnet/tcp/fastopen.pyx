"""TCP Fast Open (RFC 7413), both sides."""
from libc.errno cimport EINPROGRESS, EINVAL, ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE, arena_give, arena_live, arena_take
from usnet.memory.pieces cimport queue_write
from usnet.tcp.calls cimport tcp_connect, tcp_may_hold
from usnet.tcp.congestion.choice cimport cc_begin
from usnet.tcp.delack cimport TCP_MAX_QUICKACKS, delack_quick
from usnet.tcp.fast cimport (
    COOKIE_OURS,
    FAST_CHILD,
    FAST_KEY_BYTES,
    FAST_KEYS,
    FAST_LISTENER,
    FAST_RESET,
    FASTOPEN_CLIENT_NO_COOKIE,
    FASTOPEN_EVERY_LISTENER,
    FASTOPEN_SERVER,
    FASTOPEN_SERVER_NO_COOKIE,
    fast_clear,
    fast_cookie,
    fast_cookie_check,
    fast_keys_set,
    fast_path,
    fast_path_find,
    fast_path_learn,
    fast_stop,
)
from usnet.tcp.output cimport tcp_resend_until, tcp_want_output
from usnet.tcp.receive cimport receive_text
from usnet.tcp.segment cimport segment_our_mss
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.steps cimport take_ack
from usnet.tcp.tcb cimport (
    T_REXMT,
    TCPS_CLOSED,
    TCPS_LISTEN,
    TF_FIN_HELD,
    TF_FIN_RECEIVED,
    TFO_ASKED,
    TFO_EXP,
    TFO_FAIL,
    TFO_GIVES,
    TFO_NO_COOKIE,
    TFO_NOT_ACKED,
    TFO_PASSIVE,
    TFO_SYN_AGAIN,
    TFO_SYN_DATA,
    TFO_SYNACK_DUE,
    tcb,
)
from usnet.tcp.timers cimport tcp_arm, tcp_patience
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.tcp cimport TCP_HLEN, TCP_MAX_OPTIONS, TCPO_FASTOPEN, TCPO_FASTOPEN_EXP, TCPO_MSS, TH_ACK, tcp_cookie, tcp_repr

cdef enum:
    RESET_COUNTS = 60000000000      # ns for which a connection that was reset counts as pending, as in Linux
    LEAST_MTU = 552                 # that ICMP may tell (RFC 5927)
    BLACKHOLE_TIMEOUTS = 2          # in a row, and another: nothing comes through


# --- Clients ----------------------------------------------------------------------------------------------------------------

cdef uint32_t plan(tcp_state *t, tcb *k, fast_open *f, int64_t now) noexcept nogil:
    """Which option the SYN gets, and how many bytes of data it may carry (RFC 7413, section 4.2.1): those of a full segment with as many options as
    there can be, as middleboxes add some."""
    cdef fast_path *path = fast_path_find(&t.fast, &k.laddr, &k.raddr)
    cdef uint32_t mss = segment_our_mss(t, k)
    f.option = f.exp = f.len = 0
    if path != NULL and path.mss and path.mss < mss:
        mss = path.mss
    mss = mss - TCP_MAX_OPTIONS if mss > TCP_MAX_OPTIONS else 0
    if not fast_clear(&t.fast, t.config.fastopen_blackhole, now):
        return 0
    if f.no_cookie or t.config.fastopen & FASTOPEN_CLIENT_NO_COOKIE:
        return mss
    if path != NULL and path.len:
        f.option = 1
        f.exp = path.exp
        f.len = path.len
        memcpy(f.cookie, path.cookie, path.len)
        return mss
    if path == NULL or path.quiet_until <= now:
        f.option = 1
        f.exp = path != NULL and path.try_exp == 1 and t.config.fastopen_exp
    return 0


cdef uint32_t put(tcp_state *t, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil:
    """Bytes taken into the send queue."""
    if n > k.sndbuf:
        n = k.sndbuf
    while n and not (tcp_may_hold(t, k, n) and queue_write(t.pieces, &k.snd, p, n) == 0):
        n //= 2                             # memory runs low
    t.copies.out_chunk += n
    return n


cdef int64_t fastopen_connect(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port, const uint8_t *p, uint32_t n, uint32_t how,
                              int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f
    cdef int status = tcp_connect(t, c, addr, port, now)
    if status:
        return status
    if k.fast != NONE:
        fastopen_over(t, k)                 # what it would have had as a listener
    k.fast = arena_take(&t.fast.opens)
    if k.fast == NONE:
        return -EINPROGRESS                 # the ordinary way
    f = fast_at(t, k.fast)
    f.role = FAST_CLIENT
    f.no_cookie = how & FAST_NO_COOKIE != 0
    if how & FAST_DEFER and plan(t, k, f, now):
        f.deferred = 1
        return 0
    return fastopen_begin(t, c, p, n, how, now)


cdef int64_t fastopen_begin(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, uint32_t how, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f = fast_at(t, k.fast)
    cdef uint32_t most = plan(t, k, f, now)
    f.deferred = 0
    f.in_syn = n if n < most else most
    if most == 0:
        k.fastopen |= TFO_NO_COOKIE
        t.fast.asked += f.option
    if n and (how & FAST_WAITS or t.config.fastopen_queue):
        n = put(t, k, p, n)
    else:
        n = put(t, k, p, f.in_syn)
    if f.in_syn > n:
        f.in_syn = n
    tcp_want_output(t, c)
    return <int64_t>n if n else -EINPROGRESS


cdef void learn(tcp_state *t, tcb *k, const fast_open *f, const tcp_repr *r, uint32_t acked, int64_t now) noexcept nogil:
    """What the SYN-ACK says about its sender. A cookie that was not asked for says nothing."""
    cdef fast_path *path = fast_path_learn(&t.fast, &k.laddr, &k.raddr)
    cdef uint8_t given = tcp_cookie(r)[0] if r.options & TCPO_FASTOPEN and f.option else 0
    if r.options & TCPO_MSS and r.mss:
        path.mss = r.mss
    if given:
        path.len = given
        path.exp = r.options & TCPO_FASTOPEN_EXP != 0
        memcpy(path.cookie, tcp_cookie(r) + 1, given)
        path.quiet_until = 0
    elif f.option and f.in_syn and acked == 0 and t.config.fastopen_quiet:
        path.len = 0                        # it wants neither the cookie nor to give another
        path.quiet_until = now + t.config.fastopen_quiet
    elif f.option and path.len == 0:
        path.quiet_until = now + t.config.fastopen_quiet
        if f.in_syn == 0 and k.syn_retries == 0 and path.try_exp < (2 if f.exp else 1):
            path.try_exp = 2 if f.exp else 1


cdef void fastopen_answered(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    """RFC 7413, section 4.2.2. What of the data was not taken is sent again at once, as it was cut before."""
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f = fast_at(t, k.fast)
    cdef uint32_t first = k.iss + 1
    cdef uint32_t sent = k.snd_max - first, acked = r.ack - first
    if f.option or sent:
        learn(t, k, f, r, acked, now)
    fastopen_over(t, k)
    if acked:
        take_ack(t, k, r.ack, 0, now)
        k.snd_wnd = r.window                # which counts from there
    k.snd_nxt = k.snd_una
    if k.snd.span > k.snd_max - k.snd_una and t.config.adaptive_acks:
        delack_quick(t, k, TCP_MAX_QUICKACKS)       # as Linux; what follows makes it an answer
    elif k.snd.span > k.snd_max - k.snd_una and t.config.quick_acks:
        k.quick = 0                         # who has more to say answers soon, and its answers acknowledge (as in Linux)
    if sent == 0:
        return
    if acked == sent:
        k.fastopen |= TFO_SYN_DATA
        t.fast.active += 1
        return
    k.fastopen = k.fastopen & ~<uint8_t>TFO_FAIL | (TFO_SYN_AGAIN if k.syn_retries else TFO_NOT_ACKED)
    t.fast.active_fails += 1
    tcp_resend_until(t, c, k.snd_max, now)
    tcp_want_output(t, c)


cdef void fastopen_timed_out(tcp_state *t, const tcb *k, uint32_t limit, int64_t now) noexcept nogil:
    if k.unanswered == BLACKHOLE_TIMEOUTS or (k.unanswered < BLACKHOLE_TIMEOUTS and k.unanswered >= limit):
        fast_stop(&t.fast, now)


cdef void fastopen_ended(tcp_state *t, const tcb *k) noexcept nogil:
    if k.rcv_pos == 0 and k.flags & TF_FIN_HELD and not k.flags & TF_FIN_RECEIVED and k.ooo == NONE:
        fast_stop(&t.fast, k.last_recv)     # of all that the peer sent, its FIN alone came
    elif k.rcv_pos and k.fastopen & TFO_SYN_DATA:
        t.fast.blackholes = 0


cdef void fastopen_too_long(tcp_state *t, uint32_t c, uint32_t mtu) noexcept nogil:
    """The SYN again, alone; no segment will be longer than the path takes (RFC 1191)."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t mss = (mtu if mtu > LEAST_MTU else LEAST_MTU) - IPV4_HLEN - TCP_HLEN
    if mss >= segment_our_mss(t, k):
        return
    k.user_mss = <uint16_t>mss
    k.snd_nxt = k.iss
    tcp_want_output(t, c)


# --- Listeners --------------------------------------------------------------------------------------------------------------

cdef fast_open *listening(tcp_state *t, tcb *k) noexcept nogil:
    """What is kept of a listener, or of who may become one; NULL when there is no room."""
    cdef fast_open *f
    if k.fast == NONE:
        k.fast = arena_take(&t.fast.opens)
        if k.fast == NONE:
            return NULL
        f = fast_at(t, k.fast)
        f.role = FAST_LISTENER
        f.resets = f.last_reset = NONE
        t.fast.numbers += 1
        f.number = t.fast.numbers
    return fast_at(t, k.fast)


cdef inline bint may_listen(const tcb *k) noexcept nogil:
    return k.state == TCPS_CLOSED or k.state == TCPS_LISTEN


cdef int fastopen_set_limit(tcp_state *t, uint32_t c, int64_t value) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f
    if value < 0 or not may_listen(k):
        return -EINVAL
    f = listening(t, k)
    if f == NULL:
        return -ENOBUFS
    f.limit = <uint32_t>value if value < t.config.max_backlog else t.config.max_backlog
    return 0


cdef int64_t fastopen_limit(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    return fast_at(t, k.fast).limit if k.fast != NONE else 0


cdef int fastopen_set_keys(tcp_state *t, uint32_t c, const uint8_t *raw, uint32_t n) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f
    if (n != FAST_KEY_BYTES and n != FAST_KEYS * FAST_KEY_BYTES) or not may_listen(k):
        return -EINVAL
    f = listening(t, k)
    if f == NULL:
        return -ENOBUFS
    f.n_keys = <uint8_t>(n // FAST_KEY_BYTES)
    fast_keys_set(f.key, raw, f.n_keys)
    return 0


cdef uint32_t fastopen_keys(tcp_state *t, uint32_t c, uint8_t *raw) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef bint own = k.fast != NONE and fast_at(t, k.fast).n_keys
    cdef uint32_t n = fast_at(t, k.fast).n_keys if own else t.fast.n_keys, i
    for i in range(n * FAST_KEY_BYTES):
        raw[i] = <uint8_t>((fast_at(t, k.fast).key[i // 8] if own else t.fast.key[i // 8]) >> 8 * (i % 8))
    return n * FAST_KEY_BYTES


cdef int fastopen_set_no_cookie(tcp_state *t, uint32_t c, bint on) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f
    if not may_listen(k):
        return -EINVAL
    f = listening(t, k)
    if f == NULL:
        return -ENOBUFS
    f.no_cookie = on
    return 0


cdef void fastopen_listening(tcp_state *t, uint32_t c, uint32_t backlog) noexcept nogil:
    cdef fast_open *f
    if t.config.fastopen & FASTOPEN_EVERY_LISTENER and t.config.fastopen & FASTOPEN_SERVER:
        f = listening(t, tcb_at(t, c))
        if f != NULL and f.limit == 0:
            f.limit = backlog


cdef bint room(tcp_state *t, fast_open *f, int64_t now) noexcept nogil:
    """Whether another may be pending: one that was reset long enough ago makes room."""
    cdef uint32_t first = f.resets
    if f.pending < f.limit:
        return True
    if first == NONE or fast_at(t, first).until > now:
        t.fast.overflows += 1
        return False
    f.resets = fast_at(t, first).next
    f.pending -= 1
    arena_give(&t.fast.opens, first)
    return True


cdef const uint64_t *keys_of(const tcp_state *t, const fast_open *f, uint32_t *n) noexcept nogil:
    if f.n_keys:
        n[0] = f.n_keys
        return &f.key[0]
    n[0] = t.fast.n_keys
    return &t.fast.key[0]


cdef bint take(tcp_state *t, uint32_t c, fast_open *f, const uint8_t *p, uint32_t n) noexcept nogil:
    """The connection may be accepted, and send, before its handshake ends (RFC 7413, section 4.2.2)."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t own = arena_take(&t.fast.opens)
    if own == NONE:
        return False
    if n > k.rcvbuf:
        n = k.rcvbuf
    if n and receive_text(t, c, 0, p, n) != 1:
        arena_give(&t.fast.opens, own)
        return False                        # no memory: the peer sends it again
    k.rcv_adv = k.rcv_nxt
    k.fastopen |= TFO_PASSIVE | (TFO_SYN_DATA if n else 0)
    if n > k.rcv_mss:
        k.rcv_mss = <uint16_t>n if n < 65535 else 65535
    cc_begin(t, k, False)
    fast_at(t, own).role = FAST_CHILD
    fast_at(t, own).parent = <uint32_t>(<uint8_t *>f - t.fast.opens.base) // t.fast.opens.item_size
    fast_at(t, own).number = f.number
    k.fast = own
    f.pending += 1
    t.fast.passive += 1
    return True


cdef bint fastopen_arrived(tcp_state *t, uint32_t c, uint32_t parent, const packet *p, const tcp_repr *r, int64_t now) noexcept nogil:
    """RFC 7413, section 4.2.1, the server's part."""
    cdef tcb *k = tcb_at(t, c)
    cdef fast_open *f
    cdef const uint8_t *data = p.l4 + r.header_len
    cdef const uint64_t *keys
    cdef uint32_t n = p.l4_len - r.header_len, n_keys = 0
    cdef bint has = r.options & TCPO_FASTOPEN != 0
    cdef int which
    if not t.config.fastopen & FASTOPEN_SERVER or tcb_at(t, parent).fast == NONE or not (n or has):
        return False
    f = fast_at(t, tcb_at(t, parent).fast)
    if f.limit == 0 or not room(t, f, now):
        return False
    if f.no_cookie or t.config.fastopen & FASTOPEN_SERVER_NO_COOKIE:
        return take(t, c, f, data, n)
    if not has:
        return False
    keys = keys_of(t, f, &n_keys)
    which = fast_cookie_check(keys, n_keys, &k.raddr, &k.laddr, tcp_cookie(r) + 1, tcp_cookie(r)[0])
    t.fast.passive_fails += which == 0 and tcp_cookie(r)[0] != 0
    t.fast.passive_old_key += which == 2
    if which != 1:
        k.fastopen |= TFO_GIVES | (TFO_EXP if r.options & TCPO_FASTOPEN_EXP else 0)
    return which != 0 and take(t, c, f, data, n)


cdef void fastopen_confirmed(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """Whatever left before is acknowledged, or sent again, as usual from now on."""
    cdef tcb *k = tcb_at(t, c)
    k.fastopen &= ~<uint8_t>(TFO_PASSIVE | TFO_SYNACK_DUE | TFO_GIVES | TFO_EXP)
    fastopen_over(t, k)
    if k.snd_max != k.snd_una:
        tcp_arm(t, c, T_REXMT, tcp_patience(t, k, now))


cdef fast_open *listener_of(tcp_state *t, const fast_open *f) noexcept nogil:
    """That of a child, if it is there still."""
    if not arena_live(&t.fast.opens, f.parent) or fast_at(t, f.parent).role != FAST_LISTENER or fast_at(t, f.parent).number != f.number:
        return NULL
    return fast_at(t, f.parent)


cdef void fastopen_was_reset(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef fast_open *f = fast_at(t, k.fast)
    cdef fast_open *from_ = listener_of(t, f)
    if from_ == NULL:
        return
    f.role = FAST_RESET
    f.until = now + RESET_COUNTS
    f.next = NONE
    if from_.resets == NONE:
        from_.resets = k.fast
    else:
        fast_at(t, from_.last_reset).next = k.fast
    from_.last_reset = k.fast
    k.fast = NONE


# --- Both -------------------------------------------------------------------------------------------------------------------

cdef uint32_t fastopen_syn(tcp_state *t, tcb *k, tcp_repr *r) noexcept nogil:
    cdef fast_open *f = fast_at(t, k.fast) if k.fast != NONE else NULL
    cdef uint32_t n_keys = 0
    if r.flags & TH_ACK:
        if k.fastopen & TFO_GIVES and k.syn_retries == 0 and k.parent != NONE and tcb_at(t, k.parent).fast != NONE:
            r.options |= TCPO_FASTOPEN | (TCPO_FASTOPEN_EXP if k.fastopen & TFO_EXP else 0)
            tcp_cookie(r)[0] = COOKIE_OURS
            fast_cookie(keys_of(t, fast_at(t, tcb_at(t, k.parent).fast), &n_keys), &k.raddr, &k.laddr, tcp_cookie(r) + 1)
        return 0
    if f == NULL or f.role != FAST_CLIENT or f.sent:
        return 0
    if f.option:
        r.options |= TCPO_FASTOPEN | (TCPO_FASTOPEN_EXP if f.exp else 0)
        tcp_cookie(r)[0] = f.len
        memcpy(tcp_cookie(r) + 1, f.cookie, f.len)
    if f.option or f.in_syn:
        k.fastopen |= TFO_ASKED
    if k.mss < f.in_syn:
        k.mss = <uint16_t>f.in_syn          # until the peer says what it takes
    return f.in_syn


cdef uint32_t fastopen_syn_left(tcp_state *t, tcb *k) noexcept nogil:
    cdef fast_open *f = fast_at(t, k.fast)
    if f.role == FAST_CHILD:
        k.snd_una = k.iss + 1               # as far as sending goes, the SYN is out of the way
        return 0
    if f.role != FAST_CLIENT or f.sent:
        return 0
    f.sent = 1
    return f.in_syn


cdef void fastopen_over(tcp_state *t, tcb *k) noexcept nogil:
    cdef fast_open *f = fast_at(t, k.fast)
    cdef fast_open *from_
    cdef uint32_t i
    if f.role == FAST_LISTENER:
        while f.resets != NONE:
            i = f.resets
            f.resets = fast_at(t, i).next
            arena_give(&t.fast.opens, i)
    elif f.role == FAST_CHILD:
        from_ = listener_of(t, f)
        if from_ != NULL:
            from_.pending -= 1
    arena_give(&t.fast.opens, k.fast)
    k.fast = NONE
