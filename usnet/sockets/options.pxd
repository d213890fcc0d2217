"""Socket options, by the kernel's names and layouts."""
from libc.stdint cimport uint32_t

from usnet.sockets.table cimport net, sock

# 0, or -EINVAL (too short, out of range), -ENOPROTOOPT, -EOPNOTSUPP (get: a level that the socket has not). *length: bytes at value, then bytes written.
cdef int option_get(net *n, sock *so, int level, int name, void *value, uint32_t *length) noexcept nogil
cdef int option_set(net *n, sock *so, int level, int name, const void *value, uint32_t length) noexcept nogil
