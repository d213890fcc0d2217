"""UDP endpoints (RFC 768, RFC 1122 section 4.1): calls return what they say or -errno, and never block."""
from libc.errno cimport EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EDESTADDRREQ, EINVAL, EIO, EMSGSIZE, ENOBUFS, EPIPE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from usnet.ip.icmp cimport icmp_error
from usnet.ip.output cimport ip_send, ip_tx_close, ip_tx_open, ip_tx_room
from usnet.ip.paths cimport path_mtu
from usnet.ip.routes cimport V4_BROADCAST, ip_broadcast_netif, ip_is_group, ip_is_local, ip_mtu, ip_route, ip_source
from usnet.ip.state cimport (
    DROP_NO_MEMORY, DROP_UDP_BAD, DROP_UDP_CHECKSUM, DROP_UDP_NO_PORT, DROP_UDP_QUEUE_FULL, NETIF_LOOPBACK, READY_ERR,
    READY_IN, READY_OUT,
    ip_state, port_tag, tx_frame,
)
from usnet.ip.udp_table cimport (
    table_clash, table_free_port, table_insert, table_lookup, table_remove, table_score, udp_at, udp_notify,
)
from usnet.memory.arena cimport NONE, arena_give, arena_live, arena_take
from usnet.memory.chunks cimport chain_clear, chain_drop, chain_init, chain_read, chain_truncate, chain_write
from usnet.memory.hash cimport hash_first, hash_next, hash_reset
from usnet.wire.addr cimport addr_is_any, addr_is_v4, addr_v4, ip_addr
from usnet.wire.icmp cimport ICMP_PORT, ICMP_UNREACHABLE
from usnet.wire.ipv4 cimport IPPROTO_UDP, IPV4_HLEN
from usnet.wire.udp cimport UDP_CSUM_AT, UDP_HLEN, udp_emit, udp_emit_partial, udp_parse, udp_repr


cdef uint32_t udp_open(ip_state *ip) noexcept nogil:
    cdef uint32_t u = arena_take(&ip.udp)
    cdef udp_pcb *p
    if u == NONE:
        return NONE
    p = udp_at(ip, u)
    p.owner = NONE
    p.rcvbuf = UDP_RCVBUF
    chain_init(&p.queue)
    return u


cdef void udp_close(ip_state *ip, uint32_t u) noexcept nogil:
    cdef udp_pcb *p
    if not arena_live(&ip.udp, u):
        return
    p = udp_at(ip, u)
    if p.lport != 0:
        table_remove(ip, u)
    if p.blocked:
        ip.udp_blocked -= 1
    chain_clear(ip.chunks, &p.queue)
    arena_give(&ip.udp, u)


cdef void udp_clear(ip_state *ip) noexcept nogil:
    cdef uint32_t u
    for u in range(ip.udp.used):
        udp_close(ip, u)
    hash_reset(&ip.udp_ports)


cdef int udp_bind(ip_state *ip, uint32_t u, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef udp_pcb *p = udp_at(ip, u)
    if not addr_is_any(addr) and not ip_is_local(ip, addr) and ip_broadcast_netif(ip, addr) < 0:
        return -EADDRNOTAVAIL
    if p.lport != 0:
        return -EINVAL
    if port == 0:
        port = table_free_port(ip, u, addr)
        if port == 0:
            return -EADDRINUSE
    elif table_clash(ip, u, addr, port, p.reuse):
        return -EADDRINUSE
    p.lport = port
    p.bound_as = ip.udp_binds
    ip.udp_binds += 1
    if table_insert(ip, u) < 0:
        p.lport = 0
        return -ENOBUFS
    if addr_is_any(addr):
        memset(&p.laddr, 0, sizeof(ip_addr))
    else:
        p.laddr = addr[0]
    return 0


cdef int bind_any(ip_state *ip, uint32_t u) noexcept nogil:
    """A port for an endpoint that has none yet."""
    cdef ip_addr any_addr
    if udp_at(ip, u).lport != 0:
        return 0
    memset(&any_addr, 0, sizeof(any_addr))
    return udp_bind(ip, u, &any_addr, 0)


cdef int check_target(ip_state *ip, const udp_pcb *p, const ip_addr *addr, uint16_t port) noexcept nogil:
    if port == 0 or not addr_is_v4(addr) or addr_is_any(addr):
        return -EINVAL
    if not p.broadcast and ip_broadcast_netif(ip, addr) >= 0:
        return -EACCES
    return 0


cdef int udp_connect(ip_state *ip, uint32_t u, const ip_addr *addr, uint16_t port) noexcept nogil:
    cdef udp_pcb *p = udp_at(ip, u)
    cdef ip_addr src
    cdef int status
    if addr_is_any(addr):
        memset(&p.raddr, 0, sizeof(ip_addr))
        p.rport = 0
        p.error = 0
        if p.laddr_auto:
            memset(&p.laddr, 0, sizeof(ip_addr))
            p.laddr_auto = 0
        return 0
    status = check_target(ip, p, addr, port)
    if status == 0:
        status = ip_source(ip, addr, &src)
    if status == 0:
        status = bind_any(ip, u)
    if status < 0:
        return status
    if addr_is_any(&p.laddr) or p.laddr_auto:
        p.laddr = src
        p.laddr_auto = 1
    p.raddr = addr[0]
    p.rport = port
    return 0


cdef int32_t take_error(udp_pcb *p) noexcept nogil:
    cdef int32_t e = p.error
    p.error = 0
    return -e


cdef uint8_t ttl_for(const ip_state *ip, const udp_pcb *p, const ip_addr *dst) noexcept nogil:
    if p.ttl != 0:
        return p.ttl
    return 1 if ip_is_group(dst) and addr_v4(dst) != V4_BROADCAST else ip.config.ttl


cdef int transmit(ip_state *ip, const udp_pcb *p, const ip_addr *src, const ip_addr *dst, uint16_t port,
                  const uint8_t *data, uint32_t n,
                  int64_t now) noexcept nogil:
    """One datagram: built in its slot when it fits one packet, else in ip.build and fragmented. 0 or as ip_send."""
    cdef udp_repr r
    cdef tx_frame f
    cdef uint32_t length = UDP_HLEN + n
    cdef uint32_t mtu = ip_mtu(ip, dst)
    cdef uint32_t known = path_mtu(ip, dst, now)
    cdef int status
    r.src_port = p.lport
    r.dst_port = port
    r.length = <uint16_t>length
    if known < mtu:
        mtu = known
    if IPV4_HLEN + length > mtu:
        memcpy(ip.build + UDP_HLEN, data, n)
        udp_emit(ip.build, length, src, dst, &r)
        return ip_send(ip, src, dst, IPPROTO_UDP, ip.build, length, ttl_for(ip, p, dst), p.tos, now)
    status = ip_tx_open(ip, src, dst, IPPROTO_UDP, length, now, &f)
    if status < 0:
        return status
    memcpy(f.l4 + UDP_HLEN, data, n)
    if f.offload:
        udp_emit_partial(f.l4, length, src, dst, &r)
        f.csum_offset = UDP_CSUM_AT
        f.l4_header = UDP_HLEN
    else:
        udp_emit(f.l4, length, src, dst, &r)
    f.ttl = ttl_for(ip, p, dst)
    f.tos = p.tos
    ip_tx_close(ip, &f, length, now)
    return 0


cdef int64_t udp_send(ip_state *ip, uint32_t u, const uint8_t *p, uint32_t n, const ip_addr *addr, uint16_t port,
                      int64_t now) noexcept nogil:
    cdef udp_pcb *e = udp_at(ip, u)
    cdef ip_addr src, dst
    cdef int status
    status = bind_any(ip, u)                # before all else, as Linux does
    if status < 0:
        return status
    if addr == NULL:
        if addr_is_any(&e.raddr):
            return -EDESTADDRREQ
        dst = e.raddr
        port = e.rport
    else:
        dst = addr[0]
    if n > UDP_MAX:
        return -EMSGSIZE
    status = check_target(ip, e, &dst, port)
    if status == 0 and e.error != 0:
        return take_error(e)
    if status == 0 and e.shut:
        return -EPIPE
    if status == 0:
        # An endpoint bound to a broadcast address only receives there.
        if addr_is_any(&e.laddr) or ip_broadcast_netif(ip, &e.laddr) >= 0:
            status = ip_source(ip, &dst, &src)
        else:
            src = e.laddr
    if status == 0:
        status = transmit(ip, e, &src, &dst, port, p, n, now)
    if status == -EAGAIN and not e.blocked:
        e.blocked = 1
        ip.udp_blocked += 1
    if status < 0:
        return status
    ip.counters.udp_out += 1
    return n


cdef int64_t udp_recv(ip_state *ip, uint32_t u, uint8_t *p, uint32_t n, bint peek, udp_record *record) noexcept nogil:
    cdef udp_pcb *e = udp_at(ip, u)
    if e.error != 0:
        return take_error(e)
    if e.n_queued == 0:
        return -EAGAIN
    chain_read(ip.chunks, &e.queue, 0, <uint8_t *>record, sizeof(udp_record))
    if n > record.length:
        n = record.length
    if n > 0:
        chain_read(ip.chunks, &e.queue, sizeof(udp_record), p, n)
    if not peek:
        chain_drop(ip.chunks, &e.queue, sizeof(udp_record) + record.length)
        e.n_queued -= 1
    return n


cdef uint32_t udp_ready(ip_state *ip, uint32_t u) noexcept nogil:
    cdef udp_pcb *e = udp_at(ip, u)
    cdef ip_addr hop
    cdef uint32_t number = 0
    cdef uint32_t ready = 0
    if e.n_queued > 0:
        ready |= READY_IN
    if e.error != 0:
        ready |= READY_ERR
    if e.blocked:
        return ready            # told when there is room
    if not addr_is_any(&e.raddr):
        if ip_is_local(ip, &e.raddr):
            number = NETIF_LOOPBACK
        else:
            ip_route(ip, &e.raddr, &hop, &number)
        if not ip_tx_room(ip, number):
            return ready
    return ready | READY_OUT


cdef int deliver(ip_state *ip, uint32_t u, const udp_record *record, const uint8_t *payload,
                 int64_t now) noexcept nogil:
    """Queues one datagram for u: 0, or -ENOBUFS (no memory) or -EAGAIN (over its receive buffer)."""
    cdef udp_pcb *p = udp_at(ip, u)
    cdef uint32_t span = p.queue.span
    if span + sizeof(udp_record) + record.length > p.rcvbuf:
        return -EAGAIN
    if (chain_write(ip.chunks, &p.queue, span, <const uint8_t *>record, sizeof(udp_record)) < 0
            or (record.length > 0
                and chain_write(ip.chunks, &p.queue, span + sizeof(udp_record), payload, record.length) < 0)):
        if p.queue.span > span:
            chain_truncate(ip.chunks, &p.queue, span)
        return -ENOBUFS
    p.n_queued += 1
    udp_notify(ip, p)
    return 0


cdef int deliver_all(ip_state *ip, const ipv4_repr *r, const udp_repr *h, const udp_record *record,
                     const uint8_t *payload,
                     int64_t now) noexcept nogil:
    """A copy for each endpoint that takes a broadcast. 1: nobody; 0: somebody has it; else the last reason why not."""
    cdef uint32_t tag = port_tag(h.dst_port)
    cdef uint32_t pos = hash_first(&ip.udp_ports, tag)
    cdef uint32_t u
    cdef int status
    cdef int result = 1
    while pos != NONE:
        u = ip.udp_ports.entries[pos].index
        if table_score(udp_at(ip, u), &r.src, h.src_port, &r.dst, h.dst_port) > 0:
            status = deliver(ip, u, record, payload, now)
            if status == 0 or result > 0:
                result = status
        pos = hash_next(&ip.udp_ports, tag, pos)
    return result


cdef bint read_header(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, bint csum_ok, udp_repr *h) noexcept nogil:
    cdef int status = udp_parse(l4, n, &r.src, &r.dst, h, ip.config.verify_checksums and not csum_ok)
    if status < 0 or h.src_port == 0 or h.dst_port == 0:
        ip.drops[<int>DROP_UDP_CHECKSUM if status == -EIO else <int>DROP_UDP_BAD] += 1
        return False
    return True


cdef int take(ip_state *ip, const ipv4_repr *r, const udp_repr *h, const uint8_t *payload, uint32_t n, const uint8_t *l3,
              uint32_t l3_len, int64_t now) noexcept nogil:
    """One datagram of n bytes of payload. 1: nobody wants it."""
    cdef udp_record record
    cdef uint32_t u
    cdef int status
    memset(&record, 0, sizeof(record))
    record.src = r.src
    record.dst = r.dst
    record.time_ns = now
    record.src_port = h.src_port
    record.length = n
    if ip_is_local(ip, &r.dst):
        u = table_lookup(ip, &r.src, h.src_port, &r.dst, h.dst_port)
        status = 1 if u == NONE else deliver(ip, u, &record, payload, now)
    else:
        status = deliver_all(ip, r, h, &record, payload, now)
    if status == 0:
        ip.counters.udp_in += 1
    elif status == 1:
        ip.drops[<int>DROP_UDP_NO_PORT] += 1
        icmp_error(ip, ICMP_UNREACHABLE, ICMP_PORT, 0, l3, l3_len, now)
    else:
        ip.drops[<int>DROP_NO_MEMORY if status == -ENOBUFS else <int>DROP_UDP_QUEUE_FULL] += 1
    return status


cdef void udp_input(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, bint csum_ok, const uint8_t *l3,
                    uint32_t l3_len,
                    int64_t now) noexcept nogil:
    cdef udp_repr h
    if read_header(ip, r, l4, n, csum_ok, &h):
        take(ip, r, &h, l4 + UDP_HLEN, h.length - UDP_HLEN, l3, l3_len, now)


cdef void udp_input_several(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, uint32_t size, bint csum_ok, const uint8_t *l3,
                            int64_t now) noexcept nogil:
    cdef udp_repr h
    cdef uint32_t left
    if not read_header(ip, r, l4, n, csum_ok, &h):
        return
    l4 += UDP_HLEN
    left = h.length - UDP_HLEN
    while True:
        if size > left:
            size = left
        if take(ip, r, &h, l4, size, l3, r.total_len, now) == 1 or left == size:
            return
        l4 += size
        left -= size
