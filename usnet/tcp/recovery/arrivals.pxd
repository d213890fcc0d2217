"""What an ACK says has arrived: cumulatively, by SACK (RFC 2018), or twice (RFC 2883). Brings the scoreboard up to date and tells RACK of each piece."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

cdef struct arrivals:
    # Given
    int64_t now                 # ns
    uint32_t una                # snd_una behind it
    uint32_t acked              # numbers that it moved by
    uint32_t ts_ecr             # echoed timestamp; 0: none
    # Found
    uint32_t delivered          # numbers that are acknowledged or reported for the first time
    uint32_t top                # behind the highest that is reported, or snd_una
    bint sacked                 # something is reported for the first time
    bint original               # something is acknowledged that was sent once, before the recovery point
    bint original_sacked        # ... or reported
    bint dsack                  # something that we sent again arrived twice
    bint dsack_probe            # ... which was the tail loss probe
    bint set_timer              # the retransmission timer begins anew
    # Found later (recovery/episode)
    bint duplicate              # a duplicate ACK, and no DSACK
    bint lost_again             # something that was sent again is lost
    uint32_t lost               # numbers found to be lost

# snd_una has moved already.
cdef void arrivals_take(tcp_state *t, tcb *k, const tcp_repr *r, arrivals *v) noexcept nogil
