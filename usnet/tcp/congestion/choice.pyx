"""Controllers of connections, begun, changed and ended."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.tcp.congestion.ops cimport CC_NONE, cc_forget, cc_ops, cc_table
from usnet.tcp.tcb cimport TCPS_ESTABLISHED, TFO_PASSIVE


cdef inline bint started(const tcb *k) noexcept nogil:
    return k.state >= TCPS_ESTABLISHED or k.fastopen & TFO_PASSIVE != 0


cdef void settle(tcp_state *t, tcb *k) noexcept nogil:
    """What the connection's settings and its controller's wishes come to."""
    k.cc.step = t.config.slow_start_step
    k.cc.hystart = t.config.hystart
    k.cc.wants = <uint8_t>cc_table(k.cc_ops).wants
    if k.cc_ops == CC_NONE and t.config.fixed_window:
        k.cc.cwnd = t.config.fixed_window


cdef void cc_begin(tcp_state *t, tcb *k, bint syn_lost) noexcept nogil:
    cc_table(k.cc_ops).start(&k.cc, k.mss, syn_lost)
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
    if ops.adopt != NULL:
        ops.adopt(&k.cc)
    settle(t, k)


cdef void cc_over(tcp_state *t, tcb *k) noexcept nogil:
    cdef const cc_ops *ops = cc_table(k.cc_ops)
    if ops.stop != NULL and started(k):
        ops.stop(&k.cc)
