"""A passive observer: it sees frames at the ends of links, and says which rules of TCP they break. It knows no stack.

    observer = Observer(world)
    world.network.tap(observer)

What the rules found is in `Observer.violations`, by rule; each end of a connection is a Side (observe_side).
"""

from typing import Any

from usnet.lab.observe_side import Side
from usnet.wire.observe import ACK, FIN, RST, SYN, Segment, bad_checksum, frame_kind, parse_tcp

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
    "nagle": "no small segment while data is unacknowledged, unless TCP_NODELAY, FIN, or half the largest window "
    "(RFC 9293, 3.7.4, 3.8.6.2.1)",
    "delayed_ack": "an ACK for every second full segment, within 500 ms, and at once for what is out of order, "
    "fills a gap, or is a FIN (RFC 5681, 4.2)",
    "ack_volume": "pure ACKs answer arrivals or open the window: never more of them than that (RFC 5961, 7)",
    "rst": "a RST never answers a RST; its numbers are those of RFC 9293, 3.5.2",
    "resurrection": "after a RST a connection sends nothing but RSTs, or a SYN with a fresh number (RFC 9293, 3.4.1)",
}
"""The rules that an observer checks, by name."""


class Observer:
    """Call it with each Happening of a world's network (see Network.tap)."""

    def __init__(self, world: Any, nodelay: frozenset[str] = frozenset()):
        self.nodelay = nodelay
        self.violations: dict[str, list[str]] = {}
        self.found: dict[str, int] = {}
        self.sides: dict[tuple[str, bytes, int, bytes, int], Side] = {}
        self.past: list[Side] = []
        self.packets = 0
        self.altered = 0
        self.last_frame = 0
        self.kinds: dict[str, int] = {}
        self.arp_sent: dict[str, int] = {}
        self.arp_heard: dict[str, int] = {}
        self.watchers: list[Any] = []
        self.data_arrivals: list[int] = []
        self._addresses: dict[str, set[bytes]] = {}
        self._stalled: dict[str, list[Segment]] = {}
        self._ends: dict[int, tuple[str | None, str | None]] = {}
        self._world = world

    def tell(self, rule: str, t: int, text: str) -> None:
        self.found[rule] = self.found.get(rule, 0) + 1
        told = self.violations.setdefault(rule, [])
        if len(told) < MOST_TOLD:
            told.append(f"at {t / 1e9:.9f} s {text}")

    def ends(self, link: Any) -> tuple[str | None, str | None]:
        """The hosts at a link's ends; None where a switch is."""
        known = self._ends.get(link.number)
        if known is None:
            owners = {id(port): name for name, host in self._world.hosts.items() for port in host.ports}
            known = self._ends[link.number] = owners.get(id(link.a)), owners.get(id(link.b))
            for name, host in self._world.hosts.items():
                self._addresses[name] = {bytes(map(int, a.split("/")[0].split("."))) for a in host.addresses}
        return known

    def __call__(self, seen: Any) -> None:
        what = seen.what
        if what == "dropped":
            return
        ends = self.ends(seen.link)
        frame = seen.frame
        if what == "sent":
            host = ends[seen.direction]
            self.packets += 1
            self.last_frame = seen.time
            if host is not None:
                self.leaves(seen.time, host, frame)
            return
        host = ends[1 - seen.direction]
        if seen.altered & 1:                # bits flipped; what a middlebox rewrote is what this end knows
            self.altered += host is not None
            return
        if host is not None:
            seg = parse_tcp(frame)
            if seg is not None and seg.dst in self._addresses[host]:
                if seg.payload:
                    self.data_arrivals.append(seen.time)
                if host in self._stalled:
                    self._stalled[host].append(seg)
                else:
                    self.arrives(seen.time, host, seg)
            elif seg is None and frame_kind(frame) == "arp":
                self.arp_heard[host] = seen.time

    def asks(self, host: str, t: int) -> bool:
        """Whether the host was asking for its neighbour's hardware address at that time, so that what it sent had to wait."""
        sent, heard = self.arp_sent.get(host, -1), self.arp_heard.get(host, -1)
        return sent >= t or (sent >= 0 and (heard >= t or heard < sent))

    def arrives(self, t: int, host: str, seg: Segment) -> None:
        self.side(host, seg.dst, seg.dport, seg.src, seg.sport, seg).arrives(t, seg)

    def leaves(self, t: int, host: str, frame: bytes) -> None:
        layer = bad_checksum(frame)
        if layer is not None:
            self.tell("checksums", t, f"{host}: a wrong {layer} checksum")
        seg = parse_tcp(frame)
        self.count(t, host, seg, frame)
        if seg is None or seg.src not in self._addresses[host]:
            return
        side = self.side(host, seg.src, seg.sport, seg.dst, seg.dport, seg)
        side.leaves(t, seg)
        for watcher in self.watchers:
            watcher(t, side)

    def count(self, t: int, host: str, seg: Segment | None, frame: bytes) -> None:
        if seg is None:
            kinds = [frame_kind(frame)]
        else:
            f = seg.flags
            kinds = [
                name
                for name, is_so in (
                    ("syn", f & (SYN | ACK) == SYN),
                    ("synack", f & (SYN | ACK) == SYN | ACK),
                    ("fin", f & FIN),
                    ("rst", f & RST),
                    ("data", bool(seg.payload)),
                    ("ack", f & (ACK | SYN | FIN | RST) == ACK and not seg.payload),
                )
                if is_so
            ]
        if kinds == ["arp"]:
            self.arp_sent[host] = t
        for kind in kinds:
            key = f"{host}.{kind}"
            self.kinds[key] = self.kinds.get(key, 0) + 1

    def side(self, host: str, laddr: bytes, lport: int, raddr: bytes, rport: int, seg: Segment) -> Side:
        """The end that a segment belongs to. A SYN with a new number begins another when the old is over; so does any when it was reset, for then
        nobody knows the old number any more."""
        key = (host, laddr, lport, raddr, rport)
        side = self.sides.get(key)
        if side is not None and seg.flags & (SYN | ACK) == SYN:
            number = side.iss if seg.src == laddr and seg.sport == lport else side.irs
            over = (
                side.reset_at >= 0
                or (side.fin_at >= 0 and side.una > side.fin_at)
                or (side.last_arrival is not None and bool(side.last_arrival[1].flags & RST))
            )
            if side.reset_at >= 0 or side.was_reset or (number != seg.seq and over):
                self.past.append(side)
                side = None
        if side is None:
            mine, its = ".".join(map(str, laddr)), ".".join(map(str, raddr))
            side = self.sides[key] = Side(self, host, f"{host} ({mine}:{lport} to {its}:{rport})")
        return side

    def crashed(self, host: str, t: int) -> None:
        """The host has lost its connections: it owes nothing, and has nothing to say but RST."""
        for side in self.sides.values():
            if side.host == host:
                side.crashed(t)

    def stalled(self, host: str) -> None:
        """The host does not run: what reaches it waits in its rings."""
        self._stalled.setdefault(host, [])

    def resumed(self, host: str, t: int) -> None:
        for seg in self._stalled.pop(host, []):
            self.arrives(t, host, seg)

    @staticmethod
    def payload(frame: bytes) -> int:
        """Bytes of TCP payload in a frame."""
        seg = parse_tcp(frame)
        return len(seg.payload) if seg is not None else 0

    def all_sides(self) -> list[Side]:
        return [*self.past, *self.sides.values()]

    def finish(self, t: int) -> None:
        """The run is over: what is owed is late now."""
        for side in self.all_sides():
            side.check_owed(t)
