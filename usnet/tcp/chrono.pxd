"""What a sender waits for, and for how long (TCP_INFO: busy, limited by the peer's window, limited by the send buffer)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.tcp.tcb cimport CHRONO_BUSY, CHRONO_NONE, CHRONO_RWND, CHRONO_SNDBUF, tcb


cdef inline void chrono_to(tcb *k, uint8_t what, int64_t now) noexcept nogil:
    """From now on it waits for something else."""
    cdef int64_t spent = now - k.chrono_since
    if k.chrono != CHRONO_NONE:
        k.busy += spent
    if k.chrono == CHRONO_RWND:
        k.rwnd_limited += spent
    elif k.chrono == CHRONO_SNDBUF:
        k.sndbuf_limited += spent
    if what == CHRONO_NONE:
        k.no_room = 0
    k.chrono = what
    k.chrono_since = now


cdef inline void chrono_begin(tcb *k, int64_t now) noexcept nogil:
    """All that there is has left, and nothing had been waiting."""
    k.chrono = CHRONO_BUSY
    k.chrono_since = now


cdef inline void chrono_end(tcb *k, int64_t now) noexcept nogil:
    """All is acknowledged."""
    if k.chrono == CHRONO_BUSY:
        k.busy += now - k.chrono_since
        k.chrono = CHRONO_NONE
        k.no_room = 0
    else:
        chrono_to(k, CHRONO_NONE, now)


cdef inline void chrono_output(tcb *k, uint32_t left, uint32_t n, uint32_t window, int64_t now) noexcept nogil:
    """Of `left` bytes that wait only n would fit into the window: what holds them back, or, where none are left, what the application waits for."""
    cdef uint8_t what = CHRONO_BUSY
    if k.snd.span == 0:
        what = CHRONO_NONE
    elif left > n and k.snd_wnd <= window:
        what = CHRONO_RWND
    elif left == 0 and k.no_room and k.snd_max - k.snd_una < k.cc.cwnd:
        what = CHRONO_SNDBUF
    if what != k.chrono:
        chrono_to(k, what, now)
