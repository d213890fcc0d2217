"""RFC 9406, section 4.2. Names in comments are its own."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport cc_ack, cc_state, hystart
from usnet.wire.seq cimport seq_ge

cdef enum:
    MIN_RTT_THRESH = 4000000    # ns
    MAX_RTT_THRESH = 16000000   # ns
    MIN_RTT_DIVISOR = 8
    N_RTT_SAMPLE = 8
    CSS_GROWTH_DIVISOR = 4
    CSS_ROUNDS = 5


cdef inline int64_t threshold(int64_t last_min) noexcept nogil:
    """RttThresh: ns by which a round's shortest round trip must exceed that of the round before."""
    cdef int64_t eighth = last_min // MIN_RTT_DIVISOR
    if eighth < MIN_RTT_THRESH:
        return MIN_RTT_THRESH
    return MAX_RTT_THRESH if eighth > MAX_RTT_THRESH else eighth


cdef void next_round(cc_state *cc, const cc_ack *a) noexcept nogil:
    cdef hystart *h = &cc.hs
    h.end = a.nxt
    h.last_min = h.this_min
    h.this_min = 0
    h.samples = 0
    if not h.began:
        h.began = 1
    elif h.baseline:
        h.rounds += 1                       # that in which it began counts, although it was only a part of one
        if h.rounds >= CSS_ROUNDS:
            cc.ssthresh = cc.cwnd


cdef void look(hystart *h, int64_t rtt) noexcept nogil:
    """A round trip was measured: does Conservative Slow Start begin, or was it not called for?"""
    if h.this_min == 0 or rtt < h.this_min:
        h.this_min = rtt
    if h.samples < 255:
        h.samples += 1
    if h.samples < N_RTT_SAMPLE:
        return
    if h.baseline:
        if h.this_min < h.baseline:         # the path was only slow for a while
            h.baseline = 0
            h.rounds = h.left = 0
    elif h.last_min and h.this_min >= h.last_min + threshold(h.last_min):
        h.baseline = h.this_min
        h.rounds = h.left = 0


cdef void hystart_ack(cc_state *cc, const cc_ack *a, uint32_t grow) noexcept nogil:
    cdef hystart *h = &cc.hs
    if not h.began:
        next_round(cc, a)
    if h.baseline:
        grow += h.left
        h.left = grow % CSS_GROWTH_DIVISOR
        grow //= CSS_GROWTH_DIVISOR
    cc.cwnd += grow
    if a.rtt:
        look(h, a.rtt)
    if seq_ge(a.una, h.end):
        next_round(cc, a)
