"""Linux's estimator (tcp_rtt_estimator), in ns. What the RTO exceeds SRTT by follows the largest mean deviation of each round at once, and comes down
by a quarter of the difference a round; it is never below rto_min. A round trip shorter than usual moves the mean deviation by an eighth as much."""
from libc.stdint cimport int64_t, uint32_t

from usnet.wire.seq cimport seq_gt


cdef void rtt_linux(tcp_state *t, tcb *k, int64_t rtt, uint32_t una) noexcept nogil:
    cdef int64_t error = rtt - k.srtt, more = (error if error >= 0 else -error) - k.rttvar
    if k.srtt == 0:
        k.srtt = rtt
        k.rttvar = rtt // 2
        k.rto_var = 4 * k.rttvar if 4 * k.rttvar > t.config.rto_min else t.config.rto_min
        k.mdev_max = k.rto_var
        k.rtt_round = k.snd_max
    else:
        k.srtt += error // 8
        k.rttvar += more // 32 if error < 0 and more > 0 else more // 4
        if k.srtt < 1:
            k.srtt = 1
        if 4 * k.rttvar > k.mdev_max:
            k.mdev_max = 4 * k.rttvar
            if k.mdev_max > k.rto_var:
                k.rto_var = k.mdev_max
        if seq_gt(una, k.rtt_round):
            if k.mdev_max < k.rto_var:
                k.rto_var -= (k.rto_var - k.mdev_max) // 4
            k.rtt_round = k.snd_max
            k.mdev_max = t.config.rto_min
    k.rto = k.srtt + k.rto_var
    if k.rto > t.config.rto_max:
        k.rto = t.config.rto_max
