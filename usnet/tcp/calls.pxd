"""What an application may ask of TCP (RFC 9293, section 3.9.1). Calls never block: they do what can be done now and return it, or -errno.

`c` is the index of a TCB that the caller holds (from tcp_open or tcp_accept) and gives back with tcp_close. News about it (readable, writable, accepted,
closed, failed) puts its owner into the stack's notify set; tcp_ready says how things stand.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport READY_ERR, READY_HUP, READY_IN, READY_OUT, READY_RDHUP
from usnet.memory.pieces cimport queue_fits_near, queue_take_near, queue_write_near
from usnet.tcp.delack cimport delack_read
from usnet.tcp.lend cimport lend_may
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.state cimport tcb_awake, tcp_state
from usnet.tcp.tcb cimport (
    TCPS_ESTABLISHED, TF_ACK_NOW, TF_ASIDE, TF_DELACK, TF_FIN_QUEUED, TF_FIN_RECEIVED, TF_MORE, TF_RCV_SHUT, TF_UNPUSHED, tcb,
)
from usnet.wire.addr cimport ip_addr
from usnet.wire.seq cimport seq_diff

cdef uint32_t tcp_open(tcp_state *t, uint32_t owner) noexcept nogil                 # index of a CLOSED TCB, or NONE
cdef int tcp_bind(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port) noexcept nogil     # -EADDRNOTAVAIL, -EINVAL bound already, -EADDRINUSE
cdef int tcp_listen(tcp_state *t, uint32_t c, uint32_t backlog) noexcept nogil      # -EINVAL connected; binds to a free port if need be; again: new backlog
cdef int tcp_accept(tcp_state *t, uint32_t c, uint32_t owner, uint32_t *conn) noexcept nogil       # 0 and *conn; -EAGAIN; -EINVAL not listening
# 0: under way (TCPS_SYN_SENT). -EALREADY, -EISCONN, -ENETUNREACH (also a group or broadcast address), -EADDRNOTAVAIL (no free port), -EINVAL, -EISCONN (listening too).
cdef int tcp_connect(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil
cdef int tcp_shutdown(tcp_state *t, uint32_t c, bint receive, bint send, int64_t now) noexcept nogil    # -ENOTCONN; ends listening and connecting
# The application lets go. Unread data: RST (RFC 2525, 2.17). Else FIN behind what is queued; the connection ends by itself. A listener refuses those that wait.
cdef void tcp_close(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
cdef void tcp_abort(tcp_state *t, uint32_t c, int64_t now) noexcept nogil           # RST, and gone (SO_LINGER 0)
cdef int32_t tcp_take_error(tcp_state *t, uint32_t c) noexcept nogil                # errno, told once; 0
cdef void tcp_local(tcp_state *t, uint32_t c, ip_addr *addr, uint16_t *port) noexcept nogil
cdef int tcp_peer(tcp_state *t, uint32_t c, ip_addr *addr, uint16_t *port) noexcept nogil          # 0 or -ENOTCONN

# For tcp/lend: whether something may be sent (0, or as tcp_send says); whether chunks for n more bytes may be taken.
cdef int64_t tcp_send_status(tcp_state *t, tcb *k) noexcept nogil
cdef bint tcp_may_hold(const tcp_state *t, const tcb *k, uint32_t n) noexcept nogil
# An ACK only to say that the window grew, if that is worth one: for steps that matter, not for every read (RFC 9293, 3.8.6.2.2).
cdef void tcp_tell_window(tcp_state *t, uint32_t c, tcb *k) noexcept nogil
# tcp_send and tcp_recv where things are not as usual.
cdef int64_t tcp_send_else(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, bint more) noexcept nogil
# tcp_send where the buffer is counted by frames (tcp_config.charged_buffers): each leaves, as far as it may, before the next is begun.
cdef int64_t tcp_send_frames(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, bint more, int64_t now) noexcept nogil
# p NULL: they are thrown away (MSG_TRUNC).
cdef int64_t tcp_recv_else(tcp_state *t, uint32_t c, uint8_t *p, uint32_t n, bint peek) noexcept nogil
cdef uint32_t tcb_ready_else(tcp_state *t, const tcb *k) noexcept nogil
cdef uint32_t tcp_ready_at_rest(tcp_state *t, uint32_t c) noexcept nogil        # without waking it


cdef inline uint32_t ready_both(const tcb *k) noexcept nogil:
    """What may be read, and what may be written, where neither has ended."""
    return (READY_IN if k.rcv_ready else 0) | (READY_OUT if k.snd.span * 3 <= k.sndbuf * 2 else 0)


cdef inline bint both_ways(const tcb *k) noexcept nogil:
    """Whether it is established, neither way has ended, and nothing is rare about it."""
    return k.state == TCPS_ESTABLISHED and not (k.error or k.flags & (TF_FIN_QUEUED | TF_FIN_RECEIVED | TF_RCV_SHUT | TF_ASIDE))


cdef inline bint still_writable(const tcb *k) noexcept nogil:
    """Whether tcb_ready says READY_OUT, or an end of something."""
    return k.state >= TCPS_ESTABLISHED and k.snd.span * 3 <= k.sndbuf * 2 and not k.flags & TF_ASIDE


cdef inline uint32_t tcb_ready(tcp_state *t, const tcb *k) noexcept nogil:
    return ready_both(k) if both_ways(k) else tcb_ready_else(t, k)


cdef inline uint32_t tcp_ready(tcp_state *t, uint32_t c) noexcept nogil:
    """READY_* (ip/state) as they stand."""
    cdef const tcb *k = tcb_awake(t, c)
    return tcb_ready(t, k) if k != NULL else tcp_ready_at_rest(t, c)


# Bytes taken (at least 1 of n > 0), or -EAGAIN (connecting, or the send buffer is full), -ENOBUFS (the stack's memory is), -EPIPE (never connected,
# listening, after shutdown or the connection's end), or the pending error. more: the next bytes follow at once; until there was a call without it, these
# are held back as by TCP_CORK.
cdef inline int64_t tcp_send(tcp_state *t, uint32_t c, tcb *k, const uint8_t *p, uint32_t n, bint more) noexcept nogil:
    if n == 0 or more or not both_ways(k) or k.snd.span + n > k.sndbuf or not queue_fits_near(&k.snd, n) or lend_may(t, k):
        return tcp_send_else(t, c, p, n, more)
    queue_write_near(&k.snd, p, n)
    t.copies.out_chunk += n
    k.flags &= ~<uint32_t>(TF_MORE | TF_UNPUSHED)
    k.no_room = 0
    tcp_want_output(t, c)
    return n


cdef inline void tcp_read_done(tcp_state *t, uint32_t c, tcb *k, uint32_t n) noexcept nogil:
    """n bytes were read, and left the queue."""
    cdef int64_t promised = seq_diff(k.rcv_adv, k.rcv_nxt), more
    k.rcv_ready -= n
    if k.ato and k.flags & TF_DELACK and delack_read(k, n):
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)
    more = <int64_t>k.rcvbuf - k.rcv_ready - promised       # that could be promised, at most
    if (more >= k.rcvbuf // 4 or (more >= 2 * <int64_t>k.rcv_mss and promised <= k.rcvbuf // 8)) and not k.flags & TF_ACK_NOW:
        tcp_tell_window(t, c, k)


# The same where the bytes may be many: the buffer may grow.
cdef void tcp_bulk_read(tcp_state *t, uint32_t c, tcb *k, uint32_t n) noexcept nogil


# Bytes given, 0 at the end of the stream, or -EAGAIN, -ENOTCONN, or the pending error.
cdef inline int64_t tcp_recv(tcp_state *t, uint32_t c, tcb *k, uint8_t *p, uint32_t n, bint peek) noexcept nogil:
    if peek or n == 0 or k.rcv.near == 0 or k.rcv.near != k.rcv_ready or k.flags & TF_ASIDE:
        return tcp_recv_else(t, c, p, n, peek)
    if n > k.rcv.near:
        n = k.rcv.near
    queue_take_near(&k.rcv, p, n)
    t.copies.in_read_chunk += n
    tcp_read_done(t, c, k, n)
    return n
