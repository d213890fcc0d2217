"""What ICMP errors about our segments may do (RFC 5927, RFC 5461): little, for anybody can send one."""
from libc.errno cimport ECONNREFUSED, EHOSTUNREACH, ENETUNREACH
from libc.stdint cimport int64_t, uint16_t, uint32_t

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.fastopen cimport fastopen_too_long
from usnet.tcp.output cimport tcp_want_output
from usnet.tcp.state cimport TDROP_ICMP, count_drop, tcb_at, tcp_state
from usnet.tcp.tables cimport tcb_find
from usnet.tcp.tcb cimport TCPS_ESTABLISHED, TCPS_SYN_SENT, TFO_PASSIVE, tcb, tcb_header_len
from usnet.tcp.teardown cimport tcp_end
from usnet.wire.icmp cimport ICMP_FRAG_NEEDED, ICMP_NET, ICMP_PORT, ICMP_PROTO, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.seq cimport seq_ge, seq_lt


cdef void lower_mss(tcp_state *t, uint32_t c, uint32_t mtu) noexcept nogil:
    """Path MTU discovery (RFC 1191): never below 552 (RFC 5927's floor), and the segments out are cut anew."""
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t mss = (mtu if mtu > 552 else 552) - IPV4_HLEN - tcb_header_len(k)
    if mss >= k.mss or k.state < TCPS_ESTABLISHED:      # a SYN is as small as it can be
        return
    k.mss = <uint16_t>mss
    cc_table(k.cc_ops).on_mss(&k.cc, mss)
    k.snd_nxt = k.snd_una
    tcp_want_output(t, c)


cdef void tcp_icmp_error(tcp_state *t, const packet *p, int64_t now) noexcept nogil:
    cdef uint32_t c = tcb_find(t, &p.src, p.quoted_src_port, &p.dst, p.quoted_dst_port)
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
        else:
            lower_mss(t, c, p.icmp_rest & 0xffff)
    elif p.icmp_type != ICMP_UNREACHABLE or not (k.state == TCPS_SYN_SENT or (k.fastopen & TFO_PASSIVE and k.parent != NONE)):
        count_drop(t, TDROP_ICMP)           # soft errors for established connections (RFC 5461): the timers decide
    else:
        tcp_end(t, c, ECONNREFUSED if p.icmp_code == ICMP_PORT or p.icmp_code == ICMP_PROTO
                else (ENETUNREACH if p.icmp_code == ICMP_NET else EHOSTUNREACH))
