"""Controllers of connections, begun, changed and ended."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.memory.arena cimport NONE, arena_give
from usnet.tcp.congestion.hystart cimport HYSTART_ALL, HYSTART_CUBIC
from usnet.tcp.congestion.ops cimport CC_FAILED, CC_FALLIBLE, CC_HYSTART, CC_NONE, CC_PACER, CC_RATE, CC_WINDOW, cc_forget, cc_ops, cc_table
from usnet.tcp.congestion.validation cimport VALIDATION_RESTART, validation_give
from usnet.tcp.pacing cimport pacer_at, pacing_limit, pacing_settle
from usnet.tcp.recovery.flight cimport FLIGHT_RATES, FLIGHT_RTT, FLIGHT_WATCHED
from usnet.tcp.state cimport tcb_at
from usnet.tcp.tcb cimport TCPS_ESTABLISHED, TFO_PASSIVE


cdef inline bint started(const tcb *k) noexcept nogil:
    return k.state >= TCPS_ESTABLISHED or k.fastopen & TFO_PASSIVE != 0


cdef void settle(tcp_state *t, tcb *k) noexcept nogil:
    """What the connection's settings and its controller's wishes come to."""
    k.cc.step = t.config.slow_start_step
    k.cc.hystart = t.config.hystart
    k.cc.wants = <uint8_t>cc_table(k.cc_ops).wants | (k.cc.wants & (CC_FAILED | CC_PACER)) | (CC_FALLIBLE if k.cc.number else 0)
    if k.cc_ops == CC_NONE and t.config.fixed_window:
        k.cc.cwnd = t.config.fixed_window
    k.timed &= ~<uint8_t>(FLIGHT_RATES | FLIGHT_RTT | FLIGHT_WATCHED)
    if k.cc.wants & CC_RATE or t.config.delivery_rate:
        k.timed |= FLIGHT_RATES
        if k.snd_max == k.snd_una:
            k.burst_at = 0                  # what leaves next is a burst of its own, also where no time has passed
    if k.cc.hystart >= (HYSTART_CUBIC if k.cc.wants & CC_HYSTART else HYSTART_ALL):
        k.timed |= FLIGHT_RTT
    if t.config.wide_growth or (t.config.cwnd_validation > VALIDATION_RESTART and not k.cc.wants & CC_WINDOW):
        k.timed |= FLIGHT_WATCHED
    else:
        validation_give(t, k)
    pacing_settle(t, k)


cdef void cc_begin(tcp_state *t, tcb *k, bint syn_lost) noexcept nogil:
    k.cc.wants &= CC_PACER
    k.cc.number = cc_table(k.cc_ops).number
    cc_table(k.cc_ops).start(&k.cc, k.mss, syn_lost)
    if k.parent != NONE and tcb_at(t, k.parent).pacer != NONE:
        pacing_limit(t, k, pacer_at(t, tcb_at(t, k.parent)).max_rate)
    settle(t, k)


cdef void cc_choose(tcp_state *t, tcb *k, uint32_t number) noexcept nogil:
    cdef const cc_ops *ops = cc_table(number)
    if not started(k):
        k.cc_ops = <uint8_t>number
        return
    if number == k.cc_ops:
        return
    cc_over(t, k)
    k.cc_ops = <uint8_t>number
    cc_forget(&k.cc)
    k.cc.wants &= CC_PACER
    k.cc.number = ops.number
    if ops.adopt != NULL:
        ops.adopt(&k.cc)
    settle(t, k)


cdef void cc_over(tcp_state *t, tcb *k) noexcept nogil:
    cdef const cc_ops *ops = cc_table(k.cc_ops)
    if ops.stop != NULL and started(k):
        ops.stop(&k.cc)
    if k.cc_block != NONE:
        arena_give(&t.cc_blocks, k.cc_block)
        k.cc_block = NONE
