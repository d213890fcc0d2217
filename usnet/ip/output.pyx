"""Packets out: route, neighbour, Ethernet header, fragmentation, the transmit ring."""
from libc.errno cimport EAGAIN, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport META_CSUM_NEEDED, PORT_VNET_HDR, ring_buf, ring_room, ring_space, slot_meta
from usnet.ip.fragment cimport fragment_ident, fragment_send
from usnet.ip.link cimport link_close, link_close_as, link_fits, link_header, link_header_len, link_open, link_put
from usnet.ip.neighbour cimport neighbour_put, neighbour_use
from usnet.ip.paths cimport path_mtu
from usnet.ip.queue cimport queue_put
from usnet.ip.routes cimport ip_broadcast_netif, ip_is_group, ip_is_local, ip_route
from usnet.ip.state cimport (
    DROP_NO_WAY_BACK, DROP_TX_NO_MEMORY, DROP_TX_RING_FULL, LOOPBACK_PACKETS, NEIGHBOUR_FAILED, NEIGHBOUR_INCOMPLETE,
    NETIF_LOOPBACK, ip_state,
    neighbour, netif, tx_frame,
)
from usnet.ip.udp_table cimport udp_wake_blocked
from usnet.memory.arena cimport NONE, arena_at
from usnet.wire.addr cimport addr_eq, addr_is_any, addr_is_v4, addr_v4, ip_addr
from usnet.wire.bytes cimport store32
from usnet.wire.eth cimport ETH_P_IP, VLAN_NONE
from usnet.wire.gso cimport GSO_ECN, GSO_TCPV4
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPV4_HLEN, IPV4_MAX_LEN, ipv4_emit, ipv4_repr
from usnet.wire.tcp cimport TCP_MAX_HLEN

# The way to a destination.
cdef struct hop:
    uint32_t netif              # NETIF_LOOPBACK: to ourselves
    uint32_t neighbour          # or NONE
    bint ready                  # mac is known
    uint8_t mac[6]


cdef void group_mac(const ip_addr *dst, uint8_t *mac) noexcept nogil:
    """The Ethernet address of a group (RFC 1112, section 6.4) or of everybody."""
    cdef uint32_t v4 = addr_v4(dst)
    memset(mac, 0xff, 6)
    if v4 >> 28 == 14:
        store32(mac + 2, v4 & 0x7fffff)
        mac[0] = 0x01
        mac[1] = 0x00
        mac[2] = 0x5e


cdef int group_netif(ip_state *ip, const ip_addr *src, const ip_addr *dst) noexcept nogil:
    """The interface on which to send to dst if it is a group or broadcast address, else -1: the one that has `src`,
    for those that are no interface's own."""
    cdef ip_addr unused
    cdef uint32_t i, number
    cdef int found = ip_broadcast_netif(ip, dst)
    if not ip_is_group(dst):
        return found
    for i in range(ip.n_addrs):
        if ip.addrs[i].used and addr_eq(&ip.addrs[i].addr, src):
            return ip.addrs[i].netif
    if found >= 0:
        return found
    return <int>number if ip_route(ip, dst, &unused, &number) == 0 else 0


cdef int find_hop(ip_state *ip, const ip_addr *src, const ip_addr *dst, int64_t now, hop *h) noexcept nogil:
    cdef ip_addr next_hop
    cdef neighbour *n
    cdef int status
    h.neighbour = NONE
    h.ready = True
    if not addr_is_v4(dst) or addr_is_any(dst):
        return -ENETUNREACH
    if ip_is_local(ip, dst):
        h.netif = NETIF_LOOPBACK
        return 0
    if ip.n_netifs == 0 or addr_v4(src) >> 24 == 127:
        return -ENETUNREACH
    status = group_netif(ip, src, dst)
    if status >= 0:
        h.netif = <uint32_t>status
        group_mac(dst, h.mac)
        return 0 if ip.netifs[h.netif].link.n_tx > 0 else -ENETUNREACH
    status = ip_route(ip, dst, &next_hop, &h.netif)
    if status < 0:
        return status
    if ip.netifs[h.netif].link.n_tx == 0:
        return -ENETUNREACH     # a port that cannot send
    h.neighbour = neighbour_use(ip, h.netif, &next_hop, now)
    if h.neighbour == NONE:
        ip.drops[<int>DROP_TX_NO_MEMORY] += 1
        return -ENOBUFS
    n = <neighbour *>arena_at(&ip.neighbours, h.neighbour)
    if n.state == NEIGHBOUR_FAILED:
        return -EHOSTUNREACH
    h.ready = n.state != NEIGHBOUR_INCOMPLETE
    memcpy(h.mac, n.mac, 6)
    return 0


cdef bint loop_room(const ip_state *ip, uint32_t n) noexcept nogil:
    """The first packet always fits, however little was configured: one that never did would be tried for ever."""
    if ip.n_loopback == 0:
        return True
    return ip.n_loopback < LOOPBACK_PACKETS and ip.loopback.span + n + 4 <= ip.config.loopback_bytes


cdef int loop_put(ip_state *ip, const uint8_t *header, uint32_t h_len, const uint8_t *body, uint32_t n) noexcept nogil:
    """Puts a packet to ourselves behind those on their way."""
    if not loop_room(ip, h_len + n):
        return -EAGAIN
    if queue_put(ip.chunks, &ip.loopback, header, h_len, body, n) < 0:
        ip.drops[<int>DROP_TX_NO_MEMORY] += 1
        return -ENOBUFS
    ip.n_loopback += 1
    return 0


cdef void sent(ip_state *ip, uint32_t bytes) noexcept nogil:
    ip.counters.tx_packets += 1
    ip.counters.tx_bytes += bytes


cdef void describe(ip_state *ip, tx_frame *f, const hop *h, const ip_addr *src, const ip_addr *dst, uint8_t proto,
                   uint32_t l4_len) noexcept nogil:
    """All of a frame but where it is built."""
    f.room = l4_len
    f.netif = h.netif
    f.neighbour = h.neighbour
    f.src = src[0]
    f.dst = dst[0]
    f.proto = proto
    f.tos = 0
    f.ttl = ip.config.ttl
    f.offload = 0
    f.csum_offset = 0
    f.gso_size = 0
    f.cwr = 0
    f.l4_header = 0


cdef int ip_tx_open(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto, uint32_t l4_len, int64_t now,
                    tx_frame *f) noexcept nogil:
    cdef hop h
    cdef uint32_t total = IPV4_HLEN + l4_len
    cdef int status = find_hop(ip, src, dst, now, &h)
    if status < 0:
        return status
    if total > (IPV4_MAX_LEN if h.netif == NETIF_LOOPBACK else ip.netifs[h.netif].mtu):
        return -EMSGSIZE
    describe(ip, f, &h, src, dst, proto, l4_len)
    if h.netif != NETIF_LOOPBACK and h.ready:
        f.l2 = link_open(ip, h.netif)
        if f.l2 == NULL:
            return -EAGAIN
        f.ring_slot = ip.netifs[h.netif].link.tx[0].head
        f.offload = (ip.netifs[h.netif].link.caps & PORT_VNET_HDR) != 0
        f.l4 = f.l2 + link_header_len(&ip.netifs[h.netif]) + IPV4_HLEN
        return 0
    if h.netif == NETIF_LOOPBACK and not loop_room(ip, total):
        return -EAGAIN
    f.ring_slot = NONE
    f.l2 = ip.build
    if total <= sizeof(f.scratch):
        f.l2 = &f.scratch[0]
    f.l4 = f.l2 + IPV4_HLEN
    return 0


cdef uint32_t ip_large_on(ip_state *ip, uint32_t number) noexcept nogil:
    cdef netif *n = &ip.netifs[number]
    cdef uint64_t room
    cdef uint32_t head = link_header_len(n) + IPV4_HLEN
    if not n.link.caps & PORT_VNET_HDR or n.link.n_tx == 0 or n.link.tx_meta[0] == NULL or n.vlan != VLAN_NONE:
        return 0
    room = ring_room(n.link.tx[0], n.link.tx[0].head)
    if room < head + TCP_MAX_HLEN:
        return 0
    room = room * (n.link.tx[0].num_slots - 1) - link_header_len(n)
    return IPV4_MAX_LEN if room > IPV4_MAX_LEN else <uint32_t>room


cdef uint32_t ip_large_most(ip_state *ip, const ip_addr *src, const ip_addr *dst, int64_t now) noexcept nogil:
    cdef hop h
    cdef uint32_t most
    if ip.n_offload == 0 or find_hop(ip, src, dst, now, &h) < 0 or h.netif == NETIF_LOOPBACK or not h.ready:
        return 0
    most = ip_large_on(ip, h.netif)
    return most - IPV4_HLEN if most else 0


cdef int ip_tx_open_large(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint32_t l4_header, uint32_t l4_len, uint16_t gso_size, int64_t now,
                          tx_frame *f) noexcept nogil:
    cdef hop h
    cdef netif *n
    cdef uint32_t head
    cdef int status = find_hop(ip, src, dst, now, &h)
    if status < 0:
        return status
    if h.netif == NETIF_LOOPBACK or not h.ready or IPV4_HLEN + l4_len > ip_large_on(ip, h.netif):
        return -EMSGSIZE
    n = &ip.netifs[h.netif]
    head = link_header_len(n) + IPV4_HLEN
    status = link_fits(ip, h.netif, head + l4_len)
    if status < 0:
        return status
    describe(ip, f, &h, src, dst, IPPROTO_TCP, l4_header)
    f.ring_slot = n.link.tx[0].head
    f.l2 = ring_buf(n.link.tx[0], f.ring_slot)
    f.l4 = f.l2 + head
    f.offload = 1
    f.gso_size = gso_size
    f.l4_header = <uint16_t>l4_header
    f.at.slot = f.ring_slot
    f.at.byte = head + l4_header
    return 0


cdef void ip_tx_put(ip_state *ip, tx_frame *f, const uint8_t *p, uint32_t n) noexcept nogil:
    link_put(&ip.netifs[f.netif], &f.at, p, n)


cdef void offload_meta(const tx_frame *f, slot_meta *m) noexcept nogil:
    """What the port is to do with a frame whose checksum is partial."""
    memset(m, 0, sizeof(slot_meta))
    m.flags = META_CSUM_NEEDED
    m.csum_start = <uint16_t>(f.l4 - f.l2)
    m.csum_offset = f.csum_offset
    m.hdr_len = m.csum_start + f.l4_header
    if f.gso_size:
        m.gso_type = GSO_TCPV4 | (GSO_ECN if f.cwr else 0)
        m.gso_size = f.gso_size


cdef void fill_header(const ip_addr *src, const ip_addr *dst, uint8_t proto, uint32_t l4_len,
                      ipv4_repr *r) noexcept nogil:
    """A datagram that is never fragmented: DF, and an identification that means nothing (RFC 6864, section 4.1)."""
    r.src = src[0]
    r.dst = dst[0]
    r.proto = proto
    r.total_len = <uint16_t>(IPV4_HLEN + l4_len)
    r.header_len = IPV4_HLEN
    r.ident = 0
    r.frag_offset = 0
    r.more_fragments = 0
    r.dont_fragment = 1
    r.tos = 0


cdef void ip_tx_close(ip_state *ip, tx_frame *f, uint32_t l4_len, int64_t now) noexcept nogil:
    cdef ipv4_repr r
    cdef uint8_t *l3 = f.l4 - IPV4_HLEN
    cdef uint32_t total = IPV4_HLEN + l4_len
    cdef slot_meta meta
    cdef neighbour *n
    fill_header(&f.src, &f.dst, f.proto, l4_len, &r)
    r.tos = f.tos
    r.ttl = f.ttl
    ipv4_emit(l3, IPV4_HLEN, &r)
    if f.netif == NETIF_LOOPBACK:
        if loop_put(ip, NULL, 0, l3, total) == 0:
            sent(ip, total)
        return
    if f.ring_slot == NONE:
        neighbour_put(ip, f.neighbour, NULL, 0, l3, total)
        return
    if f.neighbour != NONE:
        n = <neighbour *>arena_at(&ip.neighbours, f.neighbour)
        link_header(&ip.netifs[f.netif], f.l2, n.mac, ETH_P_IP)
    else:
        group_mac_header(ip, f)
    if f.csum_offset:
        offload_meta(f, &meta)
        link_close_as(ip, f.netif, <uint32_t>(l3 - f.l2) + total, &meta)
    else:
        link_close(&ip.netifs[f.netif], <uint32_t>(l3 - f.l2) + total)
    sent(ip, total)


cdef void group_mac_header(ip_state *ip, tx_frame *f) noexcept nogil:
    cdef uint8_t mac[6]
    group_mac(&f.dst, mac)
    link_header(&ip.netifs[f.netif], f.l2, mac, ETH_P_IP)


cdef int send_ready(ip_state *ip, const hop *h, const ipv4_repr *r, const uint8_t *l4, uint32_t n,
                    uint32_t mtu) noexcept nogil:
    """A datagram to a station whose address is known."""
    cdef uint8_t *l2
    cdef uint32_t head
    if not r.dont_fragment:
        return fragment_send(ip, h.netif, h.mac, r, l4, n, mtu)
    l2 = link_open(ip, h.netif)
    if l2 == NULL:
        return -EAGAIN
    head = link_header(&ip.netifs[h.netif], l2, h.mac, ETH_P_IP)
    ipv4_emit(l2 + head, IPV4_HLEN, r)
    memcpy(l2 + head + IPV4_HLEN, l4, n)
    link_close(&ip.netifs[h.netif], head + IPV4_HLEN + n)
    sent(ip, IPV4_HLEN + n)
    return 0


cdef int ip_send(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto, const uint8_t *l4,
                 uint32_t l4_len, uint8_t ttl,
                 uint8_t tos, int64_t now) noexcept nogil:
    cdef hop h
    cdef ipv4_repr r
    cdef uint8_t header[20]
    cdef uint32_t mtu = IPV4_MAX_LEN
    cdef uint32_t known
    cdef int status
    if l4_len > IPV4_MAX_LEN - IPV4_HLEN:
        return -EMSGSIZE
    status = find_hop(ip, src, dst, now, &h)
    if status < 0:
        return status
    fill_header(src, dst, proto, l4_len, &r)
    r.ttl = ttl if ttl != 0 else ip.config.ttl
    r.tos = tos
    if h.netif != NETIF_LOOPBACK:
        mtu = ip.netifs[h.netif].mtu
        known = path_mtu(ip, dst, now)
        if known < mtu:
            mtu = known
        if r.total_len > mtu:
            r.dont_fragment = 0
            r.ident = fragment_ident(ip, src, dst, proto)
        if h.ready:
            return send_ready(ip, &h, &r, l4, l4_len, mtu)
    ipv4_emit(header, IPV4_HLEN, &r)
    if h.netif != NETIF_LOOPBACK:
        return neighbour_put(ip, h.neighbour, header, IPV4_HLEN, l4, l4_len)
    status = loop_put(ip, header, IPV4_HLEN, l4, l4_len)
    if status == 0:
        sent(ip, r.total_len)
    return status


cdef void ip_flush(ip_state *ip) noexcept nogil:
    cdef uint32_t i
    cdef bint room = False
    cdef netif *n
    for i in range(ip.n_netifs):
        n = &ip.netifs[i]
        if (n.tx_pending == 0 and not n.tx_wanted) or n.link.n_tx == 0:
            continue
        n.link.tx_sync(n.link.self, 0)
        n.tx_pending = 0
        if n.tx_wanted and ring_space(n.link.tx[0]) > 0:
            n.tx_wanted = 0
            room = True
    if room:
        udp_wake_blocked(ip)


cdef bint ip_tx_room(ip_state *ip, uint32_t number) noexcept nogil:
    if number == NETIF_LOOPBACK:
        return loop_room(ip, 0)
    return number < ip.n_netifs and ip.netifs[number].link.n_tx > 0 and ring_space(ip.netifs[number].link.tx[0]) > 0


cdef void ip_count_lost(ip_state *ip, int status) noexcept nogil:
    if status == -EAGAIN or status == -EMSGSIZE:
        ip.drops[<int>DROP_TX_RING_FULL] += 1
    elif status == -ENETUNREACH or status == -EHOSTUNREACH:
        ip.drops[<int>DROP_NO_WAY_BACK] += 1
    # ENOBUFS was counted where the memory ran out
