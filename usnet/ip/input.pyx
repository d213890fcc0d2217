"""Frames in: Ethernet, VLAN, ARP, IPv4, reassembly, ICMP and UDP are handled here and below; TCP is handed up."""
from libc.errno cimport EHOSTUNREACH
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memmove, memset

from usnet.backends.ring cimport META_CSUM_NEEDED, META_CSUM_VALID, META_VLAN, PORT_VNET_HDR, slot_meta
from usnet.ip.forward cimport forward_input
from usnet.ip.icmp cimport icmp_error, icmp_input, quote_parse
from usnet.ip.known cimport known_find
from usnet.ip.neighbour cimport neighbour_input
from usnet.ip.queue cimport queue_peek, queue_pop
from usnet.ip.reassembly cimport reassembly_input
from usnet.ip.routes cimport V4_BROADCAST, ip_broadcast_netif, ip_is_group, ip_is_local
from usnet.ip.state cimport (
    DROP_ETH_NOT_OURS, DROP_ETH_SHORT, DROP_ETH_SOURCE, DROP_ETH_TYPE, DROP_FRAME_TOO_LONG, DROP_ICMP_TYPE,
    DROP_IP_CHECKSUM, DROP_IP_IHL,
    DROP_IP_LENGTH, DROP_IP_NOT_OURS, DROP_IP_OPTION, DROP_IP_PROTO, DROP_IP_SHORT, DROP_IP_SOURCE,
    DROP_IP_SOURCE_ROUTE, DROP_IP_VERSION,
    DROP_VLAN, NETIF_LOOPBACK, PACKET_ICMP_ERROR, PACKET_NONE, PACKET_TCP, ip_count_ecn, ip_state, netif, packet, quoted_packet,
)
from usnet.ip.udp cimport udp_input, udp_input_several
from usnet.ip.udp_table cimport udp_icmp_error, udp_wake_blocked
from usnet.wire.addr cimport addr_v4, ip_addr
from usnet.wire.eth cimport ETH_P_ARP, ETH_P_IP, VLAN_NONE, eth_parse, eth_repr
from usnet.wire.gso cimport GSO_UDP_L4, gso_is_tcp
from usnet.wire.icmp cimport ICMP_HOST, ICMP_PROTO, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport (
    IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_CHECKSUM, IPV4_IHL, IPV4_LENGTH, IPV4_SHORT,
    IPV4_SOURCE_ROUTE, IPV4_VERSION,
    ipv4_parse, ipv4_repr,
)
from usnet.wire.peek cimport l4_dst_port, l4_src_port, mac_is_group, tcp_seq

# How a packet came.
cdef struct arrival:
    uint32_t netif              # NETIF_LOOPBACK: from ourselves
    bint group                  # its frame was to a group of stations
    bint csum_ok
    const slot_meta *meta       # or NULL
    const uint8_t *frame


cdef int drop(ip_state *ip, int why) noexcept nogil:
    ip.drops[why] += 1
    return PACKET_NONE


cdef int drop_of(int status) noexcept nogil:
    if status == IPV4_SHORT:
        return <int>DROP_IP_SHORT
    if status == IPV4_VERSION:
        return <int>DROP_IP_VERSION
    if status == IPV4_IHL:
        return <int>DROP_IP_IHL
    if status == IPV4_LENGTH:
        return <int>DROP_IP_LENGTH
    if status == IPV4_CHECKSUM:
        return <int>DROP_IP_CHECKSUM
    if status == IPV4_SOURCE_ROUTE:
        return <int>DROP_IP_SOURCE_ROUTE
    return <int>DROP_IP_OPTION


cdef bint bad_source(const ip_state *ip, const ip_addr *src, bint looped) noexcept nogil:
    """Nobody can be answered there, or it is a lie (RFC 1122, section 3.2.1.3; LAND)."""
    cdef uint32_t v4 = addr_v4(src)
    if v4 >> 24 == 0 or ip_is_group(src) or ip_broadcast_netif(ip, src) >= 0:
        return True
    return not looped and ip_is_local(ip, src)


cdef int to_us(ip_state *ip, const ipv4_repr *r, const uint8_t *l3, const uint8_t *l4, uint32_t n, const arrival *a,
               bint unicast, int64_t now,
               packet *out) noexcept nogil:
    """A whole datagram for us, or for everybody (then only UDP is heard)."""
    if r.proto == IPPROTO_UDP:
        if a.meta != NULL and a.meta.gso_type == GSO_UDP_L4 and a.meta.gso_size:
            udp_input_several(ip, r, l4, n, a.meta.gso_size, a.csum_ok, l3, now)
        else:
            udp_input(ip, r, l4, n, a.csum_ok, l3, r.total_len, now)
        return PACKET_NONE
    if not unicast:
        return drop(ip, <int>DROP_ICMP_TYPE if r.proto == IPPROTO_ICMP else <int>DROP_IP_NOT_OURS)
    if r.proto == IPPROTO_TCP:
        ip.counters.tcp_in += 1
        out.l4 = l4
        out.l4_len = n
        return PACKET_TCP
    if r.proto == IPPROTO_ICMP:
        return icmp_input(ip, r, l4, n, now, out)
    icmp_error(ip, ICMP_UNREACHABLE, ICMP_PROTO, 0, l3, r.total_len, now)
    return drop(ip, <int>DROP_IP_PROTO)


cdef int ip_packet(ip_state *ip, const arrival *a, const uint8_t *l3, uint32_t n, int64_t now,
                   packet *out) noexcept nogil:
    """A packet from its IP header on, in n bytes that may be padded."""
    cdef ipv4_repr r
    cdef arrival whole
    cdef bint looped = a.netif == NETIF_LOOPBACK
    cdef bint unicast
    cdef int there
    cdef const uint8_t *l4
    cdef int status = ipv4_parse(l3, n, &r, ip.config.verify_checksums and not looped)
    if status < 0:
        return drop(ip, drop_of(status))
    ip.counters.rx_packets += 1
    ip.counters.rx_bytes += r.total_len
    ip_count_ecn(ip, r.tos)
    if known_find(ip, &r.src) == NULL and bad_source(ip, &r.src, looped):
        return drop(ip, <int>DROP_IP_SOURCE)
    unicast = ip_is_local(ip, &r.dst) and (looped or addr_v4(&r.dst) >> 24 != 127)
    if not unicast:
        there = ip_broadcast_netif(ip, &r.dst)
        if there < 0:
            if not ip.config.forward or a.group or ip_is_group(&r.dst):
                return drop(ip, <int>DROP_IP_NOT_OURS)
            forward_input(ip, &r, a.frame, l3, a.meta, now)
            return PACKET_NONE
        if addr_v4(&r.dst) != V4_BROADCAST and <uint32_t>there != a.netif:
            return drop(ip, <int>DROP_IP_NOT_OURS)      # another network's broadcast (RFC 2644)
    elif a.group:
        return drop(ip, <int>DROP_IP_NOT_OURS)          # RFC 1122, section 3.3.6
    whole = a[0]
    l4 = l3 + r.header_len
    n = r.total_len - r.header_len
    if r.more_fragments or r.frag_offset != 0:
        if not reassembly_input(ip, &r, l4, n, now, &n):
            return PACKET_NONE
        l4 = ip.datagram
        l3 = ip.datagram - r.header_len
        whole.csum_ok = False
    out.src = r.src
    out.dst = r.dst
    out.netif = a.netif
    out.tos = r.tos
    out.ttl = r.ttl
    out.csum_ok = whole.csum_ok
    out.gso_size = a.meta.gso_size if a.meta != NULL and gso_is_tcp(a.meta.gso_type) else 0
    return to_us(ip, &r, l3, l4, n, &whole, unicast, now, out)


cdef int find_vlan(const ip_state *ip, uint32_t number, uint16_t tci) noexcept nogil:
    """The interface on the same port whose VLAN the frame is in, or -1. A tag with identifier 0 carries a priority
    and no VLAN."""
    cdef uint16_t vlan = tci & 0xfff
    cdef uint32_t i
    if tci == VLAN_NONE or vlan == 0:
        vlan = VLAN_NONE
    if ip.netifs[number].vlan == vlan:
        return <int>number
    for i in range(ip.n_netifs):
        if ip.netifs[i].link == ip.netifs[number].link and ip.netifs[i].vlan == vlan:
            return <int>i
    return -1


cdef int ip_input(ip_state *ip, uint32_t number, const uint8_t *frame, uint32_t length, const slot_meta *meta,
                  int64_t now,
                  packet *out) noexcept nogil:
    cdef eth_repr e
    cdef arrival a
    cdef netif *n
    cdef uint16_t tci
    cdef uint32_t l3_len
    cdef int found
    cdef bint offload = meta != NULL and (ip.netifs[number].link.caps & PORT_VNET_HDR) != 0
    if eth_parse(frame, length, &e) < 0 or (e.vlan != VLAN_NONE and meta != NULL and meta.flags & META_VLAN):
        return drop(ip, <int>DROP_ETH_SHORT)
    tci = meta.vlan if meta != NULL and meta.flags & META_VLAN else e.vlan
    found = find_vlan(ip, number, tci)
    if found < 0:
        return drop(ip, <int>DROP_VLAN)
    n = &ip.netifs[found]
    a.netif = <uint32_t>found
    a.group = mac_is_group(e.dst)
    if not a.group and memcmp(e.dst, n.mac, 6) != 0:
        return drop(ip, <int>DROP_ETH_NOT_OURS)
    if mac_is_group(e.src):
        return drop(ip, <int>DROP_ETH_SOURCE)
    l3_len = length - e.header_len
    if l3_len > n.link.mtu and not (offload and meta.gso_size != 0):
        return drop(ip, <int>DROP_FRAME_TOO_LONG)
    if e.type == ETH_P_ARP:
        neighbour_input(ip, a.netif, frame + e.header_len, l3_len, now)
        return PACKET_NONE
    if e.type != ETH_P_IP:
        return drop(ip, <int>DROP_ETH_TYPE)
    a.csum_ok = offload and (meta.flags & (META_CSUM_VALID | META_CSUM_NEEDED)) != 0
    a.meta = meta if offload else NULL
    a.frame = frame
    return ip_packet(ip, &a, frame + e.header_len, l3_len, now, out)


cdef int given_up(ip_state *ip, int64_t now, packet *out) noexcept nogil:
    """Tells whoever sent the oldest of the packets that no neighbour answered for."""
    cdef quoted_packet q = ip.unreachable[0]
    cdef ipv4_repr r
    cdef const uint8_t *l4
    cdef int n
    ip.n_unreachable -= 1
    memmove(&ip.unreachable[0], &ip.unreachable[1], ip.n_unreachable * sizeof(quoted_packet))
    n = quote_parse(q.l3, q.n, &r)
    if n < 0:
        return PACKET_NONE
    if not ip_is_local(ip, &r.src):
        icmp_error(ip, ICMP_UNREACHABLE, ICMP_HOST, 0, q.l3, q.n, now)
        return PACKET_NONE
    if n < 8:
        return PACKET_NONE
    l4 = &q.l3[r.header_len]
    if r.proto == IPPROTO_UDP:
        udp_icmp_error(ip, &r.dst, l4_dst_port(l4), l4_src_port(l4), EHOSTUNREACH)
    if r.proto != IPPROTO_TCP:
        return PACKET_NONE
    memset(out, 0, sizeof(packet))
    out.src = r.src
    out.dst = r.dst
    out.netif = q.netif
    out.icmp_type = ICMP_UNREACHABLE
    out.icmp_code = ICMP_HOST
    out.quoted_src_port = l4_src_port(l4)
    out.quoted_dst_port = l4_dst_port(l4)
    out.quoted_seq = tcp_seq(l4)
    return PACKET_ICMP_ERROR


cdef int ip_input_loopback(ip_state *ip, int64_t now, packet *out) noexcept nogil:
    cdef arrival a
    cdef uint32_t n
    if ip.n_unreachable > 0:
        return given_up(ip, now, out)
    if ip.n_loopback == 0:
        return -1
    n = queue_peek(ip.chunks, &ip.loopback, ip.datagram, 65535)
    queue_pop(ip.chunks, &ip.loopback)
    ip.n_loopback -= 1
    udp_wake_blocked(ip)
    memset(&a, 0, sizeof(a))
    a.netif = NETIF_LOOPBACK
    a.csum_ok = True            # it never left this memory
    a.frame = ip.datagram
    ip.counters.looped += 1
    return ip_packet(ip, &a, ip.datagram, n, now, out)
