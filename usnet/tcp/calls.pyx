"""The application's calls. They change queues and state; what follows from that leaves with the next flush of the stack."""
from libc.errno cimport (
    EADDRINUSE,
    EADDRNOTAVAIL,
    EAGAIN,
    EALREADY,
    ECONNRESET,
    EINVAL,
    EISCONN,
    ENETUNREACH,
    ENOBUFS,
    ENOTCONN,
    EPIPE,
)
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint8_t

from usnet.ip.config cimport ip_broadcast_netif, ip_is_group, ip_is_local, ip_source
from usnet.ip.known cimport known_at, known_find
from usnet.ip.state cimport known_host, READY_ERR, READY_HUP, READY_IN, READY_OUT, READY_RDHUP
from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.memory.chunks cimport CHUNK_BYTES
from usnet.memory.pieces cimport queue_drop, queue_fits_near, queue_read, queue_take, queue_write
from usnet.tcp.aside cimport aside_at
from usnet.tcp.charge cimport charge_take
from usnet.tcp.fastopen cimport fastopen_deferred, fastopen_listening
from usnet.tcp.handshake cimport handshake_number_above, handshake_start
from usnet.tcp.autotune cimport autotune_due, autotune_read
from usnet.tcp.calls cimport ready_both, tcb_ready, tcp_read_done
from usnet.tcp.lend cimport lend_fill, lend_may
from usnet.tcp.output cimport tcp_output, tcp_want_output
from usnet.tcp.rare cimport rare_peek, rare_readable, rare_ready
from usnet.tcp.segment cimport segment_window
from usnet.tcp.state cimport listener, listener_at, tcb_at, tcb_seen, tcp_state
from usnet.tcp.states cimport tcp_set_state
from usnet.tcp.tables cimport (
    tcb_bind,
    tcb_clear_queues,
    tcb_connections_conflict,
    tcb_drop,
    tcb_enter,
    tcb_enter_new,
    tcb_find,
    tcb_may_inherit,
    tcb_new,
    tcb_pick_bound_port,
    tcb_pick_port,
    tcp_notify,
)
from usnet.tcp.tcb cimport (
    TCPS_CLOSED,
    TCPS_ESTABLISHED,
    TCPS_LISTEN,
    TCPS_SYN_RECEIVED,
    TCPS_SYN_SENT,
    TCPS_TIME_WAIT,
    TF_ACK_NOW,
    TF_ASIDE,
    TF_BOUND,
    TF_CONNECTED,
    TF_FIN_QUEUED,
    TF_FIN_RECEIVED,
    TF_HELD,
    TF_MORE,
    TF_RCV_SHUT,
    TF_UNPUSHED,
    TFO_PASSIVE,
    tcb,
)
from usnet.tcp.teardown cimport tcp_end, tcp_end_reset, tcp_orphan, tcp_send_fin
from usnet.wire.addr cimport addr_as_it_lies, addr_is_any, addr_set_v4, ip_addr
from usnet.wire.seq cimport seq_diff

cdef uint32_t tcp_open(tcp_state *t, uint32_t owner) noexcept nogil:
    cdef uint32_t c = tcb_new(t)
    if c != NONE:
        tcb_at(t, c).owner = owner
        tcb_at(t, c).flags |= TF_HELD
    return c


cdef int tcp_bind(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if not addr_is_any(addr) and not ip_is_local(t.ip, addr):
        return -EADDRNOTAVAIL
    if k.flags & TF_BOUND or k.state != TCPS_CLOSED:
        return -EINVAL
    if port == 0:
        return tcb_pick_bound_port(t, c, addr)
    return -EADDRINUSE if tcb_connections_conflict(t, c, addr, port) else tcb_bind(t, c, addr, port)


cdef int tcp_listen(tcp_state *t, uint32_t c, uint32_t backlog) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef listener *q
    cdef int status
    if backlog > t.config.max_backlog:
        backlog = t.config.max_backlog
    if k.state == TCPS_LISTEN:
        listener_at(t, k.listener).backlog = backlog
        return 0
    if k.state != TCPS_CLOSED or k.flags & TF_CONNECTED:
        return -EINVAL
    if not k.flags & TF_BOUND:
        status = tcb_pick_bound_port(t, c, &k.laddr)
        if status:
            return status
    k.listener = arena_take(&t.listeners)
    if k.listener == NONE:
        return -ENOBUFS
    q = listener_at(t, k.listener)
    q.backlog = backlog
    q.ready_head = q.ready_tail = q.syn_head = NONE
    tcp_set_state(t, k, TCPS_LISTEN)
    fastopen_listening(t, c, backlog)
    return 0


cdef int tcp_accept(tcp_state *t, uint32_t c, uint32_t owner, uint32_t *conn) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef listener *q
    if k.state != TCPS_LISTEN:
        return -EINVAL
    q = listener_at(t, k.listener)
    if q.ready_head == NONE:
        return -EAGAIN
    conn[0] = q.ready_head
    k = tcb_at(t, conn[0])
    q.ready_head = k.next
    if q.ready_head == NONE:
        q.ready_tail = NONE
    q.n_ready -= 1
    k.next = k.parent = NONE
    k.owner = owner
    t.counters.accepted += 1
    return 0


cdef int take_ends(tcp_state *t, uint32_t c, int64_t now, uint32_t *after) noexcept nogil:
    """Into the table of connections, in place of one in TIME-WAIT if that may be: 0, 1 (then *after is the last number that it used), or an errno."""
    cdef tcb *k = tcb_at(t, c)
    cdef int status = tcb_enter(t, c)
    cdef uint32_t other
    if status != -EADDRNOTAVAIL:
        return status
    other = tcb_find(t, &k.laddr, k.lport, &k.raddr, k.rport)
    if not tcb_may_inherit(t, other, now):
        return status
    after[0] = tcb_at(t, other).snd_max
    t.counters.time_wait_reuses += 1
    tcp_end(t, other, 0)
    status = tcb_enter(t, c)
    return status if status else 1


cdef int source_to(tcp_state *t, const ip_addr *addr, ip_addr *src) noexcept nogil:
    """Our address for a connection to that host. 0 or an errno."""
    cdef const known_host *known = known_find(t.ip, addr)
    cdef int status
    if known != NULL and known.best:
        addr_set_v4(src, <const uint8_t *>&known.best)
        return 0
    if ip_is_group(addr) or ip_broadcast_netif(t.ip, addr) >= 0:
        return -ENETUNREACH                 # MUST-46: a connection has one host at each end
    status = ip_source(t.ip, addr, src)
    if status == 0 and known != NULL:
        known_at(t.ip, addr_as_it_lies(addr)).best = addr_as_it_lies(src)
    return status


cdef int tcp_connect(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int status
    cdef uint32_t after
    cdef bint fresh = False                 # nobody else has its ends
    cdef ip_addr src
    if k.state == TCPS_LISTEN:
        return -EISCONN
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        return -EALREADY
    if k.state != TCPS_CLOSED or k.flags & TF_CONNECTED:
        return -EISCONN
    if port == 0 or addr_is_any(addr):
        return -EINVAL
    status = source_to(t, addr, &src)
    if status:
        return status
    if addr_is_any(&k.laddr):
        k.laddr = src
    k.raddr = addr[0]
    k.rport = port
    k.error = 0
    if k.lport == 0:
        status = tcb_pick_port(t, c, now)
        if status < 0:
            return status
        fresh = status == 0
    status = tcb_enter_new(t, c) if fresh else take_ends(t, c, now, &after)
    if status < 0:
        return status
    handshake_start(t, c, now)
    if status:
        handshake_number_above(k, after)
    return 0


cdef int64_t end_status(tcb *k) noexcept nogil:
    """What a call on a connection that is over says: its error once, then EPIPE."""
    cdef int32_t err = k.error
    k.error = 0
    return -err if err else -EPIPE


cdef bint tcp_may_hold(const tcp_state *t, const tcb *k, uint32_t n) noexcept nogil:
    """Whether n more bytes may wait to be sent. A quarter of the memory is for what arrives: two stacks full of what they want to say to each other
    could take nothing in, and would never say it."""
    cdef uint32_t tail = k.snd.c.n_chunks * CHUNK_BYTES - k.snd.c.offset - k.snd.c.span
    cdef uint32_t fresh
    if queue_fits_near(&k.snd, n):
        return True
    n += k.snd.near                         # which moves along
    fresh = (n - tail + CHUNK_BYTES - 1) // CHUNK_BYTES if n > tail else 0
    return fresh == 0 or t.chunks.heads.live + fresh <= t.chunks.heads.capacity - t.chunks.heads.capacity // 4


cdef int64_t tcp_send_status(tcp_state *t, tcb *k) noexcept nogil:
    if k.state == TCPS_CLOSED:
        return end_status(k) if k.flags & TF_CONNECTED or k.error else -EPIPE
    if k.state == TCPS_LISTEN:
        return -EPIPE
    if k.flags & TF_FIN_QUEUED:
        return -EPIPE
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        return 0 if k.fastopen & TFO_PASSIVE else -EAGAIN
    return 0


cdef uint32_t put_chunks(tcp_state *t, tcb *k, const uint8_t *p, uint32_t n) noexcept nogil:
    """As many of n bytes as there is memory for."""
    while n and not (tcp_may_hold(t, k, n) and queue_write(t.pieces, &k.snd, p, n) == 0):
        n //= 2                             # memory runs low
    t.copies.out_chunk += n
    return n


cdef void note_more(const tcp_state *t, tcb *k, bint more) noexcept nogil:
    k.flags &= ~<uint32_t>(TF_MORE | TF_UNPUSHED)
    if more:
        k.flags |= TF_MORE | (TF_UNPUSHED if t.config.more_until_ack else 0)


cdef int64_t tcp_send_frames(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, bint more, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t done = 0, part, took, unpushed = 0
    cdef int64_t status = tcp_send_status(t, k)
    if status < 0 or n == 0:
        return status
    k.no_room = 0
    while done < n:
        part = charge_take(t, k, aside_at(t, k), n - done)
        if part == 0:
            k.no_room = 1
            break
        took = put_chunks(t, k, p + done, part)
        done += took
        unpushed += took
        note_more(t, k, more or (done < n and unpushed <= k.max_window // 2))
        if unpushed > k.max_window // 2:
            unpushed = 0                    # ends with PSH, as behind each half of the largest window in Linux
        if took < part:
            break
        if done < n:
            tcp_output(t, c, now)
    note_more(t, k, more)
    tcp_want_output(t, c)
    if done:
        return done
    return -EAGAIN if k.no_room else -ENOBUFS


cdef int64_t tcp_send_else(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, bint more) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t room, done = 0, took, apart
    cdef int64_t status = tcp_send_status(t, k)
    if status < 0 or n == 0:
        return status
    room = k.sndbuf - k.snd.span if k.sndbuf > k.snd.span else 0
    k.no_room = n > room
    if n > room:
        n = room
    if n == 0:
        return -EAGAIN
    while done < n:
        apart = n - done
        took = lend_fill(t, c, p + done, n - done, &apart) if lend_may(t, k) else 0
        if took == 0:
            took = put_chunks(t, k, p + done, apart)
        done += took
        if took == 0:
            break
    if done == 0:
        return -ENOBUFS                     # nobody would be told when there is some again
    note_more(t, k, more)
    tcp_want_output(t, c)
    return done


cdef void tcp_tell_window(tcp_state *t, uint32_t c, tcb *k) noexcept nogil:
    cdef uint32_t promised = <uint32_t>seq_diff(k.rcv_adv, k.rcv_nxt)
    cdef uint32_t more = segment_window(k) - promised
    if k.state < TCPS_ESTABLISHED or k.flags & TF_FIN_RECEIVED:
        return
    if more >= k.rcvbuf // 2 or (more >= 2 * <uint32_t>k.rcv_mss and (more >= k.rcvbuf // 4 or promised <= k.rcvbuf // 8)):
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)


cdef void tcp_bulk_read(tcp_state *t, uint32_t c, tcb *k, uint32_t n) noexcept nogil:
    tcp_read_done(t, c, k, n)
    if autotune_due(t, k) and autotune_read(t, k):
        tcp_tell_window(t, c, k)


cdef int64_t tcp_recv_else(tcp_state *t, uint32_t c, uint8_t *p, uint32_t n, bint peek) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int32_t err
    cdef uint32_t placed, asked = n
    if k.flags & TF_ASIDE:
        n = rare_readable(t, c, n, peek)
        if peek and n and p != NULL:
            return rare_peek(t, k, p, n)
    if n > k.rcv_ready:
        n = k.rcv_ready
    if n and p == NULL:
        if not peek:
            queue_drop(t.pieces, &k.rcv, n)
            tcp_bulk_read(t, c, k, n)
        return n
    if n:
        placed = queue_read(t.pieces, &k.rcv, p, n) if peek else queue_take(t.pieces, &k.rcv, p, n)
        t.copies.in_read += placed
        t.copies.in_read_chunk += n - placed
        if not peek:
            tcp_bulk_read(t, c, k, n)
        return n
    if k.rcv_ready and asked == 0:          # nothing was asked for
        return 0
    if k.flags & TF_FIN_RECEIVED:
        return 0                            # the stream was whole, whatever came behind it
    if k.error:
        err = k.error
        k.error = 0
        return -err
    if k.flags & TF_RCV_SHUT:
        return 0
    if k.state == TCPS_LISTEN or k.state == TCPS_CLOSED:
        return 0 if k.flags & TF_CONNECTED else -ENOTCONN
    return -EAGAIN


cdef void refuse_waiting(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """A listener goes: those that nobody will accept are reset."""
    cdef listener *q = listener_at(t, k.listener)
    cdef uint32_t c, following
    while q.syn_head != NONE:
        tcp_end_reset(t, q.syn_head, ECONNRESET, now)
    c = q.ready_head
    while c != NONE:
        following = tcb_at(t, c).next
        tcb_at(t, c).parent = NONE
        tcp_abort(t, c, now)
        c = following


cdef void stop_listening(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    """It keeps its port, and may listen again."""
    refuse_waiting(t, k, now)
    arena_give(&t.listeners, k.listener)
    k.listener = NONE
    tcp_set_state(t, k, TCPS_CLOSED)
    tcp_notify(t, k)


cdef int tcp_shutdown(tcp_state *t, uint32_t c, bint receive, bint send, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.state == TCPS_SYN_SENT:            # the attempt ends, and the socket may try again
        tcp_end(t, c, ECONNRESET)
        k.flags &= ~<uint32_t>TF_RCV_SHUT
        return 0
    if k.state == TCPS_LISTEN:
        if receive:
            stop_listening(t, k, now)
        return 0
    if receive:
        k.flags |= TF_RCV_SHUT              # of one that is not connected too, as Linux does: its reads end
        tcp_notify(t, k)
    if k.state == TCPS_CLOSED or k.state == TCPS_TIME_WAIT:
        return -ENOTCONN
    if send:
        tcp_send_fin(t, c)
        tcp_notify(t, k)
    return 0


cdef void tcp_close(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    k.owner = NONE
    if k.state == TCPS_LISTEN:
        refuse_waiting(t, k, now)
        k.flags &= ~<uint32_t>TF_HELD
        tcp_end(t, c, 0)
        return
    k.flags &= ~<uint32_t>TF_HELD
    if k.state == TCPS_CLOSED:
        tcb_drop(t, c)
    elif k.state == TCPS_SYN_SENT:
        tcp_end(t, c, 0)
    elif (k.rcv_ready or k.rcv.c.span) and not k.state == TCPS_TIME_WAIT:
        tcp_end_reset(t, c, ECONNRESET, now)    # bytes that will never be read: the peer must know
    elif k.state == TCPS_TIME_WAIT:
        tcb_clear_queues(t, k, False)       # nobody will read it
    else:
        tcp_orphan(t, c, now)


cdef void tcp_abort(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    k.owner = NONE
    if k.state == TCPS_LISTEN:
        tcp_close(t, c, now)
        return
    k.flags &= ~<uint32_t>TF_HELD
    if k.state == TCPS_CLOSED:
        tcb_drop(t, c)
    elif k.state == TCPS_TIME_WAIT:
        tcb_clear_queues(t, k, False)       # it ends by itself
    else:
        tcp_end_reset(t, c, ECONNRESET, now)


cdef int32_t tcp_take_error(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int32_t err = k.error
    k.error = 0
    return err


cdef uint32_t tcb_ready_else(tcp_state *t, const tcb *k) noexcept nogil:
    cdef uint32_t ready = READY_ERR if k.error else 0
    if k.state == TCPS_LISTEN:
        return ready | (READY_IN if listener_at(t, k.listener).n_ready else 0)
    if k.state == TCPS_SYN_SENT and k.fast != NONE and fastopen_deferred(t, k):
        return ready | READY_OUT
    if k.state == TCPS_SYN_SENT or (k.state == TCPS_SYN_RECEIVED and not k.fastopen & TFO_PASSIVE):
        return ready
    if k.flags & TF_ASIDE and aside_at(t, k).notes != NONE:
        ready |= READY_ERR
    if k.state == TCPS_CLOSED:              # never connected, or over: nothing would block
        ready |= READY_OUT | READY_HUP
        if k.flags & TF_RCV_SHUT:           # tcp_end sets it
            ready |= READY_IN | READY_RDHUP
        return ready
    if k.flags & (TF_FIN_RECEIVED | TF_RCV_SHUT):
        ready |= READY_IN | READY_RDHUP
        if k.flags & TF_FIN_QUEUED:
            ready |= READY_HUP
    if k.flags & TF_FIN_QUEUED:
        ready |= READY_OUT
    return ready | (rare_ready(t, k) if k.flags & TF_ASIDE else ready_both(k))


cdef uint32_t tcp_ready_at_rest(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb room
    return tcb_ready(t, tcb_seen(t, c, &room))


cdef void tcp_local(tcp_state *t, uint32_t c, ip_addr *addr, uint16_t *port) noexcept nogil:
    addr[0] = tcb_at(t, c).laddr
    port[0] = tcb_at(t, c).lport


cdef int tcp_peer(tcp_state *t, uint32_t c, ip_addr *addr, uint16_t *port) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.state < TCPS_SYN_RECEIVED or k.state == TCPS_TIME_WAIT:
        return -ENOTCONN
    addr[0] = k.raddr
    port[0] = k.rport
    return 0
