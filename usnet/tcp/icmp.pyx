"""What ICMP errors about our segments may do (RFC 5927, RFC 5461): little, for anybody can send one."""
from libc.errno cimport ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP, EPROTO
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.fastopen cimport fastopen_too_long
from usnet.tcp.mtu cimport mtu_told, search_at
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.state cimport TDROP_ICMP, count_drop, tcb_at, tcp_state
from usnet.tcp.tables cimport tcb_find
from usnet.tcp.tcb cimport TCPS_ESTABLISHED, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TFO_PASSIVE, tcb, tcb_header_len
from usnet.tcp.teardown cimport tcp_end
from usnet.wire.icmp cimport ICMP_FRAG_NEEDED, ICMP_PARAM_PROBLEM, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.seq cimport seq_ge, seq_lt

cdef extern from *:
    """
    #ifndef ENONET
    #define ENONET EHOSTUNREACH     /* Linux's alone */
    #endif
    """
    enum: ENONET

cdef enum:
    SOFT = 0                    # remembered: the errno of a timeout, if one follows
    HARD = 1                    # ends an attempt to connect
    HALF = 2                    # ends a half-open connection of a listener too
    KINDS = 19
    TIME_EXCEEDED = 16          # behind the codes of ICMP_UNREACHABLE: two of ICMP_TIME_EXCEEDED,
    PARAM_PROBLEM = 18          # and ICMP_PARAM_PROBLEM, whatever its code
    MTU_FLOOR = 552             # RFC 5927: what no path that matters is below

cdef struct meaning:
    int32_t err                 # 0: nothing is made of it
    uint8_t ends                # HARD | HALF, or SOFT

# [error_rules][code]. Linux: whatever comes in answer to a SYN ends the attempt. FreeBSD: what somebody on the way forbids does, and a closed port.
cdef meaning MEANINGS[3][19]
MEANINGS[<int>ERRORS_LINUX][:] = [
    meaning(ENETUNREACH, HARD | HALF), meaning(EHOSTUNREACH, HARD | HALF), meaning(ENOPROTOOPT, HARD), meaning(ECONNREFUSED, HARD), meaning(0, SOFT),
    meaning(EOPNOTSUPP, HARD), meaning(ENETUNREACH, HARD), meaning(EHOSTDOWN, HARD), meaning(ENONET, HARD), meaning(ENETUNREACH, HARD),
    meaning(EHOSTUNREACH, HARD), meaning(ENETUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD),
    meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EPROTO, HARD | HALF),
]
MEANINGS[<int>ERRORS_FREEBSD][:] = [
    meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(ECONNREFUSED, HARD), meaning(ECONNREFUSED, HARD), meaning(0, SOFT),
    meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(ECONNREFUSED, HARD),
    meaning(ECONNREFUSED, HARD), meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(ECONNREFUSED, HARD), meaning(EHOSTUNREACH, SOFT),
    meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, HARD), meaning(0, SOFT), meaning(ENOPROTOOPT, SOFT),
]
MEANINGS[<int>ERRORS_RFC][:] = [
    meaning(ENETUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(ECONNREFUSED, HARD), meaning(ECONNREFUSED, HARD), meaning(0, SOFT),
    meaning(EHOSTUNREACH, HARD), meaning(ENETUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(ENETUNREACH, HARD),
    meaning(EHOSTUNREACH, HARD), meaning(ENETUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, HARD),
    meaning(EHOSTUNREACH, HARD), meaning(EHOSTUNREACH, SOFT), meaning(EHOSTUNREACH, SOFT), meaning(EPROTO, SOFT),
]

# RFC 1191, section 7.1: what a router that does not say may have meant.
cdef uint32_t PLATEAUS[8]
PLATEAUS[:] = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 0]


cdef uint32_t plateau_below(uint32_t size) noexcept nogil:
    cdef uint32_t i = 0
    while PLATEAUS[i] >= size:
        i += 1
    return PLATEAUS[i]


cdef void lower_mss(tcp_state *t, uint32_t c, uint32_t mtu) noexcept nogil:
    """Path MTU discovery (RFC 1191): never below the floor, and the segments out are cut anew. A path that has let larger segments through is
    believed to be smaller only when they do not arrive any more (RFC 5927, 7.2)."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t header = IPV4_HLEN + tcb_header_len(k), mss
    if mtu == 0:
        mtu = plateau_below(k.mss + header)
    mss = (mtu if mtu > MTU_FLOOR else MTU_FLOOR) - header
    if mss >= k.mss or k.state < TCPS_ESTABLISHED:      # a SYN is as small as it can be
        return
    if k.snd_una - k.iss > k.mss and k.backoff < t.config.mtu_patience:
        t.counters.mtu_doubted += 1
        return
    k.mss = <uint16_t>mss
    if k.search != NONE:
        search_at(t, k).high = mss + header
        search_at(t, k).low = mss + header if mss + header < search_at(t, k).low else search_at(t, k).low
    cc_table(k.cc_ops).on_mss(&k.cc, mss)
    k.snd_nxt = k.snd_una
    tcp_want_output(t, c)


cdef meaning meaning_of(const tcp_state *t, const packet *p) noexcept nogil:
    cdef uint32_t i = PARAM_PROBLEM
    cdef meaning none
    none.err, none.ends = 0, SOFT
    if p.icmp_type == ICMP_UNREACHABLE:
        i = p.icmp_code
        if i >= TIME_EXCEEDED:
            return none
    elif p.icmp_type == ICMP_TIME_EXCEEDED:
        i = TIME_EXCEEDED + (p.icmp_code != 0)
    elif p.icmp_type != ICMP_PARAM_PROBLEM:
        return none                         # source quench above all (RFC 6633)
    return MEANINGS[t.config.error_rules][i]


cdef void act(tcp_state *t, uint32_t c, meaning m) noexcept nogil:
    """No established connection ends by it, nor any that is closing (RFC 5927, section 5): the timers decide."""
    cdef tcb *k = tcb_at(t, c)
    cdef bint half = k.state == TCPS_SYN_RECEIVED and k.parent != NONE
    cdef bint opening = k.state == TCPS_SYN_SENT or (half and k.fastopen & TFO_PASSIVE)     # whose end somebody will be told of
    if t.config.icmp_ends and ((opening and m.ends & HARD) or (half and m.ends & HALF)):
        t.counters.icmp_hard += 1
        tcp_end(t, c, m.err)
        return
    t.counters.icmp_soft += 1
    k.soft_error = m.err
    k.soft_una = k.snd_una


cdef void tcp_icmp_error(tcp_state *t, const packet *p, int64_t now) noexcept nogil:
    cdef uint32_t c = tcb_find(t, &p.src, p.quoted_src_port, &p.dst, p.quoted_dst_port)
    cdef meaning m
    cdef tcb *k
    if c == NONE:
        count_drop(t, TDROP_ICMP)
        return
    k = tcb_at(t, c)
    if seq_lt(p.quoted_seq, k.iss if k.fastopen & TFO_PASSIVE else k.snd_una) or seq_ge(p.quoted_seq, k.snd_max):
        count_drop(t, TDROP_ICMP)
        return
    if p.icmp_type == ICMP_UNREACHABLE and p.icmp_code == ICMP_FRAG_NEEDED:
        if k.state == TCPS_SYN_SENT and k.snd_max - k.iss > 1:
            fastopen_too_long(t, c, p.icmp_rest & 0xffff)
        elif not mtu_told(t, c, p.quoted_seq, p.icmp_rest & 0xffff, now):
            lower_mss(t, c, p.icmp_rest & 0xffff)
        return
    m = meaning_of(t, p)
    if m.err:
        act(t, c, m)
    else:
        count_drop(t, TDROP_ICMP)
