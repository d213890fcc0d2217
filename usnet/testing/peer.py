"""A peer driven by hand: one usnet stack at one end of a cable, the test at the other, in virtual time.

    tcp = established(mss=1000)
    tcp.send(1000)
    tcp.expect("P. 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001 win 65535")
    tcp.at(ms=40)
    tcp.expect_nothing()

Segments are written as in usnet.testing.segments. `expect` means exactly these and nothing else, now; `at` moves time
and fails if anything leaves before. Payload is checked too: what the peer sends is stream(first number, length), what
usnet sends must be what the test gave to send().
"""

import socket
from typing import Any

from usnet.testing.cable import MASK, PEER, PEER_MAC, SPIN_LIMIT, US, US_MAC, Cable, close_all, signed, stream
from usnet.testing.segments import Segment, flags_of, parse_segment
from usnet.wire.mirror import IcmpHeader, Ipv4Header, TcpHeader

__all__ = ["PEER", "PEER_MAC", "US", "US_MAC", "Cable", "Tcp", "close_all", "stream"]

PEER_ISN = 0xFFFFF000  # sequence numbers wrap within the first 4,096 bytes
COUNTERS = (("e0b", "ceb", "e1b"), ("e1b", "ceb", "e0b"))  # of an AccECN option, by its order (RFC 9768)
TS_BASE = 7000  # the peer's TSval when a test begins; it counts milliseconds


class Tcp:
    """The peer's end of one connection, and usnet's socket for it (`sock`, not blocking)."""

    def __init__(
        self, cable: Cable, *, port: int = 40000, us_port: int = 80, isn: int = PEER_ISN, win: int = 65535
    ) -> None:
        self.cable = cable
        self.port = port
        self.us_port = us_port
        self.isn = isn
        self.us_isn: int | None = None
        self.us_ts: int | None = None  # usnet's TSval at the start of the test
        self.last_ts = 0  # and its newest
        self.timestamps = False  # negotiated: rx adds them where none are written
        self.win = win  # window field of what rx sends without one
        self.us_end = 0  # relative number behind all that usnet sent
        self.sent = bytearray()  # what the test gave to send()
        self.listener: Any = None
        self.sock: Any = None
        cable.conversations.append(self)  # its sockets live as long as the stack

    # Time

    def at(self, *, s: float = 0, ms: float = 0, us: float = 0, ns: int = 0) -> None:
        """Moves time to so long after the test's beginning. AssertionError if a segment leaves before."""
        self.move_to(self.cable.start + round(s * 1e9) + round(ms * 1e6) + round(us * 1e3) + ns)

    def after(self, *, s: float = 0, ms: float = 0, us: float = 0, ns: int = 0) -> None:
        """Moves time on by so much. AssertionError if a segment leaves before that."""
        self.move_to(self.cable.clock.now() + round(s * 1e9) + round(ms * 1e6) + round(us * 1e3) + ns)

    def move_to(self, then: int) -> None:
        for _ in range(SPIN_LIMIT):
            deadline = self.cable.run()
            if early := self.take():
                when = (self.cable.clock.now() - self.cable.start) / 1e6
                raise AssertionError(f"at {when} ms, unexpected:\n" + "\n".join(map(str, early)))
            if deadline is None or deadline >= then:
                self.cable.clock.set(then)
                return
            self.cable.clock.set(max(deadline, self.cable.clock.now()))
        raise AssertionError("the stack wakes too often")

    def watch(self, *, s: float = 0, ms: float = 0) -> list[tuple[float, str]]:
        """Lets so much time pass: [(ms since the beginning, segment)] of all that leaves meanwhile, also at its end."""
        then = self.cable.clock.now() + round(s * 1e9) + round(ms * 1e6)
        seen = []
        for _ in range(SPIN_LIMIT):
            deadline = self.cable.run()
            seen += [(self.cable.elapsed / 1e6, str(segment)) for segment in self.take()]
            if deadline is None or deadline > then:
                self.cable.clock.set(then)
                return seen
            self.cable.clock.set(max(deadline, self.cable.clock.now()))
        raise AssertionError("the stack wakes too often")

    # Segments

    def rx(self, *texts: str, data: bytes | None = None, us_seq: int | None = None, gso: int = 0) -> None:
        """The peer sends these segments, which the stack finds as one burst. `data`: payload other than stream(...). gso: each arrives as one frame
        of segments of so many bytes."""
        for text in texts:
            segment = parse_segment(text)
            self.cable.put(6, self.build(segment, data), gso, tos=segment.ecn or 0)
        self.cable.run()

    def build(self, segment: Segment, data: bytes | None = None) -> bytes:
        """Header and payload of a segment of the peer's."""
        payload = stream(segment.seq, segment.length) if data is None else data
        if len(payload) != segment.length:
            raise ValueError(f"{len(payload)} bytes of data for {segment}")
        ack = segment.ack if segment.ack is not None else self.us_end
        options = segment.options
        if options is None:
            options = {"TS": None} if self.timestamps and "R" not in segment.flags else {}
        counts = tuple(name for name, _ in options.get("ECN", ()))
        header = TcpHeader(
            self.port,
            self.us_port,
            (self.isn + segment.seq) & MASK,
            ((self.us_isn or 0) + ack) & MASK if "." in segment.flags else 0,
            segment.bits,
            self.win if segment.win is None else segment.win,
            segment.urg or 0,
            mss=options.get("mss"),
            wscale=options.get("wscale"),
            sack_ok="sackOK" in options,
            timestamps=self.peer_ts(options) if "TS" in options else None,
            sack=tuple(
                ((self.us_isn or 0) + a & MASK, (self.us_isn or 0) + b & MASK) for a, b in options.get("sack", ())
            ),
            accecn=(int(counts[:1] == ("e1b",)), tuple(n for _, n in options["ECN"])) if "ECN" in options else None,
        )
        return header.to_bytes(payload, PEER, US)

    def peer_ts(self, options: dict[str, Any]) -> tuple[int, int]:
        """(TSval, TSecr) for the wire. A written `ecr` counts from usnet's value when the test began."""
        if options["TS"] is None:
            return (TS_BASE + self.cable.elapsed // 1_000_000) & MASK, self.last_ts
        val, ecr = options["TS"]
        return val & MASK, (ecr + (self.us_ts or 0)) & MASK if ecr else 0

    def read(self, when: int, tcp: TcpHeader, payload: bytes, tos: int) -> Segment:
        """A segment of usnet's with relative numbers."""
        if self.us_isn is None and tcp.flags & 2:
            self.us_isn = tcp.seq
        options: dict[str, Any] = {}
        if tcp.mss is not None:
            options["mss"] = tcp.mss
        if tcp.wscale is not None:
            options["wscale"] = tcp.wscale
        if tcp.sack_ok:
            options["sackOK"] = True
        if tcp.timestamps is not None:
            if self.us_ts is None:
                self.us_ts = (tcp.timestamps[0] - (when - self.cable.start) // 1_000_000) & MASK
            self.last_ts = tcp.timestamps[0]
            options["TS"] = ((tcp.timestamps[0] - self.us_ts) & MASK, tcp.timestamps[1])
        if tcp.sack:
            options["sack"] = tuple((signed(a - self.isn), signed(b - self.isn)) for a, b in tcp.sack)
        if tcp.accecn is not None:
            order, values = tcp.accecn
            options["ECN"] = tuple(zip(COUNTERS[order], values, strict=False))
        seq = signed(tcp.seq - self.us_isn) if self.us_isn is not None else tcp.seq
        ack = signed(tcp.ack - self.isn) if tcp.flags & 16 else None
        segment = Segment(flags_of(tcp.flags), seq, len(payload), ack, tcp.window, tcp.urgent or None, options, payload, tos & 3)
        if not tcp.flags & 4:
            self.us_end = max(self.us_end, segment.end + bool(tcp.flags & 2) + bool(tcp.flags & 1))
        return segment

    def take(self) -> list[Segment]:
        """The segments that have left so far, and were not looked at yet."""
        self.cable.collect()
        seen = self.cable.inbox.pop((self.us_port, self.port), [])
        segments = [self.read(*one) for one in seen]
        for segment in segments:
            if segment.length and len(self.sent) >= segment.end - 1 and segment.seq >= 1:
                assert segment.data == bytes(self.sent[segment.seq - 1 : segment.end - 1]), (
                    f"other bytes than were given to send(): {segment}"
                )
        return segments

    def expect(self, *texts: str) -> list[Segment]:
        """Exactly these segments leave now, in this order, and nothing else; returns them as seen."""
        self.cable.run()
        seen = self.take()
        wanted = [parse_segment(text) for text in texts]
        if len(seen) != len(wanted) or not all(s.matches(w) for s, w in zip(seen, wanted, strict=True)):
            raise AssertionError(
                "expected:\n  " + "\n  ".join(map(str, wanted)) + "\nseen:\n  " + "\n  ".join(map(str, seen))
            )
        return seen

    def expect_nothing(self) -> None:
        self.expect()

    def rx_icmp(self, kind: int, code: int, rest: int = 0, seq: int = 1) -> None:
        """An ICMP error about a segment of usnet's with that relative sequence number."""
        quoted = TcpHeader(self.us_port, self.port, ((self.us_isn or 0) + seq) & MASK, 0, 16).to_bytes(b"", US, PEER)
        inner = Ipv4Header(US, PEER, 6, total_len=20 + len(quoted)).to_bytes() + quoted[:8]
        self.cable.put(1, IcmpHeader(kind, code, rest).to_bytes(inner))
        self.cable.run()

    # usnet's side

    def send(self, data: int | bytes) -> int:
        """The application writes so many bytes of stream(...), or these; how many were taken."""
        if isinstance(data, int):
            data = stream(len(self.sent) + 1, data)
        taken: int = self.sock.send(data)
        self.sent += data[:taken]
        return taken

    def recv(self, length: int = 1 << 20) -> bytes:
        """What the application reads. BlockingIOError when there is nothing."""
        data: bytes = self.sock.recv(length)
        self.cable.run()
        return data

    def close(self) -> None:
        self.sock.close()
        self.cable.run()

    def accept(self) -> None:
        """`sock` becomes the next of the listener's connections."""
        self.sock, _ = self.listener.accept()
        self.sock.setblocking(False)

    @property
    def index(self) -> int | None:
        """The connection's number in the stack, or None when there is none with these ends."""
        core = self.cable.stack.core
        for c in core.connections():
            fields = core.snapshot(c)
            if fields["lport"] == self.us_port and fields["rport"] == self.port and fields["state"] != "LISTEN":
                return int(c)
        return None

    def snapshot(self) -> dict[str, Any] | None:
        """All fields of usnet's connection (usnet/tcp/tcb.pxd), or None."""
        index = self.index
        return None if index is None else self.cable.stack.core.snapshot(index)

    @property
    def state(self) -> str | None:
        """Name of the connection's state; None when it is gone."""
        fields = self.snapshot()
        return None if fields is None else fields["state"]

    def drops(self) -> dict[str, int]:
        """TCP's drops by reason, those that happened."""
        return {reason: n for reason, n in self.cable.statistics()["tcp_drops"].items() if n}

    def counters(self) -> dict[str, int]:
        return self.cable.statistics()["tcp"]

    def another(self, port: int, **kwargs: Any) -> "Tcp":
        """A second conversation with the same stack, from another port of the peer's."""
        other = Tcp(self.cable, port=port, us_port=self.us_port, **kwargs)
        other.listener = self.listener
        return other

    def handshake(self, syn: str = "S 0:0(0) <mss 1460>", win: int | None = None) -> "Tcp":
        """The peer opens a connection to the listener; accepted."""
        self.rx(syn)
        self.expect("S. 0:0(0) ack 1")
        self.rx(f". 1:1(0) ack 1 win {self.win if win is None else win}")
        self.accept()
        return self


def conversation(*, port: int = 40000, us_port: int = 80, isn: int = PEER_ISN, win: int = 65535, **cable: Any) -> Tcp:
    """A stack and a peer, and nothing between them yet. Other keywords: those of Cable, and settings by name."""
    return Tcp(Cable(**cable), port=port, us_port=us_port, isn=isn, win=win)


def closed(**kwargs: Any) -> Tcp:
    """Nobody listens."""
    return conversation(**kwargs)


def listening(*, backlog: int = 8, **kwargs: Any) -> Tcp:
    tcp = conversation(**kwargs)
    tcp.listener = tcp.cable.stack.socket()
    tcp.listener.setblocking(False)
    tcp.listener.bind((US, tcp.us_port))
    tcp.listener.listen(backlog)
    return tcp


def syn_text(mss: int | None, timestamps: bool, wscale: int | None, sack: bool) -> str:
    options = [f"mss {mss}"] if mss is not None else []
    options += ["sackOK"] if sack else []
    options += ["TS"] if timestamps else []
    options += [f"wscale {wscale}"] if wscale is not None else []
    return f"0:0(0) <{','.join(options)}>"


def syn_received(
    *, mss: int | None = 1460, timestamps: bool = False, wscale: int | None = None, sack: bool = False, **kwargs: Any
) -> Tcp:
    """The peer's SYN came, and was answered."""
    tcp = listening(**kwargs)
    tcp.timestamps = timestamps
    tcp.rx("S " + syn_text(mss, timestamps, wscale, sack))
    tcp.expect("S. 0:0(0) ack 1")
    return tcp


def syn_sent(syn: str = "S", **kwargs: Any) -> Tcp:
    """usnet connects; its SYN has left, with these flags."""
    tcp = conversation(**kwargs)
    tcp.sock = tcp.cable.stack.socket()
    tcp.sock.setblocking(False)
    tcp.sock.bind((US, tcp.us_port))
    tcp.sock.connect_ex((PEER, tcp.port))
    tcp.expect(f"{syn} 0:0(0)")
    return tcp


def established(
    *,
    mss: int | None = 1460,
    win: int = 65535,
    timestamps: bool = False,
    wscale: int | None = None,
    sack: bool = False,
    active: bool = False,
    **kwargs: Any,
) -> Tcp:
    """The handshake is done, `sock` accepted. active: usnet opened it. win: the peer's window field from then on."""
    if active:
        tcp = syn_sent(win=win, **kwargs)
        tcp.timestamps = timestamps
        tcp.rx("S. " + syn_text(mss, timestamps, wscale, sack).replace("(0)", "(0) ack 1"))
        tcp.expect(". 1:1(0) ack 1")
    else:
        tcp = syn_received(mss=mss, timestamps=timestamps, wscale=wscale, sack=sack, win=win, **kwargs)
        tcp.rx(". 1:1(0) ack 1")
        tcp.accept()
    assert tcp.state == "ESTABLISHED"
    return tcp


def close_wait(**kwargs: Any) -> Tcp:
    """The peer has closed; its FIN is number 1."""
    tcp = established(**kwargs)
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 1:1(0) ack 2")
    return tcp


def last_ack(*, close: bool = True, **kwargs: Any) -> Tcp:
    """Both have closed, the peer first. close: the application let go; else it shut down its side, and holds on."""
    tcp = close_wait(**kwargs)
    let_go(tcp, close)
    tcp.expect("F. 1:1(0) ack 2")
    return tcp


def let_go(tcp: Tcp, close: bool) -> None:
    if close:
        tcp.close()
    else:
        tcp.sock.shutdown(socket.SHUT_WR)


def fin_wait_1(*, close: bool = False, **kwargs: Any) -> Tcp:
    """usnet's FIN, number 1, has left."""
    tcp = established(**kwargs)
    let_go(tcp, close)
    tcp.expect("F. 1:1(0) ack 1")
    return tcp


def fin_wait_2(**kwargs: Any) -> Tcp:
    tcp = fin_wait_1(**kwargs)
    tcp.rx(". 1:1(0) ack 2")
    tcp.expect_nothing()
    return tcp


def closing(**kwargs: Any) -> Tcp:
    """Both sent a FIN at the same time."""
    tcp = fin_wait_1(**kwargs)
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 2:2(0) ack 2")
    return tcp


def time_wait(**kwargs: Any) -> Tcp:
    """usnet closed first; both FINs, number 1 each, are acknowledged."""
    tcp = fin_wait_2(**kwargs)
    tcp.rx("F. 1:1(0) ack 2")
    tcp.expect(". 2:2(0) ack 2")
    return tcp
