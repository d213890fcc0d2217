"""AccECN (RFC 9768). A receiver counts what arrives by its mark and tells with each segment, in three bits of the header, how many packets had CE,
modulo 8, and in an option how many bytes had which mark. A sender reads from that how many of its packets were marked."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_give, arena_take
from usnet.tcp.ecn cimport ECN_ACCECN, ECN_CE, ECN_ECT_0, ECN_ECT_1, ECN_FIELD, ECN_NOT_ECT, ECN_RFC3168, ECN_SEEN, ecn_slow_down
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.state cimport tcb_at, tcp_state
from usnet.tcp.tcb cimport TF_ACK_NOW, TF_PROBE, tcb
from usnet.wire.seq cimport seq_gt, seq_le, seq_lt
from usnet.wire.tcp cimport (
    ACCECN_FIELDS, TCPO_ACCECN, TCPO_FASTOPEN, TCPO_SACK, TCPO_TIMESTAMP, TCPO_UTO, TCP_MAX_OPTIONS, TH_AE, TH_CWR, TH_ECE, TH_RST, TH_SYN, tcp_repr,
)

cdef enum:
    ACE = TH_AE | TH_CWR | TH_ECE
    ACE_SHIFT = 6
    ACE_MASK = 7
    SYNS = 1                    # SYNs sent again that still ask (section 3.1.4.1)
    DEMAND = 2                  # segments that tell of a change
    BYTES_MASK = 0xffffff       # of a counter in the option
    OFTEN = 22                  # bits of a counter that may change before an option tells of it
    OPTION = 12                 # bytes of one with three counters

# Table 2: what an ACE field says that a SYN, or SYN-ACK, arrived with; and the other way round
cdef uint8_t FIELD_OF[8]
FIELD_OF[:] = [ECN_ECT_0, ECN_ECT_1, ECN_NOT_ECT, ECN_ECT_1, ECN_ECT_0, ECN_ECT_1, ECN_CE, ECN_ECT_1]
cdef uint8_t ACE_OF[4]
ACE_OF[:] = [2, 3, 4, 6]
# Where each mark's bytes stand in an option of order 1, as the number of counters up to it
cdef uint8_t PLACE[4]
PLACE[:] = [0, 1, 3, 2]
# [order][place]: which counter that is
cdef uint8_t COUNTER[2][3]
COUNTER[0][:] = [ECN_ECT_0 - 1, ECN_CE - 1, ECN_ECT_1 - 1]
COUNTER[1][:] = [ECN_ECT_1 - 1, ECN_CE - 1, ECN_ECT_0 - 1]


cdef inline uint32_t ace_of(const tcp_repr *r) noexcept nogil:
    return (r.flags & ACE) >> ACE_SHIFT


cdef inline uint16_t ace_flags(uint32_t n) noexcept nogil:
    return <uint16_t>((n & ACE_MASK) << ACE_SHIFT)


cdef inline uint32_t offset_of(uint32_t counter) noexcept nogil:
    """What an option adds to a counter, so that zeroes on the way are noticed."""
    return 0 if counter == ECN_CE - 1 else BYTES_FIRST


cdef void accecn_begin(tcp_state *t, tcb *k) noexcept nogil:
    """Zeroed; without ECN where there is no memory, which cannot be: there are as many as connections."""
    if k.accecn == NONE:
        k.accecn = arena_take(&t.accecns)
    if k.accecn == NONE:
        k.ecn = 0
        return
    memset(accecn_at(t, k), 0, sizeof(accecn))
    accecn_at(t, k).first = 1
    k.ecn |= ECN_ACCECN
    k.way = 0                               # all of it takes the long way


cdef void accecn_over(tcp_state *t, tcb *k) noexcept nogil:
    """Something else was agreed on."""
    k.ecn &= ~<uint8_t>ECN_ACCECN
    if k.accecn != NONE:
        arena_give(&t.accecns, k.accecn)
        k.accecn = NONE


cdef void failed(tcp_state *t, accecn *a, uint8_t how) noexcept nogil:
    if not a.fail_mode:
        t.counters.accecn_fails += 1
    a.fail_mode |= how


# --- The handshake --------------------------------------------------------------------------------------------------------------

cdef uint16_t accecn_syn_flags(tcp_state *t, tcb *k, bint ack, tcp_repr *r) noexcept nogil:
    """Of a SYN: all three, but not of those that come after two that nobody answered. Of a SYN-ACK: how the SYN arrived, with the option the first
    time, without the second, and then nothing of it (section 3.2.3.2.2)."""
    cdef accecn *a = accecn_at(t, k)
    if not ack:
        return ACE if k.syn_retries <= SYNS else 0
    if k.syn_retries > SYNS:
        failed(t, a, ACCECN_ACE_FAIL_RECV)
        return 0
    if k.syn_retries == 0 and t.config.ecn_option and not r.options & TCPO_FASTOPEN:
        put_option(a, ACCECN_FIELDS, r)
    else:
        a.synack_again = 1
    return ace_flags(ACE_OF[a.syn_field])


cdef bint fields_agree(tcp_state *t, accecn *a, uint8_t said) noexcept nogil:
    """Whether the path may have made that of what ours left with (section 3.2.2.3): CE of ECT, and nothing else."""
    if not t.config.ecn_fallback or said == a.sent_field:
        return True
    if a.sent_field == ECN_NOT_ECT or said == ECN_NOT_ECT or a.sent_field == ECN_CE:
        failed(t, a, ACCECN_ACE_FAIL_RECV)
        return False
    return True


cdef void see_first_option(tcp_state *t, accecn *a, const tcp_repr *r) noexcept nogil:
    """A counter that cannot be zero yet and is was wiped out on its way (section 3.2.3.2.4)."""
    if not r.options & TCPO_ACCECN or a.opt_seen >= OPT_COUNTER_SEEN:
        return
    a.opt_seen = OPT_EMPTY_SEEN if r.ecn_fields == 0 else OPT_COUNTER_SEEN
    if (r.ecn_fields and r.ecn_bytes[0] == 0) or (r.ecn_fields == ACCECN_FIELDS and r.ecn_bytes[2] == 0):
        a.opt_seen = OPT_FAIL_SEEN
        failed(t, a, ACCECN_OPT_FAIL_RECV)
    a.demand = DEMAND


cdef void accecn_synack_arrived(tcp_state *t, tcb *k, const tcp_repr *r, uint8_t tos) noexcept nogil:
    """Table 2, of a client: no ECN, or what copies all flags; ECN; AccECN."""
    cdef uint32_t ace = ace_of(r)
    cdef accecn *a = accecn_at(t, k)
    if ace == 0 or ace == ACE_MASK:
        accecn_over(t, k)
        k.ecn = 0
    elif ace == 1 or ace == ACE_FIRST:
        accecn_over(t, k)
    else:
        k.ecn &= ~<uint8_t>ECN_RFC3168
        a.syn_field = a.last_field = tos & ECN_FIELD
        a.ack_due = 1
        a.first = 0
        see_first_option(t, a, r)
        if fields_agree(t, a, FIELD_OF[ace]) and a.syn_field == ECN_CE:
            a.received_ce = a.pending = 1


cdef void third_ack(tcp_state *t, tcb *k, accecn *a, const tcp_repr *r, uint32_t n) noexcept nogil:
    """Table 4, of a server: what the first segment behind the SYN-ACK says about it."""
    cdef uint32_t ace = ace_of(r)
    a.first = 0
    see_first_option(t, a, r)
    if ace == 0:
        failed(t, a, ACCECN_ACE_FAIL_RECV)  # the path, or the peer, strikes it out
    elif n == 0 and ace in (2, 3, 4, 6) and fields_agree(t, a, FIELD_OF[ace]) and FIELD_OF[ace] == ECN_CE and k.delivered_ce == 0:
        k.delivered_ce = 1
        a.delivered_ce = 1


# --- Who receives ---------------------------------------------------------------------------------------------------------------

cdef void accecn_arrived(tcp_state *t, uint32_t c, const tcp_repr *r, uint8_t tos, uint32_t n, uint32_t segments, int64_t now) noexcept nogil:
    """An acceptable segment. What changes from one packet to the next is told at once, in two segments; every third CE mark by itself
    (section 3.2.2.5)."""
    cdef tcb *k = tcb_at(t, c)
    cdef accecn *a = accecn_at(t, k)
    cdef uint8_t field = tos & ECN_FIELD
    cdef uint32_t before
    if a.first:
        third_ack(t, k, a, r, n)
    if field != ECN_NOT_ECT:
        k.ecn |= ECN_SEEN
        if field == ECN_CE:
            a.received_ce += segments
            a.pending = <uint8_t>(a.pending + segments if a.pending + segments < 15 else 15)
            t.counters.ecn_ce += segments if n else 0
        before = a.received[field - 1]
        a.received[field - 1] += n
        if (before ^ a.received[field - 1]) >> OFTEN and not a.demand:
            a.demand = 1
    if field != a.last_field or field == ECN_CE:
        a.demand = DEMAND
        if field != a.last_field and n:
            k.quick = k.quick if k.quick else 1
    if a.pending >= 3 and n == 0:           # CE on ACKs, where nothing may be owed
        k.flags |= TF_ACK_NOW
        tcp_want_output(t, c)
    elif a.pending >= 3 and not k.quick:
        k.quick = 1
    a.last_field = field


# --- What leaves ----------------------------------------------------------------------------------------------------------------

cdef void put_option(const accecn *a, uint32_t fields, tcp_repr *r) noexcept nogil:
    cdef uint32_t i, counter
    r.options |= TCPO_ACCECN
    r.ecn_order = 1
    r.ecn_fields = <uint8_t>fields
    for i in range(fields):
        counter = COUNTER[1][i]
        r.ecn_bytes[i] = (a.received[counter] + offset_of(counter)) & BYTES_MASK


cdef uint32_t fields_needed(const accecn *a) noexcept nogil:
    """So many counters of order 1 have to be told of: those behind have not counted anything."""
    cdef uint32_t field, most = 0
    for field in range(ECN_ECT_1, ECN_CE + 1):
        if a.received[field - 1] and PLACE[field] > most:
            most = PLACE[field]
    return most


cdef bint option_wanted(const tcp_state *t, const tcb *k, const accecn *a, int64_t now) noexcept nogil:
    """Not where the peer has shown none, or they do not get through."""
    if not t.config.ecn_option or not a.opt_seen or a.fail_mode & ACCECN_OPT_FAIL_SEND:
        return False
    return (t.config.ecn_option > 1 or a.demand
            or (t.config.ecn_option_beacon and (now - a.option_at) * t.config.ecn_option_beacon >= k.srtt))


cdef void fit_option(const accecn *a, tcp_repr *r) noexcept nogil:
    """As many counters as there is room for beside the other options, the needed ones at least: the last of three SACK blocks gives way to them."""
    cdef uint32_t used = (12 if r.options & TCPO_TIMESTAMP else 0) + (4 if r.options & TCPO_UTO else 0)
    cdef uint32_t need = fields_needed(a), blocks = r.n_sack if r.options & TCPO_SACK else 0, least, fit
    least = blocks - 1 if blocks > 2 else blocks
    while True:
        fit = TCP_MAX_OPTIONS - used - (4 + 8 * blocks if blocks else 0) if used + 4 + 8 * blocks <= TCP_MAX_OPTIONS else 0
        fit = (fit - 2) // 3 if fit > 2 else 0
        if fit >= need and fit:
            r.n_sack = <uint8_t>blocks
            put_option(a, fit if fit < ACCECN_FIELDS else ACCECN_FIELDS, r)
            return
        if blocks == least:
            return
        blocks -= 1


cdef uint8_t accecn_leaves(tcp_state *t, tcb *k, tcp_repr *r, uint32_t n, int64_t now) noexcept nogil:
    """The ACE field and, where there is room, the option of a segment; its ECN field. What is sent again goes without the option: it may be why the
    first copy did not arrive (section 3.2.3.2.2)."""
    cdef accecn *a = accecn_at(t, k)
    cdef bint again = seq_lt(r.seq, k.snd_max), fresh = n and not again and not (k.flags & TF_PROBE and k.snd_wnd == 0)
    r.flags |= ace_flags(ACE_OF[a.syn_field] if a.ack_due and n == 0 else a.received_ce + ACE_FIRST)
    if n + OPTION <= k.mss and not (n and again) and option_wanted(t, k, a, now):
        fit_option(a, r)
    if a.fail_mode & ACCECN_ACE_FAIL_RECV or not (fresh or t.config.ecn_generalized):
        return ECN_NOT_ECT
    return ECN_ECT_0


cdef void accecn_left(tcp_state *t, tcb *k, const tcp_repr *r, int64_t now) noexcept nogil:
    cdef accecn *a = accecn_at(t, k)
    a.ack_due = 0
    a.pending = 0
    if r.options & TCPO_ACCECN:
        a.option_at = now
        a.demand -= 1 if a.demand else 0


# --- Who sends ------------------------------------------------------------------------------------------------------------------

cdef bint take_option(tcp_state *t, accecn *a, const tcp_repr *r, uint32_t *ce) noexcept nogil:
    """The peer's counters; *ce: bytes with CE that are new. False: it says nothing about them."""
    cdef uint32_t i, counter
    cdef int32_t more
    cdef bint told = False
    ce[0] = 0
    see_first_option(t, a, r)
    if not r.options & TCPO_ACCECN or a.opt_seen == OPT_FAIL_SEEN:
        return False
    for i in range(r.ecn_fields):
        counter = COUNTER[r.ecn_order][i]
        more = <int32_t>((r.ecn_bytes[i] - offset_of(counter) - a.delivered[counter]) << 8) >> 8
        if more < 0:
            continue                        # an older one
        a.delivered[counter] += more
        if counter == ECN_CE - 1:
            ce[0] = <uint32_t>more
            told = True
    return told


cdef uint32_t packets_marked(tcb *k, const accecn *a, const tcp_repr *r, uint32_t delivered, bint told, uint32_t ce) noexcept nogil:
    """How many more packets arrived with CE: what the field says modulo 8. Where it may have come round, bytes say how often; without them it is
    taken that all that could be were (appendix A.2)."""
    cdef uint32_t delta = (ace_of(r) - ACE_FIRST - a.delivered_ce) & ACE_MASK, safe, least
    if delivered <= ACE_MASK:
        return delta
    safe = delivered - ((delivered - delta) & ACE_MASK)
    if not told:
        return safe
    least = (ce + k.mss - 1) // k.mss
    if least <= delta:
        return delta
    delta += (least - delta + ACE_MASK) & ~<uint32_t>ACE_MASK
    return delta if delta < safe else safe


cdef void accecn_acked(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil:
    """An acceptable ACK, before it is acted upon. One that acknowledges nothing new may have been overtaken."""
    cdef tcb *k = tcb_at(t, c)
    cdef accecn *a = accecn_at(t, k)
    cdef uint32_t ce, marked, delivered
    cdef bint told
    if r.flags & (TH_SYN | TH_RST) or a.fail_mode & ACCECN_ACE_FAIL_RECV or not seq_gt(r.ack, k.snd_una) or seq_le(r.ack, k.iss + 1):
        return
    delivered = (r.ack - k.snd_una + k.mss - 1) // k.mss
    told = take_option(t, a, r, &ce)
    marked = packets_marked(k, a, r, delivered, told, ce)
    a.delivered_ce += marked
    k.delivered_ce += marked
    if marked:
        ecn_slow_down(t, c, r.ack, now)
