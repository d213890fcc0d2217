"""A passive observer: it sees frames at the ends of links, and says which rules of TCP they break. It knows no stack.

    observer = Observer(world)
    world.network.tap(observer)

What the rules found is in `Observer.violations`, by rule; each end of a connection is a Side (observe_side).
"""
import functools
import ipaddress

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.sim.journal cimport ALTERED_BITS, FRAME_DROPPED, FRAME_SENT, happening
from usnet.backends.sim.network cimport FrameTap
from usnet.lab.observe_side cimport Side
from usnet.wire.observe cimport ACK, FIN, KIND_ARP, RST, SYN, Segment, kind_of, segment_at, segment_keep, sum_wrong

from usnet.tcp.congestion.registry import name_of
from usnet.wire.observe import KINDS, LAYERS

MOST_TOLD = 5

RULES = {
    "checksums": "every IPv4, ICMP, UDP and TCP checksum that a host sends is right (RFC 1071)",
    "sequence": "bytes are first sent in order, SYN and FIN take one number each, nothing follows FIN (RFC 9293, 3.4)",
    "same_bytes": "what is sent again is what was sent first (RFC 2525, 2.4)",
    "ack": "an ACK covers only what has arrived, and never goes back (RFC 9293, 3.4)",
    "right_edge": "the right edge of the offered window never moves left (RFC 9293, 3.8.6; RFC 7323, 2.4)",
    "window": "nothing is sent beyond the window that the peer offered, but probes of one byte (RFC 9293, 3.8.6.1)",
    "mss": "no segment is longer than the peer's MSS, options taken off (RFC 9293, 3.7.1; RFC 6691)",
    "options": "options are used when both ends offered them, and not otherwise (RFC 7323, 1.3; RFC 2018)",
    "sack": "SACK blocks report what arrived and is not acknowledged yet, the newest first, in every ACK of something out of order (RFC 2018, 4)",
    "sack_resend": "what the peer reported is not sent again, but after two timeouts, or when the peer took it back (RFC 6675, 4 and 5.1)",
    "timestamps": "TSval never goes back, TSecr is one that arrived (RFC 7323, 4)",
    "nagle": "no small segment while data is unacknowledged, unless TCP_NODELAY, FIN, half the largest window, or a loss probe "
    "(RFC 9293, 3.7.4, 3.8.6.2.1; RFC 8985, 7.3)",
    "delayed_ack": "an ACK for every second full segment, within 500 ms, and at once for what is out of order, "
    "fills a gap, or is a FIN (RFC 5681, 4.2)",
    "ack_volume": "pure ACKs answer arrivals or open the window: never more of them than that (RFC 5961, 7)",
    "rst": "a RST never answers a RST; its numbers are those of RFC 9293, 3.5.2",
    "ecn": "ECN-capable is new data alone, where it was agreed on; ECE is sent from a mark until CWR, CWR once for a reduction "
    "(RFC 3168, 6.1; RFC 9768)",
    "resurrection": "after a RST a connection sends nothing but RSTs, or a SYN with a fresh number (RFC 9293, 3.4.1)",
}
"""The rules that an observer checks, by name."""

cdef enum:
    COUNTED_SYN = 4             # behind KIND_*
    COUNTED_SYNACK = 5
    COUNTED_FIN = 6
    COUNTED_RST = 7
    COUNTED_DATA = 8
    COUNTED_ACK = 9
    COUNTED = 10

NAMES = (*KINDS, "syn", "synack", "fin", "rst", "data", "ack")


@functools.lru_cache(1024)
def number_of(address):
    """Of "10.0.0.1/24", without its prefix."""
    return int(ipaddress.IPv4Address(address.split("/")[0]))


def controller_of(host):
    """Name of the congestion controller that a host's connections have; None where it has no stack."""
    stack = getattr(host, "stack", None)
    return None if stack is None else name_of(stack.core.configuration()["congestion"])


cdef str text_of(uint64_t a):
    return f"{a >> 24 & 255}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}"


cdef class Seen:
    """What was seen of a host, beside its connections."""
    cdef str name
    cdef set addresses          # as numbers
    cdef list waiting           # Segments that lie in its rings while it does not run; None: it runs
    cdef int64_t arp_sent       # ns; -1: never
    cdef int64_t arp_heard
    cdef uint64_t counts[10]    # frames that left, by KIND_* and COUNTED_*

    def __init__(self, str name, addresses):
        self.name = name
        self.addresses = {number_of(a) for a in addresses}
        self.arp_sent = self.arp_heard = -1


cdef class Observer(FrameTap):
    """Call it with each Happening of a world's network (see Network.tap)."""
    cdef readonly object exact          # hosts whose controllers want to know of each mark (RFC 8257)
    cdef readonly object nodelay        # hosts whose programs switch Nagle's rule off
    cdef readonly dict violations       # rule -> the first texts
    cdef readonly dict found            # rule -> how often
    cdef readonly dict sides
    cdef readonly list past
    cdef readonly uint64_t packets      # that left hosts or switches
    cdef readonly uint64_t altered      # that reached hosts with flipped bits
    cdef readonly int64_t last_frame    # ns
    cdef readonly list watchers         # called with the time and the Side behind each segment that leaves
    cdef readonly list data_arrivals    # ns
    cdef dict seen                      # name of a host -> Seen
    cdef list joined                    # by a link's number: Seen of its two ends, None where a switch is
    cdef object world

    def __init__(self, world, nodelay=frozenset()):
        self.nodelay = nodelay
        self.exact = frozenset(name for name, host in world.hosts.items() if controller_of(host) == "dctcp")
        self.violations, self.found, self.sides, self.seen = {}, {}, {}, {}
        self.past, self.watchers, self.data_arrivals, self.joined = [], [], [], []
        self.world = world

    def tell(self, str rule, int64_t t, text):
        self.found[rule] = self.found.get(rule, 0) + 1
        told = self.violations.setdefault(rule, [])
        if len(told) < MOST_TOLD:
            told.append(f"at {t / 1e9:.9f} s {text}")

    cdef Seen host(self, str name):
        known = self.seen.get(name)
        if known is None:
            known = self.seen[name] = Seen(name, self.world.hosts[name].addresses)
        return known

    cdef tuple join(self, object link):
        """Who is at a link's ends: Seen of each, None where a switch is."""
        cdef uint32_t number = link.number
        while len(self.joined) <= number:
            self.joined.append(None)
        if self.joined[number] is None:
            owners = {id(port): name for name, host in self.world.hosts.items() for port in host.ports}
            names = owners.get(id(link.a)), owners.get(id(link.b))
            self.joined[number] = tuple([None if name is None else self.host(name) for name in names])
        return self.joined[number]

    def ends(self, link):
        """The hosts at a link's ends; None where a switch is."""
        return tuple([None if end is None else (<Seen>end).name for end in self.join(link)])

    def __call__(self, seen):
        cdef bytes frame = seen.frame
        if seen.what != "dropped":
            self.see(self.join(seen.link), seen.time, seen.direction, seen.what == "sent", seen.altered & ALTERED_BITS, frame, <uint32_t>len(frame))

    cdef int happens(self, object link, const happening *h, const uint8_t *p) except -1:
        cdef uint32_t number = h.link
        if h.what == FRAME_DROPPED:
            return 0
        ends = self.joined[number] if number < <uint32_t>len(self.joined) and self.joined[number] is not None else self.join(link)
        return self.see(ends, h.time, h.direction, h.what == FRAME_SENT, h.altered & ALTERED_BITS, p, h.length)

    cdef int see(self, tuple ends, int64_t t, int direction, bint sent, bint flipped, const uint8_t *p, uint32_t length) except -1:
        cdef Seen host = ends[direction if sent else 1 - direction]
        cdef Segment seg
        if sent:
            self.packets += 1
            self.last_frame = t
            return 0 if host is None else self.leaves(t, host, p, length)
        if host is None or flipped:         # what a middlebox rewrote is what this end knows
            self.altered += flipped and host is not None
            return 0
        seg = segment_at(p, length)
        if seg is None:
            if kind_of(p, length) == KIND_ARP:
                host.arp_heard = t
        elif seg.destination in host.addresses:
            if seg.n:
                self.data_arrivals.append(t)
            if host.waiting is not None:
                host.waiting.append(segment_keep(seg))
            else:
                self.arrives(t, host, seg)
        return 0

    def asks(self, str name, int64_t t):
        """Whether the host was asking for its neighbour's hardware address at that time, so that what it sent had to wait."""
        cdef Seen host = self.host(name)
        return host.arp_sent >= t or (host.arp_sent >= 0 and (host.arp_heard >= t or host.arp_heard < host.arp_sent))

    cdef int arrives(self, int64_t t, Seen host, Segment seg) except -1:
        return self.side(host, seg.destination, seg.dport, seg.source, seg.sport, seg).arrive(t, seg)

    cdef int leaves(self, int64_t t, Seen host, const uint8_t *p, uint32_t length) except -1:
        cdef int layer = sum_wrong(p, length)
        cdef Segment seg = segment_at(p, length)
        cdef Side side
        if layer:
            self.tell("checksums", t, f"{host.name}: a wrong {LAYERS[layer]} checksum")
        if seg is None:
            host.counts[kind_of(p, length)] += 1
            if kind_of(p, length) == KIND_ARP:
                host.arp_sent = t
            return 0
        count(host, seg)
        if seg.source not in host.addresses:
            return 0
        side = self.side(host, seg.source, seg.sport, seg.destination, seg.dport, seg)
        side.leave(t, seg)
        for watcher in self.watchers:
            watcher(t, side)
        return 0

    @property
    def kinds(self):
        """"HOST.KIND" -> frames of that kind that left the host: syn, synack, fin, rst, data, ack (a pure one), arp, icmp, other."""
        return {f"{name}.{NAMES[i]}": (<Seen>host).counts[i] for name, host in self.seen.items() for i in range(1, COUNTED) if (<Seen>host).counts[i]}

    cdef Side side(self, Seen host, uint64_t laddr, int lport, uint64_t raddr, int rport, Segment seg):
        """The end that a segment belongs to. A SYN with a new number begins another when the old is over; so does any when it was reset, for then
        nobody knows the old number any more."""
        key = (host.name, laddr << 16 | lport, raddr << 16 | rport)
        cdef Side side = self.sides.get(key), before = side
        cdef bint over
        if side is not None and seg.flags & (SYN | ACK) == SYN:
            over = side.reset_at >= 0 or (side.fin_at >= 0 and side.una > side.fin_at) or (side.last is not None and side.last.flags & RST != 0)
            number = side.iss if seg.source == laddr and seg.sport == lport else side.irs
            if side.reset_at >= 0 or side.was_reset or (number != seg.seq and over):
                self.past.append(side)
                side = None
        if side is None:
            side = self.sides[key] = Side(self, host.name, f"{host.name} ({text_of(laddr)}:{lport} to {text_of(raddr)}:{rport})")
            if before is not None:          # what reached it at this instant may yet be answered
                side.recent, side.last_at = before.recent, before.last_at
        return side

    def crashed(self, str host, int64_t t):
        """The host has lost its connections: it owes nothing, and has nothing to say but RST."""
        for side in self.sides.values():
            if (<Side>side).host == host:
                (<Side>side).crash(t)

    def stalled(self, str host):
        """The host does not run: what reaches it waits in its rings."""
        cdef Seen seen = self.host(host)
        if seen.waiting is None:
            seen.waiting = []

    def resumed(self, str host, int64_t t):
        cdef Seen seen = self.host(host)
        waiting, seen.waiting = seen.waiting, None
        for seg in waiting or ():
            self.arrives(t, seen, seg)

    @staticmethod
    def payload(bytes frame):
        """Bytes of TCP payload in a frame."""
        cdef Segment seg = segment_at(frame, <uint32_t>len(frame))
        return 0 if seg is None else seg.n

    def all_sides(self):
        return [*self.past, *self.sides.values()]

    def finish(self, int64_t t):
        """The run is over: what is owed is late now."""
        for side in self.all_sides():
            (<Side>side).check_owed(t)


cdef void count(Seen host, Segment seg) noexcept:
    cdef int f = seg.flags
    host.counts[COUNTED_SYN] += f & (SYN | ACK) == SYN
    host.counts[COUNTED_SYNACK] += f & (SYN | ACK) == (SYN | ACK)
    host.counts[COUNTED_FIN] += f & FIN != 0
    host.counts[COUNTED_RST] += f & RST != 0
    host.counts[COUNTED_DATA] += seg.n != 0
    host.counts[COUNTED_ACK] += f & (ACK | SYN | FIN | RST) == ACK and not seg.n
