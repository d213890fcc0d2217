"""A hundred thousand frames that nobody sane sends, at a live stack: it goes on, and gives every buffer back."""
import random
import struct

import pytest

from usnet.testing.peer import PEER, PEER_MAC, US, US_MAC, Tcp, listening, stream
from usnet.testing.segments import parse_segment
from usnet.wire.mirror import ArpPacket, EthHeader, IcmpHeader, Ipv4Header, TcpHeader, UdpHeader

FRAMES = 100_000
BATCH = 200
ETH, IP = 14, 20
ETH_HEADER = EthHeader(US_MAC, PEER_MAC, 0x0800).to_bytes()


def checksum(data):
    data = data + b"\0" if len(data) & 1 else data
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def mend(frame):
    """Right checksums of IP, and of TCP, UDP or ICMP, as far as the lengths allow, so that a frame gets deep."""
    if len(frame) < ETH + IP or frame[12:14] != b"\x08\x00":
        return
    header = (frame[ETH] & 15) * 4
    end = min(len(frame), ETH + int.from_bytes(frame[ETH + 2:ETH + 4], "big"))
    if header < IP or ETH + header > end:
        return
    frame[ETH + 10:ETH + 12] = b"\0\0"
    struct.pack_into("!H", frame, ETH + 10, checksum(frame[ETH:ETH + header]))
    proto, start = frame[ETH + 9], ETH + header
    place = {6: 16, 17: 6, 1: 2}.get(proto)
    if place is None or start + place + 2 > end:
        return
    struct.pack_into("!H", frame, start + place, 0)
    pseudo = b"" if proto == 1 else frame[ETH + 12:ETH + 20] + struct.pack("!HH", proto, end - start)
    struct.pack_into("!H", frame, start + place, checksum(bytes(pseudo) + bytes(frame[start:end])))


def packet(proto, body, **ip):
    return ETH_HEADER + Ipv4Header(PEER, US, proto, total_len=IP + len(body), **ip).to_bytes() + body


def seeds(tcp, rng):
    """Frames that make sense, in and around the connections of `tcp`."""
    window = rng.choice(["", " win 0", " win 100"])
    texts = [
        "S 0:0(0) <mss 1460,sackOK,TS,wscale 7>", "S 0:0(0)", "S. 0:0(0) ack 1 <mss 1000>", "R 1:1(0)", "R. 1:1(0) ack 1", "F. 1:1(0) ack 1",
        f". 1:1(0) ack 1{window}", f"P. 1:101(100) ack 1{window}", ". 501:1001(500) ack 1 <TS val 9 ecr 1>", "PU. 1:11(10) ack 1 urg 5",
        ". 1:1(0) ack 1 <sack 1:100 200:300>", "FP. 1:501(500) ack 1", ". 0:1(1) ack 1", ". 1401:2801(1400) ack 1",
    ]
    frames = [packet(6, tcp.build(parse_segment(text))) for text in texts]
    body = tcp.build(parse_segment("P. 1:1001(1000) ack 1"))
    frames += [packet(6, body[:400], ident=77, more_fragments=True), packet(6, body[400:], ident=77, frag_offset=400)]
    frames += [packet(1, IcmpHeader(8, 0, 1).to_bytes(stream(0, n))) for n in (0, 56, 1400)]
    ours = TcpHeader(tcp.us_port, tcp.port, (tcp.us_isn or 0) + rng.randrange(4) & 0xFFFFFFFF, 0, 16).to_bytes(b"", US, PEER)
    quoted = Ipv4Header(US, PEER, 6, total_len=IP + len(ours)).to_bytes() + ours
    frames += [packet(1, IcmpHeader(kind, code, rest).to_bytes(quoted)) for kind, code, rest in ((3, 4, 600), (3, 3, 0), (11, 0, 0), (4, 0, 0))]
    frames += [packet(17, UdpHeader(5000, port, 8 + n).to_bytes(stream(0, n), PEER, US)) for port, n in ((9, 0), (5353, 100), (68, 300))]
    for op in (1, 2):
        arp = ArpPacket(op, PEER_MAC, PEER, US_MAC, US).to_bytes()
        frames.append(EthHeader(US_MAC, PEER_MAC, 0x0806).to_bytes() + arp)
    return frames


def mutate(frame, rng):
    """One to four small lies."""
    data = bytearray(frame)
    for _ in range(rng.randrange(1, 5)):
        kind = rng.random()
        at = rng.randrange(ETH, len(data)) if len(data) > ETH else 0
        if kind < 0.35:
            data[at] = rng.randrange(256)
        elif kind < 0.55:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.65:
            data[at] = rng.choice((0, 1, 127, 128, 255))
        elif kind < 0.75:
            del data[rng.randrange(ETH, len(data) + 1):]
        elif kind < 0.85:
            data += rng.randbytes(rng.randrange(1, 40))
        elif kind < 0.95 and len(data) > ETH + IP + 20:
            start = ETH + IP + rng.randrange(20)
            data[start] = rng.randrange(256)
        else:
            size = rng.randrange(1, 9)
            data[at:at + size] = rng.randbytes(size)
        if len(data) <= ETH:
            break
    if rng.random() < 0.5:
        mend(data)
    return bytes(data[:1514])


class Storm:
    """A stack with a listener, connections in several states, and somebody who throws frames at them."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.tcp = listening(backlog=4, rcvbuf=8192, sndbuf=8192, max_syn_queue=128, limits={"max_connections": 256, "max_chunks": 1024})
        self.port = 1025
        self.baseline = self.tcp.cable.memory()
        self.live: list[Tcp] = []

    def refresh(self):
        """Ends the oldest conversation and opens one anew, so that frames always meet live ones."""
        while len(self.live) >= 4:
            self.drop(self.live.pop(0))
        self.port += 1
        peer = self.tcp.another(self.port, isn=self.rng.getrandbits(32))
        peer.rx("S 0:0(0) <mss 1460,wscale 3,TS>")
        peer.take()
        if peer.us_isn is None:             # the queues are full of the storm's own
            return
        peer.timestamps = True
        peer.rx(". 1:1(0) ack 1")
        self.live.append(peer)
        self.accept_all(peer)

    def accept_all(self, peer=None):
        """Takes what waits; connections that only the storm has opened are closed."""
        while True:
            try:
                conn, address = self.tcp.listener.accept()
            except BlockingIOError:
                return
            if peer is None or address[1] != peer.port:
                conn.close()
                continue
            conn.setblocking(False)
            peer.sock = conn
            conn.send(stream(1, self.rng.randrange(1, 3000)))

    def drop(self, peer):
        if peer.sock is not None:
            peer.sock.close()
        self.tcp.cable.conversations.remove(peer)

    def frames(self, n):
        for _ in range(n):
            if self.rng.random() < 0.05:
                yield self.rng.randbytes(self.rng.randrange(1, 200)) if self.rng.random() < 0.3 else \
                    ETH_HEADER + self.rng.randbytes(self.rng.randrange(0, 100))
            else:
                yield mutate(self.rng.choice(self.pool), self.rng)

    def run(self, total):
        cable = self.tcp.cable
        for i in range(total // BATCH):
            self.accept_all()
            if i % 2 == 0:
                self.refresh()
                target = self.rng.choice(self.live) if self.live else self.tcp
                self.pool = seeds(target, self.rng)
            for frame in self.frames(BATCH):
                cable.put_frame(frame)
            cable.stack.core.run(cable.clock.now())
            cable.wire.receive()
            if self.live and i % 3 == 0 and self.rng.choice(self.live).sock is not None:
                self.read_all()
            cable.clock.advance(self.rng.randrange(1, 300_000_000))

    def read_all(self):
        for peer in self.live:
            if peer.sock is not None:
                try:
                    peer.sock.recv(5000)
                    peer.sock.send(b"more")
                except OSError:
                    pass

    def settle(self):
        """Everything of the storm is over: time-outs have passed, and what was accepted is closed."""
        tcp = self.tcp
        for peer in self.live:
            self.drop(peer)
        self.accept_all()
        for _ in range(2000):
            deadline = tcp.cable.stack.core.run(tcp.cable.clock.now())
            tcp.cable.wire.receive()
            self.accept_all()
            if deadline is None or tcp.cable.elapsed > 10**15:
                break
            tcp.cable.clock.set(max(deadline, tcp.cable.clock.now() + 1))
        tcp.cable.strays.clear()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_storm_of_mutated_frames_leaves_a_working_stack_and_no_debt(seed):
    storm = Storm(seed)
    storm.run(FRAMES // 4)
    storm.settle()
    tcp = storm.tcp
    after = tcp.cable.memory()
    assert {**after, "neighbours": 1} == {**storm.baseline, "neighbours": 1}    # forged ones stay, within their limit
    assert after["neighbours"] <= 1024
    tcp.cable.stack.core.add_neighbour(0, PEER, bytes.fromhex(PEER_MAC.replace(":", "")))
    tcp.cable.put(1, IcmpHeader(8, 0, 5).to_bytes(b"alive?"))
    tcp.cable.run()
    assert any(frame[ETH + IP:ETH + IP + 1] == b"\0" and frame.endswith(b"alive?") for frame in tcp.cable.strays)
    peer = tcp.another(60001).handshake()
    peer.rx("P. 1:101(100) ack 1")
    data = peer.recv()
    assert data == stream(1, 100)
    peer.send(data)
    peer.expect("P. 1:101(100) ack 101")


def test_the_storm_gets_deep():
    """It would prove little if all of it died at the first check."""
    storm = Storm(9)
    storm.run(10_000)
    stats = storm.tcp.cable.statistics()
    assert stats["tcp"]["segments_in"] > 2000
    assert sum(1 for n in stats["tcp_drops"].values() if n) >= 10
    assert sum(1 for n in stats["ip_drops"].values() if n) >= 10
    assert stats["tcp"]["bytes_in"] > 1000


def test_the_same_storm_gives_the_same_results():
    def run():
        storm = Storm(11)
        storm.run(4000)
        return storm.tcp.cable.statistics()
    assert run() == run()
