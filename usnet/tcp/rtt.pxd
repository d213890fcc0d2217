"""Round-trip time and retransmission timeout (RFC 6298, RFC 7323 section 4)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# The same as tcp_rtt_sample, as Linux does it (tcp_config.rto_spread).
cdef void rtt_linux(tcp_state *t, tcb *k, int64_t rtt, uint32_t una) noexcept nogil


cdef inline unsigned int tcp_ts_now(const tcb *k, int64_t now) noexcept nogil:
    """TSval: a clock of 1 ms with the connection's offset (RFC 7323, section 5.4)."""
    return <unsigned int>(now // 1000000) + k.ts_offset


cdef inline void tcp_rtt_sample(tcp_state *t, tcb *k, int64_t rtt, uint32_t una) noexcept nogil:
    """rtt: ns, of a segment that was sent once (RFC 6298, section 2, in integers). una: snd_una, as it is or will be."""
    cdef int64_t error, spread
    if rtt < 1:
        rtt = 1
    k.ack_rtt = rtt
    if k.min_rtt == 0 or rtt < k.min_rtt:
        k.min_rtt = rtt
    if t.config.rto_spread:
        rtt_linux(t, k, rtt, una)
        return
    if k.srtt == 0:                         # (2.2) the first measurement
        k.srtt = rtt
        k.rttvar = rtt // 2
    else:                                   # (2.3) alpha 1/8, beta 1/4
        error = rtt - k.srtt
        k.srtt += error // 8
        k.rttvar += ((error if error >= 0 else -error) - k.rttvar) // 4
        if k.srtt < 1:
            k.srtt = 1
    # Where all round trips are alike RTTVAR vanishes, but a segment at the end of a flight, or a retransmission, waits behind a queue that the timed
    # one did not see. The RFC's least RTO of 1 s covers that; ours is rto_min beyond SRTT, where SRTT is as long
    spread = k.srtt if k.srtt < t.config.rto_min else t.config.rto_min
    if spread < 4 * k.rttvar:
        spread = 4 * k.rttvar
    if spread < t.config.granularity:
        spread = t.config.granularity
    k.rto = k.srtt + spread
    if k.rto < t.config.rto_min:
        k.rto = t.config.rto_min
    if k.rto > t.config.rto_max:
        k.rto = t.config.rto_max
