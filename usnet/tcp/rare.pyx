"""Rare options: ranges and roundings are Linux's."""
from libc.errno cimport EINVAL, ENOBUFS, ENOPROTOOPT
from libc.stdint cimport INT32_MAX, int64_t, uint8_t, uint32_t, uint64_t

from usnet.ip.state cimport READY_ERR, READY_IN, READY_OUT, READY_PRI
from libc.string cimport memcpy

from usnet.memory.arena cimport NONE
from usnet.memory.pieces cimport queue_peek
from usnet.tcp.aside cimport SOF_ALL, SOF_OPT_ID, URGENT_HERE, aside, aside_at, aside_if, aside_need, notsent_limit
from usnet.tcp.autotune cimport LOCK_RCVBUF
from usnet.tcp.charge cimport charge_of
from usnet.tcp.options cimport (
    OPT_DEFER_ACCEPT, OPT_NOTSENT_LOWAT, OPT_OOBINLINE, OPT_PEEK_OFF, OPT_RCVLOWAT, OPT_STAMPS, OPT_SYNCNT, OPT_WINDOW_CLAMP,
)
from usnet.tcp.state cimport tcb_at, tcb_awake, tcp_state
from usnet.tcp.tables cimport tcp_notify
from usnet.tcp.urgent cimport urgent_before, urgent_pass
from usnet.tcp.tcb cimport TCPS_CLOSED, TCPS_LISTEN, TF_ASIDE, tcb

cdef enum:
    MAX_SYNCNT = 127
    LEAST_CLAMP = 1152          # bytes
    MOST_DEFERRALS = 255
    LONGEST_WAIT = 120          # seconds between two SYN-ACKs, for TCP_DEFER_ACCEPT


cdef uint32_t deferrals(int64_t seconds) noexcept nogil:
    """How many SYN-ACKs are sent in that time."""
    cdef int64_t wait = 1, period = 1
    cdef uint32_t n = 0
    if seconds <= 0:
        return 0
    n = 1
    while seconds > period and n < MOST_DEFERRALS:
        n += 1
        wait = wait * 2 if wait * 2 < LONGEST_WAIT else LONGEST_WAIT
        period += wait
    return n


cdef int64_t deferred_for(uint32_t n) noexcept nogil:
    """Seconds in which so many are sent."""
    cdef int64_t wait = 1, period = 1
    if n == 0:
        return 0
    while n > 1:
        n -= 1
        wait = wait * 2 if wait * 2 < LONGEST_WAIT else LONGEST_WAIT
        period += wait
    return period


cdef int set_clamp(tcb *k, aside *a, int64_t value) noexcept nogil:
    """The receive buffer is never used beyond it; SO_RCVBUF goes on to say what was asked for."""
    if value == 0 and k.state != TCPS_CLOSED:
        return -EINVAL
    if a.whole_rcvbuf == 0:
        a.whole_rcvbuf = k.rcvbuf
    a.window_clamp = 0 if value <= 0 else (LEAST_CLAMP if value < LEAST_CLAMP else <uint32_t>value)
    k.locked |= LOCK_RCVBUF
    k.rcvbuf = a.whole_rcvbuf if a.window_clamp == 0 or a.window_clamp > a.whole_rcvbuf else a.window_clamp
    return 0


cdef void set_lowat(tcp_state *t, tcb *k, aside *a, int64_t value) noexcept nogil:
    if value < 0:
        value = INT32_MAX
    if value > k.rcvbuf // 2:
        value = k.rcvbuf // 2               # else a peer that fills the window would wait for ever
    a.rcvlowat = <uint32_t>value if value else 1
    tcp_notify(t, k)


cdef int set_stamps(tcb *k, aside *a, int64_t value) noexcept nogil:
    """Keys count from what is not acknowledged when SOF_TIMESTAMPING_OPT_ID is turned on."""
    if value & SOF_OPT_ID and not a.stamps & SOF_OPT_ID:
        if k.state == TCPS_CLOSED or k.state == TCPS_LISTEN:
            return -EINVAL
        a.stamp_base = k.snd_una
    a.stamps = <uint32_t>value
    return 0


cdef int rare_set(tcp_state *t, uint32_t c, int option, int64_t value) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef aside *a
    if option == OPT_SYNCNT and not 1 <= value <= MAX_SYNCNT:
        return -EINVAL
    if option == OPT_STAMPS and value & ~<int64_t>SOF_ALL:
        return -EINVAL
    if not OPT_NOTSENT_LOWAT <= option <= OPT_STAMPS:
        return -ENOPROTOOPT
    a = aside_need(t, k)
    if a == NULL:
        return -ENOBUFS
    if option == OPT_NOTSENT_LOWAT:
        a.notsent_lowat = <uint32_t>value
        tcp_notify(t, k)
    elif option == OPT_RCVLOWAT:
        set_lowat(t, k, a, value)
    elif option == OPT_SYNCNT:
        a.syn_count = <uint8_t>value
    elif option == OPT_DEFER_ACCEPT:
        a.defer = deferrals(value)
    elif option == OPT_WINDOW_CLAMP:
        return set_clamp(k, a, value)
    elif option == OPT_OOBINLINE:
        a.oob_inline = value != 0
    elif option == OPT_PEEK_OFF:
        a.peek_off = <int>value if value >= 0 else -1
    else:
        return set_stamps(k, a, value)
    return 0


cdef int64_t rare_get(tcp_state *t, const tcb *k, int option) noexcept nogil:
    cdef const aside *a = aside_if(t, k)
    if option == OPT_NOTSENT_LOWAT:
        return <int>a.notsent_lowat if a != NULL else 0
    if option == OPT_RCVLOWAT:
        return a.rcvlowat if a != NULL and a.rcvlowat else 1
    if option == OPT_SYNCNT:
        return a.syn_count if a != NULL and a.syn_count else t.config.syn_retries
    if option == OPT_DEFER_ACCEPT:
        return deferred_for(a.defer) if a != NULL else 0
    if option == OPT_WINDOW_CLAMP:
        return a.window_clamp if a != NULL else 0
    if option == OPT_OOBINLINE:
        return a != NULL and a.oob_inline
    if option == OPT_PEEK_OFF:
        return a.peek_off if a != NULL else -1
    if option == OPT_STAMPS:
        return a.stamps if a != NULL else 0
    return -ENOPROTOOPT


cdef uint32_t rare_syn_retries(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const aside *a = aside_if(t, k)
    return a.syn_count if a != NULL and a.syn_count else t.config.syn_retries


cdef bint writable(tcp_state *t, const tcb *k, const aside *a) noexcept nogil:
    """A third of the buffer is free, and little enough of it is not sent."""
    cdef uint64_t charged = charge_of(t, k, a), unsent = k.snd.span - (k.snd_nxt - k.snd_una), limit = notsent_limit(t, k)
    if k.snd_nxt - k.snd_una > k.snd.span:
        unsent = 0                          # the FIN is out
    return charged * 3 <= <uint64_t>k.sndbuf * 2 and (limit == 0 or unsent * 2 < limit)


cdef uint32_t rare_ready(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const aside *a = aside_at(t, k)
    cdef uint32_t ready = READY_ERR if a.notes != NONE else 0
    if k.rcv_ready and k.rcv_ready >= a.rcvlowat:
        ready |= READY_IN
    if a.urgent == URGENT_HERE:
        ready |= READY_PRI
    return ready | (READY_OUT if writable(t, k, a) else 0)


cdef uint32_t rare_readable(tcp_state *t, uint32_t c, uint32_t n, bint peek) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef aside *a = aside_at(t, k)
    cdef uint32_t ready, offset = 0
    if not peek and n:
        urgent_pass(t, c)
    ready = urgent_before(t, k)
    if peek and a.peek_off > 0:
        offset = <uint32_t>a.peek_off
        ready = ready - offset if ready > offset else 0
    if n > ready:
        n = ready
    if not peek and a.peek_off > 0:
        a.peek_off = a.peek_off - <int>n if <uint32_t>a.peek_off > n else 0
    return n


cdef uint32_t rare_peek(tcp_state *t, tcb *k, uint8_t *p, uint32_t n) noexcept nogil:
    cdef aside *a = aside_at(t, k)
    cdef uint32_t at = a.peek_off if a.peek_off > 0 else 0, done = 0, run
    cdef const uint8_t *src
    while done < n:
        src = queue_peek(t.pieces, &k.rcv, at + done, &run)
        if run > n - done:
            run = n - done
        memcpy(p + done, src, run)
        done += run
    if a.peek_off >= 0:
        a.peek_off += <int>n
    return n


cdef bint rare_news(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_awake(t, c)
    cdef aside *a
    if k == NULL or not k.flags & TF_ASIDE or k.state == TCPS_LISTEN:
        return False
    a = aside_at(t, k)
    if not a.told:
        return False
    a.told = 0
    return True
