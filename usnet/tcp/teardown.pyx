"""Ends of connections."""
from libc.errno cimport ECONNABORTED
from libc.stdint cimport int32_t, int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.aside cimport aside_end
from usnet.tcp.delack cimport ACK_PINGPONG
from usnet.tcp.fastopen cimport fastopen_ended, fastopen_over
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.paths cimport paths_end
from usnet.tcp.segment cimport segment_reset
from usnet.tcp.state cimport listener, listener_at, tcb_at, tcb_live, tcp_state
from usnet.tcp.states cimport tcp_set_state
from usnet.tcp.tables cimport tcb_clear_queues, tcb_drop, tcb_leave, tcp_notify
from usnet.tcp.tcb cimport (
    T_COUNT,
    T_LINGER,
    T_REXMT,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSED,
    TCPS_CLOSING,
    TCPS_ESTABLISHED,
    TCPS_FIN_WAIT_1,
    TCPS_FIN_WAIT_2,
    TCPS_LAST_ACK,
    TCPS_SYN_RECEIVED,
    TCPS_SYN_SENT,
    TCPS_TIME_WAIT,
    TF_ACK_NOW,
    TF_FIN_QUEUED,
    TF_FIN_RECEIVED,
    TF_HELD,
    TF_ORPHAN,
    TF_RCV_SHUT,
    TFO_ASKED,
    tcb,
)
from usnet.tcp.timers cimport tcp_arm, tcp_disarm


cdef void leave_syn_queue(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef listener *q = listener_at(t, tcb_at(t, k.parent).listener)
    if k.prev != NONE:
        tcb_at(t, k.prev).next = k.next
    else:
        q.syn_head = k.next
    if k.next != NONE:
        tcb_at(t, k.next).prev = k.prev
    k.next = k.prev = k.parent = NONE
    q.n_syn -= 1


cdef void adopt(tcp_state *t, tcb *k) noexcept nogil:
    """No orphan any more."""
    if k.flags & TF_ORPHAN:
        k.flags &= ~<uint32_t>TF_ORPHAN
        t.counters.orphans -= 1


cdef void linger(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """An orphan in FIN-WAIT-2: its peer gets some time to finish."""
    cdef tcb *k = tcb_at(t, c)
    if k.linger2 < 0:
        t.counters.orphan_aborts += 1
        tcp_end_reset(t, c, ECONNABORTED, now)
    else:
        tcp_arm(t, c, T_LINGER, now + (k.linger2 if k.linger2 else t.config.fin_wait_2))


cdef void tcp_orphan(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if t.counters.orphans >= t.config.max_orphans:
        t.counters.orphan_aborts += 1
        tcp_end_reset(t, c, ECONNABORTED, now)
        return
    k.flags |= TF_ORPHAN
    t.counters.orphans += 1
    if k.state == TCPS_FIN_WAIT_2:
        linger(t, c, now)
    else:
        tcp_send_fin(t, c)


cdef void tcp_end(tcp_state *t, uint32_t c, int32_t err) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int i
    if k.state == TCPS_SYN_SENT or k.state == TCPS_SYN_RECEIVED:
        t.counters.attempt_fails += 1
    elif err and (k.state == TCPS_ESTABLISHED or k.state == TCPS_CLOSE_WAIT):
        t.counters.resets += 1
    if k.state == TCPS_SYN_RECEIVED and k.parent != NONE and not k.flags & TF_HELD:
        leave_syn_queue(t, c)
    if k.fastopen & TFO_ASKED:
        fastopen_ended(t, k)
    if k.fast != NONE:
        fastopen_over(t, k)
    tcp_set_state(t, k, TCPS_CLOSED)
    adopt(t, k)
    for i in range(T_COUNT):
        tcp_disarm(k, i)
    if not k.flags & TF_HELD:
        tcb_drop(t, c)
        return
    k.error = err
    k.flags |= TF_RCV_SHUT                  # nothing more will come
    tcb_leave(t, c)
    tcb_clear_queues(t, k, True)
    aside_end(t, k)
    tcp_notify(t, k)


cdef void tcp_end_reset(tcp_state *t, uint32_t c, int32_t err, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.state >= TCPS_SYN_RECEIVED:
        segment_reset(t, k, now)
    tcp_end(t, c, err)


cdef void tcp_enter_time_wait(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef int i
    if k.state != TCPS_TIME_WAIT:
        tcp_set_state(t, k, TCPS_TIME_WAIT)
        adopt(t, k)
        for i in range(T_COUNT):
            tcp_disarm(k, i)
        tcp_notify(t, k)
    tcp_arm(t, c, T_LINGER, now + 2 * t.config.msl)


cdef bint tcp_fin_acked(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    tcp_disarm(k, T_REXMT)
    paths_end(t, k, now)
    if k.state == TCPS_FIN_WAIT_1:
        tcp_set_state(t, k, TCPS_FIN_WAIT_2)
        if not k.flags & TF_HELD:
            linger(t, c, now)
            return not tcb_live(t, c)
    elif k.state == TCPS_CLOSING:
        tcp_enter_time_wait(t, c, now)
    elif k.state == TCPS_LAST_ACK:
        tcp_end(t, c, 0)
        return True
    return False


cdef void tcp_fin_received(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    k.rcv_nxt += 1
    k.rcv_pos += 1
    k.flags |= TF_FIN_RECEIVED | TF_ACK_NOW
    k.acks |= ACK_PINGPONG if t.config.adaptive_acks else 0
    if k.state == TCPS_ESTABLISHED:
        tcp_set_state(t, k, TCPS_CLOSE_WAIT)
    elif k.state == TCPS_FIN_WAIT_1:
        tcp_set_state(t, k, TCPS_CLOSING)
    elif k.state == TCPS_FIN_WAIT_2:
        tcp_enter_time_wait(t, c, now)
    tcp_notify(t, k)
    tcp_want_output(t, c)


cdef void tcp_send_fin(tcp_state *t, uint32_t c) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.flags & TF_FIN_QUEUED:
        return
    k.flags |= TF_FIN_QUEUED
    if k.state == TCPS_ESTABLISHED:         # in SYN-RECEIVED it waits for the handshake (tcp/handshake)
        tcp_set_state(t, k, TCPS_FIN_WAIT_1)
    elif k.state == TCPS_CLOSE_WAIT:
        tcp_set_state(t, k, TCPS_LAST_ACK)
    tcp_want_output(t, c)
