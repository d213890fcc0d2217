"""ICMP errors about segments of ours."""
from libc.stdint cimport int64_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state

cdef enum:                      # tcp_config.error_rules: whose
    ERRORS_RFC = 0              # RFC 9293, 3.9.2.2, but that no way to the peer ends an attempt, so that another address is tried (RFC 5461, section 4)
    ERRORS_LINUX = 1
    ERRORS_FREEBSD = 2

# An ICMP error that quotes a segment of ours (RFC 5927: it counts only if the quoted sequence number is in flight).
cdef void tcp_icmp_error(tcp_state *t, const packet *p, int64_t now) noexcept nogil
