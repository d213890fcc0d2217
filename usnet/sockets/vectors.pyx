"""Scatter and gather: see vectors.pxd. Streams are served piece by piece; datagrams go through one piece of memory."""
from libc.errno cimport EINVAL, EMSGSIZE, EOPNOTSUPP
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy
from posix.uio cimport iovec

from usnet.ip.udp cimport UDP_MAX, udp_pcb, udp_record
from usnet.memory.arena cimport arena_at
from usnet.memory.chunks cimport chain_read
from usnet.memory.prefetch cimport prefetch
from usnet.sockets.api cimport usn_recvfrom, usn_sendto
from usnet.sockets.constants cimport MSG_EOR, MSG_FASTOPEN, MSG_OOB, MSG_PEEK, MSG_TRUNC
from usnet.sockets.errors cimport USN_NOMARK, usn_mark
from usnet.sockets.table cimport KIND_TCP, SF_DEFERRED, net, sock, sock_at, sock_find
from usnet.tcp.state cimport tcb_seen
from usnet.tcp.tcb cimport TCPS_LISTEN, tcb
from usnet.tcp.warm cimport WARM_MOST, tcp_warm
from usnet.wire.addr cimport ip_addr

cdef enum:
    SCRATCH = 65536             # bytes of stack.gather, which only stack_run uses besides


cdef int64_t total_of(const iovec *iov, int count) noexcept nogil:
    """Bytes of all pieces, or -EINVAL, -EMSGSIZE."""
    cdef int64_t total = 0
    cdef int i
    if count < 0:
        return -EINVAL
    if count > USN_IOV_MAX:
        return -EMSGSIZE
    for i in range(count):
        if iov[i].iov_len > <size_t>(INT64_MAX - total):
            return -EINVAL
        total += <int64_t>iov[i].iov_len
    return total


cdef inline bint is_stream(net *n, int fd) noexcept nogil:
    cdef sock *so = sock_at(n, fd)
    return so != NULL and so.kind == KIND_TCP


cdef int64_t send_gathered(net *n, int fd, const iovec *iov, int count, int64_t total, int flags, const ip_addr *addr,
                           uint16_t port, int64_t now) noexcept nogil:
    cdef uint8_t *scratch = n.s.gather
    cdef size_t at = 0
    cdef int i
    if total > UDP_MAX:
        return -EMSGSIZE
    for i in range(count):
        memcpy(scratch + at, iov[i].iov_base, iov[i].iov_len)
        at += iov[i].iov_len
    return usn_sendto(n, fd, scratch, at, flags, addr, port, now)


cdef int64_t send_opening(net *n, int fd, const iovec *iov, int count, int flags, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil:
    """What goes with a SYN goes in one piece: as much as the scratch holds, which is more than a SYN carries."""
    cdef uint8_t *scratch = n.s.gather
    cdef size_t at = 0, part
    cdef int i
    for i in range(count):
        part = min(iov[i].iov_len, SCRATCH - at)
        memcpy(scratch + at, iov[i].iov_base, part)
        at += part
    return usn_sendto(n, fd, scratch, at, flags, addr, port, now)


cdef int64_t usn_sendmsg(net *n, int fd, const iovec *iov, int count, int flags, const ip_addr *addr, uint16_t port,
                         int64_t now) noexcept nogil:
    cdef int64_t total = total_of(iov, count), done = 0, sent = 0
    cdef int i
    if total < 0:
        return total
    if count == 1:
        return usn_sendto(n, fd, <const uint8_t *>iov[0].iov_base, iov[0].iov_len, flags, addr, port, now)
    if not is_stream(n, fd):
        return send_gathered(n, fd, iov, count, total, flags, addr, port, now)
    if flags & MSG_FASTOPEN or sock_at(n, fd).flags & SF_DEFERRED:
        return send_opening(n, fd, iov, count, flags, addr, port, now)
    if total == 0:
        return usn_sendto(n, fd, NULL, 0, flags, addr, port, now)
    for i in range(count):
        if iov[i].iov_len == 0:
            continue
        done = usn_sendto(n, fd, <const uint8_t *>iov[i].iov_base, iov[i].iov_len, flags | USN_NOMARK, addr, port, now)
        if done < 0:
            break
        sent += done
        if <size_t>done < iov[i].iov_len:
            break
    if sent:
        usn_mark(n, fd, flags if sent == total else flags & ~(MSG_EOR | MSG_OOB), now)
    return sent if sent else done


cdef int64_t receive_scattered(net *n, int fd, const iovec *iov, int count, int64_t total, int flags, ip_addr *addr,
                               uint16_t *port, int64_t now) noexcept nogil:
    """Through the scratch: a datagram, or a peek, which always begins at the front. The result is usn_recvfrom's."""
    cdef uint8_t *scratch = n.s.gather
    cdef int64_t done = usn_recvfrom(n, fd, scratch, <size_t>min(total, <int64_t>SCRATCH), flags, addr, port, now)
    cdef int64_t left = min(done, total), at = 0, part
    cdef int i
    for i in range(count):
        if left <= 0:
            break
        part = min(left, <int64_t>iov[i].iov_len)
        memcpy(iov[i].iov_base, scratch + at, <size_t>part)
        at += part
        left -= part
    return done


cdef int64_t receive_pieces(net *n, int fd, const iovec *iov, int count, int flags, ip_addr *addr, uint16_t *port,
                            int64_t now) noexcept nogil:
    """A stream: each piece in turn, until there is no more."""
    cdef int64_t done, got = 0
    cdef int i
    for i in range(count):
        if iov[i].iov_len == 0:
            continue
        done = usn_recvfrom(n, fd, <uint8_t *>iov[i].iov_base, iov[i].iov_len, flags, addr, port, now)
        if done < 0:
            return got if got else done
        got += done
        if <size_t>done < iov[i].iov_len:
            break
    return got


cdef int64_t usn_recvmsg(net *n, int fd, const iovec *iov, int count, int flags, ip_addr *addr, uint16_t *port,
                         int *msg_flags, int64_t now) noexcept nogil:
    cdef int64_t total = total_of(iov, count), done
    cdef int flags_in = flags
    cdef bint stream = is_stream(n, fd)
    if msg_flags != NULL:
        msg_flags[0] = 0
    if total < 0:
        return total
    if stream and total and not flags & MSG_PEEK:
        return receive_pieces(n, fd, iov, count, flags, addr, port, now)
    if not stream:
        flags_in |= MSG_TRUNC
    if count == 1:
        done = usn_recvfrom(n, fd, <uint8_t *>iov[0].iov_base, iov[0].iov_len, flags_in, addr, port, now)
    else:
        done = receive_scattered(n, fd, iov, count, total, flags_in, addr, port, now)
    if stream or done <= total:
        return done
    if msg_flags != NULL:
        msg_flags[0] = MSG_TRUNC
    return done if flags & MSG_TRUNC else total


cdef int64_t usn_writev(net *n, int fd, const iovec *iov, int count, int64_t now) noexcept nogil:
    return usn_sendmsg(n, fd, iov, count, 0, NULL, 0, now)


cdef int64_t usn_readv(net *n, int fd, const iovec *iov, int count, int64_t now) noexcept nogil:
    return usn_recvmsg(n, fd, iov, count, 0, NULL, NULL, NULL, now)


# --- what waits ---

cdef int usn_queued(net *n, int fd, uint32_t *unread, uint32_t *unsent) noexcept nogil:
    cdef sock *so
    cdef int status = sock_find(n, fd, &so)
    cdef tcb room
    cdef const tcb *c
    cdef udp_pcb *u
    cdef udp_record record
    cdef uint32_t readable = 0, waiting = 0
    if status < 0:
        return status
    if so.kind == KIND_TCP:
        c = tcb_seen(&n.s.tcp, so.pcb, &room)
        if c.state == TCPS_LISTEN:
            return -EINVAL
        readable = c.rcv_ready
        waiting = c.snd.span
    else:
        u = <udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)
        if u.n_queued:
            chain_read(n.s.ip.chunks, &u.queue, 0, <uint8_t *>&record, sizeof(record))
            readable = record.length
    if unread != NULL:
        unread[0] = readable
    if unsent != NULL:
        unsent[0] = waiting
    return 0


cdef int usn_state(net *n, int fd) noexcept nogil:
    cdef sock *so
    cdef tcb room
    cdef int status = sock_find(n, fd, &so)
    if status < 0:
        return status
    return tcb_seen(&n.s.tcp, so.pcb, &room).state if so.kind == KIND_TCP else -EOPNOTSUPP


# --- what will be used ---

cdef void soon(net *n, const int *fds, uint32_t count) noexcept nogil:
    cdef uint32_t conns[WARM_MOST]
    cdef uint32_t i, found = 0
    cdef sock *so
    for i in range(count):
        if <uint32_t>fds[i] < n.capacity:
            prefetch(&n.socks[fds[i]])
    for i in range(count):
        so = sock_at(n, fds[i])
        if so != NULL and so.kind == KIND_TCP:
            conns[found] = so.pcb
            found += 1
    tcp_warm(&n.s.tcp, conns, found)


cdef void usn_soon(net *n, const int *fds, uint32_t count) noexcept nogil:
    while count > WARM_MOST:
        soon(n, fds, WARM_MOST)
        fds += WARM_MOST
        count -= WARM_MOST
    soon(n, fds, count)
