"""The machine under test in virtual time: a stack, the wire at its other end, and what left on it."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.sockets.host import Stack
from usnet.testing.cable import FIXED_BUFFERS, Unblocked
from usnet.testing.packetdrill.packets import Unsupported
from usnet.wire.mirror import EthHeader, IcmpHeader, Ipv4Header, UdpHeader
from usnet.wire.raw import RawTcp

START = 1_000_000_000  # ns: reading of the clock when a script begins
MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
SPIN_LIMIT = 10_000
TCP, UDP, ICMP = 6, 17, 1


@dataclass
class Sniffed:
    """A packet that left: when (ns since the script began), and what. tcp, udp, icmp: one of them."""

    time: int
    ip: Ipv4Header
    frame: bytes
    tcp: RawTcp | None = None
    udp: UdpHeader | None = None
    icmp: IcmpHeader | None = None


class Machine:
    """local and remote: IPv4 addresses as text; all that is not on the link goes to a gateway,
    which is the wire. longest: bytes of the longest packet that will arrive, which may be more than the MTU."""

    def __init__(self, local: str, remote: str, mtu: int, config: dict[str, Any], capture: Any = None, longest: int = 0):
        self.clock = ManualClock(START)
        self.local, self.remote = local, remote
        config = FIXED_BUFFERS | config
        if longest > mtu:                           # arrives as from a TUN device, or as GRO would have made it
            config = {"mss": mtu - 40} | config
        self.port, self.wire = make_pair(slots=1024, mtu=max(mtu, longest), mac=(MAC, PEER_MAC), clock=self.clock)
        gateway = ".".join([*local.split(".")[:3], "254"])
        self.stack = Stack(
            self.port, f"{local}/24", gateway, seed=1, poller=Unblocked(), config=config, max_connections=1024, max_chunks=65536, max_sockets=1024,
        )  # fmt: skip
        for neighbour in (gateway, remote):
            if neighbour.rpartition(".")[0] == local.rpartition(".")[0]:
                self.stack.core.add_neighbour(0, neighbour, bytes.fromhex(PEER_MAC.replace(":", "")))
        self.left: deque[Sniffed] = deque()
        self.capture = capture

    def close(self) -> None:
        self.stack.close(linger=0)

    @property
    def now(self) -> int:
        """ns since the script began."""
        return int(self.clock.now() - START)

    def run(self) -> int | None:
        """Everything that can happen now: the stack's next deadline, ns since the script began."""
        for _ in range(SPIN_LIMIT):
            deadline = self.stack.run_once()
            if not self.collect() and (deadline is None or deadline > self.clock.now()):
                return None if deadline is None else deadline - START
        raise AssertionError("the stack never comes to rest")

    def step(self, until: int) -> bool:
        """Goes on to the stack's next deadline, or to `until`: whether that has been reached."""
        deadline = self.run()
        if deadline is not None and deadline <= until:
            self.clock.set(max(START + deadline, self.clock.now()))
            self.run()
            return False
        self.clock.set(max(START + until, self.clock.now()))
        self.run()
        return True

    # The wire

    def collect(self) -> int:
        frames = self.wire.receive(meta=True)
        for frame, _ in frames:
            self.record(frame)
            eth = EthHeader.from_bytes(frame)
            if eth.type == 0x0800:
                self.left.append(self.read(frame, frame[eth.header_len :]))
        return len(frames)

    def read(self, frame: bytes, packet: bytes) -> Sniffed:
        ip = Ipv4Header.from_bytes(packet)
        body = packet[ip.header_len : ip.total_len]
        sniffed = Sniffed(self.now, ip, frame)
        if ip.proto == TCP:
            sniffed.tcp = RawTcp.from_bytes(body, ip.src, ip.dst)
        elif ip.proto == UDP:
            sniffed.udp = UdpHeader.from_bytes(body, ip.src, ip.dst, verify=True)
        elif ip.proto == ICMP:
            sniffed.icmp = IcmpHeader.from_bytes(body)
        return sniffed

    def put(self, proto: int, body: bytes, tos: int = 0, ttl: int = 255) -> None:
        """A packet from the remote host."""
        header = Ipv4Header(self.remote, self.local, proto, total_len=20 + len(body), tos=tos, ttl=ttl)
        frame = EthHeader(MAC, PEER_MAC, 0x0800).to_bytes() + header.to_bytes() + body
        self.record(frame)
        if not self.wire.send(frame):
            raise Unsupported("more packets at once than a ring holds")
        self.run()

    def record(self, frame: bytes) -> None:
        if self.capture is not None:
            self.capture(self.clock.now(), frame)
