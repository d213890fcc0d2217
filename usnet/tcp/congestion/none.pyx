"""For paths that belong to one sender, and for experiments: what is lost is sent again, and nothing slows down. The window is the setting
fixed_window (congestion/choice puts it there), or without it as large as can be: the peer's window alone limits the flight."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.newreno cimport window_mss
from usnet.tcp.congestion.ops cimport CC_WINDOW, WINDOW_LIMIT, cc_ack, cc_clear, cc_state


cdef void start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil:
    cc.mss = mss
    cc.cwnd = cc.ssthresh = WINDOW_LIMIT
    cc_clear(cc)


cdef void adopt(cc_state *cc) noexcept nogil:
    cc.cwnd = cc.ssthresh = WINDOW_LIMIT


cdef void nothing_on_ack(cc_state *cc, const cc_ack *a) noexcept nogil:
    pass


cdef void nothing_on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    pass


cdef void nothing(cc_state *cc) noexcept nogil:
    pass


cdef void nothing_with_bytes(cc_state *cc, uint32_t n) noexcept nogil:
    pass


cdef void nothing_on_rto(cc_state *cc, uint32_t flight, bint again) noexcept nogil:
    pass


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    return cc.cwnd


none_ops.name = b"none"
none_ops.wants = CC_WINDOW
none_ops.start = start
none_ops.adopt = adopt
none_ops.on_mss = window_mss
none_ops.on_ack = nothing_on_ack
none_ops.on_loss = nothing_on_loss
none_ops.on_dupack = nothing
none_ops.on_partial_ack = nothing_with_bytes
none_ops.on_recovered = nothing_with_bytes
none_ops.on_sack_loss = nothing_on_loss
none_ops.on_sack_recovered = nothing_with_bytes
none_ops.ssthresh = ssthresh
none_ops.on_ecn = nothing_on_loss
none_ops.on_undo = nothing
none_ops.on_rto = nothing_on_rto
none_ops.on_idle = nothing
