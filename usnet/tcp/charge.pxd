"""What a send queue weighs where it is counted as in Linux (tcp_config.charged_buffers): its bytes, and what its frames take besides."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.tcp.aside cimport aside
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef enum:
    FRAME_COST = 1280           # bytes that a frame takes beside its payload

# Bytes that a frame of k holds: what half of the largest window offered takes, in full segments.
cdef uint32_t charge_goal(const tcb *k) noexcept nogil
# Of n bytes how many one more frame, or the rest of the last, takes now; 0: the buffer is full. They count as taken.
cdef uint32_t charge_take(tcp_state *t, const tcb *k, aside *a, uint32_t n) noexcept nogil
# Bytes from snd_nxt to the end of the frame that it lies in.
cdef uint32_t charge_frame(tcp_state *t, const tcb *k) noexcept nogil
# Of `room` bytes behind snd_nxt that may leave now: where the first of Linux's large frames would end, whose last segment has PSH. snd_nxt: nowhere.
cdef uint32_t charge_burst_end(tcp_state *t, const tcb *k, uint32_t room) noexcept nogil
# After an ACK: the buffer of a connection that fills neither it nor cwnd grows with cwnd.
cdef void charge_grow(tcp_state *t, tcb *k) noexcept nogil


cdef inline uint64_t charge_of(tcp_state *t, const tcb *k, const aside *a) noexcept nogil:
    """What is queued, as SO_SNDBUF counts it."""
    cdef uint32_t goal
    if not t.config.charged_buffers or k.snd.span == 0:
        return k.snd.span
    goal = charge_goal(k)
    return k.snd.span + <uint64_t>FRAME_COST * ((k.snd.span + a.frame_left + goal - 1) // goal)
