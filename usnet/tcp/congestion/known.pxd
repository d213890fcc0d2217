"""What an earlier connection found out about a path, for the controller of one that begins."""
from libc.stdint cimport uint32_t

from usnet.tcp.congestion.ops cimport cc_state


cdef inline void cc_known(cc_state *cc, uint32_t ssthresh) noexcept nogil:
    """Slow start ends where it had to end before."""
    cc.ssthresh = ssthresh if ssthresh > 2 * cc.mss else 2 * cc.mss
