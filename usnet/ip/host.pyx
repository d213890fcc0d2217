"""A host without TCP, seen from Python: for tests, tools and the REPL. It answers ARP and ping, has UDP endpoints,
and may be a router.

Time is the `now` (ns) that calls are given. Calls return what the functions beneath return: a number, or -errno.
"""
from ipaddress import ip_address, ip_interface, ip_network

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport PORT_VNET_HDR, Port, ring, slot_meta
from usnet.ip.config cimport (
    ip_add_addr, ip_add_netif, ip_add_route, ip_del_addr, ip_del_route, ip_free, ip_init, ip_mtu, ip_reset, ip_source,
)
from usnet.ip.input cimport ip_input, ip_input_loopback
from usnet.ip.link cimport LINK_FRAME_MAX, link_gather
from usnet.ip.neighbour cimport neighbour_set, neighbour_timeout
from usnet.ip.output cimport ip_flush, ip_send, ip_tx_close, ip_tx_open, ip_tx_room
from usnet.ip.reassembly cimport reassembly_timeout
from usnet.ip.state cimport (
    IP_DROPS, PACKET_ICMP_ERROR, PACKET_TCP, TIMER_NEIGHBOUR, TIMER_REASSEMBLY, ip_counters, ip_state,
    neighbour, packet, tx_frame,
)
from usnet.ip.udp cimport (
    UDP_REUSEADDR, UDP_REUSEPORT,
    udp_bind, udp_close, udp_connect, udp_open, udp_ready, udp_record, udp_recv, udp_send,
)
from usnet.ip.udp_table cimport udp_at
from usnet.memory.arena cimport NONE, arena_at, arena_live
from usnet.memory.chunks cimport chunk_pool, chunks_free, chunks_init
from usnet.memory.idset cimport idset, idset_free, idset_init, idset_pop
from usnet.memory.random cimport rng, rng_seed
from usnet.memory.wheel cimport wheel, wheel_free, wheel_init, wheel_next, wheel_pop
from usnet.wire.addr cimport addr_set_v4, ip_addr
from usnet.wire.eth cimport VLAN_NONE

from usnet.ip.names import COUNTERS, DROPS, NEIGHBOUR_STATES

cdef ip_addr to_addr(text) except *:
    cdef ip_addr a
    memset(&a, 0, sizeof(a))
    if text is None:
        return a
    packed = ip_address(text).packed
    addr_set_v4(&a, <const uint8_t *>packed)
    return a


cdef object from_addr(const ip_addr *a):
    return str(ip_address((<const uint8_t *>a)[12:16]))


cdef class IpHost:
    """`seed` decides everything random; `chunks` of 2 KiB hold all that is queued; at most `max_udp` endpoints."""
    cdef ip_state ip
    cdef chunk_pool chunks
    cdef wheel timers
    cdef idset notify
    cdef rng random
    cdef uint8_t *joined
    cdef list ports
    cdef readonly list handed_up        # dicts of what TCP would have been given, in order of arrival

    def __cinit__(self, uint64_t seed=1, uint32_t chunks=4096, uint32_t max_udp=1024, uint32_t max_timers=4096):
        self.ports = []
        self.handed_up = []
        rng_seed(&self.random, seed)
        self.joined = <uint8_t *>malloc(LINK_FRAME_MAX)
        if (self.joined == NULL or chunks_init(&self.chunks, chunks) < 0 or wheel_init(&self.timers, max_timers, 0) < 0
                or idset_init(&self.notify, max_udp) < 0
                or ip_init(&self.ip, &self.chunks, &self.timers, &self.notify, &self.random, max_udp) < 0):
            raise MemoryError("no memory for a host")

    def __dealloc__(self):
        ip_free(&self.ip)
        if self.notify.ring != NULL:
            idset_free(&self.notify)
        if self.timers.nodes.base != NULL:
            wheel_free(&self.timers)
        if self.chunks.bytes != NULL:
            chunks_free(&self.chunks)
        free(self.joined)

    # Settings

    def add_port(self, Port port not None, vlan=None):
        """An interface on a port: its number."""
        self.ports.append(port)
        return ip_add_netif(&self.ip, &port.p, VLAN_NONE if vlan is None else vlan)

    def add_address(self, text, uint32_t netif=0):
        """Such as "10.0.0.1/24"."""
        interface = ip_interface(text)
        cdef ip_addr a = to_addr(interface.ip)
        return ip_add_addr(&self.ip, netif, &a, 96 + interface.network.prefixlen)

    def del_address(self, text):
        cdef ip_addr a = to_addr(text)
        return ip_del_addr(&self.ip, &a)

    def add_route(self, net, gateway=None, uint32_t netif=0):
        network = ip_network(net)
        cdef ip_addr n = to_addr(network.network_address)
        cdef ip_addr g = to_addr(gateway)
        return ip_add_route(&self.ip, &n, 96 + network.prefixlen, &g, netif)

    def del_route(self, net):
        network = ip_network(net)
        cdef ip_addr n = to_addr(network.network_address)
        return ip_del_route(&self.ip, &n, 96 + network.prefixlen)

    def configure(self, **settings):
        """Fields of `ip_config`. AttributeError for an unknown one."""
        config = dict(self.ip.config)
        for name in settings:
            if name not in config:
                raise AttributeError(name)
        config.update(settings)
        self.ip.config = config

    @property
    def config(self):
        return dict(self.ip.config)

    def set_mtu(self, uint32_t mtu, uint32_t netif=0):
        self.ip.netifs[netif].mtu = mtu

    def trust_offload(self, uint32_t netif=0):
        """The interface's port says from now on that it fills offload headers in (PORT_VNET_HDR)."""
        self.ip.netifs[netif].link.caps |= PORT_VNET_HDR

    def set_neighbour(self, text, bytes mac, uint32_t netif=0):
        cdef ip_addr a = to_addr(text)
        if len(mac) != 6:
            raise ValueError("a MAC address has 6 bytes")
        return neighbour_set(&self.ip, netif, &a, <const uint8_t *>mac)

    def reset(self, uint64_t seed):
        """As new, but for interfaces, addresses, routes and settings."""
        rng_seed(&self.random, seed)
        ip_reset(&self.ip)
        self.handed_up = []

    # Running

    cdef void _record(self, int kind, packet *p):
        if kind == PACKET_TCP:
            self.handed_up.append({
                "kind": "tcp", "src": from_addr(&p.src), "dst": from_addr(&p.dst), "segment": p.l4[:p.l4_len],
                "netif": p.netif, "tos": p.tos, "ttl": p.ttl, "csum_ok": bool(p.csum_ok)})
        elif kind == PACKET_ICMP_ERROR:
            self.handed_up.append({
                "kind": "icmp_error", "src": from_addr(&p.src), "dst": from_addr(&p.dst), "type": p.icmp_type,
                "code": p.icmp_code, "mtu": p.icmp_rest,
                "src_port": p.quoted_src_port, "dst_port": p.quoted_dst_port, "seq": p.quoted_seq})

    cdef void _drain(self, uint32_t number, uint32_t n, int64_t now):
        """All frames of one receive ring."""
        cdef Port port = <Port>self.ports[number]
        cdef ring *r = port.p.rx[n]
        cdef packet p
        cdef const uint8_t *frame
        cdef uint32_t i = r.head, after, length
        while i != r.tail:
            frame = link_gather(r, i, self.joined, &after, &length)
            self._record(ip_input(&self.ip, number, frame, length, &port.p.rx_meta[n][i], now, &p), &p)
            i = after
        r.head = r.cur = i

    def run(self, int64_t now):
        """Does all that can be done at `now`: due timers, received frames, output. Returns the next deadline in ns,
        or None."""
        cdef uint32_t kind, arg, number, n
        cdef packet p
        cdef int found
        cdef int64_t deadline
        cdef Port port
        while wheel_pop(&self.timers, now, &kind, &arg):
            if kind == TIMER_NEIGHBOUR:
                neighbour_timeout(&self.ip, arg, now)
            elif kind == TIMER_REASSEMBLY:
                reassembly_timeout(&self.ip, arg, now)
        for number in range(len(self.ports)):
            if self.ports.index(self.ports[number]) != number:
                continue        # several interfaces share the port: ip_input sorts its frames
            port = <Port>self.ports[number]
            for n in range(port.p.n_rx):
                port.p.rx_sync(port.p.self, n)
                self._drain(number, n, now)
        while True:
            memset(&p, 0, sizeof(p))
            found = ip_input_loopback(&self.ip, now, &p)
            if found < 0:
                break
            self._record(found, &p)
        ip_flush(&self.ip)
        deadline = wheel_next(&self.timers)
        return None if deadline == INT64_MAX else deadline

    def input(self, bytes frame not None, int64_t now, uint32_t netif=0, uint16_t flags=0, uint16_t csum_start=0,
              uint16_t csum_offset=0, uint16_t vlan=0):
        """One frame past the ring, with what its slot_meta says. Nothing is flushed. Returns the packet_kind."""
        cdef packet p
        cdef slot_meta meta
        cdef int kind
        memset(&meta, 0, sizeof(meta))
        meta.flags = flags
        meta.csum_start = csum_start
        meta.csum_offset = csum_offset
        meta.vlan = vlan
        kind = ip_input(&self.ip, netif, <const uint8_t *>frame, len(frame), &meta, now, &p)
        self._record(kind, &p)
        return kind

    def flush(self):
        ip_flush(&self.ip)

    # Sending

    def send(self, src, dst, uint8_t proto, bytes data not None, int64_t now, uint8_t ttl=0):
        """ip_send."""
        cdef ip_addr s = to_addr(src)
        cdef ip_addr d = to_addr(dst)
        return ip_send(&self.ip, &s, &d, proto, <const uint8_t *>data, len(data), ttl, 0, now)

    def build(self, src, dst, uint8_t proto, bytes data not None, int64_t now, uint32_t shorter=0, bint abandon=False):
        """ip_tx_open, and ip_tx_close with `shorter` bytes less than were asked for, unless the frame is abandoned."""
        cdef ip_addr s = to_addr(src)
        cdef ip_addr d = to_addr(dst)
        cdef tx_frame f
        cdef int status = ip_tx_open(&self.ip, &s, &d, proto, len(data), now, &f)
        if status == 0 and not abandon:
            memcpy(f.l4, <const uint8_t *>data, len(data) - shorter)
            ip_tx_close(&self.ip, &f, len(data) - shorter, now)
        return status

    def mtu_to(self, dst):
        cdef ip_addr d = to_addr(dst)
        return ip_mtu(&self.ip, &d)

    def source_to(self, dst):
        """The address to speak to dst from, or -errno."""
        cdef ip_addr d = to_addr(dst)
        cdef ip_addr s
        cdef int status = ip_source(&self.ip, &d, &s)
        return status if status < 0 else from_addr(&s)

    def tx_room(self, uint32_t netif=0):
        return bool(ip_tx_room(&self.ip, netif))

    def udp(self):
        """A new endpoint."""
        return UdpEndpoint(self)

    # What it knows

    def drops(self):
        """Counters of discarded frames that are not 0, by name (ip/names.py)."""
        return {name: self.ip.drops[i] for i, name in enumerate(DROPS) if self.ip.drops[i]}

    def counters(self):
        """All of `ip_counters`, by name."""
        cdef const uint64_t *c = <const uint64_t *>&self.ip.counters
        return {name: c[i] for i, name in enumerate(COUNTERS)}

    def neighbours(self):
        """[(address, MAC, state, expires, packets waiting)], in the order of the table."""
        cdef uint32_t i
        cdef neighbour *n
        found = []
        for i in range(self.ip.neighbours.used):
            if arena_live(&self.ip.neighbours, i):
                n = <neighbour *>arena_at(&self.ip.neighbours, i)
                found.append((from_addr(&n.addr), n.mac[:6], NEIGHBOUR_STATES[n.state], n.expires, n.n_queued))
        return found

    def held(self):
        """What is in use of each pool: chunks, timers, and the bytes and items that the internet layer holds."""
        return {
            "chunks": self.chunks.heads.live, "timers": self.timers.count, "reassemblies": self.ip.reassemblies.live,
            "reassembly_bytes": self.ip.reassembly_held, "neighbours": self.ip.neighbours.live,
            "neighbour_bytes": self.ip.neighbour_held, "loopback": self.ip.n_loopback, "udp": self.ip.udp.live}

    def news(self):
        """Owners of endpoints that have news, oldest first; they are forgotten."""
        cdef uint32_t owner = idset_pop(&self.notify)
        found = []
        while owner != NONE:
            found.append(owner)
            owner = idset_pop(&self.notify)
        return found


cdef class UdpEndpoint:
    """One UDP endpoint of a host. Made by IpHost.udp(); MemoryError when there are no more."""
    cdef IpHost host
    cdef readonly uint32_t index
    cdef bint open

    def __init__(self, IpHost host not None):
        self.host = host
        self.index = udp_open(&host.ip)
        if self.index == NONE:
            raise MemoryError("no more endpoints")
        self.open = True
        udp_at(&host.ip, self.index).owner = self.index

    cdef ip_state *_ip(self) except NULL:
        if not self.open:
            raise ValueError("the endpoint is closed")
        return &self.host.ip

    def options(self, reuse=None, broadcast=None, ttl=None, rcvbuf=None):
        self._ip()
        p = udp_at(&self.host.ip, self.index)
        if reuse is not None:
            p.reuse = (UDP_REUSEADDR | UDP_REUSEPORT) if reuse else 0
        if broadcast is not None:
            p.broadcast = broadcast
        if ttl is not None:
            p.ttl = ttl
        if rcvbuf is not None:
            p.rcvbuf = rcvbuf

    def bind(self, addr, uint16_t port):
        cdef ip_addr a = to_addr(addr)
        return udp_bind(self._ip(), self.index, &a, port)

    def connect(self, addr, uint16_t port=0):
        """addr None disconnects."""
        cdef ip_addr a = to_addr(addr)
        return udp_connect(self._ip(), self.index, &a, port)

    @property
    def local(self):
        """(address, port)."""
        self._ip()
        p = udp_at(&self.host.ip, self.index)
        return from_addr(&p.laddr), p.lport

    @property
    def queued(self):
        """Datagrams that wait."""
        self._ip()
        return udp_at(&self.host.ip, self.index).n_queued

    def send(self, data, int64_t now, to=None):
        """`to`: (address, port), or None for the connected peer."""
        cdef const uint8_t[::1] view = data if len(data) else b"\0"
        cdef ip_addr a = to_addr(to[0] if to else None)
        return udp_send(self._ip(), self.index, &view[0], len(data), &a if to else NULL, to[1] if to else 0, now)

    def recv(self, size=65536, peek=False):
        """(payload, (address, port), destination address, true length), or -errno."""
        cdef udp_record record
        buffer = bytearray(size or 1)
        cdef uint8_t[::1] view = buffer
        cdef int64_t n = udp_recv(self._ip(), self.index, &view[0], size, peek, &record)
        if n < 0:
            return n
        return bytes(buffer[:n]), (from_addr(&record.src), record.src_port), from_addr(&record.dst), record.length

    def ready(self):
        """Bits of ip/state's `readiness`."""
        return udp_ready(self._ip(), self.index)

    def close(self):
        if self.open:
            udp_close(&self.host.ip, self.index)
            self.open = False


def layout():
    """Numbers of counters that the structs have, to be compared with ip/names.py."""
    return {"drops": <int>IP_DROPS, "counters": sizeof(ip_counters) // sizeof(uint64_t)}
