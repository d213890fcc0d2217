"""ICMP errors about segments of ours."""
from libc.stdint cimport int64_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state

cdef enum:                      # tcp_config.error_rules: whose
    ERRORS_LINUX = 0
    ERRORS_FREEBSD = 1
    ERRORS_RFC = 2              # RFC 9293, 3.9.2.2; RFC 1122, 4.2.3.9

# An ICMP error that quotes a segment of ours (RFC 5927: it counts only if the quoted sequence number is in flight).
cdef void tcp_icmp_error(tcp_state *t, const packet *p, int64_t now) noexcept nogil
