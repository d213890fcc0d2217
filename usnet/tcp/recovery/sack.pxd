"""What is lost, from selective acknowledgments (RFC 2018, RFC 6675). Used instead of recovery/newreno where both ends agreed on SACK (TF_SACK).

The scoreboard, and when a recovery begins and ends; what it sends, and how much, is tcp/output's business.
"""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

# snd_una moved on by `acked`, with `flight` sequence numbers out before that; r may carry blocks. Restarts or stops the retransmission timer.
cdef void sack_ack(tcp_state *t, uint32_t c, const tcp_repr *r, uint32_t acked, uint32_t flight, int64_t now) noexcept nogil
# snd_una did not move; r carries blocks.
cdef void sack_dupack(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil
# The retransmission timer fired; the rest is recovery_timeout's. again: and nothing was acknowledged since it did before.
cdef void sack_timeout(tcp_state *t, uint32_t c, bint again) noexcept nogil
# The board of k, made when there is none; NULL when none is left, which cannot be: there is one for each connection.
cdef scoreboard *sack_board(tcp_state *t, tcb *k) noexcept nogil
# Whether block i of r says something about what is out; else it is counted as a DSACK, or as bad.
cdef bint sack_plausible(tcp_state *t, tcb *k, const tcp_repr *r, uint32_t i) noexcept nogil
