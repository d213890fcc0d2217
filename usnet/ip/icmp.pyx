"""ICMP: answers to echo, errors out (rate limited; RFC 1122 section 3.2.2, RFC 1812 section 4.3.2), errors in."""
from libc.errno cimport ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT, EPROTO
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from usnet.ip.output cimport ip_count_lost, ip_send, ip_tx_close, ip_tx_open
from usnet.ip.paths cimport path_learn, path_slot
from usnet.ip.routes cimport ip_broadcast_netif, ip_is_group, ip_is_local, ip_mtu, ip_source
from usnet.ip.state cimport (
    DROP_ICMP_BAD, DROP_ICMP_RATE, DROP_ICMP_TYPE, DROP_NO_WAY_BACK, PACKET_ICMP_ERROR, PACKET_NONE, QUOTE_BYTES,
    ip_state, packet, tx_frame,
)
from usnet.ip.udp_table cimport udp_icmp_error
from usnet.wire.addr cimport addr_v4, ip_addr
from usnet.wire.icmp cimport (
    ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_NET, ICMP_NET_PROHIBITED, ICMP_NET_TOS, ICMP_NET_UNKNOWN,
    ICMP_PARAM_PROBLEM, ICMP_PORT, ICMP_PROTO, ICMP_REDIRECT, ICMP_SOURCE_QUENCH,
    ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, icmp_emit, icmp_parse, icmp_repr,
)
from usnet.wire.ipv4 cimport IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN, IPV4_MAX_LEN, ipv4_parse, ipv4_repr
from usnet.wire.peek cimport l4_dst_port, l4_src_port, tcp_seq

cdef int64_t SECOND = 1000000000


cdef int quote_parse(const uint8_t *l3, uint32_t n, ipv4_repr *r) noexcept nogil:
    # The header is read in a copy with zeros behind it, because it claims more bytes than a quotation has.
    cdef uint8_t front[68]
    cdef uint32_t have = n if n <= QUOTE_BYTES else QUOTE_BYTES
    memset(front, 0, QUOTE_BYTES)
    memcpy(front, l3, have)
    if n < IPV4_HLEN or ipv4_parse(front, IPV4_MAX_LEN, r, 0) < 0 or r.header_len > n:
        return -1
    return <int>(n - r.header_len)


cdef bint allowed(int64_t *at, int64_t now, uint32_t rate, uint32_t burst) noexcept nogil:
    """A token bucket as one number: when the next one would be due if they left evenly; it may run ahead of now by a
    burst."""
    cdef int64_t interval
    if rate == 0 or burst == 0:
        return False
    interval = SECOND // rate
    if at[0] < now:
        at[0] = now
    if at[0] - now > interval * (burst - 1):
        return False
    at[0] += interval
    return True


cdef bint may_send(ip_state *ip, const ip_addr *dst, int64_t now) noexcept nogil:
    """The limit for one destination first: what it refuses does not use up the others' share."""
    cdef uint32_t rate = ip.config.icmp_rate
    cdef uint32_t burst = ip.config.icmp_burst
    return (allowed(&ip.icmp_next_to[path_slot(ip, dst)], now, (rate + 1) // 2, (burst + 1) // 2)
            and allowed(&ip.icmp_next, now, rate, burst))


cdef bint about_error(const ipv4_repr *r, const uint8_t *l4, uint32_t n) noexcept nogil:
    """Whether the packet is itself an ICMP error, or an ICMP message that cannot be told from one."""
    cdef uint8_t type
    if r.proto != IPPROTO_ICMP:
        return False
    if n == 0:
        return True
    type = l4[0]
    return (type == ICMP_UNREACHABLE or type == ICMP_SOURCE_QUENCH or type == ICMP_REDIRECT
            or type == ICMP_TIME_EXCEEDED or type == ICMP_PARAM_PROBLEM)


cdef void icmp_error(ip_state *ip, uint8_t type, uint8_t code, uint32_t rest, const uint8_t *l3, uint32_t n,
                     int64_t now) noexcept nogil:
    cdef ipv4_repr r
    cdef icmp_repr m
    cdef ip_addr src
    cdef tx_frame f
    cdef uint32_t quoted
    cdef int l4_len = quote_parse(l3, n, &r)
    cdef int status
    if l4_len < 0 or r.frag_offset != 0 or about_error(&r, l3 + r.header_len, <uint32_t>l4_len):
        return
    if ip_is_group(&r.dst) or ip_broadcast_netif(ip, &r.dst) >= 0 or ip_is_group(&r.src) or addr_v4(&r.src) >> 24 == 0:
        return
    if not may_send(ip, &r.src, now):
        ip.drops[<int>DROP_ICMP_RATE] += 1
        return
    src = r.dst
    if not ip_is_local(ip, &src) and ip_source(ip, &r.src, &src) < 0:
        ip.drops[<int>DROP_NO_WAY_BACK] += 1
        return
    quoted = r.header_len + (8 if l4_len > 8 else <uint32_t>l4_len)
    status = ip_tx_open(ip, &src, &r.src, IPPROTO_ICMP, ICMP_HLEN + quoted, now, &f)
    if status < 0:
        ip_count_lost(ip, status)
        return
    memcpy(f.l4 + ICMP_HLEN, l3, quoted)
    m.type = type
    m.code = code
    m.rest = rest
    icmp_emit(f.l4, ICMP_HLEN + quoted, &m)
    ip_tx_close(ip, &f, ICMP_HLEN + quoted, now)
    ip.counters.icmp_out += 1


cdef void answer_echo(ip_state *ip, const ipv4_repr *r, const icmp_repr *request, const uint8_t *l4, uint32_t n,
                      int64_t now) noexcept nogil:
    cdef icmp_repr m
    cdef tx_frame f
    cdef int status
    m.type = ICMP_ECHO_REPLY
    m.code = 0
    m.rest = request.rest
    if IPV4_HLEN + n <= ip_mtu(ip, &r.src):
        status = ip_tx_open(ip, &r.dst, &r.src, IPPROTO_ICMP, n, now, &f)
        if status == 0:
            memcpy(f.l4 + ICMP_HLEN, l4 + ICMP_HLEN, n - ICMP_HLEN)
            icmp_emit(f.l4, n, &m)
            ip_tx_close(ip, &f, n, now)
    else:
        memcpy(ip.build + ICMP_HLEN, l4 + ICMP_HLEN, n - ICMP_HLEN)
        icmp_emit(ip.build, n, &m)
        status = ip_send(ip, &r.dst, &r.src, IPPROTO_ICMP, ip.build, n, 0, 0, now)
    if status < 0:
        ip_count_lost(ip, status)
    else:
        ip.counters.icmp_out += 1


cdef int32_t errno_of(const icmp_repr *m) noexcept nogil:
    """What an application hears of the error (RFC 1122, section 4.1.3.3)."""
    if m.type == ICMP_TIME_EXCEEDED:
        return EHOSTUNREACH
    if m.type == ICMP_PARAM_PROBLEM:
        return EPROTO
    if m.code in (ICMP_NET, ICMP_NET_UNKNOWN, ICMP_NET_PROHIBITED, ICMP_NET_TOS):
        return ENETUNREACH
    if m.code == ICMP_PORT:
        return ECONNREFUSED
    if m.code == ICMP_PROTO:
        return ENOPROTOOPT
    if m.code == ICMP_FRAG_NEEDED:
        return 0                # the path MTU is remembered; datagrams are fragmented from now on
    return EHOSTUNREACH


cdef int error_in(ip_state *ip, const icmp_repr *m, const uint8_t *quote, uint32_t n, int64_t now,
                  packet *out) noexcept nogil:
    """An error that quotes a packet: about one of ours? (RFC 5927 leaves the closer look at a segment to TCP.)"""
    cdef ipv4_repr q
    cdef const uint8_t *l4
    cdef uint32_t mtu
    cdef int l4_len = quote_parse(quote, n, &q)
    if l4_len < 8 or q.frag_offset != 0 or not ip_is_local(ip, &q.src):
        ip.drops[<int>DROP_ICMP_BAD] += 1
        return PACKET_NONE
    l4 = quote + q.header_len
    mtu = m.rest & 0xffff if m.type == ICMP_UNREACHABLE and m.code == ICMP_FRAG_NEEDED else 0
    if q.proto == IPPROTO_UDP:
        if not udp_icmp_error(ip, &q.dst, l4_dst_port(l4), l4_src_port(l4), errno_of(m)):
            ip.drops[<int>DROP_ICMP_BAD] += 1
            return PACKET_NONE
        if m.type == ICMP_UNREACHABLE and m.code == ICMP_FRAG_NEEDED and mtu < q.total_len:
            path_learn(ip, &q.dst, mtu, now)
        ip.counters.icmp_in += 1
        ip.counters.icmp_errors_in += 1
        return PACKET_NONE
    if q.proto != IPPROTO_TCP:
        ip.drops[<int>DROP_ICMP_TYPE] += 1
        return PACKET_NONE
    ip.counters.icmp_in += 1
    ip.counters.icmp_errors_in += 1
    out.src = q.src
    out.dst = q.dst
    out.l4 = l4
    out.l4_len = <uint32_t>l4_len
    out.icmp_type = m.type
    out.icmp_code = m.code
    out.icmp_rest = mtu
    out.quoted_src_port = l4_src_port(l4)
    out.quoted_dst_port = l4_dst_port(l4)
    out.quoted_seq = tcp_seq(l4)
    return PACKET_ICMP_ERROR


cdef int icmp_input(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, int64_t now,
                    packet *out) noexcept nogil:
    cdef icmp_repr m
    if icmp_parse(l4, n, &m) < 0:
        ip.drops[<int>DROP_ICMP_BAD] += 1
        return PACKET_NONE
    if m.type == ICMP_ECHO and m.code == 0 and ip.config.answer_echo and ip_is_local(ip, &r.dst):
        ip.counters.icmp_in += 1
        answer_echo(ip, r, &m, l4, n, now)
        return PACKET_NONE
    if m.type == ICMP_UNREACHABLE or m.type == ICMP_TIME_EXCEEDED or m.type == ICMP_PARAM_PROBLEM:
        return error_in(ip, &m, l4 + ICMP_HLEN, n - ICMP_HLEN, now, out)
    # Redirects and source quench (RFC 6633) too: nothing here acts upon them.
    ip.drops[<int>DROP_ICMP_TYPE] += 1
    return PACKET_NONE
