"""One usnet stack at one end of a cable, in virtual time; who drives the other is in usnet.testing.peer."""

from typing import Any, ClassVar

from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.backends.poller import Poller
from usnet.sockets.host import Stack
from usnet.wire.gso import complete
from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader

US, PEER = "10.0.0.1", "10.0.0.2"
US_MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
START = 1_000_000_000  # ns: reading of the clock when a test begins
SPIN_LIMIT = 10_000  # wake-ups of the stack between two times that a test names
PATTERN = bytes((i * 167 + (i >> 8) * 13 + 5) & 0xFF for i in range(1 << 16))
MASK = 0xFFFFFFFF
CSUM_NEEDED = 1  # of slot_meta.flags


def stream(seq: int, length: int) -> bytes:
    """The bytes that a side sends at a relative sequence number, unless a test gives others."""
    start = seq % len(PATTERN)
    return (PATTERN[start:] + PATTERN * (length // len(PATTERN) + 1))[:length]


def signed(difference: int) -> int:
    """A difference of sequence numbers, modulo 2**32, nearest to 0."""
    return ((difference + (1 << 31)) & MASK) - (1 << 31)


class Unblocked(Poller):
    """Nothing waits in these tests: time moves only by hand."""

    def add_port(self, port: Any) -> None:
        pass

    def wait(self, deadline: int) -> bool:
        raise AssertionError("a call blocked")


# Buffers do not grow by themselves where a test does not say so: windows are what it expects.
FIXED_BUFFERS = {"rcvbuf_most": 0, "sndbuf_most": 0}
# Settings of the stack, unless others are given: what the RFCs of the standards track say.
RFC: dict[str, Any] = {"congestion": "newreno", "recovery": 0, "dsack": 0}


class Cable:
    """A stack, its clock, and the far end of its cable; shared by all conversations of a test."""

    opened: ClassVar[list["Cable"]] = []  # those that close_all() closes

    def __init__(
        self,
        *,
        seed: int = 1,
        start: int = START,
        slots: int = 512,
        mtu: int = 1500,
        offload: bool = False,
        limits: dict[str, Any] | None = None,
        **config: int,
    ) -> None:
        self.clock = ManualClock(start)
        self.start = start
        config = FIXED_BUFFERS | config
        self.port, self.wire = make_pair(slots=slots, mtu=mtu, mac=(US_MAC, PEER_MAC), clock=self.clock, offload=offload)
        sizes: dict[str, Any] = {"max_connections": 1024, "max_chunks": 8192, "max_sockets": 1024, **(limits or {})}
        self.stack = Stack(self.port, f"{US}/24", seed=seed, poller=Unblocked(), config={**RFC, **config}, **sizes)
        self.stack.core.add_neighbour(0, PEER, bytes.fromhex(PEER_MAC.replace(":", "")))
        self.inbox: dict[tuple[int, int], list[tuple[int, TcpHeader, bytes, int]]] = {}
        self.metas: list[dict[str, int]] = []  # the offload header of each frame that arrived at the far end
        self.strays: list[bytes] = []  # what is no TCP segment for the peer
        self.conversations: list[Any] = []
        self.opened.append(self)

    def run(self) -> int | None:
        """Everything that can happen now. Returns the next deadline in ns, or None."""
        deadline = self.stack.run_once()
        for _ in range(SPIN_LIMIT):
            if not self.collect() and (deadline is None or deadline > self.clock.now()):
                return deadline
            deadline = self.stack.run_once()
        raise AssertionError("the stack never comes to rest")

    def collect(self) -> int:
        """Sorts what arrived at the far end; how many frames."""
        frames = self.wire.receive(meta=True)
        for frame, meta in frames:
            self.metas.append(meta)
            if meta["flags"] & CSUM_NEEDED:
                frame = complete(frame, meta["csum_start"], meta["csum_offset"])
            eth = EthHeader.from_bytes(frame)
            ip = Ipv4Header.from_bytes(frame[eth.header_len :]) if eth.type == 0x0800 else None
            if ip is None or ip.proto != 6 or ip.dst != PEER or ip.frag_offset or ip.more_fragments:
                self.strays.append(frame)
                continue
            body = frame[eth.header_len + ip.header_len : eth.header_len + ip.total_len]
            tcp = TcpHeader.from_bytes(body, ip.src, ip.dst, verify=True)
            self.inbox.setdefault((tcp.src_port, tcp.dst_port), []).append(
                (self.clock.now(), tcp, body[tcp.header_len :], ip.tos)
            )
        return len(frames)

    def put(self, proto: int, body: bytes, gso: int = 0, **ip: Any) -> None:
        """A packet from the peer, into the ring. gso: payload bytes of each TCP segment that it carries; 0: one segment."""
        header = Ipv4Header(ip.pop("src", PEER), ip.pop("dst", US), proto, total_len=20 + len(body), **ip)
        meta = {"flags": CSUM_NEEDED, "csum_start": 34, "csum_offset": 16, "gso_type": 1, "gso_size": gso} if gso else None
        self.put_frame(EthHeader(US_MAC, PEER_MAC, 0x0800).to_bytes() + header.to_bytes() + body, meta)

    def put_frame(self, frame: bytes, meta: dict[str, int] | None = None) -> None:
        assert self.wire.send(frame, meta=meta), "the cable is full: run the stack between"

    def statistics(self) -> dict[str, Any]:
        return self.stack.statistics()

    def memory(self) -> dict[str, int]:
        """What is in use of every arena."""
        return self.stack.statistics()["memory"]

    @property
    def elapsed(self) -> int:
        """ns since the test began."""
        return self.clock.now() - self.start


def close_all() -> None:
    """Closes the stacks and sockets of all tests so far: for a fixture."""
    while Cable.opened:
        Cable.opened.pop().stack.close(linger=0)
