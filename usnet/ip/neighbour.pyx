"""Neighbours: ARP (RFC 826, RFC 1122 section 2.3.2). Packets wait for an answer; entries expire, are confirmed again,
and are updated."""
from libc.errno cimport ENOBUFS, ENOMEM
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from usnet.ip.config cimport MAX_NEIGHBOURS
from usnet.ip.fragment cimport packet_send
from usnet.ip.link cimport link_close, link_header, link_open
from usnet.ip.queue cimport queue_peek, queue_pop, queue_put
from usnet.ip.routes cimport ip_is_group, ip_is_local, ip_netif_source, ip_route
from usnet.ip.state cimport (
    DROP_ARP_BAD, DROP_ARP_NOT_OURS, DROP_NEIGHBOUR_QUEUE, DROP_NO_MEMORY, DROP_TX_NO_MEMORY, DROP_TX_RING_FULL,
    MAX_UNREACHABLE, NEIGHBOUR_FAILED,
    NEIGHBOUR_INCOMPLETE, NEIGHBOUR_QUEUE, NEIGHBOUR_REACHABLE, NEIGHBOUR_STALE, QUOTE_BYTES, TIMER_NEIGHBOUR,
    ip_changed, ip_state, local_addr,
    neighbour, quoted_packet,
)
from usnet.memory.arena cimport NONE, arena_at, arena_give, arena_live, arena_take
from usnet.memory.chunks cimport chain_clear, chain_init
from usnet.memory.hash cimport hash_first, hash_insert, hash_next, hash_remove, hash_reset, siphash
from usnet.memory.wheel cimport wheel_add, wheel_cancel
from usnet.wire.addr cimport addr_eq, addr_is_any, addr_is_v4, addr_set_v4, addr_v4, ip_addr
from usnet.wire.arp cimport ARP_LEN, ARP_REPLY, ARP_REQUEST, arp_emit, arp_parse, arp_repr
from usnet.wire.bytes cimport store32
from usnet.wire.eth cimport ETH_P_ARP
from usnet.wire.peek cimport mac_is_group

cdef int64_t DEFEND_INTERVAL = <int64_t>10 * 1000000000     # ns, RFC 5227: DEFEND_INTERVAL


cdef inline neighbour *entry_at(ip_state *ip, uint32_t index) noexcept nogil:
    return <neighbour *>arena_at(&ip.neighbours, index)


cdef inline int has_address(const neighbour *n) noexcept nogil:
    """Which list the entry is in."""
    return 1 if n.state == NEIGHBOUR_REACHABLE or n.state == NEIGHBOUR_STALE else 0


# --- the lists by time of use, and the table ---

cdef void list_remove(ip_state *ip, uint32_t index, int which) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    if n.prev == NONE:
        ip.lru_head[which] = n.next
    else:
        entry_at(ip, n.prev).next = n.next
    if n.next == NONE:
        ip.lru_tail[which] = n.prev
    else:
        entry_at(ip, n.next).prev = n.prev
    ip.lru_count[which] -= 1


cdef void list_push(ip_state *ip, uint32_t index, int which) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    n.prev = NONE
    n.next = ip.lru_head[which]
    if n.next == NONE:
        ip.lru_tail[which] = index
    else:
        entry_at(ip, n.next).prev = index
    ip.lru_head[which] = index
    ip.lru_count[which] += 1


cdef void neighbour_touch(ip_state *ip, uint32_t index) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    cdef int which = has_address(n)
    ip.neighbour_last = index
    if not n.is_static and ip.lru_head[which] != index:
        list_remove(ip, index, which)
        list_push(ip, index, which)


cdef void set_state(ip_state *ip, uint32_t index, uint8_t state) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    if not n.is_static:
        list_remove(ip, index, has_address(n))
    n.state = state
    if not n.is_static:
        list_push(ip, index, has_address(n))


cdef uint32_t tag_of(ip_state *ip, uint32_t number, const ip_addr *addr) noexcept nogil:
    cdef uint8_t key[17]
    memcpy(key, addr, 16)
    key[16] = <uint8_t>number
    return <uint32_t>siphash(ip.hash_key, key, 17)


cdef uint32_t neighbour_find(ip_state *ip, uint32_t number, const ip_addr *addr) noexcept nogil:
    cdef uint32_t tag, pos, index
    cdef neighbour *n
    if ip.neighbour_last != NONE:
        n = entry_at(ip, ip.neighbour_last)
        if n.netif == number and addr_eq(&n.addr, addr):
            return ip.neighbour_last
    tag = tag_of(ip, number, addr)
    pos = hash_first(&ip.neighbour_index, tag)
    while pos != NONE:
        index = ip.neighbour_index.entries[pos].index
        n = entry_at(ip, index)
        if n.netif == number and addr_eq(&n.addr, addr):
            return index
        pos = hash_next(&ip.neighbour_index, tag, pos)
    return NONE


cdef void stop_timer(ip_state *ip, neighbour *n) noexcept nogil:
    if n.timer != NONE:
        wheel_cancel(ip.timers, n.timer)
        n.timer = NONE


cdef void drop_queue(ip_state *ip, neighbour *n) noexcept nogil:
    ip.drops[<int>DROP_NEIGHBOUR_QUEUE] += n.n_queued
    ip.neighbour_held -= n.queue.span
    n.n_queued = 0
    chain_clear(ip.chunks, &n.queue)


cdef void entry_remove(ip_state *ip, uint32_t index) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    drop_queue(ip, n)
    stop_timer(ip, n)
    if not n.is_static:
        list_remove(ip, index, has_address(n))
    hash_remove(&ip.neighbour_index, tag_of(ip, n.netif, &n.addr), index)
    if ip.neighbour_last == index:
        ip.neighbour_last = NONE
    ip_changed(ip)
    arena_give(&ip.neighbours, index)


cdef bint make_room(ip_state *ip) noexcept nogil:
    """Frees an entry when the table is full. Those without an address go first once they are a quarter of it, so that
    a sweep over addresses
    that nobody has cannot push out the ones in use (RFC 6583)."""
    cdef uint32_t most = ip.config.max_neighbours
    cdef int which
    if most > MAX_NEIGHBOURS:
        most = MAX_NEIGHBOURS
    while ip.neighbours.live >= most:
        which = 0 if ip.lru_count[0] > most // 4 or ip.lru_tail[1] == NONE else 1
        if ip.lru_tail[which] == NONE:
            return False        # all static
        entry_remove(ip, ip.lru_tail[which])
    return True


cdef uint32_t entry_new(ip_state *ip, uint32_t number, const ip_addr *addr, uint8_t state) noexcept nogil:
    cdef uint32_t index
    cdef neighbour *n
    if not make_room(ip):
        return NONE
    index = arena_take(&ip.neighbours)
    if index == NONE:
        return NONE
    if hash_insert(&ip.neighbour_index, tag_of(ip, number, addr), index) < 0:
        arena_give(&ip.neighbours, index)
        return NONE
    n = entry_at(ip, index)
    n.addr = addr[0]
    n.netif = <uint8_t>number
    n.state = state
    n.timer = NONE
    chain_init(&n.queue)
    list_push(ip, index, has_address(n))
    return index


cdef void neighbour_clear(ip_state *ip) noexcept nogil:
    cdef uint32_t i
    for i in range(ip.neighbours.used):
        if arena_live(&ip.neighbours, i):
            entry_remove(ip, i)
    hash_reset(&ip.neighbour_index)


# --- ARP out ---

cdef void arp_send(ip_state *ip, uint32_t number, const uint8_t *to, const arp_repr *r) noexcept nogil:
    cdef uint8_t *l2 = link_open(ip, number)
    cdef uint32_t head
    if l2 == NULL:
        ip.drops[<int>DROP_TX_RING_FULL] += 1
        return
    head = link_header(&ip.netifs[number], l2, to, ETH_P_ARP)
    arp_emit(l2 + head, ARP_LEN, r)
    link_close(&ip.netifs[number], head + ARP_LEN)
    if r.op == ARP_REQUEST:
        ip.counters.arp_requests_out += 1
    else:
        ip.counters.arp_replies_out += 1


cdef void ask(ip_state *ip, neighbour *n, bint broadcast) noexcept nogil:
    """A request for the entry's address, to everybody or to where it was last."""
    cdef arp_repr r
    cdef ip_addr src
    cdef uint8_t to[6]
    if ip_netif_source(ip, n.netif, &n.addr, &src) < 0:
        return                  # nobody to ask as; the tries run out
    r.op = ARP_REQUEST
    memcpy(r.sender_mac, ip.netifs[n.netif].mac, 6)
    store32(r.sender_ip, addr_v4(&src))
    memset(r.target_mac, 0, 6)
    store32(r.target_ip, addr_v4(&n.addr))
    memset(to, 0xff, 6)
    if not broadcast:
        memcpy(to, n.mac, 6)
    arp_send(ip, n.netif, to, &r)


cdef void start_asking(ip_state *ip, uint32_t index, bint broadcast, int64_t now) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    n.tries = 1
    n.timer = wheel_add(ip.timers, now + ip.config.arp_retry, TIMER_NEIGHBOUR, index)
    if n.timer == NONE:
        n.expires = now + ip.config.arp_retry       # without a timer the next use after that asks again
    ask(ip, n, broadcast)


cdef uint32_t neighbour_use(ip_state *ip, uint32_t number, const ip_addr *addr, int64_t now) noexcept nogil:
    cdef uint32_t index = neighbour_find(ip, number, addr)
    cdef neighbour *n
    if index == NONE:
        index = entry_new(ip, number, addr, NEIGHBOUR_INCOMPLETE)
        if index == NONE:
            return NONE
        start_asking(ip, index, True, now)
    n = entry_at(ip, index)
    neighbour_touch(ip, index)
    if now < n.expires or n.timer != NONE or n.is_static:
        return index
    if n.state == NEIGHBOUR_REACHABLE or n.state == NEIGHBOUR_STALE:
        set_state(ip, index, NEIGHBOUR_STALE)
        start_asking(ip, index, False, now)
    else:
        set_state(ip, index, NEIGHBOUR_INCOMPLETE)
        start_asking(ip, index, True, now)
    return index


# --- packets that wait ---

cdef int neighbour_put(ip_state *ip, uint32_t index, const uint8_t *header, uint32_t h_len, const uint8_t *body,
                       uint32_t n_body) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    cdef uint32_t need = 4 + h_len + n_body
    cdef uint32_t share = ip.config.neighbour_bytes // 4        # of what all together may hold
    cdef uint32_t before
    cdef int status
    while n.n_queued >= NEIGHBOUR_QUEUE or (n.n_queued > 0 and n.queue.span + need > share):
        before = n.queue.span
        queue_pop(ip.chunks, &n.queue)
        ip.neighbour_held -= before - n.queue.span
        n.n_queued -= 1
        ip.drops[<int>DROP_NEIGHBOUR_QUEUE] += 1
    if ip.neighbour_held + need > ip.config.neighbour_bytes:
        ip.drops[<int>DROP_NEIGHBOUR_QUEUE] += 1
        return -ENOBUFS
    before = n.queue.span
    status = queue_put(ip.chunks, &n.queue, header, h_len, body, n_body)
    if status < 0:
        ip.drops[<int>DROP_TX_NO_MEMORY] += 1
        return -ENOBUFS
    ip.neighbour_held += n.queue.span - before
    n.n_queued += 1
    return 0


cdef void send_queue(ip_state *ip, uint32_t index) noexcept nogil:
    cdef neighbour *n = entry_at(ip, index)
    cdef uint32_t length
    while n.n_queued > 0:
        length = queue_peek(ip.chunks, &n.queue, ip.build, 65535)
        if packet_send(ip, n.netif, n.mac, ip.build, length) < 0:
            ip.drops[<int>DROP_TX_RING_FULL] += 1
        ip.neighbour_held -= 4 + length
        queue_pop(ip.chunks, &n.queue)
        n.n_queued -= 1
    chain_clear(ip.chunks, &n.queue)


cdef void give_up(ip_state *ip, uint32_t index, int64_t now) noexcept nogil:
    """Nobody answered: remembers for whom packets waited (input.ip_input_loopback tells them), and drops those."""
    cdef neighbour *n = entry_at(ip, index)
    cdef quoted_packet *q
    cdef uint32_t left = n.n_queued
    cdef uint32_t before
    set_state(ip, index, NEIGHBOUR_FAILED)
    n.expires = now + ip.config.arp_failed
    while left > 0 and ip.n_unreachable < MAX_UNREACHABLE:
        q = &ip.unreachable[ip.n_unreachable]
        ip.n_unreachable += 1
        q.n = queue_peek(ip.chunks, &n.queue, q.l3, QUOTE_BYTES)
        q.netif = n.netif
        before = n.queue.span
        queue_pop(ip.chunks, &n.queue)
        ip.neighbour_held -= before - n.queue.span
        n.n_queued -= 1
        ip.drops[<int>DROP_NEIGHBOUR_QUEUE] += 1
        left -= 1
    drop_queue(ip, n)


cdef void neighbour_timeout(ip_state *ip, uint32_t index, int64_t now) noexcept nogil:
    cdef neighbour *n
    if not arena_live(&ip.neighbours, index):
        return
    n = entry_at(ip, index)
    n.timer = NONE
    if n.state != NEIGHBOUR_INCOMPLETE and n.state != NEIGHBOUR_STALE:
        return
    if n.tries >= ip.config.arp_tries:
        give_up(ip, index, now)
        return
    n.tries += 1
    n.timer = wheel_add(ip.timers, now + ip.config.arp_retry, TIMER_NEIGHBOUR, index)
    ask(ip, n, True)


# --- ARP in ---

cdef void confirm(ip_state *ip, uint32_t index, const uint8_t *mac, int64_t now) noexcept nogil:
    """Somebody said where the entry's address is."""
    cdef neighbour *n = entry_at(ip, index)
    if n.is_static:
        return
    stop_timer(ip, n)
    memcpy(n.mac, mac, 6)
    n.expires = now + ip.config.arp_timeout
    n.tries = 0
    set_state(ip, index, NEIGHBOUR_REACHABLE)
    send_queue(ip, index)


cdef local_addr *ours(ip_state *ip, const ip_addr *addr) noexcept nogil:
    cdef uint32_t i
    for i in range(ip.n_addrs):
        if ip.addrs[i].used and addr_eq(&ip.addrs[i].addr, addr):
            return &ip.addrs[i]
    return NULL


cdef void reply(ip_state *ip, uint32_t number, const arp_repr *request) noexcept nogil:
    cdef arp_repr r
    r.op = ARP_REPLY
    memcpy(r.sender_mac, ip.netifs[number].mac, 6)
    memcpy(r.sender_ip, request.target_ip, 4)
    memcpy(r.target_mac, request.sender_mac, 6)
    memcpy(r.target_ip, request.sender_ip, 4)
    arp_send(ip, number, request.sender_mac, &r)


cdef void defend(ip_state *ip, uint32_t number, local_addr *a, int64_t now) noexcept nogil:
    """Another station says that our address is its own: answered by an announcement, at most once in ten seconds (RFC
    5227, section 2.4 (b))."""
    cdef arp_repr r
    cdef uint8_t everybody[6]
    ip.counters.arp_conflicts += 1
    if a.netif != number or (a.defended_at >= 0 and now - a.defended_at < DEFEND_INTERVAL):
        return
    a.defended_at = now
    r.op = ARP_REQUEST
    memcpy(r.sender_mac, ip.netifs[number].mac, 6)
    store32(r.sender_ip, addr_v4(&a.addr))
    memset(r.target_mac, 0, 6)
    store32(r.target_ip, addr_v4(&a.addr))
    memset(everybody, 0xff, 6)
    arp_send(ip, number, everybody, &r)


cdef bint good_sender(const arp_repr *r) noexcept nogil:
    cdef uint8_t zero[6]
    cdef ip_addr a
    memset(zero, 0, 6)
    addr_set_v4(&a, r.sender_ip)
    if (r.op != ARP_REQUEST and r.op != ARP_REPLY) or mac_is_group(r.sender_mac) or memcmp(r.sender_mac, zero, 6) == 0:
        return False
    if ip_is_group(&a) or addr_v4(&a) >> 24 == 127:
        return False
    return not addr_is_any(&a) or r.op == ARP_REQUEST       # a probe asks from 0.0.0.0


cdef bint on_link(ip_state *ip, uint32_t number, const ip_addr *addr) noexcept nogil:
    cdef ip_addr hop
    cdef uint32_t nif
    return ip_route(ip, addr, &hop, &nif) == 0 and nif == number and addr_eq(&hop, addr)


cdef void neighbour_input(ip_state *ip, uint32_t number, const uint8_t *arp, uint32_t n, int64_t now) noexcept nogil:
    cdef arp_repr r
    cdef ip_addr sender, target
    cdef local_addr *mine
    cdef uint32_t index = NONE
    cdef bint for_us
    if arp_parse(arp, n, &r) < 0 or not good_sender(&r):
        ip.drops[<int>DROP_ARP_BAD] += 1
        return
    addr_set_v4(&sender, r.sender_ip)
    addr_set_v4(&target, r.target_ip)
    mine = ours(ip, &sender)
    if mine != NULL:
        if memcmp(r.sender_mac, ip.netifs[number].mac, 6) == 0:
            ip.drops[<int>DROP_ARP_NOT_OURS] += 1           # our own, come back
        else:
            ip.counters.arp_in += 1
            defend(ip, number, mine, now)
        return
    mine = ours(ip, &target)
    for_us = mine != NULL and mine.netif == number
    if not addr_is_any(&sender):
        index = neighbour_find(ip, number, &sender)
        if index == NONE and for_us and r.op == ARP_REQUEST and on_link(ip, number, &sender):
            index = entry_new(ip, number, &sender, NEIGHBOUR_INCOMPLETE)
            if index == NONE:
                ip.drops[<int>DROP_NO_MEMORY] += 1
                return
    if index == NONE and not (for_us and r.op == ARP_REQUEST):
        ip.drops[<int>DROP_ARP_NOT_OURS] += 1
        return
    ip.counters.arp_in += 1
    if index != NONE:
        confirm(ip, index, r.sender_mac, now)
    if for_us and r.op == ARP_REQUEST:
        reply(ip, number, &r)


cdef int neighbour_set(ip_state *ip, uint32_t number, const ip_addr *addr, const uint8_t mac[6]) noexcept nogil:
    cdef uint32_t index
    cdef neighbour *n
    if not addr_is_v4(addr) or ip_is_local(ip, addr):
        return -ENOMEM
    index = neighbour_find(ip, number, addr)
    if index == NONE:
        index = entry_new(ip, number, addr, NEIGHBOUR_INCOMPLETE)
        if index == NONE:
            return -ENOMEM
    n = entry_at(ip, index)
    stop_timer(ip, n)
    if not n.is_static:
        list_remove(ip, index, has_address(n))
        n.is_static = 1
    memcpy(n.mac, mac, 6)
    n.state = NEIGHBOUR_REACHABLE
    n.expires = INT64_MAX
    send_queue(ip, index)
    return 0
