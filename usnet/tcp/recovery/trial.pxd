"""What turns out to be no loss where the peer reports nothing (no SACK): ACKs of first copies by their timestamps (Eifel detection, RFC 3522), and timeouts
that the basic algorithm of F-RTO shows to have been spurious (RFC 5682, 2.1). The windows come back (RFC 4015: cc_ops.on_undo), as by recovery/undo.

A connection has a struct trial, and TF_TRIAL, from when an episode begins until its recovery point is acknowledged, or it is undone.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.memory.arena cimport arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# trial.frto
cdef enum:
    TRIAL_FIRST = 1             # no ACK has come since the timeout (step 2)
    TRIAL_NEW = 2               # new data goes out, and nothing is sent again (step 3)

cdef struct trial:
    uint8_t undo                # 1: the windows may be brought back
    uint8_t frto                # TRIAL_*; 0: F-RTO is over, or was never begun
    uint8_t stamped             # 1: resent_ts is valid
    uint32_t resent_ts          # TSval of the first segment of the episode that was sent again
    uint32_t end                # behind the highest that was sent again
    uint32_t before             # TRIAL_NEW: where the new data begins
    uint32_t until              # ... and the number behind it

# A fast recovery begins. A timeout has struck (TF_RECOVERY still says what it found); again: and nothing was acknowledged since one did before.
cdef void trial_recovery(tcp_state *t, tcb *k) noexcept nogil
cdef void trial_timeout(tcp_state *t, tcb *k, bint again) noexcept nogil
# n numbers from seq on have been sent again, of a connection with a trial; so in all that follow.
cdef void trial_resent(tcp_state *t, tcb *k, uint32_t seq, uint32_t n, int64_t now) noexcept nogil
# snd_una has moved. ts_ecr: the timestamp that the ACK echoes; 0: none. In a fast recovery True: that was none, and is over.
cdef bint trial_recovery_ack(tcp_state *t, tcb *k, uint32_t ts_ecr) noexcept nogil
cdef void trial_timeout_ack(tcp_state *t, tcb *k, uint32_t ts_ecr) noexcept nogil
# A duplicate ACK behind a timeout.
cdef void trial_dupack(tcp_state *t, tcb *k) noexcept nogil
# Sends what the recovery asked for by TF_REXMT_NOW: the first segment again, or new data. 0 or -EAGAIN.
cdef int trial_output(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# It is over; also of a connection without one.
cdef void trial_end(tcp_state *t, tcb *k) noexcept nogil


cdef inline trial *trial_at(tcp_state *t, const tcb *k) noexcept nogil:
    return <trial *>arena_at(&t.trials, k.trial)
