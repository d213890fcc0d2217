"""The stack: memory of all layers, the burst loop, and what Python may ask of it.

stack_run is the whole of usnet's work at one instant: due timers, then rounds of receive, send and sync until the rings are quiet.
"""
from libc.errno cimport EAGAIN, ECONNABORTED
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from usnet.backends.ring cimport NS_MOREFRAG, PORT_MOVES, PORT_SWAP, Port, port, ring, ring_buf, ring_next, slot_meta
from usnet.ip.config cimport (
    MAX_NEIGHBOURS, ip_add_addr, ip_add_netif, ip_add_route, ip_del_addr, ip_free, ip_init, ip_reset,
)
from usnet.ip.input cimport ip_input, ip_input_loopback
from usnet.ip.link cimport LINK_FRAME_MAX, link_gather
from usnet.ip.neighbour cimport neighbour_set, neighbour_timeout
from usnet.ip.output cimport ip_flush
from usnet.ip.reassembly cimport reassembly_timeout
from usnet.ip.state cimport (
    MAX_REASSEMBLIES,
    PACKET_ICMP_ERROR,
    PACKET_TCP,
    TIMER_NEIGHBOUR,
    TIMER_REASSEMBLY,
    TIMER_TCP,
    ip_changed,
    ip_config,
    ip_count_ecn,
    packet,
)
from usnet.ip.state cimport netif as interface
from usnet.memory.arena cimport NONE
from usnet.memory.buffers cimport NO_SET, buffers
from usnet.memory.chunks cimport chunks_free, chunks_init, chunks_reset
from usnet.memory.idset cimport idset_free, idset_init, idset_pop, idset_push, idset_reset
from usnet.memory.pieces cimport SETS, pieces_collect, pieces_free, pieces_init, pieces_leave, pieces_reset
from usnet.memory.prefetch cimport PREFETCH_FROM
from usnet.memory.random cimport rng_seed
from usnet.memory.wheel cimport wheel_free, wheel_init, wheel_next, wheel_pop, wheel_reset
from usnet.tcp.icmp cimport tcp_icmp_error
from usnet.tcp.input cimport tcp_input
from usnet.tcp.opening cimport tcp_opening
from usnet.tcp.output cimport tcp_output
from usnet.tcp.predict cimport tcp_predict
from usnet.tcp.state cimport tcb_at, tcb_live, tcb_seen, tcp_config, tcp_tend
from usnet.tcp.tables cimport tcp_free, tcp_init, tcp_reset
from usnet.tcp.tcb cimport TCPS_TIME_WAIT, tcb
from usnet.tcp.teardown cimport tcp_end, tcp_end_reset
from usnet.tcp.timeouts cimport tcp_timeout
from usnet.tcp.warm cimport tcp_warm_frames
from usnet.wire.addr cimport ip_addr
from usnet.wire.eth cimport ETH_ALEN, ETH_HLEN, VLAN_NONE
from usnet.wire.flow cimport flow, flow_parse
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.peek cimport eth_dst, eth_src, mac_is_group

import functools
import ipaddress

cimport cython

from usnet.ip import names as ip_names
from usnet.tcp import limits as tcp_limits
from usnet.tcp import names as tcp_names
from usnet.tcp.states import NAMES as STATE_NAMES

cdef enum:
    LARGE_BYTES = 1 << 18       # of frames that span slots in one run: then the application gets its turn, while they are in the cache
    MAX_PIECES = 1 << 20        # buffers that are kept at once, of all ports


cdef void fire_timers(stack *s, int64_t now) noexcept nogil:
    cdef uint32_t kind = 0, arg = 0
    while wheel_pop(&s.timers, now, &kind, &arg):
        if kind == TIMER_TCP:
            tcp_timeout(&s.tcp, arg, now)
        elif kind == TIMER_NEIGHBOUR:
            neighbour_timeout(&s.ip, arg, now)
        elif kind == TIMER_REASSEMBLY:
            reassembly_timeout(&s.ip, arg, now)


cdef void hand_up(stack *s, int kind, const packet *p, int64_t now) noexcept nogil:
    if kind == PACKET_TCP:
        tcp_input(&s.tcp, p, now)
    elif kind == PACKET_ICMP_ERROR:
        tcp_icmp_error(&s.tcp, p, now)


cdef bint port_leaves(void *user) noexcept nogil:
    """A port's memory goes away: nothing of ours may lie in it any more."""
    cdef stack_set *set_ = <stack_set *>user
    cdef stack *s = <stack *>set_.s
    cdef uint32_t i, out = pieces_leave(&s.pieces, set_.number, &s.tcp.copies.in_left)
    for i in range(s.ip.n_netifs):
        if s.ip.netifs[i].bufs == set_.number:
            s.ip.netifs[i].bufs = NO_SET
    if out == 0:
        free(s.pieces.sets[set_.number].state)
        s.pieces.sets[set_.number].state = NULL
    s.pieces.sets[set_.number].gone = out > 0
    return out > 0


cdef bint predicted(stack *s, uint32_t number, const uint8_t *frame, uint32_t length, const slot_meta *meta, int64_t now) noexcept nogil:
    """Takes the short way with a frame that a connection expects. False: nothing was done."""
    cdef interface *n = &s.ip.netifs[number]
    cdef flow f
    cdef bint taken
    if (meta.flags or meta.gso_type or n.vlan != VLAN_NONE or length > ETH_HLEN + n.link.mtu or length < ETH_HLEN
            or memcmp(eth_dst(frame), n.mac, ETH_ALEN) != 0 or mac_is_group(eth_src(frame))):
        return False
    taken = tcp_predict(&s.tcp, &f, now) if flow_parse(frame, length, &f) else tcp_opening(&s.tcp, number, frame, length, &f, now)
    if not taken:
        return False
    s.ip.counters.rx_packets += 1
    s.ip.counters.rx_bytes += IPV4_HLEN + <uint32_t>(f.payload - f.l4) + f.n
    ip_count_ecn(&s.ip, frame[ETH_HLEN + 1])
    s.ip.counters.tcp_in += 1
    return True


cdef uint32_t receive_burst(stack *s, uint32_t netif, ring *r, slot_meta *meta, uint32_t *large, int64_t now) noexcept nogil:
    """Takes at most a burst of frames from a ring that was synced: how many. *large counts bytes of those that span slots, up to LARGE_BYTES."""
    cdef uint32_t i = r.head, following, n = 0, length
    cdef const uint8_t *frame
    cdef packet p
    if i != r.tail and s.tcp.conns.count >= PREFETCH_FROM:
        tcp_warm_frames(&s.tcp, r)
    while i != r.tail and n < s.config.burst and large[0] < LARGE_BYTES:
        if r.slots[i].flags & NS_MOREFRAG:
            frame = link_gather(r, i, s.gather, &following, &length)
            large[0] += length
        else:
            following = ring_next(r, i)
            length = r.slots[i].len
            frame = ring_buf(r, i)
            if s.ip.netifs[netif].bufs != NO_SET:
                s.ip.now_in.r, s.ip.now_in.slot, s.ip.now_in.bufs = r, i, s.ip.netifs[netif].bufs
        if not predicted(s, netif, frame, length, &meta[i], now):
            hand_up(s, ip_input(&s.ip, netif, frame, length, &meta[i], now, &p), &p, now)
        s.ip.now_in.r = NULL
        i = following
        n += 1
    r.head = r.cur = i
    return n


cdef uint32_t receive_all(stack *s, uint32_t *large, int64_t now) noexcept nogil:
    """One burst of each receive ring, and what the stack sent to itself."""
    cdef uint32_t netif, i, _i, n = 0
    cdef port *link
    cdef packet p
    cdef int kind
    for netif in range(s.ip.n_netifs):
        link = s.ip.netifs[netif].link
        for i in range(link.n_rx):
            link.rx_sync(link.self, i)
            n += receive_burst(s, netif, link.rx[i], link.rx_meta[i], large, now)
    s.rx_frames += n
    for _i in range(s.config.burst):
        kind = ip_input_loopback(&s.ip, now, &p)
        if kind < 0:
            break
        hand_up(s, kind, &p, now)
        n += 1
    return n


cdef bint send_all(stack *s, int64_t now) noexcept nogil:
    """Gives each connection that wants it one turn. True if a transmit ring was full: the rest keeps its place."""
    cdef uint32_t _i, c, waiting = s.tcp.output.count
    for _i in range(waiting):
        c = idset_pop(&s.tcp.output)            # awake, if it has not ended since
        if s.tcp.whole[c] and tcp_output(&s.tcp, c, now) == -EAGAIN:
            idset_push(&s.tcp.output, c)
            ip_flush(&s.ip)
            return True
    ip_flush(&s.ip)
    return False


cdef bint waiting_for_itself(stack *s) noexcept nogil:
    """What this stack sent to itself is still to be received."""
    return s.ip.n_loopback > 0 or s.ip.n_unreachable > 0


cdef int64_t after_send(stack *s, bint blocked, int64_t now) noexcept nogil:
    """The next deadline; a full transmit ring is asked to say when it has room, and is looked at again soon in any case."""
    cdef uint32_t netif
    cdef port *link
    cdef int64_t deadline = wheel_next(&s.timers)
    if waiting_for_itself(s) and now < deadline:
        deadline = now
    if blocked:
        for netif in range(s.ip.n_netifs):
            link = s.ip.netifs[netif].link
            link.arm(link.self, True)
        if now + s.config.tx_retry < deadline:
            deadline = now + s.config.tx_retry
    return deadline


cdef int64_t stack_run(stack *s, int64_t now) noexcept nogil:
    cdef uint32_t _i, got = 0, large = 0
    cdef bint blocked = False
    s.now = now
    s.runs += 1
    if s.pieces.given != NONE:
        pieces_collect(&s.pieces)
    fire_timers(s, now)
    for _i in range(s.config.rounds):
        got = receive_all(s, &large, now)
        blocked = send_all(s, now)
        if large >= LARGE_BYTES or (got == 0 and not waiting_for_itself(s)):
            break
    tcp_tend(&s.tcp)
    if got:
        return now                          # more is waiting: the caller comes back at once
    return after_send(s, blocked, now)


cdef int64_t stack_flush(stack *s, int64_t now) noexcept nogil:
    s.now = now
    if s.pieces.given != NONE:
        pieces_collect(&s.pieces)
    return after_send(s, send_all(s, now), now)


# --- The Python side ----------------------------------------------------------------------------------------------------------

address_of = functools.lru_cache(1024)(ipaddress.ip_address)


cdef int parse_ip(object text, ip_addr *out) except -1:
    """'10.0.0.1' into 16 bytes. ValueError for anything else."""
    cdef bytes raw = address_of(text).packed
    if len(raw) == 4:
        raw = b"\0" * 10 + b"\xff\xff" + raw
    memcpy(out, <const char *>raw, 16)
    return 0


cdef str format_ip(const ip_addr *a):
    cdef bytes raw = (<const char *>a)[:16]
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)


cdef int prefix128(object address, object prefix) except -1:
    return prefix + (96 if address_of(address).version == 4 else 0)


MOST = 10 ** 18                 # of any setting: ns of 31 years, twice which can still be added to a clock


cdef dict changed(dict current, dict settings, str what):
    """`current` with those of `settings` that it knows; they are taken out of settings."""
    for key in list(settings):
        if key in current:
            value = settings.pop(key)
            if isinstance(value, bool):
                value = int(value)
            if not isinstance(value, int) or not 0 <= value <= MOST:
                raise ValueError(f"setting {key!r} of {what} must be a number from 0 to {MOST}, not {value!r}")
            current[key] = value
    return current


@cython.no_gc_clear             # its ports must not call it any more when it goes
cdef class StackCore:
    """One stack: its memory, interfaces, addresses, routes and settings.

    seed: of the generator behind initial sequence numbers, ports and keys; the same seed and input give the same bytes.
    max_connections, max_chunks (2,048 bytes each), max_sockets: limits; memory is used as it is needed. MemoryError if even the address
    space cannot be had.
    """

    def __cinit__(self, seed, max_connections=65536, max_chunks=65536, max_sockets=65536):
        self.ports, self.held = [], ()
        self.settings = {"max_connections": max_connections, "max_chunks": max_chunks, "max_sockets": max_sockets}
        for name, value in self.settings.items():
            if not 1 <= value <= 1 << 26:
                raise ValueError(f"{name} must lie between 1 and {1 << 26}, not {value}")
        rng_seed(&self.s.random, seed & 0xffffffffffffffff)
        self.s.config.burst = self.s.config.rounds = 64
        self.s.config.tx_retry = 100_000
        self.s.gather = <uint8_t *>malloc(LINK_FRAME_MAX)
        if (self.s.gather == NULL or chunks_init(&self.s.chunks, max_chunks)
                or pieces_init(&self.s.pieces, &self.s.chunks, MAX_PIECES)
                or wheel_init(&self.s.timers, max_connections + MAX_NEIGHBOURS + MAX_REASSEMBLIES, 0)
                or idset_init(&self.s.notify, max_sockets)
                or ip_init(&self.s.ip, &self.s.chunks, &self.s.timers, &self.s.notify, &self.s.random, max_sockets)
                or tcp_init(&self.s.tcp, &self.s.ip, &self.s.chunks, &self.s.pieces, &self.s.timers, &self.s.notify, &self.s.random,
                            max_connections)):
            raise MemoryError("no address space for a stack of this size")
        self.s.ip.pieces = &self.s.pieces

    def __dealloc__(self):
        for port in self.held:
            if (<Port>port).p.user >= <void *>&self.s and (<Port>port).p.user < <void *>(&self.s + 1):
                (<Port>port).p.leaving = NULL       # and nothing else: its memory may be gone
        tcp_free(&self.s.tcp)
        ip_free(&self.s.ip)
        idset_free(&self.s.notify)
        wheel_free(&self.s.timers)
        pieces_free(&self.s.pieces)
        chunks_free(&self.s.chunks)
        free(self.s.gather)

    def reset(self, seed, now=0):
        """As new, with the same ports, addresses, routes and settings: for worlds that are used again. `now` in ns."""
        rng_seed(&self.s.random, seed & 0xffffffffffffffff)
        ip_reset(&self.s.ip)                # first: it gives back what it holds
        tcp_reset(&self.s.tcp)
        pieces_reset(&self.s.pieces)
        chunks_reset(&self.s.chunks)
        wheel_reset(&self.s.timers, now)
        idset_reset(&self.s.notify)
        self.s.runs = self.s.rx_frames = 0

    def add_port(self, Port link not None, vlan=None):
        """A new interface over `link`, tagged with VLAN identifier `vlan` (1 to 4094) or untagged. Returns its number."""
        if vlan is not None and not 1 <= vlan <= 4094:
            raise ValueError(f"a VLAN identifier lies between 1 and 4094, not {vlan}")
        cdef int number = ip_add_netif(&self.s.ip, &link.p, VLAN_NONE if vlan is None else vlan)
        if number < 0:
            raise OSError(-number, "no room for another interface")
        self._use_spares(&link.p, <uint32_t>number)
        self.ports.append(link)
        self.held = tuple(self.ports)
        return number

    cdef int _use_spares(self, port *p, uint32_t number) except -1:
        """Makes the port's spare buffers those of its interface, if it has any."""
        cdef interface *n = &self.s.ip.netifs[number]
        cdef ring *r
        cdef buffers *b
        cdef uint32_t i
        for i in range(number):
            if self.s.ip.netifs[i].link == p:
                n.bufs = self.s.ip.netifs[i].bufs
                return 0
        if not p.caps & PORT_SWAP or p.n_spare == 0 or p.n_tx + p.n_rx == 0:
            return 0
        i = 0
        while self.s.pieces.sets[i].state != NULL:      # there are as many sets as interfaces
            i += 1
        b = &self.s.pieces.sets[i]
        b.state = <uint8_t *>calloc(p.n_bufs, 1)
        if b.state == NULL:
            raise MemoryError("no memory for the states of a port's buffers")
        r = p.rx[0] if p.n_rx else p.tx[0]
        b.base = <uint8_t *>r + r.buf_ofs
        b.size, b.n_bufs, b.total = r.nr_buf_size, p.n_bufs, p.n_spare
        b.spare, b.n_spare, b.stays = p.spare, &p.n_spare, not p.caps & PORT_MOVES
        self.s.sets[i].s, self.s.sets[i].number = &self.s, i
        p.leaving, p.user = port_leaves, &self.s.sets[i]
        n.bufs = <uint8_t>i
        return 0

    def add_address(self, netif, address, prefix):
        """A local address, '10.0.0.1' with the length of its network's prefix; the network is reached on-link."""
        cdef ip_addr a
        parse_ip(address, &a)
        self.check(ip_add_addr(&self.s.ip, netif, &a, prefix128(address, prefix)), f"address {address}/{prefix}")

    def remove_address(self, address):
        cdef ip_addr a
        parse_ip(address, &a)
        self.check(ip_del_addr(&self.s.ip, &a), f"address {address}")

    def add_route(self, network, prefix, gateway, netif):
        """A route to network/prefix through `gateway`, or on-link when that is None."""
        cdef ip_addr net, via
        parse_ip(network, &net)
        via.hi = via.lo = 0
        if gateway is not None:
            parse_ip(gateway, &via)
        self.check(ip_add_route(&self.s.ip, &net, prefix128(network, prefix), &via, netif), f"route to {network}/{prefix}")

    def add_neighbour(self, netif, address, bytes mac not None):
        """A static neighbour: `mac` is 6 bytes. It never expires."""
        cdef ip_addr a
        if len(mac) != 6:
            raise ValueError("a MAC address has 6 bytes")
        parse_ip(address, &a)
        self.check(neighbour_set(&self.s.ip, netif, &a, <const uint8_t *>mac), f"neighbour {address}")

    cdef object check(self, int status, str what):
        if status:
            raise OSError(-status, what)

    def configure(self, **settings):
        """Changes settings of TCP, IP and the burst loop by the names of tcp_config (tcp/state.pxd), ip_config (ip/state.pxd) and
        stack_config (stack.pxd); times in ns, sizes in bytes, switches 0 or 1; `congestion` by name. ValueError for an unknown name or an
        impossible value; then nothing changes."""
        settings = tcp_limits.numbers(settings)
        tcp = changed(self.s.tcp.config, settings, "tcp")
        ip = changed(self.s.ip.config, settings, "ip")
        own = changed(self.s.config, settings, "stack")
        tcp_limits.check(tcp)
        if not (0 < own["burst"] <= 65536 and 0 < own["rounds"] <= 65536 and own["tx_retry"]):
            raise ValueError("burst and rounds lie between 1 and 65536, and tx_retry is longer than nothing")
        if settings:
            raise ValueError(f"unknown settings: {', '.join(sorted(settings))}")
        cdef tcp_config new_tcp
        cdef ip_config new_ip
        cdef stack_config new_own
        try:
            new_tcp, new_ip, new_own = tcp, ip, own
        except OverflowError as error:
            raise ValueError(f"a setting is too large: {error}") from None
        self.s.tcp.config = new_tcp
        self.s.ip.config = new_ip
        self.s.config = new_own
        ip_changed(&self.s.ip)              # as far as frames' forms go

    def configuration(self):
        """All settings by name."""
        return {**self.s.tcp.config, **self.s.ip.config, **self.s.config}

    def statistics(self):
        """Counters by layer: dicts of numbers. Drops are by reason."""
        pieces_collect(&self.s.pieces)
        return {
            "tcp": self.s.tcp.counters,
            "ip": self.s.ip.counters,
            "copies": self.s.tcp.copies,
            "tcp_drops": dict(zip(tcp_names.DROPS, self.s.tcp.drops, strict=False)),
            "ip_drops": dict(zip(ip_names.DROPS, self.s.ip.drops, strict=False)),
            "memory": {
                "connections": self.s.tcp.records.live, "awake": self.s.tcp.tcbs.live, "terms": self.s.tcp.terms.live,
                "histories": self.s.tcp.histories.live, "chunks": self.s.chunks.heads.live, "timers": self.s.timers.count,
                "pieces": self.s.pieces.items.live, "kept_buffers": self.kept_buffers(),
                "out_of_order": self.s.tcp.ooos.live, "scoreboards": self.s.tcp.boards.live, "trials": self.s.tcp.trials.live,
                "validators": self.s.tcp.validators.live,
                "listeners": self.s.tcp.listeners.live, "signers": self.s.tcp.signers.live, "udp": self.s.ip.udp.live,
                "reassemblies": self.s.ip.reassemblies.live, "neighbours": self.s.ip.neighbours.live,
            },
            "stack": {"runs": self.s.runs, "rx_frames": self.s.rx_frames},
        }

    cdef uint64_t kept_buffers(self):
        """Buffers that are neither in a ring nor spare."""
        cdef uint32_t i
        cdef uint64_t n = 0
        for i in range(SETS):
            if self.s.pieces.sets[i].state != NULL and not self.s.pieces.sets[i].gone:
                n += self.s.pieces.sets[i].total - self.s.pieces.sets[i].n_spare[0]
        return n

    def connections(self):
        """Indices of all TCBs, listeners too."""
        return [c for c in range(self.s.tcp.records.used) if tcb_live(&self.s.tcp, c)]

    def state_of(self, conn):
        """The state of one connection, by its RFC name. IndexError if there is none."""
        cdef tcb room
        if not tcb_live(&self.s.tcp, conn):
            raise IndexError(f"no connection {conn}")
        return STATE_NAMES[tcb_seen(&self.s.tcp, conn, &room).state]

    def snapshot(self, conn):
        """All fields of one connection (tcp/tcb.pxd) by name; addresses as text, the state by its RFC name. IndexError if there is none."""
        if not tcb_live(&self.s.tcp, conn):
            raise IndexError(f"no connection {conn}")
        cdef tcb room
        cdef const tcb *k = tcb_seen(&self.s.tcp, conn, &room)
        fields = dict(k[0])
        fields["laddr"] = format_ip(&k.laddr)
        fields["raddr"] = format_ip(&k.raddr)
        fields["state"] = STATE_NAMES[fields["state"]]
        return fields

    def abort(self, conn):
        """Ends a connection: ECONNABORTED, and a RST to its peer, but not from TIME-WAIT. IndexError if there is none."""
        if not tcb_live(&self.s.tcp, conn):
            raise IndexError(f"no connection {conn}")
        if tcb_at(&self.s.tcp, conn).state == TCPS_TIME_WAIT:
            tcp_end(&self.s.tcp, conn, 0)
        else:
            tcp_end_reset(&self.s.tcp, conn, ECONNABORTED, self.s.now)

    def run(self, now):
        """stack_run at `now` (ns): the next deadline in ns, or None."""
        cdef int64_t at = now, deadline
        with nogil:
            deadline = stack_run(&self.s, at)
        return None if deadline == INT64_MAX else deadline

    def flush(self, now):
        """stack_flush at `now` (ns): the next deadline in ns, or None."""
        cdef int64_t deadline = stack_flush(&self.s, now)
        return None if deadline == INT64_MAX else deadline
