"""Tail loss probes."""
from libc.stdint cimport int64_t, uint32_t

from usnet.memory.arena cimport NONE
from usnet.tcp.output cimport tcp_send_loss_probe
from usnet.tcp.recovery.flight cimport flight_sent_at
from usnet.tcp.recovery.sack cimport sack_board
from usnet.tcp.recovery.scoreboard cimport CA_CWR, CA_OPEN, PROBE_AGAIN, PROBE_NEW
from usnet.tcp.state cimport board_at, tcb_at
from usnet.wire.seq cimport seq_gt, seq_le, seq_lt


cdef int64_t rexmt_head_at(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const scoreboard *b
    if k.board != NONE:
        b = board_at(t, k)
        if b.n_resent and seq_le(b.resent[0].left, k.snd_una) and not b.resent[0].lost:
            return b.resent[0].sent_at
    return flight_sent_at(t, k, k.snd_una)


cdef bint tlp_open(tcp_state *t, const tcb *k) noexcept nogil:
    cdef const scoreboard *b = board_at(t, k)
    return (b.ca_state == CA_OPEN or b.ca_state == CA_CWR) and b.n == 0


cdef void rexmt_resume(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef int64_t at = rexmt_head_at(t, k) + tcp_rto(t, k)
    k.pending = REXMT_RTO
    tcb_arm(t, k, T_REXMT, at if at > now else now + 1)


cdef void tlp_due(tcp_state *t, uint32_t c, int64_t now) noexcept nogil:
    """TLP_send_probe (7.3). One is out at most."""
    cdef tcb *k = tcb_at(t, c)
    cdef scoreboard *b = sack_board(t, k)
    cdef uint32_t before = k.snd_max
    if b == NULL or b.probe or not tlp_may(t, k):
        rexmt_resume(t, k, now)
        return
    b.probe = PROBE_AGAIN                           # what is sent again now is no part of a recovery
    if not tcp_send_loss_probe(t, c, now):
        b.probe = 0                                 # no room in the ring, or it still waits there
        rexmt_resume(t, k, now)
        return
    if k.snd_max != before:
        b.probe = PROBE_NEW
    b.probe_end = k.snd_max
    t.counters.loss_probes += 1
    k.pending = REXMT_RTO
    tcb_arm(t, k, T_REXMT, tcp_patience(t, k, now))


cdef bint tlp_acked(tcb *k, scoreboard *b, uint32_t ack, bint dsack, bint alone) noexcept nogil:
    """TLP_process_ack (7.4.2)."""
    if b.probe == 0 or seq_lt(ack, b.probe_end):
        return False
    if b.probe == PROBE_NEW or dsack:               # a probe of new data tells by itself; twice there: nothing was lost
        b.probe = 0
    elif seq_gt(ack, b.probe_end):                  # no word of a second copy: the probe took the place of what was lost
        b.probe = 0
        return True
    elif alone:                                     # an ACK for each copy
        b.probe = 0
    return False
