"""Options of a connection, and what can be asked about it. Ranges are Linux's."""
from libc.errno cimport EINVAL
from libc.stdint cimport INT32_MAX, UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t

from usnet.tcp.autotune cimport LOCK_RCVBUF, LOCK_SNDBUF, autotune_half
from usnet.tcp.aside cimport aside, aside_if
from usnet.tcp.delack cimport ACK_PINGPONG
from usnet.tcp.output cimport tcp_corked, tcp_want_output
from usnet.tcp.rare cimport rare_get, rare_set
from usnet.tcp.state cimport tcb_at, tcb_seen, tcp_state
from usnet.tcp.tables cimport tcb_share
from usnet.tcp.tcb cimport (
    T_KEEP,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSED,
    TCPS_ESTABLISHED,
    TCPS_LISTEN,
    TF_ACK_NOW,
    TF_CORK,
    TF_DELACK,
    TF_FORCE,
    TF_KEEPALIVE,
    TF_NODELAY,
    TF_REUSE,
    TF_REUSEPORT,
    UTO_DUE,
    tcb,
)
from usnet.tcp.timers cimport tcp_arm

cdef enum:
    SECOND = 1000000000         # ns
    MIN_BUF = 2048              # bytes: smallest send or receive buffer
    MAX_BUF = 1 << 30           # bytes: the largest window of RFC 7323
    LEAST_CHARGED = 4608        # bytes of a send buffer with charged_buffers
    MAX_KEEP = 32767            # seconds
    MAX_KEEP_COUNT = 127
    MIN_MAXSEG = 88             # bytes
    MAX_MAXSEG = 32767
    MAX_LINGER2 = 120           # seconds
    QUICK_ACKS = 16             # that TCP_QUICKACK lasts for, as in Linux


cdef void set_flag(tcb *k, uint32_t flag, bint on) noexcept nogil:
    if on:
        k.flags |= flag
    else:
        k.flags &= ~flag


cdef uint32_t clamp_buffer(int64_t bytes) noexcept nogil:
    return MIN_BUF if bytes < MIN_BUF else (MAX_BUF if bytes > MAX_BUF else <uint32_t>bytes)


cdef int set_buffer(tcp_state *t, tcb *k, int option, int64_t value) noexcept nogil:
    cdef aside *a = aside_if(t, k)
    k.locked |= LOCK_RCVBUF if option == OPT_RCVBUF else LOCK_SNDBUF
    if option == OPT_RCVBUF:
        k.rcvbuf = clamp_buffer(value)
        k.tune_at = autotune_half(t, k)
        if a != NULL and a.window_clamp:
            a.whole_rcvbuf = k.rcvbuf
            k.rcvbuf = a.window_clamp if a.window_clamp < k.rcvbuf else k.rcvbuf
        return 0
    if t.config.charged_buffers:
        value = 2 * value if 2 * value > LEAST_CHARGED else LEAST_CHARGED
    k.sndbuf = clamp_buffer(value)
    return 0


cdef uint32_t whole_rcvbuf(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const aside *a = aside_if(t, k)
    return a.whole_rcvbuf if a != NULL and a.whole_rcvbuf else k.rcvbuf


cdef void arm_keepalive(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.flags & TF_KEEPALIVE and (k.state == TCPS_ESTABLISHED or k.state == TCPS_CLOSE_WAIT):
        tcp_arm(t, c, T_KEEP, k.last_recv + k.keep_idle)


cdef int set_keepalive(tcp_state *t, uint32_t c, int option, int64_t value) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if value < 1 or value > (MAX_KEEP_COUNT if option == OPT_KEEPCNT else MAX_KEEP):
        return -EINVAL
    if option == OPT_KEEPCNT:
        k.keep_count = <uint8_t>value
    elif option == OPT_KEEPINTVL:
        k.keep_interval = value * SECOND
    else:
        k.keep_idle = value * SECOND
        arm_keepalive(t, c)
    return 0


cdef int set_maxseg(tcb *k, int64_t value) noexcept nogil:
    if value != 0 and not MIN_MAXSEG <= value <= MAX_MAXSEG:
        return -EINVAL
    k.user_mss = <uint16_t>value
    return 0


cdef void set_nodelay(tcp_state *t, uint32_t c, bint on) noexcept nogil:
    """Turned on, it sends what waits, in a cork too (as in Linux, where what comes after that is corked again)."""
    cdef tcb *k = tcb_at(t, c)
    set_flag(k, TF_NODELAY, on)
    if on and tcp_corked(k) and k.snd.span > k.snd_nxt - k.snd_una:
        k.flags |= TF_FORCE
    tcp_want_output(t, c)


cdef void set_quickack(tcp_state *t, uint32_t c, int64_t value) noexcept nogil:
    """Not for good: after QUICK_ACKS arrivals they are delayed again. An ACK that is owed goes now; with an even number that is all (Linux)."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint owed = k.flags & TF_DELACK and (k.state == TCPS_ESTABLISHED or k.state == TCPS_CLOSE_WAIT)
    if t.config.adaptive_acks:
        k.acks = k.acks & ~<uint8_t>ACK_PINGPONG if value else k.acks | ACK_PINGPONG
        if value and owed and k.rcv_ready == 0:
            k.flags |= TF_ACK_NOW
            tcp_want_output(t, c)
        if value and owed and not value & 1:
            k.acks |= ACK_PINGPONG
        return
    k.quick = QUICK_ACKS if value and (value & 1 or not owed) else 0
    if value and owed:
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)


cdef int tcp_set(tcp_state *t, uint32_t c, int option, int64_t value) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if option == OPT_NODELAY:
        set_nodelay(t, c, value != 0)
    elif option == OPT_CORK:
        set_flag(k, TF_CORK, value != 0)
        tcp_want_output(t, c)
    elif option == OPT_QUICKACK:
        set_quickack(t, c, value)
    elif option == OPT_KEEPALIVE:
        set_flag(k, TF_KEEPALIVE, value != 0)
        arm_keepalive(t, c)
    elif option == OPT_KEEPIDLE or option == OPT_KEEPINTVL or option == OPT_KEEPCNT:
        return set_keepalive(t, c, option, value)
    elif option == OPT_SNDBUF or option == OPT_RCVBUF:
        return set_buffer(t, k, option, value)
    elif option == OPT_REUSEADDR:
        tcb_share(t, c, TF_REUSE, value != 0)
    elif option == OPT_REUSEPORT:
        tcb_share(t, c, TF_REUSEPORT, value != 0)
    elif option == OPT_USER_TIMEOUT:
        if value < 0 or value > INT32_MAX:
            return -EINVAL
        k.user_timeout = value * 1000000
        k.uto = UTO_DUE if value and t.config.uto else 0
        k.way = 0 if k.uto else k.way       # it leaves with the next segment, which takes the long way
    elif option == OPT_MAXSEG:
        return set_maxseg(k, value)
    elif option == OPT_LINGER2:
        k.linger2 = -1 if value < 0 else (value if value < MAX_LINGER2 else MAX_LINGER2) * SECOND
    elif option == OPT_TTL:
        k.ttl = <uint8_t>value
        k.form.way = 0
    elif option == OPT_TOS:
        k.tos = <uint8_t>value & 0xfc
        k.form.way = 0
    else:
        return rare_set(t, c, option, value)
    return 0


cdef int64_t maxseg(const tcb *k) noexcept nogil:
    if k.user_mss and (k.state == TCPS_CLOSED or k.state == TCPS_LISTEN):
        return k.user_mss
    return k.mss


cdef int64_t tcp_get(tcp_state *t, uint32_t c, int option) noexcept nogil:
    cdef tcb room
    cdef const tcb *k = tcb_seen(t, c, &room)
    if option == OPT_NODELAY:
        return (k.flags & TF_NODELAY) != 0
    if option == OPT_CORK:
        return (k.flags & TF_CORK) != 0
    if option == OPT_QUICKACK:
        return not k.acks & ACK_PINGPONG if t.config.adaptive_acks else k.quick != 0
    if option == OPT_KEEPALIVE:
        return (k.flags & TF_KEEPALIVE) != 0
    if option == OPT_KEEPIDLE:
        return k.keep_idle // SECOND
    if option == OPT_KEEPINTVL:
        return k.keep_interval // SECOND
    if option == OPT_KEEPCNT:
        return k.keep_count if k.keep_count else t.config.keep_count
    if option == OPT_SNDBUF:
        return k.sndbuf
    if option == OPT_RCVBUF:
        return whole_rcvbuf(t, k) * (2 if t.config.charged_buffers else 1)
    if option == OPT_REUSEADDR:
        return (k.flags & TF_REUSE) != 0
    if option == OPT_REUSEPORT:
        return (k.flags & TF_REUSEPORT) != 0
    if option == OPT_USER_TIMEOUT:
        return k.user_timeout // 1000000
    if option == OPT_MAXSEG:
        return maxseg(k)
    if option == OPT_LINGER2:
        return UINT32_MAX if k.linger2 < 0 else (k.linger2 if k.linger2 else t.config.fin_wait_2) // SECOND
    if option == OPT_STATE:
        return k.state
    if option == OPT_ACCEPTCONN:
        return k.state == TCPS_LISTEN
    if option == OPT_TTL:
        return k.ttl if k.ttl else t.ip.config.ttl
    if option == OPT_TOS:
        return k.tos
    return rare_get(t, k, option)
