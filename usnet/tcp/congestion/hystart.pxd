"""HyStart++ (RFC 9406): slow start that ends when round trips grow longer, before the path drops. For any controller's slow start."""
from libc.stdint cimport uint32_t

from usnet.tcp.congestion.ops cimport WINDOW_LIMIT, cc_ack, cc_state

cdef enum:
    HYSTART_OFF = 0
    HYSTART_CUBIC = 1           # for controllers that ask for it
    HYSTART_ALL = 2             # NewReno too


cdef inline bint hystart_runs(const cc_state *cc, uint32_t least) noexcept nogil:
    """Only in a connection's first slow start (RFC 9406, section 4.3)."""
    return cc.hystart >= least and cc.ssthresh == WINDOW_LIMIT


# cwnd grows by `grow` bytes, or in Conservative Slow Start by a quarter of that; ssthresh becomes cwnd when slow start is over.
cdef void hystart_ack(cc_state *cc, const cc_ack *a, uint32_t grow) noexcept nogil
