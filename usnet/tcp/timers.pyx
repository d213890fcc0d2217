"""Deadlines of a connection and the one wheel timer behind them. What happens when they pass: tcp/timeouts."""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t

from usnet.ip.state cimport TIMER_TCP
from usnet.memory.arena cimport NONE
from usnet.memory.wheel cimport wheel_add, wheel_move
from usnet.tcp.pacing cimport pacer_at
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport T_COUNT, tcb


cdef void timer_hang(tcp_state *t, tcb *k, uint32_t c, int64_t deadline) noexcept nogil:
    if k.timer == NONE:
        k.timer = wheel_add(t.timers, deadline, TIMER_TCP, c)   # the wheel holds a timer for each connection: it cannot run out
    else:
        wheel_move(t.timers, k.timer, deadline)
    k.timer_at = deadline


cdef void tcp_rearm(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int64_t earliest = INT64_MAX
    cdef int i
    for i in range(T_COUNT):
        if k.deadline[i] and k.deadline[i] < earliest:
            earliest = k.deadline[i]
    if k.pacer != NONE and pacer_at(t, k).deadline and pacer_at(t, k).deadline < earliest:
        earliest = pacer_at(t, k).deadline
    if earliest != INT64_MAX and (k.timer == NONE or earliest < k.timer_at):
        timer_hang(t, k, c, earliest)


cdef int64_t tcp_rto_backed_off(const tcp_state *t, const tcb *k) noexcept nogil:
    cdef int64_t rto = k.rto
    cdef int _i
    for _i in range(k.backoff):
        rto *= 2
        if rto >= t.config.rto_max:
            return t.config.rto_max
    return rto
