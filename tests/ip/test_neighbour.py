"""ARP: who has, who is, who waits, who is forgotten (A17, R9, S12)."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from tests.ip.ip_lab import ALL_MAC, PEER, PEER_MAC, US, US_MAC, Bench, S, arp, changed, ip, ping, same

OTHER_MAC = "02:00:00:00:00:77"


def request_for(addr, dst=ALL_MAC, src=US):
    return Ether(dst=dst, src=US_MAC) / ARP(op=1, hwsrc=US_MAC, psrc=src, hwdst="00:00:00:00:00:00", pdst=addr)


def answer(addr=PEER, mac=PEER_MAC):
    return arp(op=2, psrc=addr, hwsrc=mac, hwdst=US_MAC, dst=US_MAC, src=mac)


def bench():
    return Bench(met=False)


def state(b, addr=PEER):
    return {n[0]: n[2] for n in b.host.neighbours()}.get(addr)


def test_request_for_us_is_answered_and_the_asker_is_known():
    b = bench()
    same(b.feed(arp()), Ether(dst=PEER_MAC, src=US_MAC) / ARP(op=2, hwsrc=US_MAC, psrc=US, hwdst=PEER_MAC, pdst=PEER))
    assert b.host.neighbours() == [(PEER, bytes.fromhex(PEER_MAC.replace(":", "")), "reachable", 60 * S, 0)]


def test_probe_is_answered_and_leaves_no_entry():
    b = bench()
    (got,) = b.feed(arp(psrc="0.0.0.0"))
    assert got[ARP].op == 2 and got[ARP].pdst == "0.0.0.0"
    assert b.host.neighbours() == []


def test_asker_from_another_network_is_answered_but_not_remembered():
    b = bench()
    (got,) = b.feed(arp(psrc="10.9.9.9"))
    assert got[ARP].op == 2
    assert b.host.neighbours() == []


def test_packets_wait_for_the_answer_and_leave_in_order():
    b = bench()
    assert [b.host.send(US, PEER, 253, bytes([i]) * 4, 0) for i in range(3)] == [0, 0, 0]
    same(b.out(), request_for(PEER))
    assert b.host.held()["neighbour_bytes"] == 3 * (4 + 24)
    got = b.feed(answer(), now=5)
    assert [bytes(f[IP].payload) for f in got] == [bytes([i]) * 4 for i in range(3)]
    assert all(f.dst == PEER_MAC and f.src == US_MAC for f in got)
    held = b.host.held()
    assert (held["neighbour_bytes"], held["chunks"], held["timers"]) == (0, 0, 0)


def test_frame_built_in_place_waits_too():
    b = bench()
    assert b.host.build(US, PEER, 253, b"abcdefgh", 0, shorter=3) == 0
    b.out()
    same(
        b.feed(answer()), Ether(dst=PEER_MAC, src=US_MAC) / IP(src=US, dst=PEER, id=0, flags="DF", proto=253) / b"abcde"
    )


def test_the_oldest_waiting_packet_gives_way():
    b = bench()
    for i in range(10):
        b.host.send(US, PEER, 253, bytes([i]), 0)
    b.out()
    assert b.host.drops() == {"neighbour_queue": 2}
    assert [f[IP].load[0] for f in b.feed(answer())] == list(range(2, 10))


def test_a_large_datagram_waits_whole_and_is_fragmented_at_last():
    b = bench()
    assert b.host.send(US, PEER, 253, bytes(65000), 0) == 0
    b.out()
    got = b.feed(answer())
    assert len(got) == 44 and sum(len(f[IP].payload) for f in got) == 65000
    assert b.host.held()["chunks"] == 0


def test_bytes_that_wait_are_bounded():
    b = bench()
    for i in range(3, 30):
        b.host.send(US, f"10.0.0.{i}", 253, bytes(60000), 0)
    held = b.host.held()
    assert held["neighbour_bytes"] <= 512 << 10
    assert b.host.drops()["neighbour_queue"] == 27 - held["neighbour_bytes"] // 60000


def test_asks_again_each_second_then_gives_up_then_asks_again():
    b = bench()
    b.host.send(US, PEER, 253, b"x", 0)
    same(b.feed(now=0), request_for(PEER))
    assert b.deadline <= S
    assert b.feed(now=S - 1) == []
    same(b.feed(now=S), request_for(PEER))
    same(b.feed(now=2 * S), request_for(PEER))
    assert b.feed(now=3 * S) == []
    assert state(b) == "failed"
    assert b.host.drops() == {"neighbour_queue": 1}
    assert b.host.send(US, PEER, 253, b"x", 3 * S) == -113
    assert b.host.build(US, PEER, 253, b"x", 6 * S - 1) == -113
    assert b.out() == []
    assert b.host.send(US, PEER, 253, b"x", 6 * S) == 0
    same(b.out(), request_for(PEER))


def test_who_waited_in_vain_is_told():
    b = bench()
    e = b.host.udp()
    e.connect(PEER, 7)
    assert e.send(b"x", 0) == 1
    b.host.send(US, PEER, 6, bytes(TCP(sport=1111, dport=80, seq=99)), 0)
    for t in range(4):
        b.feed(now=t * S)
    (told,) = b.host.handed_up
    assert told == {
        "kind": "icmp_error",
        "src": US,
        "dst": PEER,
        "type": 3,
        "code": 1,
        "mtu": 0,
        "src_port": 1111,
        "dst_port": 80,
        "seq": 99,
    }
    assert b.host.news() == [e.index]
    assert e.recv() == -113
    assert e.recv() == -11


def test_expired_entry_is_used_and_confirmed_by_unicast_then_broadcast():
    b = bench()
    b.feed(arp())
    now = 60 * S
    assert b.host.send(US, PEER, 253, b"x", now - 1) == 0
    assert len(b.out()) == 1
    b.host.send(US, PEER, 253, b"x", now)
    probe, packet = b.out()
    same([probe], request_for(PEER, dst=PEER_MAC))
    assert packet.dst == PEER_MAC and state(b) == "stale"
    same(b.feed(now=now + S), request_for(PEER))
    b.feed(answer(), now=now + S + 5)
    assert state(b) == "reachable" and b.host.held()["timers"] == 0


def test_stale_entry_that_does_not_answer_fails():
    b = bench()
    b.feed(arp())
    b.host.send(US, PEER, 253, b"x", 60 * S)
    for t in range(61, 64):
        b.feed(now=t * S)
    assert b.host.send(US, PEER, 253, b"x", 63 * S) == -113


def test_changed_mac_of_a_known_neighbour_is_taken_over():
    b = bench()
    b.feed(arp())
    b.feed(arp(op=2, psrc=PEER, pdst=PEER, hwsrc=OTHER_MAC, src=OTHER_MAC))  # gratuitous
    (got,) = b.feed(ping())
    assert got.dst == OTHER_MAC


def test_gratuitous_arp_of_a_stranger_makes_no_entry():
    b = bench()
    assert b.drop(arp(op=1, psrc="10.0.0.9", pdst="10.0.0.9")) == "arp_not_ours"
    assert b.host.neighbours() == []


def test_static_entry_is_not_changed_by_anybody():
    b = Bench()
    b.feed(answer(mac=OTHER_MAC))
    (got,) = b.feed(ping(), now=3600 * S)
    assert got.dst == PEER_MAC


def test_our_address_claimed_by_another_is_defended_once_in_ten_seconds():
    b = bench()
    claim = arp(op=2, psrc=US, pdst=US, hwsrc=OTHER_MAC, src=OTHER_MAC)
    same(b.feed(claim, now=1), request_for(US))
    assert b.feed(claim, now=10 * S) == []
    same(b.feed(claim, now=10 * S + 1), request_for(US))
    assert b.host.counters()["arp_conflicts"] == 3
    assert b.host.neighbours() == []


def test_table_is_bounded_and_a_sweep_does_not_push_out_what_is_in_use():
    b = Bench("10.0.0.1/16", met=False)
    b.host.configure(max_neighbours=16)
    b.feed(*[arp(psrc=f"10.0.1.{i}") for i in range(8)])
    for i in range(200):
        b.host.send(US, f"10.0.2.{i}", 253, b"x", 0)
    b.out()
    names = [n[0] for n in b.host.neighbours()]
    assert len(names) == 16
    assert {f"10.0.1.{i}" for i in range(8)} <= set(names)
    held = b.host.held()
    assert held["timers"] == 8 and held["neighbour_bytes"] == 8 * 25
    assert b.host.drops() == {"neighbour_queue": 192}


def test_the_neighbour_unused_longest_is_evicted_and_never_a_static_one():
    b = Bench("10.0.0.1/16")
    b.host.configure(max_neighbours=4)
    b.feed(*[arp(psrc=f"10.0.1.{i}") for i in range(3)])
    b.host.send(US, "10.0.1.0", 253, b"x", 0)  # used again: 10.0.1.1 is the oldest
    b.feed(arp(psrc="10.0.1.9"))
    assert sorted(n[0] for n in b.host.neighbours()) == [PEER, "10.0.1.0", "10.0.1.2", "10.0.1.9"]


def test_gateway_is_asked_for_and_not_the_far_end():
    b = bench()
    assert b.host.send(US, "8.8.8.8", 253, b"x", 0) == -101
    assert b.host.add_route("0.0.0.0/0", "10.0.0.254") == 0
    assert b.host.send(US, "8.8.8.8", 253, b"x", 0) == 0
    same(b.out(), request_for("10.0.0.254"))


def test_request_is_not_answered_on_another_interface():
    from usnet.backends.pair import make_pair

    b = bench()
    port, wire = make_pair(mac=("02:00:00:00:01:01", "02:00:00:00:01:02"))
    b.host.add_port(port)
    b.host.add_address("10.1.0.1/24", 1)
    assert changed({}, (wire.send(bytes(arp())), b.host.run(0), b.host.drops())[2]) == "arp_not_ours"
    assert wire.receive() == []


def test_arp_reply_without_a_slot_is_counted():
    b = Bench(met=False, slots=2)
    b.wire.send(bytes(arp()))
    b.host.run(0)
    b.wire.send(bytes(arp()))
    b.host.run(0)
    assert b.host.drops() == {"tx_ring_full": 1}


def test_nothing_else_leaves():
    b = bench()
    assert b.feed(arp(op=2, psrc=PEER, hwdst=US_MAC, dst=US_MAC), ip(UDP(sport=1, dport=2)), ip(ICMP(type=0))) != []
    # the only frame out is the request for the sender of the datagram that nobody listened for
    assert b.host.counters()["arp_requests_out"] == 1 and b.host.counters()["tx_packets"] == 0
