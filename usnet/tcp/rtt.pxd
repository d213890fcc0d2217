"""Round-trip time and retransmission timeout (RFC 6298, RFC 7323 section 4)."""
from libc.stdint cimport int64_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef void tcp_rtt_sample(tcp_state *t, tcb *k, int64_t rtt) noexcept nogil      # ns, of a segment that was sent once


cdef inline unsigned int tcp_ts_now(const tcb *k, int64_t now) noexcept nogil:
    """TSval: a clock of 1 ms with the connection's offset (RFC 7323, section 5.4)."""
    return <unsigned int>(now // 1000000) + k.ts_offset
