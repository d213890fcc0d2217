"""RFC 8257 in integers: how much a window shrinks is how much of it was marked. Growth, loss and timeouts are NewReno's (3.4, 3.5)."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.newreno cimport newreno_ops, window_start
from usnet.tcp.congestion.ops cimport CC_ECT, CC_RATE, cc_keep, cc_state, rate_sample
from usnet.wire.seq cimport seq_ge

cdef enum:
    G_SHIFT = 4                 # g = 1/16 (4.2)


cdef inline dctcp *own(cc_state *cc) noexcept nogil:
    return <dctcp *>cc.priv


cdef void adopt(cc_state *cc) noexcept nogil:
    own(cc).alpha = ALPHA_ONE               # the first mark halves the window, as any other sender would (3.3)


cdef void start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil:
    window_start(cc, mss, syn_lost)
    adopt(cc)


cdef void window_over(dctcp *x) noexcept nogil:
    """3.3, steps 5 to 9. What is left of a decaying alpha becomes 0, and does not stay at a rounding error."""
    cdef uint32_t less = x.alpha >> G_SHIFT
    x.alpha -= less if less else x.alpha
    if x.acked:
        x.alpha += <uint32_t>((<uint64_t>x.marked * ALPHA_ONE // x.acked) >> G_SHIFT)
    if x.alpha > ALPHA_ONE:
        x.alpha = ALPHA_ONE
    x.acked = x.marked = 0


cdef void reduce(cc_state *cc, dctcp *x) noexcept nogil:
    """cwnd * (1 - alpha / 2), once a window (3.3)."""
    cdef uint32_t less = <uint32_t>(<uint64_t>cc.cwnd * x.alpha // (2 * ALPHA_ONE))
    cc_keep(cc)
    cc.ssthresh = cc.cwnd - less if cc.cwnd - less > 2 * cc.mss else 2 * cc.mss
    if cc.cwnd > cc.ssthresh:
        cc.cwnd = cc.ssthresh
    cc.acked = 0


cdef void on_rate(cc_state *cc, const rate_sample *s) noexcept nogil:
    cdef dctcp *x = own(cc)
    if not x.began:
        x.began = 1
        x.end = s.nxt
    x.acked += s.acked
    x.marked += s.ce
    if x.cwr and seq_ge(s.una, x.cwr_end):
        x.cwr = 0
    if s.ce and not x.cwr and not s.recovery:
        reduce(cc, x)
        x.cwr = 1
        x.cwr_end = s.nxt
    if seq_ge(s.una, x.end):
        window_over(x)
        x.end = s.nxt


cdef void on_ecn(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    pass                                    # CC_ECT: marks come with samples


dctcp_ops = newreno_ops
dctcp_ops.on_ecn = on_ecn
dctcp_ops.name = b"dctcp"
dctcp_ops.wants = CC_RATE | CC_ECT
dctcp_ops.start = start
dctcp_ops.adopt = adopt
dctcp_ops.on_rate = on_rate
