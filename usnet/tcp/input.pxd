"""Segments in: RFC 9293, section 3.10.7, step by step."""
from libc.stdint cimport int64_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state

cdef void tcp_input(tcp_state *t, const packet *p, int64_t now) noexcept nogil
