"""The receiver's side of SACK (RFC 2018, section 4): which blocks a segment reports."""
from libc.stdint cimport uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_SACK, TF_TIMESTAMPS, tcb
from usnet.wire.tcp cimport tcp_repr

# Puts those blocks into r that fit beside n bytes of payload. Something must be due.
cdef void blocks_report(tcp_state *t, tcb *k, uint32_t n, tcp_repr *r) noexcept nogil


cdef inline uint32_t blocks_fit(const tcb *k, uint32_t n) noexcept nogil:
    """How many fit beside n bytes. A segment is never longer than k.mss and the timestamps, so full ones carry none: each arrival out of order has
    been reported at once by an ACK of its own."""
    cdef uint32_t room = k.mss - n if n < k.mss else 0
    cdef uint32_t most = 3 if k.flags & TF_TIMESTAMPS else (2 if k.signs else 4)
    cdef uint32_t fit = (room - 4) // 8 if room > 4 else 0
    return fit if fit < most else most


cdef inline bint blocks_due(const tcb *k) noexcept nogil:
    """Whether what leaves should report something."""
    return (k.ooo != NONE or k.dsack_left != k.dsack_right) and k.flags & TF_SACK


cdef inline void blocks_twice(tcp_state *t, tcb *k, uint32_t left, uint32_t right) noexcept nogil:
    """[left, right) has arrived twice: told of by the next segment, of several the first (RFC 2883, section 4)."""
    if t.config.dsack and k.flags & TF_SACK and k.dsack_left == k.dsack_right:
        k.dsack_left = left
        k.dsack_right = right
