"""One host on one end of a cable, and the test on the other: frames in, exactly these frames out."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from usnet.backends.pair import make_pair
from usnet.ip.host import IpHost

S = 1_000_000_000
US, US_MAC = "10.0.0.1", "02:00:00:00:00:01"
PEER, PEER_MAC = "10.0.0.2", "02:00:00:00:00:02"
ALL_MAC = "ff:ff:ff:ff:ff:ff"
TX_ONLY = {
    "icmp_rate",
    "neighbour_queue",
    "tx_ring_full",
    "no_way_back",
    "tx_no_memory",
}  # drops of what the host itself wanted to send


class Bench:
    def __init__(self, address=f"{US}/24", vlan=None, met=True, slots=512, mtu=1500, buf_size=2048, **host):
        self.port, self.wire = make_pair(mac=(US_MAC, PEER_MAC), slots=slots, mtu=mtu, buf_size=buf_size)
        self.host = IpHost(**host)
        assert self.host.add_port(self.port, vlan) == 0
        assert self.host.add_address(address) == 0
        if met:
            self.host.set_neighbour(PEER, bytes.fromhex(PEER_MAC.replace(":", "")))

    def feed(self, *frames, now=0):
        """Frames in at `now`; what comes out, as scapy sees it."""
        for frame in frames:
            assert self.wire.send(bytes(frame))
        self.deadline = self.host.run(now)
        return self.out()

    def out(self):
        self.host.flush()
        return [Ether(frame) for frame, _ in self.wire.receive()]

    def drop(self, frame, now=0):
        """Feeds a frame that must leave no trace but one drop: its name."""
        before = self.host.drops()
        assert self.feed(frame, now=now) == []
        return changed(before, self.host.drops())


def changed(before, after):
    diff = {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)}
    assert list(diff.values()) == [1], diff
    return next(iter(diff))


def eth(payload, dst=US_MAC, src=PEER_MAC, **kw):
    return Ether(dst=dst, src=src, **kw) / payload


def ip(payload, src=PEER, dst=US, **kw):
    return eth(IP(src=src, dst=dst, **kw) / payload)


def udp(data=b"hello", src=PEER, dst=US, sport=4000, dport=5000, **kw):
    return ip(UDP(sport=sport, dport=dport) / data, src, dst, **kw)


def ping(data=b"x" * 56, src=PEER, dst=US, **kw):
    return ip(ICMP(type=8, id=7, seq=3) / data, src, dst, **kw)


def arp(op=1, psrc=PEER, pdst=US, hwsrc=PEER_MAC, hwdst="00:00:00:00:00:00", dst=ALL_MAC, src=PEER_MAC):
    return Ether(dst=dst, src=src) / ARP(op=op, psrc=psrc, pdst=pdst, hwsrc=hwsrc, hwdst=hwdst)


def same(got, *expected):
    """Exactly these frames, byte for byte."""
    assert [bytes(f).hex() for f in got] == [bytes(f).hex() for f in expected]


def join(two, *benches, now=0, rounds=8):
    """Runs hosts that share cables until nothing moves any more (their rounds are bounded)."""
    for _ in range(rounds):
        for host in (two, *benches):
            host.run(now)
