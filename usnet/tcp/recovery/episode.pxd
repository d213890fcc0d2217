"""Loss recovery of a connection with SACK, where tcp_config.recovery is RECOVERY_RACK: what each ACK and timeout means for what is lost, and when an episode of
reduction begins, ends, or turns out to have been none. Its states are Linux's (scoreboard.ca_state).

                 reports            lost (recovery/rack)
      OPEN ----------> DISORDER ------------------------> RECOVERY ---+
        ^                                                    ^        | acknowledged, or undone
        +---- CWR <-- marks; a probe mended a loss           |        v
        +---- LOSS <-- timeout ------------------------------+      OPEN
                 sent again is lost too
"""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

# An ACK: snd_una moved on by `acked` (0: not), with `flight` numbers out before that; r may carry blocks. alone: it brings no data, and no other window.
cdef void episode_ack(tcp_state *t, uint32_t c, const tcp_repr *r, uint32_t acked, uint32_t flight, bint alone, int64_t now) noexcept nogil
# The retransmission timer fired. again: and nothing was acknowledged since it did before.
cdef void episode_timeout(tcp_state *t, uint32_t c, bint again, int64_t now) noexcept nogil
# The reordering window has passed (RFC 8985, 6.3).
cdef void episode_reorder_due(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# n numbers from seq on were sent again; or n for the first time while cwnd comes down.
cdef void episode_resent(tcp_state *t, tcb *k, uint32_t seq, uint32_t n, int64_t now) noexcept nogil
cdef void episode_sent(tcp_state *t, tcb *k, uint32_t n) noexcept nogil
# A router marks (RFC 3168, 6.1.2), as an ACK up to `ack` tells that is not acted upon yet: one reduction. False: another one runs. By PRR where this
# machine runs and the controller lowers cwnd to ssthresh; else, and with those that set cwnd themselves (CC_ECT, CC_WINDOW), at once.
cdef bint recovery_enter_cwr(tcp_state *t, uint32_t c, uint32_t ack, int64_t now) noexcept nogil
# Whether there is nothing on a board but what a late DSACK might want.
cdef bint episode_idle(const scoreboard *b) noexcept nogil
