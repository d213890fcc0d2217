"""The socket API for Cython: everything a program can do with sockets, without the GIL and without ever blocking.

    from usnet.sockets.api cimport net, usn_socket, usn_run, ...

A `net` is one stack's table of descriptors: `&stack.n` of a Stack (usnet.sockets.host). Every call returns a value
>= 0 or -errno, and none waits: what cannot be done now is -EAGAIN, and epoll says when to come back. Times are
nanoseconds of the stack's clock. Somebody has to drive the stack: usn_run takes what has arrived, fires timers and
sends; calls that queue output are followed by usn_flush (once for many of them).

Addresses are `ip_addr` (usnet.wire.addr: 16 bytes, IPv4 mapped) and a port in host order; all zero means any. One stack
belongs to one thread.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.sockets.ready cimport usn_epoll_event
from usnet.sockets.table cimport net, sock
from usnet.sockets.vectors cimport (
    USN_IOV_MAX, iovec, usn_queued, usn_readv, usn_recvmsg, usn_sendmsg, usn_state, usn_writev,
)
from usnet.wire.addr cimport addr_from_v4, ip_addr

# Events of epoll and operations on it: the names and numbers that Linux has with EPOLL in front.
cdef enum:
    USN_EPOLLNONE = 0
    USN_EPOLLIN = 0x001
    USN_EPOLLPRI = 0x002
    USN_EPOLLOUT = 0x004
    USN_EPOLLERR = 0x008
    USN_EPOLLHUP = 0x010
    USN_EPOLLRDNORM = 0x040
    USN_EPOLLRDBAND = 0x080
    USN_EPOLLWRNORM = 0x100
    USN_EPOLLWRBAND = 0x200
    USN_EPOLLMSG = 0x400
    USN_EPOLLRDHUP = 0x2000
    USN_EPOLLEXCLUSIVE = 1 << 28
    USN_EPOLLONESHOT = 1 << 30
    USN_EPOLLET = 0x80000000
    USN_EPOLL_CTL_ADD = 1
    USN_EPOLL_CTL_DEL = 2
    USN_EPOLL_CTL_MOD = 3

# Everything that can be done at `now`; returns the next deadline (INT64_MAX: none). Ready lists and waiters are up to
# date afterwards.
cdef int64_t usn_run(net *n, int64_t now) noexcept nogil
# Sends what calls have queued. Looks at no receive ring and no timer.
cdef int64_t usn_flush(net *n, int64_t now) noexcept nogil

# AF_INET with SOCK_STREAM or SOCK_DGRAM: a descriptor, or -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL, -EMFILE,
# -ENOBUFS.
cdef int usn_socket(net *n, int family, int type, int proto) noexcept nogil
# -EINVAL bound already, -EADDRINUSE, -EADDRNOTAVAIL (not an address of this stack).
cdef int usn_bind(net *n, int fd, const ip_addr *addr, uint16_t port) noexcept nogil
# -EOPNOTSUPP not a stream, -EINVAL connected, -EADDRINUSE
cdef int usn_listen(net *n, int fd, int backlog) noexcept nogil
# A new descriptor; the peer's address at *addr, *port (NULL: not wanted). -EAGAIN nobody waits, -EINVAL not listening,
# -EMFILE.
cdef int usn_accept(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil
# TCP: -EINPROGRESS (writable when it is decided, SO_ERROR or connect again tells), -EALREADY, 0 once after it
# succeeded, then -EISCONN; a refusal is told once. UDP: sets the peer; the all-zero address with port 0 takes it away
# again. The all-zero address with a port is this host.
cdef int usn_connect(net *n, int fd, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil
# A datagram socket that was shut down for reading says -EAGAIN and reads as RDHUP.
# flags: MSG_PEEK, MSG_TRUNC (a datagram's true length is returned), MSG_MORE (streams), MSG_FASTOPEN (usn_sendto;
# sockets/fastopen.pxd). Others do not matter here. Bytes, or -EAGAIN,
# -EPIPE, -ENOTCONN, the pending error. A send may take less than all; it never both takes some and fails.
cdef int64_t usn_send(net *n, int fd, const uint8_t *p, size_t length, int flags, int64_t now) noexcept nogil
cdef int64_t usn_recv(net *n, int fd, uint8_t *p, size_t length, int flags, int64_t now) noexcept nogil
# addr NULL: as usn_send. On a stream the address matters with MSG_FASTOPEN only.
cdef int64_t usn_sendto(net *n, int fd, const uint8_t *p, size_t length, int flags, const ip_addr *addr, uint16_t port,
                        int64_t now) noexcept nogil
# The sender at *addr, *port (both or neither NULL); on a stream the peer.
cdef int64_t usn_recvfrom(net *n, int fd, uint8_t *p, size_t length, int flags, ip_addr *addr, uint16_t *port,
                          int64_t now) noexcept nogil
# SHUT_RD, SHUT_WR, SHUT_RDWR; -ENOTCONN, -EINVAL
cdef int usn_shutdown(net *n, int fd, int how, int64_t now) noexcept nogil
# The descriptor is free for others. What is queued is still sent; data that was never read makes it a reset; SO_LINGER
# with 0 s aborts.
cdef int usn_close(net *n, int fd, int64_t now) noexcept nogil
cdef int usn_getsockname(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil
cdef int usn_getpeername(net *n, int fd, ip_addr *addr, uint16_t *port) noexcept nogil          # -ENOTCONN
# Values as the kernel's: an int, struct linger for SO_LINGER, struct timeval for SO_RCVTIMEO and SO_SNDTIMEO (which no
# call of these waits for: they are there for programs in Python). *length is what stands at value, and comes back as
# what was written.
cdef int usn_getsockopt(net *n, int fd, int level, int name, void *value, uint32_t *length) noexcept nogil
cdef int usn_setsockopt(net *n, int fd, int level, int name, const void *value, uint32_t length) noexcept nogil

# -EEXIST, -ENOENT, -EBADF, -EINVAL as the kernel's; epoll_wait reports what is ready now, and never waits.
cdef int usn_epoll_create(net *n) noexcept nogil
# Operations: 0, -EBADF, -EEXIST, -ENOENT, -ENOSPC (as many registrations as can be), -EINVAL, -ELOOP (instances may hold
# instances, EP_DEPTH deep, but not in a circle). What an event's `data` says is `fd`, or what usn_epoll_ctl_data was
# given.
cdef int usn_epoll_ctl(net *n, int epfd, int op, int fd, uint32_t events) noexcept nogil
cdef int usn_epoll_ctl_data(net *n, int epfd, int op, int fd, uint32_t events, uint64_t data) noexcept nogil
cdef int usn_epoll_wait(net *n, int epfd, usn_epoll_event *events, int max_events) noexcept nogil
# READY_* of one descriptor as they stand, or -EBADF.
cdef int usn_ready(net *n, int fd) noexcept nogil

# For sockets/fastopen: what a connect that is under way has come to; the address of this host for none.
cdef int connect_outcome(net *n, sock *so) noexcept nogil
cdef ip_addr here_if_any(const ip_addr *addr, uint16_t port) noexcept nogil
