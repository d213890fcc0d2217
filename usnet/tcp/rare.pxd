"""Options that few programs set, kept in struct aside (tcp/aside.pxd)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# As tcp_set and tcp_get: 0, -EINVAL, -ENOPROTOOPT, -ENOBUFS; the value or -ENOPROTOOPT.
cdef int rare_set(tcp_state *t, uint32_t c, int option, int64_t value) noexcept nogil
cdef int64_t rare_get(tcp_state *t, const tcb *k, int option) noexcept nogil
# SYNs sent again at most.
cdef uint32_t rare_syn_retries(tcp_state *t, const tcb *k) noexcept nogil
# What may be read, written, or told of, of a connection with an aside, where neither way has ended.
cdef uint32_t rare_ready(tcp_state *t, const tcb *k) noexcept nogil
# Of n bytes that are wanted, those that may be read now: up to the peer's urgent byte, and in a peek from SO_PEEK_OFF on.
cdef uint32_t rare_readable(tcp_state *t, uint32_t c, uint32_t n, bint peek) noexcept nogil
# So many, which stay; SO_PEEK_OFF moves on.
cdef uint32_t rare_peek(tcp_state *t, tcb *k, uint8_t *p, uint32_t n) noexcept nogil
# Whether there is a note that nobody has been told of; it counts as told from now on.
cdef bint rare_news(tcp_state *t, uint32_t c) noexcept nogil
