"""What a mark takes from the windows; and alternative backoff with ECN (RFC 8511): a mark comes from a short queue, so that less has to be given back
than behind a loss."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport CC_ECT, CC_WINDOW, cc_state, cc_table

cdef enum:
    ABE_HALF = 80               # percent of what was out that is left to a controller which halves
    ABE_MORE = 85               # ... to one that gives back less behind a loss, as CUBIC


cdef inline void cc_abe(cc_state *cc, uint32_t flight) noexcept nogil:
    """After on_ecn with `flight` bytes out: cwnd and ssthresh are as RFC 8511, section 3, has them, if they were lower."""
    cdef uint64_t share = ABE_MORE if <uint64_t>cc.ssthresh * 100 > <uint64_t>flight * 60 else ABE_HALF
    cdef uint32_t left = <uint32_t>(flight * share // 100)
    if cc.ssthresh < left:
        cc.ssthresh = left
    if cc.cwnd < left:
        cc.cwnd = left


cdef inline bint cc_marked(cc_state *cc, uint32_t number, uint32_t flight, bint abe, bint gently, int64_t now) noexcept nogil:
    """A router marks, with `flight` bytes out: the controller lowers its windows. gently: where cwnd has come down to ssthresh by that, it is what it was
    again, for PRR to bring it down. True: PRR is to."""
    cdef uint32_t before = cc.cwnd
    cc_table(number).on_ecn(cc, flight, now)
    if cc.wants & (CC_ECT | CC_WINDOW):
        return False
    if abe:
        cc_abe(cc, flight)
    if not gently or cc.cwnd >= before or cc.cwnd != cc.ssthresh:
        return False
    cc.cwnd = before
    return True
