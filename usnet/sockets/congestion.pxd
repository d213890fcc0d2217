"""TCP_CONGESTION: a connection's congestion controller by name, as Linux's sockets have it."""
from libc.stdint cimport uint32_t

from usnet.sockets.table cimport net, sock

# value: the name, with or without a zero behind it; -ENOENT where there is none of that name.
cdef int congestion_set(net *n, sock *so, const void *value, uint32_t length) noexcept nogil
# The name with zeros up to 16 bytes, as far as it fits.
cdef int congestion_get(net *n, sock *so, void *value, uint32_t *length) noexcept nogil
