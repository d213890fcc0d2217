"""The socket API for Cython: see api.pxd. What is asked of a descriptor goes to TCP or UDP here, and what the kernel
does around them is added.
"""
from libc.errno cimport (
    EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOBUFS, ENOTCONN, EOPNOTSUPP,
    EPROTONOSUPPORT, ESOCKTNOSUPPORT,
)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.ip.state cimport READY_ERR, READY_HUP, READY_IN, READY_OUT, READY_PRI
from usnet.ip.udp cimport udp_bind, udp_close, udp_connect, udp_open, udp_pcb, udp_record, udp_recv, udp_send
from usnet.memory.arena cimport NONE, arena_at
from usnet.sockets.constants cimport (
    AF_INET, IPPROTO_TCP, IPPROTO_UDP, MSG_EOR, MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ZEROCOPY, SHUT_RD, SHUT_RDWR, SHUT_WR,
    SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM,
)
from usnet.sockets.errors cimport send_marked
from usnet.sockets.fastopen cimport fast_connect, fast_sendto
from usnet.sockets.options cimport option_get, option_set
from usnet.sockets.ready cimport (
    ep_create, ep_ctl, ep_free, ep_wait, fd_forget, fd_ready, news_consumed, news_drain, news_of,
    stream_read, stream_written, usn_epoll_event,
)
from usnet.sockets.table cimport (
    CALL_ACCEPT, CALL_CLOSE, CALL_CONNECT, CALL_RECV, CALL_SEND, CALL_SHUTDOWN, KIND_EPOLL, KIND_TCP, KIND_UDP,
    SF_CONNECTING, SF_DEFERRED, SF_FASTOPEN_CONNECT, SF_INHERITED, SF_LINGER, SF_SHUT_RD, SF_SHUT_WR, SF_STAMPS, fd_give, fd_take, fd_times, net,
    sock, sock_at, sock_find, sock_times, times_at, told,
)
from usnet.stack cimport stack_flush, stack_run
from usnet.tcp.calls cimport (
    tcp_abort, tcp_accept, tcp_bind, tcp_close, tcp_connect, tcp_listen, tcp_local, tcp_open, tcp_peer, tcp_recv, tcp_recv_else,
    tcp_send, tcp_shutdown, tcp_take_error,
)
from usnet.tcp.options cimport OPT_STATE, tcp_get
from usnet.tcp.state cimport tcb_at
from usnet.tcp.tcb cimport TCPS_CLOSED, TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_RCV_SHUT, tcb
from usnet.tcp.urgent cimport urgent_read
from usnet.wire.addr cimport addr_from_v4, addr_is_any, ip_addr

cdef enum:
    SOCK_PACKET = 10            # the highest kind of socket that there is
    MOST = 0x40000000           # bytes of one call; the rest is the caller's next
    LOOPBACK = 0x7f000001       # 127.0.0.1


cdef int64_t usn_run(net *n, int64_t now) noexcept nogil:
    cdef int64_t deadline = stack_run(n.s, now)
    news_drain(n)
    return deadline


cdef int64_t usn_flush(net *n, int64_t now) noexcept nogil:
    return stack_flush(n.s, now)


cdef inline udp_pcb *udp_at(net *n, sock *so) noexcept nogil:
    return <udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)


# --- making and naming ---

cdef int usn_socket(net *n, int family, int type, int proto) noexcept nogil:
    cdef int fd
    cdef uint32_t pcb
    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
    if family != AF_INET:
        return -EAFNOSUPPORT
    if type <= 0 or type > SOCK_PACKET or proto < 0 or proto > 255:
        return -EINVAL
    if type != SOCK_STREAM and type != SOCK_DGRAM:
        return -ESOCKTNOSUPPORT
    if proto != 0 and proto != (IPPROTO_TCP if type == SOCK_STREAM else IPPROTO_UDP):
        return -EPROTONOSUPPORT
    fd = fd_take(n, KIND_TCP if type == SOCK_STREAM else KIND_UDP)
    if fd < 0:
        return fd
    pcb = tcp_open(&n.s.tcp, fd) if type == SOCK_STREAM else udp_open(&n.s.ip)
    if pcb == NONE:
        fd_give(n, fd)
        return -ENOBUFS
    n.socks[fd].pcb = pcb
    if type == SOCK_DGRAM:
        udp_at(n, &n.socks[fd]).owner = <uint32_t>fd
    return fd


cdef int usn_bind(net *n, int fd, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if so.kind == KIND_TCP:
        return tcp_bind(&n.s.tcp, so.pcb, addr, port)
    return udp_bind(&n.s.ip, so.pcb, addr, port)


cdef int usn_listen(net *n, int fd, int backlog) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if so.kind != KIND_TCP:
        return -EOPNOTSUPP
    if so.flags & SF_CONNECTING:
        return -EINVAL
    if backlog < 0:
        backlog = 0x7fffffff                    # as the kernel: as many as the stack allows
    return tcp_listen(&n.s.tcp, so.pcb, <uint32_t>backlog)


cdef int usn_getsockname(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if so.kind == KIND_TCP:
        tcp_local(&n.s.tcp, so.pcb, addr, port)
    else:
        addr[0] = udp_at(n, so).laddr
        port[0] = udp_at(n, so).lport
    return 0


cdef int usn_getpeername(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if so.kind == KIND_TCP:
        return tcp_peer(&n.s.tcp, so.pcb, addr, port)
    if udp_at(n, so).rport == 0:
        return -ENOTCONN
    addr[0] = udp_at(n, so).raddr
    port[0] = udp_at(n, so).rport
    return 0


# --- connections ---

cdef int do_accept(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so), made
    cdef uint32_t conn = NONE
    cdef tcb *k
    if status < 0:
        return status
    if so.kind != KIND_TCP:
        return -EOPNOTSUPP
    if tcp_get(&n.s.tcp, so.pcb, OPT_STATE) != TCPS_LISTEN:
        return -EINVAL
    made = fd_take(n, KIND_TCP)
    if made < 0:
        return made
    status = tcp_accept(&n.s.tcp, so.pcb, <uint32_t>made, &conn)
    if status < 0:
        fd_give(n, made)
        if status == -EAGAIN:
            news_consumed(n, fd, READY_IN)
        return status
    so.mark -= 1
    news_consumed(n, fd, READY_IN)
    n.socks[made].pcb = conn
    n.socks[made].flags = n.socks[fd].flags & SF_INHERITED
    n.socks[made].linger = n.socks[fd].linger
    inherit_times(n, so, &n.socks[made])
    k = tcb_at(&n.s.tcp, conn)                  # not tcp_peer: it may have been reset while it waited
    if addr != NULL:
        addr[0] = k.raddr
    if port != NULL:
        port[0] = k.rport
    return made


cdef void inherit_times(net *n, const sock *listener, sock *made) noexcept nogil:
    cdef sock_times *from_ = times_at(n, listener)
    cdef sock_times *to = fd_times(n, made) if from_ != NULL else NULL
    if to != NULL:
        to[0] = from_[0]


cdef ip_addr here_if_any(const ip_addr *addr, uint16_t port) noexcept nogil:
    """Who sends to any address means this host."""
    cdef ip_addr to = addr[0]
    if port != 0 and addr_is_any(addr):
        addr_from_v4(&to, LOOPBACK)
    return to


cdef int do_connect(net *n, int fd, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    cdef ip_addr to
    if status < 0:
        return status
    to = here_if_any(addr, port)
    if so.kind == KIND_UDP:
        return udp_connect(&n.s.ip, so.pcb, &to, port)
    if so.flags & SF_CONNECTING:
        status = connect_outcome(n, so)
        if status != 0:
            return status
    elif so.flags & SF_FASTOPEN_CONNECT:
        status = fast_connect(n, so, &to, port, now)
        if status == 0 or status == -EINPROGRESS:
            so.flags |= SF_CONNECTING
            news_consumed(n, fd, READY_OUT | READY_HUP)
    else:
        status = tcp_connect(&n.s.tcp, so.pcb, &to, port, now)
        if status == 0:
            so.flags |= SF_CONNECTING
            news_consumed(n, fd, READY_OUT | READY_HUP)
            return -EINPROGRESS
    return status


cdef int connect_outcome(net *n, sock *so) noexcept nogil:
    """What a connect that is under way has come to: -EALREADY, 0, or why it failed. The two last are told once, as the
    kernel does.
    """
    cdef int64_t phase = tcp_get(&n.s.tcp, so.pcb, OPT_STATE)
    cdef int error
    if phase == TCPS_SYN_SENT or phase == TCPS_SYN_RECEIVED:
        return -EISCONN if so.flags & SF_DEFERRED else -EALREADY
    so.flags &= <uint16_t>~(SF_CONNECTING | SF_DEFERRED)
    if phase != TCPS_CLOSED:
        return 0
    error = tcp_take_error(&n.s.tcp, so.pcb)
    tcb_at(&n.s.tcp, so.pcb).flags &= ~<uint32_t>TF_RCV_SHUT    # as fresh again
    return -error if error else -ECONNABORTED   # SO_ERROR was asked for first


cdef int do_shutdown(net *n, int fd, int how, int64_t now) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    if how != SHUT_RD and how != SHUT_WR and how != SHUT_RDWR:
        return -EINVAL
    if so.kind == KIND_TCP:
        if tcp_get(&n.s.tcp, so.pcb, OPT_STATE) == TCPS_SYN_SENT:
            so.flags &= <uint16_t>~(SF_CONNECTING | SF_DEFERRED)    # it is over, and may be tried again
        status = tcp_shutdown(&n.s.tcp, so.pcb, how != SHUT_WR, how != SHUT_RD, now)
    else:
        if udp_at(n, so).rport == 0:
            status = -ENOTCONN                  # but reads end all the same, as with the kernel
        if how != SHUT_WR:
            so.flags |= SF_SHUT_RD
        if how != SHUT_RD:
            so.flags |= SF_SHUT_WR
            udp_at(n, so).shut = 1
    so.seen = 0                                 # as Linux: edges are told again of all that holds
    news_of(n, <uint32_t>fd)
    return status


cdef int do_close(net *n, int fd, int64_t now) noexcept nogil:
    cdef sock *so = sock_at(n, fd)
    if so == NULL:
        return -EBADF
    fd_forget(n, fd)
    if so.kind == KIND_EPOLL:
        ep_free(n, so.pcb)
    elif so.kind == KIND_UDP:
        udp_close(&n.s.ip, so.pcb)
    elif so.flags & SF_LINGER and so.linger == 0:
        tcp_abort(&n.s.tcp, so.pcb, now)
    else:
        tcp_close(&n.s.tcp, so.pcb, now)
    fd_give(n, fd)
    return 0


# --- bytes ---

cdef int64_t do_sendto(net *n, int fd, const uint8_t *p, size_t length, int flags, const ip_addr *addr, uint16_t port,
                       int64_t now) noexcept nogil:
    cdef sock *so
    cdef tcb *k
    cdef ip_addr to
    cdef int64_t done = sock_find(n, fd, &so)
    if done < 0:
        return done
    if (flags & (MSG_OOB | MSG_FASTOPEN) or so.flags & SF_DEFERRED):
        if flags & MSG_OOB and so.kind == KIND_UDP:
            return -EOPNOTSUPP
        if so.kind == KIND_TCP and (flags & MSG_FASTOPEN or so.flags & SF_DEFERRED):
            return fast_sendto(n, fd, so, p, <uint32_t>(length if length < MOST else MOST), flags, addr, port, now)
    if length > MOST:
        length = MOST                           # a datagram of so many is refused below: EMSGSIZE
    if so.kind == KIND_UDP:
        if addr != NULL:
            to = here_if_any(addr, port)
            addr = &to
        done = udp_send(&n.s.ip, so.pcb, p, <uint32_t>length, addr, port, now)
        news_consumed(n, fd, READY_OUT | READY_ERR)
        return done
    k = tcb_at(&n.s.tcp, so.pcb)
    if flags & (MSG_EOR | MSG_OOB | MSG_ZEROCOPY) or so.flags & SF_STAMPS or n.s.tcp.config.charged_buffers:
        done = send_marked(n, so, p, <uint32_t>length, flags, now)
    else:
        done = tcp_send(&n.s.tcp, so.pcb, k, p, <uint32_t>length, flags & MSG_MORE != 0)
    stream_written(n, fd, k)
    return done


cdef int64_t do_recvfrom(net *n, int fd, uint8_t *p, size_t length, int flags, ip_addr *addr, uint16_t *port,
                         int64_t now) noexcept nogil:
    cdef sock *so
    cdef tcb *k
    cdef int64_t done = sock_find(n, fd, &so)
    if done < 0:
        return done
    if flags & MSG_OOB and so.kind == KIND_TCP:
        return recv_urgent(n, fd, so, p, length, flags)
    if length > MOST:
        length = MOST
    if so.kind == KIND_UDP:
        return recv_datagram(n, fd, so, p, <uint32_t>length, flags, addr, port)
    k = tcb_at(&n.s.tcp, so.pcb)
    if flags & MSG_TRUNC:
        done = tcp_recv_else(&n.s.tcp, so.pcb, NULL, <uint32_t>length, flags & MSG_PEEK != 0)
    else:
        done = tcp_recv(&n.s.tcp, so.pcb, k, p, <uint32_t>length, flags & MSG_PEEK != 0)
    stream_read(n, fd, so, k)
    if done >= 0 and addr != NULL:
        tcp_peer(&n.s.tcp, so.pcb, addr, port)
    return done


cdef int64_t recv_urgent(net *n, int fd, sock *so, uint8_t *p, size_t length, int flags) noexcept nogil:
    cdef uint8_t byte
    cdef int64_t phase = tcp_get(&n.s.tcp, so.pcb, OPT_STATE), done
    if phase == TCPS_LISTEN:
        return -ENOTCONN
    done = urgent_read(&n.s.tcp, so.pcb, &byte, flags & MSG_PEEK != 0 or length == 0)
    if done > 0 and length == 0:
        return 0
    if done > 0 and not flags & MSG_TRUNC:
        p[0] = byte
    news_consumed(n, fd, READY_PRI)
    return done


cdef int64_t recv_datagram(net *n, int fd, sock *so, uint8_t *p, uint32_t length, int flags, ip_addr *addr,
                           uint16_t *port) noexcept nogil:
    cdef udp_record record
    cdef bint peek = flags & MSG_PEEK != 0
    cdef int64_t done
    memset(&record, 0, sizeof(record))
    done = udp_recv(&n.s.ip, so.pcb, p, length, peek, &record)
    if done >= 0 and not peek:
        so.mark -= 1
    news_consumed(n, fd, READY_IN | READY_ERR)
    if done < 0:
        return done
    if addr != NULL:
        addr[0] = record.src
        port[0] = record.src_port
    return record.length if flags & MSG_TRUNC else done


# --- the calls as they are offered: done, and told to whoever watches ---

cdef int usn_accept(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil:
    return <int>told(n, CALL_ACCEPT, fd, do_accept(n, fd, addr, port), NULL, 0)


cdef int usn_connect(net *n, int fd, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil:
    return <int>told(n, CALL_CONNECT, fd, do_connect(n, fd, addr, port, now), NULL, 0)


cdef int usn_shutdown(net *n, int fd, int how, int64_t now) noexcept nogil:
    return <int>told(n, CALL_SHUTDOWN, fd, do_shutdown(n, fd, how, now), NULL, 0)


cdef int usn_close(net *n, int fd, int64_t now) noexcept nogil:
    return <int>told(n, CALL_CLOSE, fd, do_close(n, fd, now), NULL, 0)


cdef int64_t usn_send(net *n, int fd, const uint8_t *p, size_t length, int flags, int64_t now) noexcept nogil:
    return usn_sendto(n, fd, p, length, flags, NULL, 0, now)


cdef int64_t usn_sendto(net *n, int fd, const uint8_t *p, size_t length, int flags, const ip_addr *addr, uint16_t port,
                        int64_t now) noexcept nogil:
    return told(n, CALL_SEND, fd, do_sendto(n, fd, p, length, flags, addr, port, now), NULL, 0)


cdef int64_t usn_recv(net *n, int fd, uint8_t *p, size_t length, int flags, int64_t now) noexcept nogil:
    return usn_recvfrom(n, fd, p, length, flags, NULL, NULL, now)


cdef int64_t usn_recvfrom(net *n, int fd, uint8_t *p, size_t length, int flags, ip_addr *addr, uint16_t *port,
                          int64_t now) noexcept nogil:
    cdef int64_t done = do_recvfrom(n, fd, p, length, flags, addr, port, now)
    cdef size_t given = 0
    if done > 0:
        given = <size_t>done if <size_t>done < length else length   # MSG_TRUNC tells the true length
    return told(n, CALL_RECV, fd, done, p, given)


# --- options and readiness ---

cdef int usn_getsockopt(net *n, int fd, int level, int name, void *value, uint32_t *length) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    status = option_get(n, so, level, name, value, length)
    news_consumed(n, fd, READY_ERR)
    return status


cdef int usn_setsockopt(net *n, int fd, int level, int name, const void *value, uint32_t length) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    return status if status < 0 else option_set(n, so, level, name, value, length)


cdef int usn_epoll_create(net *n) noexcept nogil:
    return ep_create(n)


cdef int usn_epoll_ctl(net *n, int epfd, int op, int fd, uint32_t events) noexcept nogil:
    return ep_ctl(n, epfd, op, fd, events, <uint64_t>fd)


cdef int usn_epoll_ctl_data(net *n, int epfd, int op, int fd, uint32_t events, uint64_t data) noexcept nogil:
    return ep_ctl(n, epfd, op, fd, events, data)


cdef int usn_epoll_wait(net *n, int epfd, usn_epoll_event *events, int max_events) noexcept nogil:
    return ep_wait(n, epfd, events, max_events)


cdef int usn_ready(net *n, int fd) noexcept nogil:
    return -EBADF if sock_at(n, fd) == NULL else <int>fd_ready(n, <uint32_t>fd)
