"""Calls on several pieces of memory at once, and what waits on a descriptor. Offered by usnet.sockets.api."""
from libc.stdint cimport int64_t, uint16_t, uint32_t
from posix.uio cimport iovec

from usnet.sockets.table cimport net
from usnet.wire.addr cimport ip_addr

cdef enum:
    USN_IOV_MAX = 1024          # pieces of one call

# As sendmsg(2): usn_sendto of the pieces one behind the other; one datagram, or as much of a stream as it takes.
# -EMSGSIZE for more than USN_IOV_MAX pieces, or a datagram that is too long; -EINVAL for a negative count.
cdef int64_t usn_sendmsg(net *n, int fd, const iovec *iov, int count, int flags, const ip_addr *addr, uint16_t port,
                         int64_t now) noexcept nogil
# As recvmsg(2): usn_recvfrom into the pieces, one behind the other. *msg_flags (NULL: not wanted): MSG_TRUNC when a
# datagram was cut off.
cdef int64_t usn_recvmsg(net *n, int fd, const iovec *iov, int count, int flags, ip_addr *addr, uint16_t *port,
                         int *msg_flags, int64_t now) noexcept nogil
# writev(2), readv(2)
cdef int64_t usn_writev(net *n, int fd, const iovec *iov, int count, int64_t now) noexcept nogil
cdef int64_t usn_readv(net *n, int fd, const iovec *iov, int count, int64_t now) noexcept nogil
# Bytes that can be read now (*unread; as FIONREAD, of datagrams the first one's) and that were not acknowledged yet
# (*unsent; as SIOCOUTQ). Either may be NULL. 0, -EBADF, -ENOTSOCK; -EINVAL: it listens.
cdef int usn_queued(net *n, int fd, uint32_t *unread, uint32_t *unsent) noexcept nogil
# tcp_phase (usnet.tcp.tcb), or -EBADF, -ENOTSOCK, -EOPNOTSUPP (not a stream).
cdef int usn_state(net *n, int fd) noexcept nogil
# These descriptors will be used now: what calls on them touch is asked for side by side, instead of one miss behind the other. For programs that know
# many at once, and have more connections than fit into the cache. It changes nothing but time; what is no open descriptor is left out.
cdef void usn_soon(net *n, const int *fds, uint32_t count) noexcept nogil
