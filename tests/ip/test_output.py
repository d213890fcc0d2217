"""Packets out: in place, in pieces, to groups, to ourselves, and when there is no room."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from tests.ip.ip_lab import ALL_MAC, PEER, PEER_MAC, US, US_MAC, Bench, S, same, udp

PROTO = 253
AGAIN, TOO_LONG, NO_NET = -11, -90, -101


def frame(payload, dst=PEER, mac=PEER_MAC, **kw):
    return Ether(dst=mac, src=US_MAC) / IP(src=US, dst=dst, proto=PROTO, **{"id": 0, "flags": "DF", **kw}) / payload


def test_built_in_place_shorter_than_asked():
    b = Bench()
    assert b.host.build(US, PEER, PROTO, b"0123456789", 0, shorter=4) == 0
    same(b.out(), frame(b"012345"))


def test_abandoned_frame_leaves_no_trace():
    b = Bench()
    assert b.host.build(US, PEER, PROTO, b"never", 0, abandon=True) == 0
    assert b.host.build(US, PEER, PROTO, b"sent", 0) == 0
    same(b.out(), frame(b"sent"))


def test_mtu_is_the_limit_in_place_and_fragments_beyond_it():
    b = Bench()
    assert b.host.mtu_to(PEER) == 1500
    assert b.host.build(US, PEER, PROTO, bytes(1480), 0) == 0
    assert b.host.build(US, PEER, PROTO, bytes(1481), 0) == TOO_LONG
    assert b.host.send(US, PEER, PROTO, bytes(1481), 0) == 0
    whole, first, second = b.out()
    assert whole[IP].flags == "DF" and whole[IP].id == 0
    assert (first[IP].flags, first[IP].frag, first[IP].len) == ("MF", 0, 1500)
    assert (second[IP].flags, second[IP].frag, second[IP].len) == (0, 185, 21)
    assert first[IP].id == second[IP].id


def test_fragments_go_together_or_not_at_all():
    b = Bench(slots=8)
    message = bytes(range(256)) * 20
    assert b.host.send(US, PEER, PROTO, bytes(20), 0) == 0
    assert [b.host.send(US, PEER, PROTO, message, 0) for _ in range(2)] == [0, AGAIN]
    got = b.out()
    assert len(got) == 5
    assert b"".join(bytes(f[IP].payload) for f in got[1:]) == message
    b.wire.sync()
    assert b.host.send(US, PEER, PROTO, message, 0) == 0
    assert b.host.send(US, PEER, PROTO, bytes(65000), 0) == TOO_LONG  # no ring of 8 slots ever holds it


def test_full_ring_says_again_and_comes_back():
    b = Bench(slots=4)
    assert [b.host.build(US, PEER, PROTO, b"x", 0) for _ in range(4)] == [0, 0, 0, AGAIN]
    assert not b.host.tx_room()
    assert len(b.out()) == 3
    b.host.flush()
    assert b.host.tx_room()
    assert b.host.build(US, PEER, PROTO, b"x", 0) == 0


def test_udp_sender_that_was_refused_is_told_of_room():
    b = Bench(slots=4)
    e = b.host.udp()
    assert [e.send(b"x", 0, (PEER, 9)) for _ in range(4)] == [1, 1, 1, AGAIN]
    assert e.ready() & 4 == 0
    b.host.flush()
    assert b.host.news() == []
    b.out()
    b.host.flush()
    assert b.host.news() == [e.index] and e.ready() & 4


def test_identification_is_unique_for_a_pair_and_unlike_for_others():
    b = Bench()
    b.host.set_neighbour("10.0.0.3", b"\2\0\0\0\0\3")
    ids = {PEER: [], "10.0.0.3": []}
    for _ in range(40):
        for dst in ids:
            b.host.send(US, dst, PROTO, bytes(2000), 0)
    for f in b.out():
        if f[IP].frag == 0:
            ids[f[IP].dst].append(f[IP].id)
    assert all(len(set(v)) == 40 for v in ids.values())
    other = Bench(seed=2)
    other.host.send(US, PEER, PROTO, bytes(2000), 0)
    assert other.out()[0][IP].id != ids[PEER][0]


def test_broadcast_and_groups():
    b = Bench()
    for dst, mac in (
        ("255.255.255.255", ALL_MAC),
        ("10.0.0.255", ALL_MAC),
        ("224.0.0.251", "01:00:5e:00:00:fb"),
        ("239.129.2.3", "01:00:5e:01:02:03"),
    ):
        assert b.host.source_to(dst) == US
        assert b.host.build(US, dst, PROTO, b"all", 0) == 0
        assert b.host.send(US, dst, PROTO, b"all", 0) == 0
        same(b.out(), frame(b"all", dst, mac), frame(b"all", dst, mac))


def test_no_way():
    b = Bench()
    for dst in ("9.9.9.9", "0.0.0.0"):
        assert b.host.send(US, dst, PROTO, b"x", 0) == NO_NET
        assert b.host.mtu_to(dst) == 0
    assert b.host.send("127.0.0.1", PEER, PROTO, b"x", 0) == NO_NET
    assert b.host.source_to("9.9.9.9") == NO_NET
    assert b.out() == []


def test_to_ourselves_without_a_wire():
    b = Bench()
    e, f = b.host.udp(), b.host.udp()
    assert f.bind(US, 7) == 0
    for addr, me in ((US, US), ("127.0.0.1", "127.0.0.1")):
        f.close()
        f = b.host.udp()
        f.bind(me, 7)
        assert e.send(b"x" * 60000, 0, (addr, 7)) == 60000
        assert b.feed() == []
        data, (src, _), dst, n = f.recv()
        assert (data, src, dst, n) == (b"x" * 60000, me, me, 60000)
    assert b.host.counters()["looped"] == 2
    assert b.host.held()["chunks"] == 0


def test_segment_to_our_own_address_comes_back_up():
    b = Bench()
    assert b.host.build(US, US, 6, bytes(20), 0) == 0
    assert b.host.build(US, US, 6, bytes(3000), 0) == 0  # over the MTU of any interface: built apart
    assert b.feed() == []
    assert [(p["src"], p["dst"], len(p["segment"]), p["csum_ok"], p["netif"]) for p in b.host.handed_up] == [
        (US, US, 20, True, 255),
        (US, US, 3000, True, 255),
    ]


def test_loopback_queue_is_bounded():
    b = Bench()
    results = [b.host.send(US, US, 6, bytes(20), 0) for _ in range(300)]
    assert results == [0] * 256 + [AGAIN] * 44
    b.feed()
    assert len(b.host.handed_up) == 256 and b.host.held()["chunks"] == 0


def test_longest_prefix_wins_then_the_earliest():
    b = Bench()
    for net, gateway in (
        ("0.0.0.0/0", "10.0.0.50"),
        ("9.0.0.0/8", "10.0.0.51"),
        ("9.9.0.0/16", "10.0.0.52"),
        ("9.9.0.0/16", "10.0.0.53"),
    ):
        assert b.host.add_route(net, gateway) == 0
    assert b.host.add_route("9.0.0.0/8", "10.0.0.51") == -17

    def asked(dst):
        b.host.send(US, dst, PROTO, b"", 0)
        return b.out()[0].pdst

    assert [asked(d) for d in ("1.1.1.1", "9.8.8.8", "9.9.1.1")] == ["10.0.0.50", "10.0.0.51", "10.0.0.52"]
    assert b.host.del_route("9.9.0.0/16") == 0
    assert asked("9.9.1.2") == "10.0.0.53"


def test_addresses_come_and_go_with_their_route():
    b = Bench()
    assert b.host.add_address("10.0.0.7/24") == 0
    assert b.host.add_address("10.0.0.7/24") == -17
    assert b.host.add_address("224.0.0.7/24") == -22
    assert b.host.add_address("10.3.0.1/24", 5) == -22
    assert b.host.del_address(US) == 0
    assert b.host.del_address(US) == -99
    assert b.host.source_to(PEER) == "10.0.0.7"
    assert b.host.del_address("10.0.0.7") == 0
    assert b.host.source_to(PEER) == NO_NET


def test_source_is_in_the_network_of_the_next_hop():
    b = Bench()
    b.host.add_address("172.16.0.1/16")
    b.host.add_route("0.0.0.0/0", "172.16.0.254")
    assert [b.host.source_to(d) for d in (PEER, "172.16.9.9", "8.8.8.8", "10.0.0.255", US, "127.9.9.9")] == [
        US,
        "172.16.0.1",
        "172.16.0.1",
        US,
        US,
        "127.0.0.1",
    ]


def test_reset_is_like_new_and_the_same_seed_gives_the_same_frames():
    def story(b):
        e = b.host.udp()
        e.connect(PEER, 9)
        b.host.send(US, "10.0.0.77", PROTO, b"waits", 0)
        b.host.send(US, US, PROTO, b"loops", 0)
        e.send(bytes(5000), 0)
        return [
            bytes(f)
            for f in b.feed(
                Ether(bytes(udp(sport=1))) / b"",
                bytes(Ether(dst=US_MAC, src=PEER_MAC) / IP(src=PEER, dst=US, flags="MF") / bytes(64)),
            )
        ]

    mac = bytes.fromhex(PEER_MAC.replace(":", ""))
    a, b = Bench(seed=5), Bench(seed=6)
    first = story(a)
    assert story(b) != first
    b.host.reset(5)
    held = b.host.held()
    assert set(held.values()) == {0}
    assert b.host.drops() == {} and set(b.host.counters().values()) == {0}
    b.host.set_neighbour(PEER, mac)
    b.wire.receive()
    assert story(b) == first


def test_port_that_vanished_takes_nothing_down():
    b = Bench(slots=4)
    b.port.vanish()
    assert [b.host.build(US, PEER, PROTO, b"x", 0) for _ in range(4)] == [0, 0, 0, AGAIN]
    assert b.host.run(S) is None
    assert ICMP and UDP
