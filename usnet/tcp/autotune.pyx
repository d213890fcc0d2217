"""Sizes of buffers. RFC 9293 leaves them to the implementation."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.tcp.autotune cimport LOCK_RCVBUF, LOCK_SNDBUF, autotune_half
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb


cdef enum:
    FASTEST = 12                # bytes a ns, 100 Gbit/s: more than a round trip brings at that is never under way, only queued, and out of the cache


cdef uint32_t doubled(uint32_t size, uint32_t most) noexcept nogil:
    return 2 * size if size < most // 2 else most


cdef bint autotune_read(tcp_state *t, tcb *k) noexcept nogil:
    """Reads follow arrivals at once, or the application is what is slow: so the time is that of the last segment."""
    cdef int64_t rtt = k.srtt if k.srtt else k.rto
    cdef bint more = (k.tune_since and k.last_recv - k.tune_since <= rtt and not k.locked & LOCK_RCVBUF
                      and k.min_rtt * FASTEST >= k.rcvbuf)
    cdef uint64_t half
    if more:
        k.rcvbuf = doubled(k.rcvbuf, t.config.rcvbuf_most)
        t.counters.rcvbuf_grown += 1
    half = autotune_half(t, k)
    k.tune_at = ((k.rcv_pos - k.rcv_ready) // half + 1) * half if half else 0
    k.tune_since = k.last_recv if half else 0
    return more


cdef void autotune_write(tcp_state *t, tcb *k) noexcept nogil:
    """Twice of what may be out, as in Linux: while a loss is mended what is reported stays in it, and as much again is to leave."""
    if k.locked & LOCK_SNDBUF or k.min_rtt * FASTEST < k.sndbuf or k.sndbuf // 2 >= min(k.cc.cwnd, k.snd_wnd):
        return
    k.sndbuf = doubled(k.sndbuf, t.config.sndbuf_most)
    t.counters.sndbuf_grown += 1
