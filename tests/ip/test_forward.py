"""A router between two networks (RFC 1812)."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Timestamp
from scapy.layers.l2 import ARP, Dot1Q, Ether

from tests.ip.ip_lab import S
from usnet.backends.pair import make_pair
from usnet.ip.host import IpHost

A, A_MAC = "10.1.0.2", "02:00:00:00:0a:02"
B, B_MAC = "10.2.0.2", "02:00:00:00:0b:02"
R1_MAC, R2_MAC = "02:00:00:00:0a:01", "02:00:00:00:0b:01"


class Router:
    def __init__(self, mtu=1500, known=True, vlan=None):
        one, self.a = make_pair(mac=(R1_MAC, A_MAC))
        two, self.b = make_pair(mac=(R2_MAC, B_MAC), mtu=mtu)
        self.host = IpHost()
        self.host.add_port(one)
        self.host.add_port(two, vlan)
        self.host.add_address("10.1.0.1/24", 0)
        self.host.add_address("10.2.0.1/24", 1)
        self.host.configure(forward=1)
        self.host.set_neighbour(A, bytes.fromhex(A_MAC.replace(":", "")), 0)
        if known:
            self.host.set_neighbour(B, bytes.fromhex(B_MAC.replace(":", "")), 1)

    def feed(self, *frames, now=0):
        """(frames towards A, frames towards B)"""
        for f in frames:
            self.a.send(bytes(f))
        self.host.run(now)
        return [[Ether(f) for f, _ in w.receive()] for w in (self.a, self.b)]


def packet(payload=b"data", **kw):
    return Ether(src=A_MAC, dst=R1_MAC) / IP(**{"src": A, "dst": B, "ttl": 9, "id": 77, **kw}) / payload


def good(frame):
    """The frame with every checksum made anew."""
    again = frame.copy()
    for layer in (IP, UDP, TCP, ICMP):
        if layer in again:
            again[layer].chksum = None
    return bytes(again) == bytes(frame)


@pytest.mark.parametrize(
    "kw",
    [
        {},
        {"flags": "DF"},
        {"tos": 0xB9},
        {"id": 0},
        {"ttl": 2},
        {"ttl": 255},
        {"flags": "MF", "frag": 100},
        {"id": 0xFFFF, "ttl": 129},
    ],
)
def test_one_hop_less_and_nothing_else_changed(kw):
    sent = packet(UDP(sport=1, dport=2) / bytes(1000), **kw)
    to_a, (got,) = Router().feed(bytes(sent) + bytes(6))
    assert to_a == []
    expected = Ether(bytes(sent))
    expected.src, expected.dst, expected.ttl, expected[IP].chksum = R2_MAC, B_MAC, expected.ttl - 1, None
    assert bytes(got) == bytes(expected)


def test_checksum_update_is_right_for_every_value():
    r = Router()
    for ident in range(0, 65536, 257):
        for ttl in (2, 64, 200):
            _, (got,) = r.feed(packet(id=ident, ttl=ttl))
            assert good(got)


def test_options_go_along():
    _, (got,) = Router().feed(packet(options=[IPOption_Timestamp(pointer=9)]))
    assert good(got) and got[IP].ihl > 5


@pytest.mark.parametrize("ttl", [0, 1])
def test_time_exceeded(ttl):
    r = Router()
    sent = packet(UDP(sport=1, dport=2) / b"abcdefgh", ttl=ttl)
    (got,), to_b = r.feed(sent)
    assert to_b == [] and r.host.drops() == {"ip_ttl": 1}
    assert (got[IP].src, got[IP].dst, got[ICMP].type, got[ICMP].code) == ("10.1.0.1", A, 11, 0)
    assert bytes(got[ICMP].payload) == bytes(sent)[14:42]


def test_no_route():
    r = Router()
    (got,), _ = r.feed(packet(dst="99.0.0.1"))
    assert (got[ICMP].type, got[ICMP].code) == (3, 0) and r.host.drops() == {"ip_no_route": 1}


@pytest.mark.parametrize("dst", ["127.0.0.1", "0.0.0.1"])
def test_addresses_of_nobody_are_not_forwarded_by_a_default_route(dst):
    r = Router()
    r.host.add_route("0.0.0.0/0", B, 1)
    to_a, to_b = r.feed(packet(dst=dst))
    assert to_a == to_b == [] and r.host.drops() == {"ip_not_ours": 1}


def test_fragmentation_needed_names_the_mtu():
    r = Router(mtu=600)
    (got,), to_b = r.feed(packet(bytes(1000), flags="DF"))
    assert to_b == [] and r.host.drops() == {"ip_too_big": 1}
    assert (got[ICMP].type, got[ICMP].code, got[ICMP].nexthopmtu) == (3, 4, 600)


def test_fragments_are_made_and_fragments_of_fragments():
    r = Router(mtu=600)
    data = bytes(range(250)) * 4
    for kw, tail in (({}, 0), ({"flags": "MF", "frag": 50}, 1)):
        _, got = r.feed(packet(data, proto=253, **kw))
        assert all(good(f) and len(f) <= 614 and f[IP].id == 77 and f[IP].ttl == 8 for f in got)
        assert b"".join(bytes(f[IP].payload) for f in got) == data
        assert [f[IP].frag - got[0][IP].frag for f in got] == [0, 72]
        assert got[0][IP].frag == kw.get("frag", 0)
        assert [int(f[IP].flags) & 1 for f in got] == [1, tail]


def test_waits_for_the_neighbour_then_goes_or_the_sender_hears():
    r = Router(known=False)
    to_a, (ask,) = r.feed(packet(), now=0)
    assert to_a == [] and ask[ARP].pdst == B
    r.b.send(bytes(Ether(src=B_MAC, dst=R2_MAC) / ARP(op=2, psrc=B, hwsrc=B_MAC, pdst="10.2.0.1", hwdst=R2_MAC)))
    r.host.run(5)
    (got,) = [Ether(f) for f, _ in r.b.receive()]
    assert got[IP].ttl == 8 and got.dst == B_MAC and good(got)
    r = Router(known=False)
    for t in range(3):
        r.feed(*([packet()] if t == 0 else []), now=t * S)
    (got,), _ = r.feed(now=3 * S)
    assert (got[ICMP].type, got[ICMP].code, got[IP].dst) == (3, 1, A)
    (got,), _ = r.feed(packet(), now=3 * S)  # and at once while the failure is fresh
    assert (got[ICMP].type, got[ICMP].code) == (3, 1)
    assert r.host.drops() == {"neighbour_queue": 2}


@pytest.mark.parametrize("dst", ["10.2.0.255", "255.255.255.255", "224.0.0.5"])
def test_broadcasts_and_groups_stay(dst):
    to_a, to_b = Router().feed(packet(UDP(sport=1, dport=2), dst=dst))
    assert to_a == to_b == []


def test_the_routers_other_address_answers():
    (got,), _ = Router().feed(packet(ICMP(type=8), dst="10.2.0.1"))
    assert got[ICMP].type == 0 and got[IP].src == "10.2.0.1"


def test_out_into_a_vlan():
    _, (got,) = Router(vlan=9).feed(packet())
    assert got[Dot1Q].vlan == 9 and got[IP].ttl == 8


def test_trace_of_two_routers_and_back():
    """A host behind two routers, one hop more at a time."""
    cables = [make_pair() for _ in range(3)]
    hosts = [IpHost(seed=i) for i in range(4)]
    for i, (left, right) in enumerate(cables):
        hosts[i].add_port(left)
        hosts[i + 1].add_port(right)
    for i in range(3):
        hosts[i].add_address(f"10.{i}.0.1/24", 1 if i else 0)
        hosts[i + 1].add_address(f"10.{i}.0.2/24", 0)
    hosts[0].add_route("0.0.0.0/0", "10.0.0.2")
    hosts[1].configure(forward=1)
    hosts[2].configure(forward=1)
    hosts[1].add_route("10.2.0.0/24", "10.1.0.2", 1)
    hosts[2].add_route("10.0.0.0/24", "10.1.0.1", 0)
    hosts[3].add_route("0.0.0.0/0", "10.2.0.1")
    e, f = hosts[0].udp(), hosts[3].udp()
    f.bind(None, 7)
    e.connect("10.2.0.2", 7)
    for ttl, error in ((1, -113), (2, -113), (3, -11)):
        e.options(ttl=ttl)
        e.send(bytes(4000), ttl)
        for _ in range(12):
            for h in hosts:
                h.run(ttl)
        assert e.recv() == error
    assert f.recv()[1][0] == "10.0.0.1"
    assert [h.counters()["forwarded"] for h in hosts] == [0, 7, 3, 0]  # and one error on its way back


def test_partial_checksum_is_completed_before_a_packet_goes_on():
    r = Router()
    r.host.trust_offload(0)
    sent = Ether(bytes(packet(UDP(sport=1, dport=2) / b"odd")))
    raw = bytearray(bytes(sent))
    pseudo = sum(int.from_bytes(raw[i:i + 2], "big") for i in range(26, 34, 2)) + 17 + 11
    raw[40:42] = ((pseudo & 0xFFFF) + (pseudo >> 16)).to_bytes(2, "big")
    r.host.input(bytes(raw), 0, flags=1, csum_start=34, csum_offset=6)
    r.host.flush()
    (got,) = [Ether(f) for f, _ in r.b.receive()]
    assert good(got) and got[UDP].chksum == sent[UDP].chksum
    for start, offset in ((0, 0), (65535, 65535), (34, 65535), (60, 0)):        # beyond the packet: left alone
        r.host.input(bytes(raw), 0, flags=1, csum_start=start, csum_offset=offset)
