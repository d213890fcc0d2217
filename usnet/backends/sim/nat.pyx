"""A translator of addresses and ports: nat.pxd."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from usnet.backends.sim.frames cimport frame_bytes
from usnet.backends.sim.link cimport link_forward, link_send
from usnet.backends.sim.middlebox cimport INSIDE, OUTSIDE
from usnet.wire.arp cimport ARP_LEN, ARP_REPLY, ARP_REQUEST, arp_emit, arp_parse, arp_repr
from usnet.wire.bytes cimport load16, load32, store32
from usnet.wire.eth cimport ETH_ALEN, ETH_HLEN, ETH_P_ARP
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPPROTO_UDP
from usnet.wire.translate cimport ENDS_NONE, ENDS_OWN, ENDS_QUOTED, ends, ends_read, ends_write

import ipaddress

from usnet.backends.sim import units


# --- Mappings ---

cdef inline bint in_use(nat_state *w, nat_mapping *m, int64_t now) noexcept nogil:
    """Whether it stands; one whose time is over is forgotten here."""
    if m.proto and now - m.heard >= w.timeout:
        m.proto = 0
        w.n.expired += 1
    return m.proto != 0


cdef nat_mapping *of_inside(nat_state *w, const ends *e, int64_t now) noexcept nogil:
    cdef uint32_t i
    for i in range(w.ports):
        if (w.table[i].proto == e.proto and w.table[i].address == e.src and w.table[i].port == e.src_port
                and in_use(w, &w.table[i], now)):
            return &w.table[i]
    return NULL


cdef nat_mapping *of_port(nat_state *w, uint8_t proto, uint16_t port, int64_t now) noexcept nogil:
    cdef uint32_t i = <uint32_t>port - w.first
    if port < w.first or i >= w.ports or not in_use(w, &w.table[i], now) or w.table[i].proto != proto:
        return NULL
    return &w.table[i]


cdef nat_mapping *new_mapping(nat_state *w, const ends *e, const uint8_t *mac, int64_t now) noexcept nogil:
    cdef uint32_t i, at
    for i in range(w.ports):
        at = (w.next_ + i) % w.ports
        if not in_use(w, &w.table[at], now):
            w.next_ = (at + 1) % w.ports
            w.table[at].address, w.table[at].port, w.table[at].proto = e.src, e.src_port, e.proto
            memcpy(w.table[at].mac, mac, ETH_ALEN)
            w.n.made += 1
            return &w.table[at]
    return NULL


# --- ARP ---

cdef void send_arp(nat_state *w, uint32_t end, uint16_t op, const uint8_t *to, const arp_repr *a) noexcept nogil:
    """`to`: the frame's destination."""
    cdef uint8_t p[60]
    cdef arp_repr r = a[0]
    memset(p, 0, sizeof(p))
    r.op = op
    memcpy(p, to, ETH_ALEN)
    if end == OUTSIDE:
        memcpy(p + ETH_ALEN, w.mac, ETH_ALEN)
    else:
        memcpy(p + ETH_ALEN, a.sender_mac, ETH_ALEN)
    p[12], p[13] = ETH_P_ARP >> 8, ETH_P_ARP & 0xff
    arp_emit(p + ETH_HLEN, ARP_LEN, &r)
    if w.out_links[end] != NULL:
        link_send(w.out_links[end], p, sizeof(p))


cdef void asks_outside(nat_state *w, const uint8_t *frame_, arp_repr *a) noexcept nogil:
    """A question from inside goes out as its own; who asked is remembered."""
    cdef nat_asker *k = NULL
    cdef uint32_t i
    for i in range(ASKERS):
        if w.askers[i].target == load32(a.target_ip) and w.askers[i].address == load32(a.sender_ip):
            k = &w.askers[i]
    if k == NULL:
        k = &w.askers[w.next_asker % ASKERS]
        w.next_asker += 1
    k.target, k.address = load32(a.target_ip), load32(a.sender_ip)
    memcpy(k.mac, a.sender_mac, ETH_ALEN)
    store32(a.sender_ip, w.address)
    memcpy(a.sender_mac, w.mac, ETH_ALEN)
    send_arp(w, OUTSIDE, ARP_REQUEST, frame_, a)


cdef void hears_arp(nat_state *w, uint32_t number, const uint8_t *frame_, uint32_t length) noexcept nogil:
    cdef arp_repr a, answer
    cdef uint32_t i
    if arp_parse(frame_ + ETH_HLEN, length - ETH_HLEN, &a) < 0:
        w.n.other += 1
    elif number == INSIDE and a.op == ARP_REQUEST:
        asks_outside(w, frame_, &a)
    elif number == OUTSIDE and a.op == ARP_REQUEST and load32(a.target_ip) == w.address:
        memcpy(answer.sender_mac, w.mac, ETH_ALEN)
        memcpy(answer.sender_ip, a.target_ip, 4)
        memcpy(answer.target_mac, a.sender_mac, ETH_ALEN)
        memcpy(answer.target_ip, a.sender_ip, 4)
        send_arp(w, OUTSIDE, ARP_REPLY, a.sender_mac, &answer)
    elif number == OUTSIDE and a.op == ARP_REPLY:
        for i in range(ASKERS):
            if w.askers[i].address and w.askers[i].target == load32(a.sender_ip):
                store32(a.target_ip, w.askers[i].address)
                memcpy(a.target_mac, w.askers[i].mac, ETH_ALEN)
                send_arp(w, INSIDE, ARP_REPLY, w.askers[i].mac, &a)


# --- Packets ---

cdef bint pass_on(nat_state *w, uint32_t number, frame *f) noexcept nogil:
    return w.out_links[1 - number] != NULL and link_forward(w.out_links[1 - number], f)


cdef bint goes_out(nat_state *w, frame *f, int64_t now) noexcept nogil:
    cdef uint8_t *p = frame_bytes(f)
    cdef ends was, to, inside
    cdef int kind = ends_read(p, f.length, &was)
    cdef nat_mapping *m
    inside = was
    if kind == ENDS_QUOTED:                 # about what had come in: its destination is the one inside
        inside.src, inside.src_port = was.dst, was.dst_port
    m = of_inside(w, &inside, now) if kind != ENDS_NONE else NULL
    if m == NULL and kind == ENDS_OWN:
        if was.proto == IPPROTO_TCP and not was.opens and not w.loose:
            w.n.not_syn += 1
            return False
        m = new_mapping(w, &was, p + ETH_ALEN, now)
        if m == NULL:
            w.n.no_port += 1
            return False
    if m == NULL:
        w.n.other += 1
        return False
    to = was
    if kind == ENDS_QUOTED:
        to.dst, to.dst_port = w.address, <uint16_t>(w.first + (m - w.table))
        w.n.errors += 1
    else:
        to.src, to.src_port = w.address, <uint16_t>(w.first + (m - w.table))
        m.heard = now
        w.n.out += 1
    ends_write(p, kind, &was, &to)
    memcpy(p + ETH_ALEN, w.mac, ETH_ALEN)
    return pass_on(w, INSIDE, f)


cdef bint comes_in(nat_state *w, frame *f, int64_t now) noexcept nogil:
    cdef uint8_t *p = frame_bytes(f)
    cdef ends was, to
    cdef int kind = ends_read(p, f.length, &was)
    cdef nat_mapping *m
    if kind == ENDS_NONE or memcmp(p, w.mac, ETH_ALEN) or (was.dst if kind == ENDS_OWN else was.src) != w.address:
        w.n.other += 1
        return False
    m = of_port(w, was.proto, was.dst_port if kind == ENDS_OWN else was.src_port, now)
    if m == NULL:
        w.n.unknown += 1
        return False
    to = was
    if kind == ENDS_QUOTED:
        to.src, to.src_port = m.address, m.port
        w.n.errors += 1
    else:
        to.dst, to.dst_port = m.address, m.port
        m.heard = now
        w.n.back += 1
    ends_write(p, kind, &was, &to)
    memcpy(p, m.mac, ETH_ALEN)
    return pass_on(w, OUTSIDE, f)


cdef bint nat_pass(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil:
    cdef nat_state *w = <nat_state *>ctx
    if f.length < ETH_HLEN:
        w.n.other += 1
        return False
    if load16(frame_bytes(f) + 12) == ETH_P_ARP:
        hears_arp(w, number, frame_bytes(f), f.length)
        return False
    return goes_out(w, f, now) if number == INSIDE else comes_in(w, f, now)


cdef class Nat(Middlebox):
    """A translator: `address` is its own one, outside. ports: (first, last) of those that it gives out, in turn. timeout: a mapping that nothing used
    for so long is forgotten. loose: TCP segments that open no connection make a mapping as well."""

    def __init__(self, network, str name, address, ports=(50000, 50999), timeout="124min", loose=True):
        cdef bytes mac
        first, last = ports
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{name}: ports {first} to {last}: from 1 to 65535")
        self.w.address = int(ipaddress.IPv4Address(address))
        self.w.first, self.w.ports = first, last - first + 1
        self.w.timeout = units.time(timeout)
        self.w.loose = loose
        mac = (0x024E41540000 + len(network.middleboxes)).to_bytes(6, "big")
        memcpy(self.w.mac, <const uint8_t *>mac, ETH_ALEN)
        self.w.out_links = self.out
        self.w.table = <nat_mapping *>calloc(self.w.ports, sizeof(nat_mapping))
        if self.w.table == NULL:
            raise MemoryError
        self.go_on, self.ctx = nat_pass, &self.w

    def __dealloc__(self):
        free(self.w.table)

    cdef void reset(self) noexcept:
        self.w.next_ = self.w.next_asker = 0
        memset(self.w.table, 0, self.w.ports * sizeof(nat_mapping))
        memset(self.w.askers, 0, sizeof(self.w.askers))
        memset(&self.w.n, 0, sizeof(nat_counters))

    def rebind(self):
        """It forgets all mappings, as one that was started anew: what goes out gets other ports."""
        memset(self.w.table, 0, self.w.ports * sizeof(nat_mapping))

    def mappings(self):
        """{(protocol, port): (address, port inside)}, protocol being "tcp" or "udp"."""
        cdef uint32_t i
        now = self.network.now
        names = {IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp"}
        return {
            (names[self.w.table[i].proto], self.w.first + i): (str(ipaddress.IPv4Address(self.w.table[i].address)), self.w.table[i].port)
            for i in range(self.w.ports) if in_use(&self.w, &self.w.table[i], now)
        }

    def inside_of(self, end, proto="tcp"):
        """The end (address, port) inside that is seen outside as `end`; `end` itself where there is none."""
        address, port = end
        if int(ipaddress.IPv4Address(address)) != self.w.address:
            return end
        return self.mappings().get((proto, port), end)

    def statistics(self):
        """The counters of `nat_counters`, as a dict."""
        return dict(self.w.n)
