"""The calls without a copy: the application reads and fills buffers where they lie. It gives back what it was given; a connection that ends, or is
closed, takes nothing away from it. Errors are those of tcp_recv and tcp_send.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.tcp.state cimport tcp_state

# What the application holds: `n` bytes at `p`, read, or filled by it.
cdef struct tcp_lent:
    uint8_t *p
    uint32_t n
    uint64_t handle

# The next bytes in order, which are the application's until tcp_give_back: bytes, 0 at the end of the stream, -errno.
cdef int64_t tcp_recv_lent(tcp_state *t, uint32_t c, tcp_lent *b, int64_t now) noexcept nogil
# Room for at most `want` bytes (and at most one segment), to be filled in place: how many.
cdef int64_t tcp_send_lent(tcp_state *t, uint32_t c, uint32_t want, tcp_lent *b, int64_t now) noexcept nogil
# The first n of them are sent on the connection that they were asked for. -EINVAL: more than there is room for, or not such a buffer any more; then
# nothing happened. After any other result it is given back.
cdef int64_t tcp_commit(tcp_state *t, uint32_t c, uint64_t handle, uint32_t n) noexcept nogil
# 0; -EINVAL: it was given back already. `later`: with the next run, for whoever is being collected together with the port perhaps.
cdef int tcp_give_back(tcp_state *t, uint64_t handle, bint later) noexcept nogil
