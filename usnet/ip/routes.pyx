"""Interfaces, addresses and routes: who we are, and which way somebody else is."""
from libc.errno cimport EADDRNOTAVAIL, EEXIST, EINVAL, ENETUNREACH, ENOSPC
from libc.stdint cimport INT64_MIN, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport PORT_VNET_HDR, port, ring_room
from usnet.ip.known cimport known_find
from usnet.ip.state cimport LOOPBACK_MTU, MAX_ADDRS, MAX_NETIFS, MAX_ROUTES, ip_changed, ip_state, known_host, local_addr, netif, route
from usnet.memory.buffers cimport NO_SET
from usnet.wire.addr cimport addr_eq, addr_from_v4, addr_is_any, addr_is_v4, addr_v4, ip_addr
from usnet.wire.eth cimport ETH_VLAN_HLEN, VLAN_NONE


cdef int ip_add_netif(ip_state *ip, port *link, uint16_t vlan) noexcept nogil:
    cdef netif *n
    cdef uint32_t room
    if link == NULL or (vlan != VLAN_NONE and (vlan == 0 or vlan > 4094)):
        return -EINVAL
    if ip.n_netifs >= MAX_NETIFS:
        return -ENOSPC
    n = &ip.netifs[ip.n_netifs]
    memset(n, 0, sizeof(netif))
    n.link = link
    n.bufs = NO_SET
    n.vlan = vlan
    n.mtu = link.mtu
    if link.n_tx > 0:
        # A frame of ours stands in one buffer.
        room = ring_room(link.tx[0], link.tx[0].head) - ETH_VLAN_HLEN
        if n.mtu > room:
            n.mtu = room
    if n.mtu > 65535:
        n.mtu = 65535
    memcpy(n.mac, link.mac, 6)
    ip.n_netifs += 1
    ip.n_offload += (link.caps & PORT_VNET_HDR) != 0
    return <int>ip.n_netifs - 1


cdef bint addr_in(const ip_addr *addr, const ip_addr *net, uint8_t prefix) noexcept nogil:
    """Whether the first `prefix` bits of both are the same."""
    cdef const uint8_t *a = <const uint8_t *>addr
    cdef const uint8_t *b = <const uint8_t *>net
    cdef uint32_t i = 0
    if prefix >= V4_PREFIX and addr.hi == 0 and net.hi == 0:
        if not addr_is_v4(addr) or not addr_is_v4(net):
            return False
        return prefix == V4_PREFIX or (addr_v4(addr) ^ addr_v4(net)) >> (128 - prefix) == 0
    while prefix >= 8:
        if a[i] != b[i]:
            return False
        i += 1
        prefix -= 8
    return prefix == 0 or (a[i] ^ b[i]) >> (8 - prefix) == 0


cdef uint32_t v4_mask(uint8_t prefix) noexcept nogil:
    """Netmask of a prefix counted on 128 bits."""
    return 0 if prefix <= V4_PREFIX else <uint32_t>(<uint64_t>0xffffffff << (128 - prefix))


cdef void network_of(ip_addr *net, const ip_addr *addr, uint8_t prefix) noexcept nogil:
    addr_from_v4(net, addr_v4(addr) & v4_mask(prefix))


cdef bint is_group(uint32_t v4) noexcept nogil:
    return v4 >> 28 == 14 or v4 == V4_BROADCAST


cdef int ip_add_addr(ip_state *ip, uint32_t nif, const ip_addr *addr, uint8_t prefix) noexcept nogil:
    cdef ip_addr net
    cdef uint32_t i
    cdef uint32_t spare = MAX_ADDRS
    cdef int status
    cdef local_addr *a
    if (nif >= ip.n_netifs or not addr_is_v4(addr) or addr_is_any(addr) or is_group(addr_v4(addr))
            or prefix < V4_PREFIX or prefix > 128):
        return -EINVAL
    for i in range(MAX_ADDRS):
        if ip.addrs[i].used:
            if addr_eq(&ip.addrs[i].addr, addr):
                return -EEXIST
        elif spare == MAX_ADDRS:
            spare = i
    if spare == MAX_ADDRS:
        return -ENOSPC
    network_of(&net, addr, prefix)
    status = ip_add_route(ip, &net, prefix, NULL, nif)
    if status < 0 and status != -EEXIST:
        return status
    a = &ip.addrs[spare]
    a.addr = addr[0]
    a.prefix = prefix
    a.netif = <uint8_t>nif
    a.used = 1
    a.defended_at = INT64_MIN
    ip_changed(ip)
    if spare >= ip.n_addrs:
        ip.n_addrs = spare + 1
    return 0


cdef int ip_del_addr(ip_state *ip, const ip_addr *addr) noexcept nogil:
    cdef ip_addr net
    cdef uint32_t i, k
    cdef local_addr *a
    cdef local_addr *b
    cdef route *r
    for i in range(ip.n_addrs):
        a = &ip.addrs[i]
        if not a.used or not addr_eq(&a.addr, addr):
            continue
        a.used = 0
        ip_changed(ip)
        network_of(&net, addr, a.prefix)
        for k in range(ip.n_addrs):
            b = &ip.addrs[k]
            if b.used and b.netif == a.netif and b.prefix == a.prefix and addr_in(&b.addr, &net, a.prefix):
                return 0        # another address of the same network still needs the route
        for k in range(ip.n_routes):
            r = &ip.routes[k]
            if (r.used and r.prefix == a.prefix and r.netif == a.netif and addr_is_any(&r.gateway)
                    and addr_eq(&r.net, &net)):
                r.used = 0
        return 0
    return -EADDRNOTAVAIL


cdef int ip_add_route(ip_state *ip, const ip_addr *net, uint8_t prefix, const ip_addr *gateway,
                      uint32_t nif) noexcept nogil:
    """gateway NULL or unspecified: on-link. 0, -EEXIST, -EINVAL or -ENOSPC."""
    cdef ip_addr none
    cdef route *r
    cdef uint32_t i
    if (nif >= ip.n_netifs or not addr_is_v4(net) or prefix < V4_PREFIX or prefix > 128
            or (addr_v4(net) & ~v4_mask(prefix)) != 0):
        return -EINVAL
    memset(&none, 0, sizeof(none))
    if gateway != NULL and not addr_is_any(gateway):
        if not addr_is_v4(gateway) or is_group(addr_v4(gateway)):
            return -EINVAL
        none = gateway[0]
    for i in range(ip.n_routes):
        r = &ip.routes[i]
        if r.used and r.prefix == prefix and r.netif == nif and addr_eq(&r.net, net) and addr_eq(&r.gateway, &none):
            return -EEXIST
    # Routes stay in the order of their addition, for the tie break: free entries in between are closed.
    squeeze_routes(ip)
    if ip.n_routes >= MAX_ROUTES:
        return -ENOSPC
    r = &ip.routes[ip.n_routes]
    r.net = net[0]
    r.gateway = none
    r.prefix = prefix
    r.netif = <uint8_t>nif
    r.used = 1
    ip.n_routes += 1
    ip_changed(ip)
    return 0


cdef void squeeze_routes(ip_state *ip) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(ip.n_routes):
        if ip.routes[i].used:
            ip.routes[n] = ip.routes[i]
            n += 1
    ip.n_routes = n


cdef int ip_del_route(ip_state *ip, const ip_addr *net, uint8_t prefix) noexcept nogil:
    cdef uint32_t i
    for i in range(ip.n_routes):
        if ip.routes[i].used and ip.routes[i].prefix == prefix and addr_eq(&ip.routes[i].net, net):
            ip.routes[i].used = 0
            ip_changed(ip)
            return 0
    return -ENETUNREACH


cdef bint ip_is_local(const ip_state *ip, const ip_addr *addr) noexcept nogil:
    """One of our addresses, or one of 127.0.0.0/8."""
    cdef uint32_t i
    for i in range(ip.n_addrs):
        if ip.addrs[i].used and addr_eq(&ip.addrs[i].addr, addr):
            return True
    return addr_is_v4(addr) and addr_v4(addr) >> 24 == 127


cdef int ip_broadcast_netif(const ip_state *ip, const ip_addr *addr) noexcept nogil:
    cdef uint32_t i, v4
    cdef const local_addr *a
    if not addr_is_v4(addr):
        return -1
    v4 = addr_v4(addr)
    for i in range(ip.n_addrs):
        a = &ip.addrs[i]
        if a.used and v4 == V4_BROADCAST:
            return a.netif
        if (a.used and a.prefix < 127 and (v4 | v4_mask(a.prefix)) == V4_BROADCAST
                and addr_in(addr, &a.addr, a.prefix)):
            return a.netif
    return -1


cdef bint ip_is_group(const ip_addr *addr) noexcept nogil:
    return not addr_is_v4(addr) or is_group(addr_v4(addr))


cdef int ip_route(const ip_state *ip, const ip_addr *dst, ip_addr *next_hop, uint32_t *nif) noexcept nogil:
    cdef const route *best = NULL
    cdef const route *r
    cdef uint32_t i
    for i in range(ip.n_routes):
        r = &ip.routes[i]
        if r.used and (best == NULL or r.prefix > best.prefix) and addr_in(dst, &r.net, r.prefix):
            best = r
    if best == NULL:
        return -ENETUNREACH
    next_hop[0] = dst[0] if addr_is_any(&best.gateway) else best.gateway
    nif[0] = best.netif
    return 0


cdef int ip_netif_source(const ip_state *ip, uint32_t nif, const ip_addr *towards, ip_addr *src) noexcept nogil:
    cdef const local_addr *found = NULL
    cdef const local_addr *a
    cdef uint32_t i
    for i in range(ip.n_addrs):
        a = &ip.addrs[i]
        if not a.used or a.netif != nif:
            continue
        if addr_in(towards, &a.addr, a.prefix):
            found = a
            break
        if found == NULL:
            found = a
    if found == NULL:
        return -EADDRNOTAVAIL
    src[0] = found.addr
    return 0


cdef int ip_source(const ip_state *ip, const ip_addr *dst, ip_addr *src) noexcept nogil:
    cdef ip_addr hop
    cdef uint32_t nif
    cdef int i
    if not addr_is_v4(dst):
        return -ENETUNREACH
    if ip_is_local(ip, dst):
        if addr_v4(dst) >> 24 == 127:
            addr_from_v4(src, 0x7f000001)
        else:
            src[0] = dst[0]
        return 0
    i = ip_broadcast_netif(ip, dst)
    if i >= 0:
        return ip_netif_source(ip, <uint32_t>i, dst, src)
    if ip_route(ip, dst, &hop, &nif) == 0:
        return ip_netif_source(ip, nif, &hop, src)
    if ip_is_group(dst):
        for i in range(<int>ip.n_addrs):        # groups need no route: from the first interface that has an address
            if ip.addrs[i].used:
                src[0] = ip.addrs[i].addr
                return 0
    return -ENETUNREACH


cdef uint32_t ip_mtu(const ip_state *ip, const ip_addr *dst) noexcept nogil:
    cdef ip_addr hop
    cdef uint32_t nif
    cdef uint32_t i
    cdef int b
    cdef const known_host *known = known_find(ip, dst)
    if known != NULL:
        return known.mtu
    for i in range(ip.n_addrs):
        if ip.addrs[i].used and addr_eq(&ip.addrs[i].addr, dst):
            return ip.netifs[ip.addrs[i].netif].mtu
    if ip_is_local(ip, dst):
        return LOOPBACK_MTU
    b = ip_broadcast_netif(ip, dst)
    if b >= 0:
        return ip.netifs[b].mtu
    return ip.netifs[nif].mtu if ip_route(ip, dst, &hop, &nif) == 0 else 0
