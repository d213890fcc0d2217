"""ICMP errors about segments of ours."""
from libc.stdint cimport int64_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state

# An ICMP error that quotes a segment of ours (RFC 5927: it counts only if the quoted sequence number is in flight).
cdef void tcp_icmp_error(tcp_state *t, const packet *p, int64_t now) noexcept nogil
