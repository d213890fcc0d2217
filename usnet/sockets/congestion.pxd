"""TCP_CONGESTION: a connection's congestion controller by name, and SO_MAX_PACING_RATE, as Linux's sockets have them."""
from libc.stdint cimport uint32_t

from usnet.sockets.constants cimport IPPROTO_TCP, SO_MAX_PACING_RATE, SOL_SOCKET, TCP_CONGESTION
from usnet.sockets.table cimport KIND_TCP, net, sock

# value: the name, with or without a zero behind it; -ENOENT where there is none of that name.
cdef int congestion_set(net *n, sock *so, const void *value, uint32_t length) noexcept nogil
# The name with zeros up to 16 bytes, as far as it fits.
cdef int congestion_get(net *n, sock *so, void *value, uint32_t *length) noexcept nogil
# Bytes a second, 32 or 64 bits; all of them set: no limit.
cdef int max_rate_set(net *n, sock *so, const void *value, uint32_t length) noexcept nogil
cdef int max_rate_get(net *n, sock *so, void *value, uint32_t *length) noexcept nogil


cdef inline bint congestion_option(const sock *so, int level, int name) noexcept nogil:
    """Whether it is one of both."""
    return so.kind == KIND_TCP and ((level == IPPROTO_TCP and name == TCP_CONGESTION) or (level == SOL_SOCKET and name == SO_MAX_PACING_RATE))


cdef inline int congestion_option_set(net *n, sock *so, int name, const void *value, uint32_t length) noexcept nogil:
    return congestion_set(n, so, value, length) if name == TCP_CONGESTION else max_rate_set(n, so, value, length)


cdef inline int congestion_option_get(net *n, sock *so, int name, void *value, uint32_t *length) noexcept nogil:
    return congestion_get(n, so, value, length) if name == TCP_CONGESTION else max_rate_get(n, so, value, length)
