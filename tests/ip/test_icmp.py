"""Echo, errors out and their limits (R11), errors in (A16, S13, S14, F8)."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.ip.ip_lab import PEER, PEER_MAC, US, US_MAC, Bench, S, eth, ip, ping, same, udp


@pytest.mark.parametrize("size", [*range(70), 1471, 1472])
def test_ping_of_every_length_is_answered_with_a_good_checksum(size):
    """libusnet answered no odd length, and most even ones with a bad checksum."""
    data = bytes((i * 37 + size) % 256 for i in range(size))
    same(
        Bench().feed(ping(data)),
        Ether(src=US_MAC, dst=PEER_MAC) / IP(src=US, dst=PEER, id=0, flags="DF") / ICMP(type=0, id=7, seq=3) / data,
    )


def test_200_pings_200_good_answers():
    b = Bench()
    for i in range(200):
        (got,) = b.feed(ping(bytes([i]) * i))
        chksum = got[ICMP].chksum
        del got[ICMP].chksum
        assert Ether(bytes(got))[ICMP].chksum == chksum
    assert b.host.counters()["icmp_out"] == 200


def test_echo_can_be_turned_off():
    b = Bench()
    b.host.configure(answer_echo=0)
    assert b.drop(ping()) == "icmp_type"


def test_closed_port_is_answered_with_header_and_eight_bytes():
    b = Bench()
    frame = udp(b"0123456789")
    same(
        b.feed(frame),
        Ether(src=US_MAC, dst=PEER_MAC)
        / IP(src=US, dst=PEER, id=0, flags="DF")
        / ICMP(type=3, code=3)
        / Raw(bytes(frame)[14:42]),
    )


def test_errors_are_limited_echo_is_not():
    b = Bench()
    assert len(b.feed(*[udp() for _ in range(50)])) == 10  # half the burst to one destination
    assert b.host.drops() == {"udp_no_port": 50, "icmp_rate": 40}
    assert len(b.feed(*[ping() for _ in range(50)])) == 50
    assert len(b.feed(udp(), now=S // 50)) == 1  # 50 a second to one destination
    assert len(b.feed(*[udp() for _ in range(50)], now=2 * S)) == 10


def test_errors_are_limited_over_all_destinations():
    b = Bench("10.0.0.1/16")
    total = 0
    for i in range(60):
        b.host.set_neighbour(f"10.0.1.{i}", bytes([2, 0, 0, 0, 1, i]))
        total += len(b.feed(udp(src=f"10.0.1.{i}")))
    assert total == 20


def test_rate_zero_sends_none():
    b = Bench()
    b.host.configure(icmp_rate=0)
    assert b.feed(udp()) == []


def test_no_error_about_an_error():
    b = Bench()
    broken = ip(ICMP(type=3, code=3) / IP(src="10.0.0.9", dst=PEER) / UDP(sport=1, dport=2))
    assert b.drop(broken) == "icmp_bad"
    b.host.configure(forward=1)
    assert b.drop(ip(ICMP(type=3, code=1) / IP(src=US, dst=PEER) / UDP(), dst="10.7.0.1")) == "ip_no_route"


def quoting(inner, type=3, code=3, src=PEER, **kw):
    return ip(ICMP(type=type, code=code, **kw) / inner, src)


def inner(payload, src=US, dst="10.0.0.77", **kw):
    return IP(src=src, dst=dst, **kw) / payload


@pytest.mark.parametrize(
    ("type", "code", "extra", "mtu"),
    [(3, 1, {}, 0), (3, 4, {"nexthopmtu": 1200}, 1200), (11, 0, {}, 0), (12, 0, {}, 0)],
)
def test_error_about_a_segment_is_handed_up_with_what_it_quotes(type, code, extra, mtu):
    b = Bench()
    segment = bytes(TCP(sport=1234, dport=80, seq=0xDEADBEEF))[:8]
    assert b.feed(quoting(inner(segment, proto=6, len=1400), type, code, **extra)) == []
    assert b.host.handed_up == [
        {
            "kind": "icmp_error",
            "src": US,
            "dst": "10.0.0.77",
            "type": type,
            "code": code,
            "mtu": mtu,
            "src_port": 1234,
            "dst_port": 80,
            "seq": 0xDEADBEEF,
        }
    ]
    assert b.host.counters()["icmp_errors_in"] == 1


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        (b"", "icmp_bad"),
        (bytes(inner(TCP()))[:19], "icmp_bad"),
        (bytes(inner(TCP()))[:27], "icmp_bad"),
        (b"\x4f" + bytes(inner(TCP()))[1:], "icmp_bad"),
        (b"\x44" + bytes(inner(TCP()))[1:], "icmp_bad"),
        (b"\x65" + bytes(inner(TCP()))[1:], "icmp_bad"),
        (bytes(inner(TCP(), src="10.0.0.66")), "icmp_bad"),
        (bytes(inner(TCP(), frag=3)), "icmp_bad"),
        (bytes(inner(ICMP(type=8))), "icmp_type"),
        (bytes(inner(UDP(sport=4000, dport=9) / b"x")), "icmp_bad"),
    ],
    ids=[
        "none",
        "header_cut",
        "ports_cut",
        "ihl_past_quote",
        "ihl_4",
        "version",
        "not_ours",
        "later_fragment",
        "echo",
        "no_endpoint",
    ],
)
def test_error_that_quotes_nothing_of_ours_is_dropped(quote, why):
    b = Bench()
    assert b.drop(quoting(Raw(quote))) == why
    assert b.host.handed_up == []


def test_error_reaches_the_connected_endpoint_once():
    b = Bench()
    connected, free = b.host.udp(), b.host.udp()
    connected.connect(PEER, 9)
    free.bind(None, 5555)
    port = connected.local[1]
    for sport, dst in ((port, PEER), (5555, PEER)):
        b.feed(quoting(inner(UDP(sport=sport, dport=9) / b"abc", dst=dst)))
    b.drop(quoting(inner(UDP(sport=port, dport=10) / b"abc", dst=PEER)))  # another peer's port
    assert b.host.news() == [connected.index]
    assert connected.ready() & 8 and not free.ready() & 8
    assert connected.send(b"x", 0) == -111
    assert connected.send(b"x", 0) == 1


def test_path_mtu_of_datagrams_is_learned_believed_for_a_while_and_never_below_the_floor():
    b = Bench()
    e = b.host.udp()
    e.connect(PEER, 9)
    port = e.local[1]

    def sizes(now):
        e.send(bytes(1400), now)
        return [f[IP].len for f in b.out()]

    def too_big(mtu, now, length=1428):
        b.feed(quoting(inner(UDP(sport=port, dport=9) / b"x", dst=PEER, len=length), 3, 4, nexthopmtu=mtu), now=now)

    assert sizes(0) == [1428]
    too_big(1000, 0)
    assert sizes(1) == [996, 452]
    too_big(68, 2)
    assert max(sizes(3)) <= 552 and len(sizes(3)) == 3
    too_big(1200, 4)
    assert len(sizes(5)) == 3
    assert sizes(602 * S) == [1428]
    too_big(1500, 603 * S)  # larger than what it quotes: a lie
    assert sizes(603 * S) == [1428]


def test_an_error_from_a_broadcast_address_or_to_one_is_ignored():
    b = Bench()
    assert b.drop(quoting(inner(TCP()), src="10.0.0.255")) == "ip_source"
    assert b.drop(eth(IP(src=PEER, dst="10.0.0.255") / ICMP(type=3, code=1) / inner(TCP()))) == "icmp_type"


def test_connection_refused_over_loopback():
    b = Bench()
    e = b.host.udp()
    e.connect("127.0.0.1", 9)
    assert e.send(b"x", 0) == 1
    assert b.feed() == []
    assert e.recv() == -111
