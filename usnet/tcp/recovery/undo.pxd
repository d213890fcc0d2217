"""What turns out to be no loss: DSACKs of all that was sent again (RFC 2883, RFC 3708), ACKs of first copies by their timestamps (Eifel detection, RFC
3522), timeouts that F-RTO shows to have been spurious (RFC 5682, 3.1). The windows come back once an episode (RFC 4015: cc_ops.on_undo)."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# An episode begins: what is sent again from now on decides about it. `reduces`: windows change, and may be brought back.
cdef void undo_begin(tcp_state *t, tcb *k, scoreboard *b, bint reduces) noexcept nogil
# A segment of the episode is sent again.
cdef void undo_resent(tcb *k, scoreboard *b, int64_t now) noexcept nogil
# `n` segments that end at `right` have arrived twice.
cdef void undo_dsack(scoreboard *b, uint32_t right, uint32_t n) noexcept nogil
# Whether what was just acknowledged was sent before anything was sent again. ts_ecr: that its ACK echoes; 0: none.
cdef bint undo_delayed(const tcb *k, const scoreboard *b, uint32_t ts_ecr) noexcept nogil
# Whether the episode was none, by DSACKs alone; or by either.
cdef bint undo_by_dsack(const scoreboard *b) noexcept nogil
cdef bint undo_may(const tcb *k, const scoreboard *b, uint32_t ts_ecr) noexcept nogil
# The windows as they were; `forget`: nothing is lost that is not sent again yet.
cdef void undo_now(tcb *k, scoreboard *b, bint forget) noexcept nogil
