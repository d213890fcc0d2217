"""What is lost, by time (RFC 8985, section 6): what was sent before something that has arrived, longer ago than a round trip and some patience with
reordering. Of what is out the times of sending are in recovery/flight, of what was sent again on the scoreboard."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

# RACK_update (6.2, steps 1 and 2) for something that ends at `right` and was sent, or sent again, at sent_at. ts_ecr: that its ACK echoes; 0: none.
cdef void rack_update(tcb *k, scoreboard *b, uint32_t right, int64_t sent_at, bint again, uint32_t ts_ecr, int64_t now) noexcept nogil
# RACK_detect_loss (step 5): marks what is lost, and says how much that is. timeout: ns until more may be, or 0.
cdef uint32_t rack_detect_loss(tcp_state *t, tcb *k, scoreboard *b, int64_t now, int64_t *timeout) noexcept nogil
# RACK_update_reo_wnd (step 4) for an ACK; dsack: with a DSACK that reordering may have caused.
cdef void rack_update_reo_wnd(const tcp_state *t, tcb *k, bint dsack) noexcept nogil
# A recovery is over, and no undo showed it to be spurious.
cdef void rack_recovered(tcb *k) noexcept nogil
# Something from `seq` on arrived behind what was sent after it (step 3), of which the last ends at `top`.
cdef void rack_reordered(tcp_state *t, tcb *k, uint32_t seq, uint32_t top) noexcept nogil
# Segments that the peer has reported.
cdef uint32_t rack_sacked(const tcb *k, const scoreboard *b) noexcept nogil
