"""UDP endpoints (A14, A15)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from tests.ip.ip_lab import PEER, PEER_MAC, US, US_MAC, Bench, ip, same, udp

AGAIN, IN_USE, NO_ADDR, INVALID, NO_DEST, TOO_LONG, ACCESS = -11, -98, -99, -22, -89, -90, -13
IN, OUT, ERR = 1, 4, 8


@pytest.fixture
def bench():
    return Bench()


def test_datagrams_out_carry_what_scapy_would_send(bench):
    e = bench.host.udp()
    assert e.bind(US, 5000) == 0
    for data in (b"", b"a", b"hello", bytes(range(256)) * 5 + b"!"):
        assert e.send(data, 0, (PEER, 7)) == len(data)
        same(
            bench.out(),
            Ether(src=US_MAC, dst=PEER_MAC) / IP(src=US, dst=PEER, id=0, flags="DF") / UDP(sport=5000, dport=7) / data,
        )


def test_a_checksum_that_comes_out_as_zero_is_sent_as_ones(bench):
    e = bench.host.udp()
    e.bind(US, 5000)
    other = Ether(bytes(Ether() / IP(src=US, dst=PEER) / UDP(sport=5000, dport=7) / b"\0\0"))[UDP].chksum
    e.send(other.to_bytes(2, "big"), 0, (PEER, 7))  # the sum of all words is now ffff
    assert bench.out()[0][UDP].chksum == 0xFFFF


def test_datagrams_are_received_in_order_whole_or_cut(bench):
    e = bench.host.udp()
    e.bind(None, 5000)
    bench.feed(udp(b"one"), udp(b""), udp(b"three", sport=4001))
    assert e.queued == 3 and e.ready() == IN | OUT and bench.host.news() == [e.index]
    assert e.recv(peek=True) == (b"one", (PEER, 4000), US, 3)
    assert e.recv(2) == (b"on", (PEER, 4000), US, 3)
    assert e.recv() == (b"", (PEER, 4000), US, 0)
    assert e.recv() == (b"three", (PEER, 4001), US, 5)
    assert e.recv() == AGAIN and e.ready() == OUT


@given(st.lists(st.binary(max_size=3000), max_size=30))
def test_queue_gives_back_what_went_in(datagrams):
    b = Bench()
    e, f = b.host.udp(), b.host.udp()
    e.bind("127.0.0.1", 7)
    for d in datagrams:
        assert f.send(d, 0, ("127.0.0.1", 7)) == len(d)
    b.feed()
    assert [e.recv()[0] for _ in datagrams] == datagrams
    assert b.host.held()["chunks"] == 0


def test_receive_buffer_is_a_limit(bench):
    e = bench.host.udp()
    e.options(rcvbuf=1000)
    e.bind(None, 5000)
    bench.feed(*[udp(bytes(400)) for _ in range(4)])
    assert e.queued == 2
    assert bench.host.drops() == {"udp_queue_full": 2}
    bench.feed(*[udp(b"") for _ in range(100)])
    assert e.queued < 10  # empty ones cost something too


def test_memory_runs_out_with_a_counted_drop():
    b = Bench(chunks=3)
    e = b.host.udp()
    e.bind(None, 5000)
    b.feed(*[udp(bytes(1400)) for _ in range(6)])
    drops = b.host.drops()
    assert e.queued + drops["no_memory"] == 6 and set(drops) == {"no_memory"}
    for _ in range(e.queued):
        assert len(e.recv()[0]) == 1400
    assert b.host.held()["chunks"] == 0


def test_bind_rules(bench):
    def bound(addr, port, **options):
        e = bench.host.udp()
        e.options(**options)
        return e.bind(addr, port)

    assert bound(US, 80) == 0
    assert bound(US, 80) == IN_USE
    assert bound(None, 80) == IN_USE
    assert bound("127.0.0.1", 80) == 0
    assert bound("10.0.0.99", 80) == NO_ADDR
    assert bound("10.0.0.255", 81) == 0
    assert bound(US, 90, reuse=True) == 0
    assert bound(US, 90) == IN_USE
    assert bound(US, 90, reuse=True) == 0
    e = bench.host.udp()
    assert e.bind(None, 0) == 0
    assert e.bind(None, 0) == INVALID
    assert e.local[0] == "0.0.0.0" and 32768 <= e.local[1] <= 60999


def test_closed_port_is_free_again(bench):
    e = bench.host.udp()
    e.bind(None, 80)
    e.close()
    assert bench.host.udp().bind(None, 80) == 0


def test_chosen_ports_are_unlike_and_follow_the_seed():
    def ports(seed):
        b = Bench(seed=seed)
        found = []
        for _ in range(200):
            e = b.host.udp()
            e.bind(None, 0)
            found.append(e.local[1])
        return found

    a = ports(1)
    assert a == ports(1) != ports(2)
    assert len(set(a)) == 200 and sum(abs(x - y) < 200 for x, y in itertools.pairwise(a)) < 20


def test_every_port_of_the_range_can_be_taken_and_then_none():
    b = Bench(max_udp=30000)
    assert [b.host.udp().bind(None, 0) for _ in range(28232)] == [0] * 28232
    assert b.host.udp().bind(None, 0) == IN_USE


def test_the_most_specific_endpoint_hears(bench):
    bench.host.add_address("10.0.0.5/24")
    wild, bound, connected = (bench.host.udp() for _ in range(3))
    for e in (wild, bound, connected):
        e.options(reuse=True)
    wild.bind(None, 5000)
    bound.bind(US, 5000)
    connected.bind(US, 5000)
    connected.connect(PEER, 4000)
    bench.feed(udp(b"c"), udp(b"b", sport=4001), udp(b"w", dst="10.0.0.5", sport=4001))
    assert [e.recv()[0] for e in (connected, bound, wild)] == [b"c", b"b", b"w"]
    assert [e.queued for e in (connected, bound, wild)] == [0, 0, 0]


def test_connected_endpoint_hears_nobody_else(bench):
    e = bench.host.udp()
    e.bind(US, 5000)
    e.connect(PEER, 4000)
    assert len(bench.feed(udp(sport=4001))) == 1  # port unreachable
    assert e.queued == 0
    assert e.connect(None) == 0
    bench.feed(udp(sport=4001))
    assert e.queued == 1


def test_endpoints_that_share_split_the_flows_and_each_flow_stays(bench):
    group = [bench.host.udp() for _ in range(4)]
    for e in group:
        e.options(reuse=True)
        assert e.bind(None, 5000) == 0
    flows = [udp(sport=10000 + i) for i in range(200)]
    bench.feed(*flows)
    counts = [e.queued for e in group]
    assert sum(counts) == 200 and min(counts) > 25
    first = [{e.recv()[1][1] for _ in range(n)} for e, n in zip(group, counts, strict=True)]
    bench.feed(*flows)
    assert [{e.recv()[1][1] for _ in range(e.queued)} for e in group] == first


def test_a_leaving_member_moves_only_its_own_flows(bench):
    group = [bench.host.udp() for _ in range(4)]
    for e in group:
        e.options(reuse=True)
        e.bind(None, 5000)
    flows = [udp(sport=10000 + i) for i in range(100)]
    bench.feed(*flows)
    before = [{e.recv()[1][1] for _ in range(e.queued)} for e in group]
    group[0].close()
    bench.feed(*flows)
    after = [{e.recv()[1][1] for _ in range(e.queued)} for e in group[1:]]
    assert all(b <= a for b, a in zip(before[1:], after, strict=True))


def test_broadcast_reaches_all_and_needs_permission_to_send(bench):
    a, b, c = (bench.host.udp() for _ in range(3))
    for e in (a, b):
        e.options(reuse=True)
        e.bind(None, 5000)
    c.bind(US, 5001)
    bench.feed(udp(b"x", dst="10.0.0.255"), udp(b"y", dst="255.255.255.255"))
    assert [e.recv()[0] for e in (a, b, a, b)] == [b"x", b"x", b"y", b"y"]
    assert a.send(b"z", 0, ("10.0.0.255", 9)) == ACCESS
    assert a.connect("255.255.255.255", 9) == ACCESS
    a.options(broadcast=True)
    assert a.send(b"z", 0, ("10.0.0.255", 9)) == 1
    assert bench.out()[0].dst == "ff:ff:ff:ff:ff:ff"


def test_ttl_is_the_endpoints_the_stacks_or_one_to_groups(bench):
    e = bench.host.udp()
    e.send(b"", 0, (PEER, 9))
    e.send(b"", 0, ("224.0.0.9", 9))
    e.options(ttl=5)
    e.send(b"", 0, (PEER, 9))
    e.send(bytes(3000), 0, (PEER, 9))
    assert [f[IP].ttl for f in bench.out()] == [64, 1, 5, 5, 5, 5]


def test_send_errors(bench):
    e = bench.host.udp()
    assert e.send(b"x", 0) == NO_DEST
    assert e.send(bytes(65508), 0, (PEER, 9)) == TOO_LONG
    assert e.send(b"x", 0, (PEER, 0)) == INVALID
    assert e.send(b"x", 0, ("9.9.9.9", 9)) == -101
    assert e.connect("9.9.9.9", 9) == -101
    assert bench.out() == []
    assert e.send(bytes(65507), 0, (PEER, 9)) == 65507
    assert len(bench.out()) == 45


def test_at_most_so_many_endpoints():
    b = Bench(max_udp=3)
    keep = [b.host.udp() for _ in range(3)]
    with pytest.raises(MemoryError):
        b.host.udp()
    keep[0].close()
    assert b.host.udp().bind(None, 7) == 0


def test_two_hosts_talk():
    from usnet.backends.pair import make_pair
    from usnet.ip.host import IpHost

    ports = make_pair()
    a, b = IpHost(seed=1), IpHost(seed=2)
    for host, port, addr in ((a, ports[0], "10.0.0.1/24"), (b, ports[1], "10.0.0.2/24")):
        host.add_port(port)
        host.add_address(addr)
    e, f = a.udp(), b.udp()
    f.bind(None, 7)
    e.connect("10.0.0.2", 7)
    data = bytes(range(256)) * 200
    for now in range(3):
        assert e.send(data, now) == len(data)
        for host in (a, b, a, b):
            host.run(now)
        got, peer, _, _ = f.recv()
        assert got == data
        f.send(got[::-1], now, peer)
        for host in (b, a, b, a):
            host.run(now)
        assert e.recv()[0] == data[::-1]
    assert a.drops() == b.drops() == {}
    assert a.held()["chunks"] == b.held()["chunks"] == 0


def test_malformed_datagrams_queue_nothing(bench):
    e = bench.host.udp()
    e.bind(None, 5000)
    for frame in (
        ip(UDP(sport=1, dport=5000, len=7) / b"abc"),
        ip(UDP(sport=1, dport=5000, len=100) / b"abc"),
        ip(UDP(sport=1, dport=5000, chksum=3) / b"abc"),
    ):
        bench.drop(frame)
    assert e.queued == 0
