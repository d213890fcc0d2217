"""UDP endpoints by local port: who gets a datagram, which ports are free, who hears of an error."""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.ip.state cimport EPHEMERAL_COUNT, EPHEMERAL_FIRST, ip_state, port_tag
from usnet.ip.udp cimport UDP_REUSEPORT, udp_pcb
from usnet.memory.arena cimport NONE, arena_live
from usnet.memory.hash cimport hash_first, hash_insert, hash_next, hash_remove, siphash
from usnet.memory.idset cimport idset_push
from usnet.memory.random cimport rng_below
from usnet.wire.addr cimport addr_eq, addr_is_any, ip_addr

cdef int table_insert(ip_state *ip, uint32_t u) noexcept nogil:
    return hash_insert(&ip.udp_ports, port_tag(udp_at(ip, u).lport), u)


cdef void table_remove(ip_state *ip, uint32_t u) noexcept nogil:
    hash_remove(&ip.udp_ports, port_tag(udp_at(ip, u).lport), u)


cdef bint table_clash(ip_state *ip, uint32_t u, const ip_addr *laddr, uint16_t port, uint8_t reuse) noexcept nogil:
    cdef uint32_t tag = port_tag(port)
    cdef uint32_t pos = hash_first(&ip.udp_ports, tag)
    cdef uint32_t other
    cdef udp_pcb *p
    while pos != NONE:
        other = ip.udp_ports.entries[pos].index
        p = udp_at(ip, other)
        if other != u and p.lport == port and not reuse & p.reuse and (
                addr_is_any(laddr) or addr_is_any(&p.laddr) or addr_eq(laddr, &p.laddr)):
            return True
        pos = hash_next(&ip.udp_ports, tag, pos)
    return False


cdef uint16_t table_free_port(ip_state *ip, uint32_t u, const ip_addr *laddr) noexcept nogil:
    cdef uint32_t at = rng_below(ip.random, EPHEMERAL_COUNT)
    cdef uint32_t i
    for i in range(EPHEMERAL_COUNT):
        if not table_clash(ip, u, laddr, <uint16_t>(EPHEMERAL_FIRST + at), 0):
            return <uint16_t>(EPHEMERAL_FIRST + at)
        # Each further draw is random too while that is likely to succeed; then every port gets its turn.
        at = rng_below(ip.random, EPHEMERAL_COUNT) if i < 16 else (at + 1) % EPHEMERAL_COUNT
    return 0


cdef int table_score(const udp_pcb *p, const ip_addr *src, uint16_t sport, const ip_addr *dst,
                     uint16_t dport) noexcept nogil:
    cdef int score = 1
    if p.lport != dport:
        return 0
    if not addr_is_any(&p.laddr):
        if not addr_eq(&p.laddr, dst):
            return 0
        score += 1
    if not addr_is_any(&p.raddr):
        if p.rport != sport or not addr_eq(&p.raddr, src):
            return 0
        score += 2
    return score


cdef uint64_t flow_hash(ip_state *ip, const ip_addr *src, uint16_t sport, const ip_addr *dst,
                        uint16_t dport) noexcept nogil:
    cdef uint8_t key[36]
    memcpy(key, src, 16)
    memcpy(key + 16, dst, 16)
    memcpy(key + 32, &sport, 2)
    memcpy(key + 34, &dport, 2)
    return siphash(ip.hash_key, key, 36)


cdef uint32_t table_lookup(ip_state *ip, const ip_addr *src, uint16_t sport, const ip_addr *dst,
                           uint16_t dport) noexcept nogil:
    cdef uint32_t tag = port_tag(dport)
    cdef uint32_t pos = hash_first(&ip.udp_ports, tag)
    cdef uint32_t best = NONE
    cdef int best_score = 0
    cdef uint32_t equals = 0
    cdef uint64_t best_key = 0
    cdef uint64_t flow = 0
    cdef uint64_t key
    cdef uint32_t u
    cdef int score
    while pos != NONE:
        u = ip.udp_ports.entries[pos].index
        score = table_score(udp_at(ip, u), src, sport, dst, dport)
        if score > best_score:
            best, best_score, equals = u, score, 1
        elif score > 0 and score == best_score and not udp_at(ip, u).reuse & udp_at(ip, best).reuse & UDP_REUSEPORT:
            if udp_at(ip, u).bound_as > udp_at(ip, best).bound_as:
                best, equals = u, 1
        elif score > 0 and score == best_score:
            # Rendezvous hashing: the flow keeps its endpoint while others come and go, in whatever order the table
            # lists them.
            if equals == 1:
                flow = flow_hash(ip, src, sport, dst, dport)
                best_key = mix(flow, best)
            equals += 1
            key = mix(flow, u)
            if key > best_key:
                best, best_key = u, key
        pos = hash_next(&ip.udp_ports, tag, pos)
    return best


cdef inline uint64_t mix(uint64_t flow, uint32_t u) noexcept nogil:
    cdef uint64_t z = flow + (<uint64_t>u + 1) * <uint64_t>0x9e3779b97f4a7c15
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
    return z ^ (z >> 31)


cdef void udp_notify(ip_state *ip, const udp_pcb *p) noexcept nogil:
    if p.owner != NONE:
        idset_push(ip.notify, p.owner)


cdef void udp_wake_blocked(ip_state *ip) noexcept nogil:
    cdef uint32_t u
    cdef udp_pcb *p
    if ip.udp_blocked == 0:
        return
    ip.udp_blocked = 0
    for u in range(ip.udp.used):
        p = udp_at(ip, u)
        if arena_live(&ip.udp, u) and p.blocked:
            p.blocked = 0
            udp_notify(ip, p)


cdef bint udp_icmp_error(ip_state *ip, const ip_addr *raddr, uint16_t rport, uint16_t lport,
                         int32_t err) noexcept nogil:
    cdef uint32_t tag = port_tag(lport)
    cdef uint32_t pos = hash_first(&ip.udp_ports, tag)
    cdef bint found = False
    cdef udp_pcb *p
    while pos != NONE:
        p = udp_at(ip, ip.udp_ports.entries[pos].index)
        if p.lport == lport:
            if addr_is_any(&p.raddr):
                found = True    # not connected: nobody to tell which of its sends it was
            elif p.rport == rport and addr_eq(&p.raddr, raddr):
                found = True
                if err != 0:
                    p.error = err
                    udp_notify(ip, p)
        pos = hash_next(&ip.udp_ports, tag, pos)
    return found
