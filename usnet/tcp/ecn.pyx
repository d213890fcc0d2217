"""ECN by RFC 3168. Marks are echoed by whoever receives them until the sender says that it has slowed down, once for all of a window."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.tcp.accecn cimport accecn_at, accecn_begin, accecn_over, accecn_syn_flags, accecn_synack_arrived
from usnet.tcp.congestion.ops cimport CC_ECT, cc_table
from usnet.tcp.delack cimport delack_quick
from usnet.tcp.output cimport tcp_ack_now, tcp_flight, tcp_want_output
from usnet.tcp.recovery.episode cimport recovery_enter_cwr
from usnet.tcp.recovery.flight cimport FLIGHT_RACK
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TF_ACK_NOW, TF_DELACK, TF_PROBE, tcb
from usnet.wire.seq cimport seq_gt, seq_lt
from usnet.wire.tcp cimport TH_AE, TH_CWR, TH_ECE, tcp_repr

cdef enum:
    SETUP = TH_ECE | TH_CWR     # of a SYN that asks (RFC 3168, section 6.1.1)
    QUICK = 2                   # ACKs that do not wait behind a mark: the sender may have little out, as in Linux


cdef void ecn_begin(tcp_state *t, tcb *k) noexcept nogil:
    k.ecn = ECN_RFC3168 if t.config.ecn in (TCP_ECN_ASK, TCP_ECN_ACCECN, TCP_ECN_ACCECN_ASK) else 0
    if t.config.ecn == TCP_ECN_ACCECN:
        accecn_begin(t, k)


cdef uint16_t ecn_syn_flags(tcp_state *t, tcb *k, bint ack, tcp_repr *r) noexcept nogil:
    """A SYN that nobody answered asks no more (RFC 3168, section 6.1.1.1): what is on the way may not let such SYNs through. An answer to an earlier
    one is good all the same."""
    if k.ecn & ECN_ACCECN:
        return accecn_syn_flags(t, k, ack, r)
    if ack:
        return TH_ECE
    return SETUP if k.syn_retries <= t.config.ecn_retries else 0


cdef bint asks_for_accecn(const tcp_state *t, const tcb *k, const tcp_repr *r) noexcept nogil:
    """Any combination that is neither none nor RFC 3168's (RFC 9768, section 3.1.2). A SYN cookie has no room for it."""
    return (t.config.ecn >= TCP_ECN_ACCECN and r.flags & (SETUP | TH_AE) not in (0, SETUP)
            and (k.state == TCPS_SYN_RECEIVED or k.state == TCPS_SYN_SENT))


cdef void ecn_syn_arrived(tcp_state *t, tcb *k, const tcp_repr *r, uint8_t tos, bint answered) noexcept nogil:
    cdef bint asked = k.ecn != 0
    if answered and k.ecn & ECN_ACCECN:
        accecn_synack_arrived(t, k, r, tos)
    elif answered:                          # a peer that copies what it does not know sets CWR too
        k.ecn &= <uint8_t>(ECN_RFC3168 if r.flags & SETUP == TH_ECE else 0)
    elif asks_for_accecn(t, k, r) and (k.ecn & ECN_ACCECN or not asked):
        k.ecn = ECN_ACCECN
        accecn_begin(t, k)
        if k.ecn:
            accecn_at(t, k).syn_field = accecn_at(t, k).last_field = tos & ECN_FIELD
    elif r.flags & SETUP != SETUP:
        accecn_over(t, k)
        k.ecn = 0
    elif asked or (t.config.ecn and (tos & ECN_FIELD == ECN_NOT_ECT or r.flags & TH_AE)):
        accecn_over(t, k)
        k.ecn = ECN_RFC3168                 # but not by a SYN of RFC 3168 that the path has marked
    if asked != (k.ecn != 0):
        k.form.way = 0                      # its form is for the other kind
    if k.ecn:
        t.counters.accecn_shs += k.ecn & ECN_ACCECN != 0
        t.counters.ecn_shs += k.ecn & ECN_ACCECN == 0


cdef void ecn_established(tcp_state *t, tcb *k) noexcept nogil:
    if cc_table(k.cc_ops).wants & CC_ECT and k.ecn & ECN_RFC3168:
        k.ecn |= ECN_EXACT


cdef void echo_exactly(tcp_state *t, uint32_t c, bint marked, int64_t now) noexcept nogil:
    """RFC 8257, section 3.2: what arrived before, in the other state, is acknowledged first, if it was not yet."""
    cdef tcb *k = tcb_at(t, c)
    if marked == (k.ecn & ECN_LAST_CE != 0):
        return
    if k.flags & (TF_DELACK | TF_ACK_NOW):
        tcp_ack_now(t, c, now)
    k.ecn ^= ECN_LAST_CE
    k.quick = k.quick if k.quick else 1


cdef void ecn_text_arrived(tcp_state *t, uint32_t c, const tcp_repr *r, uint8_t tos, uint32_t n, uint32_t segments, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint8_t field = tos & ECN_FIELD, quick = 0
    if field == ECN_CE:
        t.counters.ecn_ce += segments
    if k.ecn & ECN_EXACT:
        echo_exactly(t, c, field == ECN_CE, now)
    elif r.flags & TH_CWR:
        k.ecn &= ~<uint8_t>ECN_DEMAND_CWR
        quick = 1
    if field == ECN_CE and not k.ecn & (ECN_DEMAND_CWR | ECN_EXACT):
        k.ecn |= ECN_DEMAND_CWR
        quick = QUICK
    elif field == ECN_NOT_ECT and k.ecn & ECN_SEEN:
        quick = QUICK                       # sent again, most likely
    if field != ECN_NOT_ECT:
        k.ecn |= ECN_SEEN
    if quick:
        delack_quick(t, k, quick)


cdef void ecn_echoed(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    if k.mss and seq_gt(r.ack, k.snd_una):
        k.delivered_ce += (r.ack - k.snd_una + k.mss - 1) // k.mss
    ecn_slow_down(t, c, r.ack, now)


cdef void ecn_slow_down(tcp_state *t, uint32_t c, uint32_t ack, int64_t now) noexcept nogil:
    """Once for all marks of a window, and not where a loss or a timeout has reduced cwnd for what is out (RFC 3168, section 6.1.2)."""
    cdef tcb *k = tcb_at(t, c)
    if (k.ecn & ECN_CWR and not seq_gt(ack, k.cwr_high)) or tcp_flight(k) == 0:
        return
    if (seq_lt(k.snd_una, k.recover) and not k.timed & FLIGHT_RACK) or not recovery_enter_cwr(t, c, ack, now):
        return                              # what is out was so when something was lost
    k.ecn |= ECN_CWR
    k.cwr_high = k.snd_max
    t.counters.ecn_rcwnd += 1
    tcp_want_output(t, c)


cdef void ecn_reduced(tcb *k) noexcept nogil:
    if k.ecn & ECN_RFC3168:
        k.ecn |= ECN_QUEUE_CWR


cdef uint8_t ecn_leaves(const tcb *k, uint32_t seq, uint32_t n, uint16_t *flags) noexcept nogil:
    """ECT(0) for new data alone: not for what is out already, what has no data, and what asks for a closed window (RFC 3168, 6.1.4 to 6.1.6)."""
    cdef bint fresh = n and not seq_lt(seq, k.snd_max) and not (k.flags & TF_PROBE and k.snd_wnd == 0)
    if k.ecn & (ECN_LAST_CE if k.ecn & ECN_EXACT else ECN_DEMAND_CWR):
        flags[0] |= TH_ECE
    if fresh and k.ecn & ECN_QUEUE_CWR:
        flags[0] |= TH_CWR
    return ECN_ECT_0 if fresh or k.ecn & ECN_EXACT else ECN_NOT_ECT
