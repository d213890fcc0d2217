"""Fast Open (RFC 7413) as Linux's sockets offer it: MSG_FASTOPEN, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.sockets.table cimport net, sock
from usnet.wire.addr cimport ip_addr

# sendto() with MSG_FASTOPEN, or of a socket whose connect was put off (SF_DEFERRED). With MSG_WAITALL the caller waits for the outcome, and more is
# taken than the SYN carries.
cdef int64_t fast_sendto(net *n, int fd, sock *so, const uint8_t *p, uint32_t length, int flags, const ip_addr *addr, uint16_t port,
                         int64_t now) noexcept nogil
# connect() of a socket with TCP_FASTOPEN_CONNECT: 0, and SF_DEFERRED, where there is a cookie; -EINPROGRESS; -errno.
cdef int fast_connect(net *n, sock *so, const ip_addr *addr, uint16_t port, int64_t now) noexcept nogil
cdef bint fast_option(int name) noexcept nogil          # of level IPPROTO_TCP: one of the four
cdef int fast_set(net *n, sock *so, int name, const void *value, uint32_t length) noexcept nogil
cdef int fast_get(net *n, sock *so, int name, void *value, uint32_t *length) noexcept nogil
