"""AccECN (RFC 9768): how many packets and bytes arrived with which mark, told with each segment; and what the peer tells of ours."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.memory.arena cimport arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.tcp cimport tcp_repr

cdef enum:
    ACE_FIRST = 5               # what the ACE field counts from (RFC 9768, section 3.2.1)
    BYTES_FIRST = 1             # ... and the option's counters of ECT(0) and ECT(1); that of CE from 0

cdef enum:                      # accecn.fail_mode: tcpi_accecn_fail_mode
    ACCECN_ACE_FAIL_SEND = 0x1  # what we say is changed on its way: what leaves is Not-ECT
    ACCECN_ACE_FAIL_RECV = 0x2  # what the peer says is: it is not believed
    ACCECN_OPT_FAIL_SEND = 0x4  # segments with the option do not arrive
    ACCECN_OPT_FAIL_RECV = 0x8  # the peer's option is changed

cdef enum:                      # accecn.opt_seen: tcpi_accecn_opt_seen
    OPT_NOT_SEEN = 0
    OPT_EMPTY_SEEN = 1
    OPT_COUNTER_SEEN = 2
    OPT_FAIL_SEEN = 3

cdef struct accecn:             # counters by the ECN field less 1: ECT(1), ECT(0), CE
    uint32_t received_ce        # packets that arrived with CE
    uint32_t received[3]        # bytes of text that arrived so marked
    uint32_t delivered_ce       # packets of ours that did, as far as the peer's ACE field tells
    uint32_t delivered[3]       # bytes of ours, as its options tell
    int64_t option_at           # ns when an option last left
    uint8_t pending             # CE packets that no segment has told of
    uint8_t last_field          # ECN field of the last packet
    uint8_t demand              # segments that have to carry the option
    uint8_t syn_field           # that the peer's SYN, or SYN-ACK, arrived with
    uint8_t sent_field          # that ours left with
    uint8_t fail_mode           # ACCECN_*_FAIL_*
    uint8_t opt_seen            # OPT_*_SEEN
    uint8_t ack_due             # the next segment is the handshake's last, and its ACE field says what the SYN-ACK arrived with
    uint8_t first               # no segment behind the handshake has arrived yet
    uint8_t synack_again        # the SYN-ACK was sent again: without the option

# It is asked for, or agreed to: counters of its own. accecn_over: something else was agreed on.
cdef void accecn_begin(tcp_state *t, tcb *k) noexcept nogil
cdef void accecn_over(tcp_state *t, tcb *k) noexcept nogil
# Flags of a SYN or SYN-ACK, first or again; r gets the option.
cdef uint16_t accecn_syn_flags(tcp_state *t, tcb *k, bint ack, tcp_repr *r) noexcept nogil
# The answer to a SYN of ours that asked for it, in a packet with that TOS: decides what is agreed on.
cdef void accecn_synack_arrived(tcp_state *t, tcb *k, const tcp_repr *r, uint8_t tos) noexcept nogil
# An acceptable segment of n bytes of text arrived.
cdef void accecn_arrived(tcp_state *t, uint32_t c, const tcp_repr *r, uint8_t tos, uint32_t n, uint32_t segments, int64_t now) noexcept nogil
# An acceptable ACK arrived, before it was acted upon.
cdef void accecn_acked(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil
# What a segment other than a SYN or RST gets in r; its ECN field. accecn_left: it has left.
cdef uint8_t accecn_leaves(tcp_state *t, tcb *k, tcp_repr *r, uint32_t n, int64_t now) noexcept nogil
cdef void accecn_left(tcp_state *t, tcb *k, const tcp_repr *r, int64_t now) noexcept nogil


cdef inline accecn *accecn_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <accecn *>arena_at(&t.accecns, k.accecn)
