"""Explicit congestion notification (RFC 3168): what the handshake agrees on, what arrives marked, what leaves with which bits. Names as in Linux's headers."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.seq cimport seq_gt
from usnet.wire.tcp cimport tcp_repr

cdef enum:                      # tcp_config.ecn: the numbers of Linux's net.ipv4.tcp_ecn
    TCP_ECN_OFF = 0
    TCP_ECN_ASK = 1             # asked for, and agreed to
    TCP_ECN_ACCEPT = 2          # agreed to when the peer asks
    TCP_ECN_ACCECN = 3          # AccECN (RFC 9768) is asked for, and agreed to, before ECN
    TCP_ECN_ACCECN_ASK = 4      # ECN is asked for, either agreed to
    TCP_ECN_ACCECN_ACCEPT = 5   # either is agreed to when the peer asks

cdef enum:                      # the IP header's ECN field (RFC 3168, section 5)
    ECN_NOT_ECT = 0
    ECN_ECT_1 = 1
    ECN_ECT_0 = 2
    ECN_CE = 3
    ECN_FIELD = 3

cdef enum:                      # tcb.ecn
    ECN_RFC3168 = 0x01          # agreed on; of a SYN that is out: asked for
    ECN_DEMAND_CWR = 0x02       # what leaves has ECE: a mark arrived, and no CWR since
    ECN_QUEUE_CWR = 0x04        # the next new data has CWR: cwnd was reduced
    ECN_SEEN = 0x08             # something arrived that was not Not-ECT
    ECN_CWR = 0x10              # a reduction is under way, until cwr_high is acknowledged: there is no second one, and cwnd does not grow
    ECN_EXACT = 0x20            # the controller wants to know of each mark: ECE says what the last segment had (RFC 8257, section 3.2)
    ECN_LAST_CE = 0x40          # ... it had CE
    ECN_ACCECN = 0x80           # AccECN was agreed on (then without ECN_RFC3168), or asked for (with it)

# Our SYN is about to be numbered: what it asks for.
cdef void ecn_begin(tcp_state *t, tcb *k) noexcept nogil
# The flags of a SYN or SYN-ACK, first or again, of a connection that asks or agrees; r may get an option.
cdef uint16_t ecn_syn_flags(tcp_state *t, tcb *k, bint ack, tcp_repr *r) noexcept nogil
# The peer's SYN came, in a packet with that TOS; answered: it is the answer to ours.
cdef void ecn_syn_arrived(tcp_state *t, tcb *k, const tcp_repr *r, uint8_t tos, bint answered) noexcept nogil
# The handshake is over. The controller is known.
cdef void ecn_established(tcp_state *t, tcb *k) noexcept nogil
# n bytes of text arrived in the window, of a connection with ECN.
cdef void ecn_text_arrived(tcp_state *t, uint32_t c, const tcp_repr *r, uint8_t tos, uint32_t n, uint32_t segments, int64_t now) noexcept nogil
# An acceptable ACK with ECE arrived, before it was acted upon.
cdef void ecn_echoed(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil
# Marks were found by an ACK up to `ack`, before it is acted upon: one reduction an episode.
cdef void ecn_slow_down(tcp_state *t, uint32_t c, uint32_t ack, int64_t now) noexcept nogil
# cwnd was reduced for another reason (RFC 3168, section 6.1.2): the peer is told.
cdef void ecn_reduced(tcb *k) noexcept nogil
# What a segment other than a SYN gets beside its flags, in *flags; its ECN field.
cdef uint8_t ecn_leaves(const tcb *k, uint32_t seq, uint32_t n, uint16_t *flags) noexcept nogil


cdef inline bint ecn_usual(const tcb *k, uint32_t n, uint8_t tos) noexcept nogil:
    """Whether nothing follows from how a segment was marked, of a connection with ECN."""
    return n == 0 or (k.ecn & (ECN_SEEN | ECN_LAST_CE) == ECN_SEEN and tos & ECN_FIELD == ECN_ECT_0)


cdef inline bint ecn_slowing(tcb *k) noexcept nogil:
    """Whether a reduction goes on: until something beyond what was out is acknowledged, so that the peer has seen CWR. Of a connection with ECN_CWR."""
    if seq_gt(k.snd_una, k.cwr_high):
        k.ecn &= ~<uint8_t>ECN_CWR
    return True
