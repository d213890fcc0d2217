"""Reassembly within limits (F1-F8)."""

import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.packet import Raw

from tests.ip.ip_lab import PEER, US, Bench, S, eth, ping, same


def piece(offset, data, more=1, ident=77, src=PEER, proto=17, **kw):
    """One fragment: `offset` in bytes."""
    return eth(
        IP(src=src, dst=US, id=ident, flags="MF" if more else 0, frag=offset // 8, proto=proto, **kw) / Raw(data)
    )


def datagram(n=3000, ident=77, dport=5000, size=1480):
    packet = IP(src=PEER, dst=US, id=ident) / UDP(sport=4000, dport=dport) / bytes(i * 7 % 251 for i in range(n))
    return [eth(f) for f in fragment(packet, size)], bytes(packet[UDP].payload)


@pytest.fixture
def bench():
    b = Bench()
    b.e = b.host.udp()
    b.e.bind(None, 5000)
    return b


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_fragments_in_any_order_make_the_datagram(bench, order):
    frames, data = datagram(20000)
    if order == "backward":
        frames.reverse()
    if order == "shuffled":
        random.Random(3).shuffle(frames)
    assert bench.feed(*frames) == []
    assert bench.e.recv()[0] == data
    c = bench.host.counters()
    assert (c["fragments_in"], c["fragments_used"], c["reassembled"]) == (len(frames), len(frames), 1)
    held = bench.host.held()
    assert (held["chunks"], held["timers"], held["reassembly_bytes"]) == (0, 0, 0)


def test_a_datagram_of_65535_bytes(bench):
    frames, data = datagram(65507)
    bench.feed(*frames)
    assert bench.e.recv()[0] == data and len(data) == 65507


def test_tcp_is_reassembled_and_carries_congestion_marks(bench):
    packet = IP(src=PEER, dst=US, id=5, tos=2) / TCP(sport=1, dport=2) / bytes(3000)
    frames = fragment(packet, 1480)
    frames[1].tos = 3
    for f in frames:
        f.chksum = None
    bench.feed(*[eth(IP(bytes(f))) for f in frames])
    (p,) = bench.host.handed_up
    assert p["segment"] == bytes(IP(bytes(packet)))[20:] and p["tos"] == 3


def test_a_mark_on_a_fragment_of_what_is_not_ecn_capable_drops_the_datagram(bench):
    """RFC 3168, 5.3: it may not become CE, and the mark may not get lost."""
    frames = fragment(IP(src=PEER, dst=US, id=5) / TCP(sport=1, dport=2) / bytes(3000), 1480)
    frames[1].tos = 3
    for f in frames:
        f.chksum = None
    bench.feed(*[eth(IP(bytes(f))) for f in frames])
    assert bench.host.handed_up == []
    assert bench.host.drops()["frag_bad"] == 2


def test_interleaved_datagrams_stay_apart(bench):
    a, _ = datagram(3000, 1)
    b, _ = datagram(4000, 2)
    bench.feed(*[f for pair in zip(a, b, strict=False) for f in pair], *b[len(a) :])
    assert sorted(len(bench.e.recv()[0]) for _ in range(2)) == [3000, 4000]


def test_a_fragment_delivered_twice_does_no_harm(bench):
    frames, data = datagram(4000)
    bench.feed(frames[0], frames[0], frames[2], frames[2], frames[1])
    assert bench.e.recv()[0] == data
    assert bench.host.drops() == {"frag_overlap": 2}


BAD = {
    "teardrop": ([piece(0, bytes(32)), piece(24, bytes(16))], "frag_overlap"),
    "inside_another": ([piece(0, bytes(64)), piece(8, bytes(8))], "frag_overlap"),
    "same_place_other_bytes": ([piece(8, bytes(8)), piece(8, b"abcdefgh")], "frag_overlap"),
    "same_place_other_length": ([piece(8, bytes(16)), piece(8, bytes(8))], "frag_overlap"),
    "covering_another": ([piece(8, bytes(8)), piece(0, bytes(32))], "frag_overlap"),
    "ping_of_death": ([piece(0, bytes(8)), piece(65512, bytes(24), 0)], "frag_bad"),
    "empty": ([piece(0, bytes(8)), piece(8, b"")], "frag_bad"),
    "not_a_multiple_of_8": ([piece(0, bytes(8)), piece(8, bytes(9))], "frag_bad"),
    "two_ends": ([piece(16, bytes(8), 0), piece(32, bytes(8), 0)], "frag_bad"),
    "end_before_another": ([piece(64, bytes(8)), piece(16, bytes(8), 0)], "frag_bad"),
    "beyond_the_end": ([piece(16, bytes(8), 0), piece(24, bytes(8))], "frag_bad"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_fragment_ends_the_datagram(bench, name):
    frames, why = BAD[name]
    assert bench.feed(*frames) == []
    assert bench.host.drops() == {why: 2}
    assert bench.host.held()["chunks"] == 0 and bench.host.held()["timers"] == 0
    # and it can be sent again
    again, data = datagram()
    bench.feed(*again)
    assert bench.e.recv()[0] == data


@pytest.mark.parametrize(
    "frame",
    [
        piece(0, bytes(TCP(dataofs=5))[:16], proto=6),
        piece(8, bytes(16), proto=6),
        piece(16, bytes(16), proto=6),
        piece(0, bytes(TCP(options=[("MSS", 1460), ("NOP", None), ("NOP", None)]))[:24], proto=6),
    ],
    ids=["16_bytes", "offset_8", "offset_16", "options_cut"],
)
def test_tiny_first_fragment_of_tcp_is_refused(bench, frame):
    raw = bytearray(bytes(frame))
    if raw[20:22] == b"\x20\x00" and len(raw) == 14 + 44:
        raw[14 + 20 + 12] = 0x80  # says 32 bytes of header
    assert bench.drop(bytes(raw)) == "frag_bad"


def test_timeout_tells_the_sender_only_if_the_first_fragment_came(bench):
    first = piece(0, b"ABCDEFGHIJKLMNOP")
    bench.feed(first, piece(2000, bytes(8), ident=78))
    assert bench.deadline <= 30 * S
    assert bench.feed(now=30 * S - 1) == []
    (got,) = bench.feed(now=30 * S)
    assert (got[ICMP].type, got[ICMP].code, got[IP].dst) == (11, 1, PEER)
    assert bytes(got[ICMP].payload) == bytes(first)[14 : 14 + 28]
    assert bench.host.drops() == {"frag_timeout": 2}
    assert bench.host.held()["chunks"] == 0


def test_at_most_sixteen_datagrams_of_one_source(bench):
    bench.feed(*[piece(8, bytes(8), ident=i) for i in range(20)])
    assert bench.host.held()["reassemblies"] == 16
    assert bench.host.drops() == {"frag_limit": 4}
    assert bench.drop(piece(8, bytes(8), ident=99)) == "frag_limit"


def test_at_most_64_datagrams_in_all_and_the_oldest_gives_way(bench):
    for i in range(70):
        bench.feed(piece(8, bytes(8), src=f"10.0.0.{i + 10}"), now=i)
    held = bench.host.held()
    assert held["reassemblies"] == 64 and held["timers"] == 64
    assert bench.host.drops() == {"frag_limit": 6}


def test_bytes_are_bounded_in_all_and_by_source(bench):
    for i in range(16):
        frames, _ = datagram(20000, ident=i)
        bench.feed(*frames[:-1])
    assert bench.host.held()["reassembly_bytes"] <= 128 << 10
    for k in range(8):
        for i in range(4):
            bench.feed(*[piece(o, bytes(1480), ident=i, src=f"10.0.0.{k + 50}") for o in range(0, 16280, 1480)])
    held = bench.host.held()
    assert held["reassembly_bytes"] <= 256 << 10
    assert held["reassembly_bytes"] == held["chunks"] * 2048
    frames, data = datagram(60000, ident=500)
    bench.feed(*frames)
    assert bench.e.recv()[0] == data


def test_too_many_holes_are_refused(bench):
    bench.feed(*[piece(16 * i, bytes(8)) for i in range(128)])
    assert bench.host.drops() == {}
    before = bench.host.drops()
    bench.feed(piece(16 * 200, bytes(8)))
    assert bench.host.drops() == {"frag_limit": 129} and before == {}


def test_one_far_fragment_costs_one_chunk(bench):
    bench.feed(piece(65000, bytes(8)))
    assert bench.host.held()["reassembly_bytes"] == 2048


def test_unreachable_port_of_a_fragmented_datagram_quotes_its_first_bytes(bench):
    frames, _ = datagram(4000, dport=5001)
    (got,) = bench.feed(*frames)
    assert (got[ICMP].type, got[ICMP].code) == (3, 3)
    assert bytes(got[ICMP].payload)[20:] == bytes(frames[0][IP].payload)[:8]


@pytest.mark.parametrize("size", [1473, 4000, 65000, 65507])
def test_large_ping_is_answered_in_fragments(bench, size):
    data = bytes(i * 13 % 256 for i in range(size))
    sent = fragment(ping(data)[IP], 1480)
    got = bench.feed(*[eth(f) for f in sent])
    assert all(len(f) <= 1514 for f in got)
    body = b"".join(bytes(f[IP].payload) for f in sorted(got, key=lambda f: f[IP].frag))
    same([body], bytes(ICMP(type=0, id=7, seq=3) / data))


def test_fragment_of_a_broadcast_datagram_is_heard(bench):
    packet = IP(src=PEER, dst="10.0.0.255", id=3) / UDP(sport=4000, dport=5000) / bytes(2000)
    bench.feed(*[eth(f) for f in fragment(packet, 1480)])
    assert bench.e.recv()[2:] == ("10.0.0.255", 2000)


def test_no_memory_is_a_counted_drop():
    b = Bench(chunks=1)
    b.feed(piece(0, bytes(1480)), piece(1480, bytes(1480)))
    assert b.host.drops() == {"frag_limit": 2}
    assert b.host.held()["chunks"] == 0
