"""Frames of several segments and partial checksums below TCP: UDP, and a router between ports with and without offloads."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from tests.ip.ip_lab import PEER, PEER_MAC, US, US_MAC, Bench, same
from tests.ip.test_forward import A_MAC, B_MAC, R1_MAC, R2_MAC, A, B, good
from usnet.backends.pair import make_pair
from usnet.ip.host import IpHost
from usnet.wire.gso import complete, cut
from usnet.wire.mirror import checksum

NEEDED, TCPV4, UDP_L4 = 1, 1, 5


def partial(frame):
    """The frame with a partial TCP or UDP checksum, and its meta."""
    raw = bytearray(bytes(frame))
    proto, offset = (6, 16) if TCP in frame else (17, 6)
    pseudo = checksum(bytes(raw[26:34]) + bytes([0, proto]) + (len(raw) - 34).to_bytes(2, "big")) ^ 0xFFFF
    raw[34 + offset : 36 + offset] = pseudo.to_bytes(2, "big")
    return bytes(raw), {"flags": NEEDED, "csum_start": 34, "csum_offset": offset}


class Router:
    """A router with a port that cuts (or not) on each side."""

    def __init__(self, offload=(True, True), known=True, mtu=1500, slots=512):
        one, self.a = make_pair(mac=(R1_MAC, A_MAC), offload=offload[0])
        two, self.b = make_pair(mac=(R2_MAC, B_MAC), offload=offload[1], mtu=mtu, slots=(slots, 512))
        self.host = IpHost()
        self.host.add_port(one)
        self.host.add_port(two)
        self.host.add_address("10.1.0.1/24", 0)
        self.host.add_address("10.2.0.1/24", 1)
        self.host.configure(forward=1)
        self.host.set_neighbour(A, bytes.fromhex(A_MAC.replace(":", "")), 0)
        if known:
            self.host.set_neighbour(B, bytes.fromhex(B_MAC.replace(":", "")), 1)

    def feed(self, frame, meta, now=0):
        """[(frame, meta)] towards B"""
        assert self.a.send(frame, meta=meta)
        self.host.run(now)
        self.host.flush()
        return self.b.receive(meta=True)


def large(n, size=1460, l4=None, **kw):
    payload = bytes(i * 11 & 255 for i in range(n))
    l4 = l4 or TCP(sport=1, dport=2, seq=99, ack=7, flags="PA")
    frame, meta = partial(Ether(src=A_MAC, dst=R1_MAC) / IP(**{"src": A, "dst": B, "ttl": 9, "flags": "DF", **kw}) / l4 / payload)
    return frame, {**meta, "gso_type": UDP_L4 if isinstance(l4, UDP) else TCPV4, "gso_size": size}


def onwards(frame):
    """What a router makes of a whole frame."""
    f = Ether(frame)
    f.src, f.dst, f.ttl = R2_MAC, B_MAC, f.ttl - 1
    del f[IP].chksum
    return bytes(f)


@pytest.mark.parametrize("n", [1461, 14600, 64000])
def test_a_router_hands_a_frame_on_whole_to_a_port_that_cuts(n):
    router = Router()
    frame, meta = large(n)
    ((seen, its),) = router.feed(frame, meta)
    assert cut(seen, its["gso_type"], its["gso_size"]) == [onwards(s) for s in cut(frame, TCPV4, 1460)]
    assert (its["flags"], its["csum_start"], its["csum_offset"], its["gso_size"]) == (NEEDED, 34, 16, 1460)


@pytest.mark.parametrize("n", [1461, 14600, 64000])
def test_and_cuts_it_for_one_that_does_not(n):
    router = Router(offload=(True, False))
    frame, meta = large(n)
    seen = router.feed(frame, meta)
    assert [s for s, _ in seen] == [onwards(s) for s in cut(frame, TCPV4, 1460)]
    assert all(good(Ether(s)) for s, _ in seen)
    assert router.host.counters()["forwarded"] == len(seen)


def test_datagrams_are_cut_in_any_case():
    router = Router()
    frame, meta = large(3000, 1000, UDP(sport=5, dport=6))
    assert [s for s, _ in router.feed(frame, meta)] == [onwards(s) for s in cut(frame, UDP_L4, 1000)]


def test_its_segments_wait_for_a_neighbours_address():
    router = Router(offload=(True, True), known=False)
    frame, meta = large(4000)
    ((asked, _),) = router.feed(frame, meta)
    assert ARP in Ether(asked)
    router.b.send(bytes(Ether(src=B_MAC, dst=R2_MAC) / ARP(op=2, psrc=B, hwsrc=B_MAC, pdst="10.2.0.1", hwdst=R2_MAC)))
    router.host.run(0)
    router.host.flush()
    assert [s for s, _ in router.b.receive()] == [onwards(s) for s in cut(frame, TCPV4, 1460)]


def test_segments_over_the_next_mtu_are_too_big():
    router = Router(mtu=1400)
    frame, meta = large(14600)
    assert router.feed(frame, meta) == []
    ((error, _),) = router.a.receive(meta=True)
    assert Ether(error)[ICMP].code == 4 and Ether(error)[ICMP].nexthopmtu == 1400
    assert Router(mtu=1400).feed(*large(14600, 1360))       # it is their size that counts


def test_a_full_ring_drops_it_and_counts():
    router = Router(slots=8)
    frame, meta = large(14600)
    assert len(router.feed(frame, meta)) == 7 and router.host.drops()["tx_ring_full"] == 3


def test_a_partial_checksum_is_completed_on_the_way():
    frame, meta = partial(Ether(src=A_MAC, dst=R1_MAC) / IP(src=A, dst=B, ttl=9, flags="DF") / UDP(sport=5, dport=6) / b"hello")
    ((seen, its),) = Router(offload=(True, False)).feed(frame, meta)
    assert good(Ether(seen)) and its["flags"] == 0


# --- UDP at an end ---


def offload_bench():
    bench = Bench(met=False)
    bench.port, bench.wire = make_pair(mac=(US_MAC, PEER_MAC), offload=True)
    bench.host = IpHost()
    bench.host.add_port(bench.port)
    bench.host.add_address(f"{US}/24")
    bench.host.set_neighbour(PEER, bytes.fromhex(PEER_MAC.replace(":", "")))
    return bench


def test_a_datagram_leaves_with_a_partial_checksum():
    bench = offload_bench()
    e = bench.host.udp()
    e.bind(US, 5000)
    assert e.send(b"hello", 0, (PEER, 7)) == 5
    bench.host.flush()
    ((frame, meta),) = bench.wire.receive(meta=True)
    assert (meta["flags"], meta["csum_start"], meta["csum_offset"], meta["gso_size"]) == (NEEDED, 34, 6, 0)
    same([Ether(complete(frame, 34, 6))],
         Ether(src=US_MAC, dst=PEER_MAC) / IP(src=US, dst=PEER, id=0, flags="DF") / UDP(sport=5000, dport=7) / b"hello")


@pytest.mark.parametrize(("n", "size"), [(3000, 1000), (3001, 1000), (1, 1), (7, 3), (60000, 1400)])
def test_a_frame_of_several_datagrams_is_received_as_each(n, size):
    bench = offload_bench()
    e = bench.host.udp()
    e.bind(US, 5000)
    payload = bytes(i * 13 & 255 for i in range(n))
    frame, meta = partial(Ether(src=PEER_MAC, dst=US_MAC) / IP(src=PEER, dst=US) / UDP(sport=4000, dport=5000) / payload)
    bench.wire.send(frame, meta={**meta, "gso_type": UDP_L4, "gso_size": size})
    bench.host.run(0)
    got = [e.recv()[0] for _ in range(e.queued)]
    assert got == [payload[i : i + size] for i in range(0, n, size)]


def test_nobody_at_the_port_is_said_once():
    bench = offload_bench()
    frame, meta = partial(Ether(src=PEER_MAC, dst=US_MAC) / IP(src=PEER, dst=US) / UDP(sport=4000, dport=5000) / bytes(300))
    bench.wire.send(frame, meta={**meta, "gso_type": UDP_L4, "gso_size": 100})
    bench.host.run(0)
    bench.host.flush()
    assert len(bench.wire.receive()) == 1 and bench.host.drops()["udp_no_port"] == 1
