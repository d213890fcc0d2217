"""Proportional rate reduction."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport CC_WINDOW, WINDOW_LIMIT, cc_state


cdef void prr_begin(prr *p, uint32_t recover_fs) noexcept nogil:
    p.delivered = p.out = 0
    p.recover_fs = recover_fs if recover_fs else 1


cdef void prr_ack(prr *p, cc_state *cc, uint32_t delivered, uint32_t pipe, bint safe) noexcept nogil:
    """RFC 9937, section 5."""
    cdef int64_t target = cc.ssthresh - cc.ssthresh % cc.mss, count
    if delivered == 0 or cc.wants & CC_WINDOW:
        return
    p.delivered += delivered
    if pipe > target:                       # proportional rate reduction
        count = <int64_t>((<uint64_t>p.delivered * <uint64_t>target + p.recover_fs - 1) // p.recover_fs) - p.out
    else:                                   # PRR-CRB; PRR-SSRB while all goes well
        count = <int64_t>p.delivered - p.out
        if count < delivered:
            count = delivered
        if safe:
            count += cc.mss
        if count > target - pipe:
            count = target - pipe
    if p.out == 0 and count < cc.mss:
        count = cc.mss                      # a fast retransmission upon entering
    if count > 0:
        count = (count + cc.mss - 1) // cc.mss * cc.mss
    cc.cwnd = pipe + <uint32_t>count if count > 0 else pipe
    if cc.cwnd < cc.mss:
        cc.cwnd = cc.mss


cdef void prr_end(cc_state *cc, uint32_t pipe, uint32_t most) noexcept nogil:
    if cc.wants & CC_WINDOW or cc.ssthresh >= WINDOW_LIMIT:
        return
    cc.cwnd = cc.ssthresh
    if most and cc.cwnd > pipe + most:
        cc.cwnd = pipe + most


cdef void prr_loss_window(cc_state *cc, uint32_t pipe) noexcept nogil:
    if not cc.wants & CC_WINDOW:
        cc.cwnd = pipe + cc.mss


# --- For tests ---------------------------------------------------------------------------------------------------------------

def recovery(list acks, *, int mss, int cwnd, int ssthresh, int recover_fs):
    """What PRR makes of ACKs (delivered, pipe behind it, safe, bytes sent then): cwnd after each."""
    cdef cc_state cc
    cdef prr p
    cc.wants = 0
    cc.mss, cc.cwnd, cc.ssthresh = mss, cwnd, ssthresh
    prr_begin(&p, recover_fs)
    windows = []
    for delivered, pipe, safe, sent in acks:
        prr_ack(&p, &cc, delivered, pipe, safe)
        windows.append(cc.cwnd)
        p.out += <uint32_t>sent
    return windows
