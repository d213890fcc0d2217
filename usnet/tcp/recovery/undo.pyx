"""Undoing an episode."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.recovery.resent cimport board_resent_out
from usnet.tcp.recovery.scoreboard cimport PROBE_AGAIN
from usnet.tcp.rtt cimport tcp_ts_now
from usnet.wire.seq cimport seq_gt, seq_lt


cdef void undo_begin(tcp_state *t, tcb *k, scoreboard *b, bint reduces) noexcept nogil:
    """What an earlier episode sent again may be acknowledged, or reported as a duplicate, yet, and counts as of this one."""
    if b.n_resent == 0:
        b.stamped = 0
    b.undo = reduces and t.config.undo
    b.undo_una = k.snd_una
    b.undo_again = <int>((board_resent_out(b, k.snd_una, k.snd_max) + k.mss - 1) // k.mss)
    if b.probe == PROBE_AGAIN and b.undo_again == 0:
        b.undo_again = 1
    if b.undo_again == 0:
        b.undo_again = -1


cdef void undo_resent(tcb *k, scoreboard *b, int64_t now) noexcept nogil:
    if not b.stamped:
        b.stamped = 1
        b.resent_ts = tcp_ts_now(k, now)
    b.undo_again = b.undo_again + 1 if b.undo_again > 0 else 1


cdef void undo_dsack(scoreboard *b, uint32_t right, uint32_t n) noexcept nogil:
    if b.undo and b.undo_again > 0 and seq_gt(right, b.undo_una):
        b.undo_again = b.undo_again - <int>n if b.undo_again > <int>n else 0


cdef bint undo_delayed(const tcb *k, const scoreboard *b, uint32_t ts_ecr) noexcept nogil:
    """While nothing was sent again that is plain."""
    return ts_ecr != 0 and seq_lt(ts_ecr, b.resent_ts) if b.stamped else True


cdef bint undo_by_dsack(const scoreboard *b) noexcept nogil:
    return b.undo and b.undo_again == 0


cdef bint undo_may(const tcb *k, const scoreboard *b, uint32_t ts_ecr) noexcept nogil:
    return b.undo and (b.undo_again == 0 or undo_delayed(k, b, ts_ecr))


cdef void undo_now(tcb *k, scoreboard *b, bint forget) noexcept nogil:
    cdef uint32_t i
    b.undo = 0
    b.rack_advanced = 1                     # losses are looked for again, with what is known now
    cc_table(k.cc_ops).on_undo(&k.cc)
    if forget:
        b.lost_to = k.snd_una
        for i in range(b.n_resent):
            b.resent[i].lost = 0
