"""What must not get in (A1-A3, A6, A12-A15, A21, A22), each with its own counter, and what must."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_SSRR
from scapy.layers.l2 import Dot1Q, Ether

from tests.ip.ip_lab import ALL_MAC, PEER, PEER_MAC, US, US_MAC, Bench, arp, eth, ip, ping, same, udp


@pytest.fixture
def bench():
    return Bench()


def cut(frame, at):
    return bytes(frame)[:at]


def patch(frame, offset, value):
    raw = bytearray(bytes(frame))
    raw[offset : offset + len(value)] = value
    return bytes(raw)


def bare(frame):
    """The frame with its IP checksum right whatever else is wrong."""
    raw = bytearray(bytes(frame))
    n = max(20, (raw[14] & 15) * 4)
    raw[24:26] = b"\0\0"
    from scapy.utils import checksum

    raw[24:26] = checksum(bytes(raw[14 : 14 + n])).to_bytes(2, "big")
    return bytes(raw)


BAD = [
    ("shorter_than_ethernet", cut(ping(), 13), "eth_short"),
    ("length_in_place_of_a_type", Ether(dst=US_MAC, src=PEER_MAC, type=100) / (b"a" * 100), "eth_short"),
    ("two_tags", Ether(dst=US_MAC, src=PEER_MAC) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / IP(src=PEER, dst=US), "eth_short"),
    ("another_station", eth(IP(src=PEER, dst=US) / ICMP(), dst="02:00:00:00:00:09"), "eth_not_ours"),
    ("group_as_source_station", eth(IP(src=PEER, dst=US) / ICMP(), src="03:00:00:00:00:09"), "eth_source"),
    ("ipv6", eth(b"\x60" + bytes(60), type=0x86DD), "eth_type"),
    ("unknown_type", eth(bytes(60), type=0x1234), "eth_type"),
    ("tag_on_an_untagged_interface", eth(Dot1Q(vlan=5) / IP(src=PEER, dst=US) / ICMP()), "vlan"),
    ("longer_than_the_mtu", eth(IP(src=PEER, dst=US) / UDP() / bytes(1473)), "frame_too_long"),
    ("arp_short", cut(arp(), 14 + 27), "arp_bad"),
    ("arp_hardware_size", patch(arp(), 18, b"\x00"), "arp_bad"),
    ("arp_protocol_size", patch(arp(), 19, b"\x10"), "arp_bad"),
    ("arp_operation", arp(op=9), "arp_bad"),
    ("arp_group_sender", arp(hwsrc="01:00:00:00:00:02"), "arp_bad"),
    ("arp_multicast_sender", arp(psrc="224.0.0.1"), "arp_bad"),
    ("arp_reply_from_nobody", arp(op=2, psrc="0.0.0.0"), "arp_bad"),
    ("arp_for_another", arp(psrc="10.0.0.77", pdst="10.0.0.78"), "arp_not_ours"),
    ("arp_reply_not_asked_for", arp(op=2, psrc="10.0.0.77"), "arp_not_ours"),
    ("ip_header_cut", cut(ping(), 14 + 19), "ip_short"),
    ("ip_version_6", patch(ping(), 14, b"\x65"), "ip_version"),
    ("ihl_4", patch(ping(), 14, b"\x44"), "ip_ihl"),
    ("ihl_beyond_the_frame", cut(patch(ping(), 14, b"\x4f"), 14 + 40), "ip_ihl"),
    ("total_length_beyond_the_frame", bare(patch(ping(), 16, b"\x01\x00")), "ip_length"),
    ("total_length_below_the_header", bare(patch(ping(), 16, b"\x00\x13")), "ip_length"),
    ("ip_checksum", patch(ping(), 24, b"\xde\xad"), "ip_checksum"),
    ("option_of_length_1", bare(patch(ip(ICMP(), options=[IPOption_NOP()] * 4), 34, b"\x44\x01\x00\x00")), "ip_option"),
    ("option_of_length_0", bare(patch(ip(ICMP(), options=[IPOption_NOP()] * 4), 34, b"\x44\x00\x00\x00")), "ip_option"),
    (
        "option_past_the_header",
        bare(patch(ip(ICMP(), options=[IPOption_NOP()] * 4), 34, b"\x44\x05\x00\x00")),
        "ip_option",
    ),
    ("loose_source_route", ip(ICMP(), options=[IPOption_LSRR(routers=["10.0.0.9"])]), "ip_source_route"),
    ("strict_source_route", ip(ICMP(), options=[IPOption_SSRR(routers=["10.0.0.9"])]), "ip_source_route"),
    ("from_everybody", ping(src="255.255.255.255"), "ip_source"),
    ("from_the_network_broadcast", ping(src="10.0.0.255"), "ip_source"),
    ("from_a_group", ping(src="224.0.0.1"), "ip_source"),
    ("from_nobody", ping(src="0.0.0.0"), "ip_source"),
    ("from_loopback", ping(src="127.0.0.1"), "ip_source"),
    ("from_ourselves", udp(src=US), "ip_source"),
    ("land", ip(TCP(sport=80, dport=80, flags="S"), src=US), "ip_source"),
    ("to_another", ping(dst="10.0.0.9"), "ip_not_ours"),
    ("to_loopback_from_the_wire", ping(dst="127.0.0.1"), "ip_not_ours"),
    ("to_a_group", ping(dst="224.0.0.1"), "ip_not_ours"),
    ("unicast_in_a_broadcast_frame", eth(IP(src=PEER, dst=US) / ICMP(), dst=ALL_MAC), "ip_not_ours"),
    ("tcp_to_everybody", ip(TCP(flags="S"), dst="10.0.0.255"), "ip_not_ours"),
    ("echo_to_everybody", ping(dst="255.255.255.255"), "icmp_type"),
    ("echo_to_the_network", ping(dst="10.0.0.255"), "icmp_type"),
    ("icmp_short", ip(b"\x08\x00\xf7\xff", proto=1), "icmp_bad"),
    ("icmp_checksum", ip(ICMP(type=8, chksum=0x1234) / b"abc"), "icmp_bad"),
    ("echo_reply_nobody_waits_for", ip(ICMP(type=0)), "icmp_type"),
    ("source_quench", ip(ICMP(type=4) / IP(src=US, dst=PEER) / UDP()), "icmp_type"),
    ("redirect", ip(ICMP(type=5, code=1, gw="10.0.0.66") / IP(src=US, dst="9.9.9.9") / UDP()), "icmp_type"),
    ("timestamp_request", ip(ICMP(type=13)), "icmp_type"),
    ("udp_short", ip(b"\x0f\xa0\x13\x88\x00\x08\x00", proto=17), "udp_bad"),
    ("udp_length_7", ip(UDP(sport=1, dport=2, len=7)), "udp_bad"),
    ("udp_length_beyond", ip(UDP(sport=1, dport=2, len=9)), "udp_bad"),
    ("udp_source_port_0", udp(sport=0), "udp_bad"),
    ("udp_destination_port_0", udp(dport=0), "udp_bad"),
    ("udp_checksum", ip(UDP(sport=1, dport=2, chksum=1) / b"abc"), "udp_checksum"),
    ("udp_to_everybody_nobody_listens", udp(dst="10.0.0.255"), "udp_no_port"),
]


@pytest.mark.parametrize(("frame", "why"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_frame_is_one_counted_drop_and_nothing_else(bench, frame, why):
    assert bench.drop(frame) == why
    assert bench.host.handed_up == []
    assert bench.host.held()["chunks"] == 0


def test_every_prefix_of_good_frames_is_dropped(bench):
    e = bench.host.udp()
    e.bind(None, 5000)
    for frame in (udp(b"0123456789"), ping(b"abc"), ip(TCP(sport=1, dport=2, flags="S")), arp()):
        whole = bytes(frame)
        for n in range(1, len(whole)):
            bench.drop(whole[:n])
    assert e.queued == 0 and bench.host.handed_up == []


def test_padding_behind_the_packet_is_trimmed(bench):
    e = bench.host.udp()
    assert e.bind(US, 5000) == 0
    assert bench.feed(bytes(udp(b"hi")) + b"\xee" * 18) == []
    assert e.recv() == (b"hi", (PEER, 4000), US, 2)


def test_options_are_skipped(bench):
    got = bench.feed(ip(ICMP(type=8, id=1, seq=2) / b"abc", options=[IPOption_NOP()] * 8))
    same(
        got,
        Ether(src=US_MAC, dst=PEER_MAC) / IP(src=US, dst=PEER, id=0, flags="DF") / ICMP(type=0, id=1, seq=2) / b"abc",
    )


def test_udp_without_a_checksum_is_heard(bench):
    e = bench.host.udp()
    e.bind(US, 5000)
    bench.feed(ip(UDP(sport=9, dport=5000, chksum=0) / b"abc"))
    assert e.recv()[0] == b"abc"


def test_tcp_is_handed_up_for_unicast(bench):
    segment = TCP(sport=1234, dport=80, flags="SF", seq=5) / b"data"
    assert bench.feed(ip(segment, tos=3, ttl=9)) == []
    (p,) = bench.host.handed_up
    assert (p["src"], p["dst"], p["tos"], p["ttl"], p["csum_ok"], p["netif"]) == (PEER, US, 3, 9, False, 0)
    assert p["segment"] == bytes(IP(bytes(IP(src=PEER, dst=US) / segment)))[20:]
    assert bench.host.drops() == {}


def test_unknown_protocol_is_answered_with_protocol_unreachable_and_not_unwrapped(bench):
    inner = bytes(IP(src=PEER, dst=US) / UDP(sport=4000, dport=5000) / b"hidden")
    tunnel = ip(inner, proto=4)
    (got,) = bench.feed(tunnel)
    assert (got[ICMP].type, got[ICMP].code) == (3, 2)
    assert bytes(got[ICMP].payload) == bytes(tunnel)[14 : 14 + 28]
    assert bench.host.drops() == {"ip_proto": 1}


def test_vlan_frames_in_and_out_carry_the_tag():
    bench = Bench(vlan=42)
    assert bench.drop(ping()) == "vlan"
    assert bench.drop(eth(Dot1Q(vlan=43) / IP(src=PEER, dst=US) / ICMP())) == "vlan"
    got = bench.feed(eth(Dot1Q(vlan=42, prio=5) / IP(src=PEER, dst=US) / ICMP(type=8, id=1, seq=1) / b"abc"))
    same(
        got,
        Ether(src=US_MAC, dst=PEER_MAC)
        / Dot1Q(vlan=42)
        / IP(src=US, dst=PEER, id=0, flags="DF")
        / ICMP(type=0, id=1, seq=1)
        / b"abc",
    )


def test_priority_tag_is_no_vlan(bench):
    (got,) = bench.feed(eth(Dot1Q(vlan=0, prio=3) / IP(src=PEER, dst=US) / ICMP(type=8)))
    assert Dot1Q not in got and got[ICMP].type == 0


def test_two_vlans_share_a_port():
    bench = Bench(vlan=1)
    assert bench.host.add_port(bench.port, 2) == 1
    assert bench.host.add_address("10.2.0.1/24", 1) == 0
    bench.feed(
        eth(Dot1Q(vlan=2) / IP(src="10.2.0.7", dst="10.2.0.1") / TCP()),
        eth(Dot1Q(vlan=1) / IP(src=PEER, dst=US) / TCP()),
    )
    assert [p["netif"] for p in bench.host.handed_up] == [1, 0]


def test_an_address_of_another_interface_is_ours_too(bench):
    """Weak host model."""
    assert bench.host.add_address("192.168.9.1/24") == 0
    (got,) = bench.feed(ping(dst="192.168.9.1"))
    assert got[IP].src == "192.168.9.1"


def test_jumbo_frames_where_the_ring_carries_them():
    bench = Bench(mtu=9000, buf_size=9216)
    (got,) = bench.feed(ping(bytes(8000)))
    assert len(got) == 14 + 28 + 8000 and got[ICMP].type == 0


NEEDED, VALID, TAKEN_OFF = 1, 2, 4


@pytest.mark.parametrize("flag", [NEEDED, VALID])
def test_offload_flags_count_only_where_the_port_honours_them(bench, flag):
    e = bench.host.udp()
    e.bind(None, 5000)
    frame = bytes(ip(UDP(sport=1, dport=5000, chksum=0x1234) / b"abc"))
    bench.host.input(frame, 0, flags=flag)
    assert bench.host.drops() == {"udp_checksum": 1}
    bench.host.trust_offload()
    bench.host.input(frame, 0)
    assert bench.host.drops() == {"udp_checksum": 2}
    bench.host.input(frame, 0, flags=flag)
    assert e.recv()[0] == b"abc"
    bench.host.input(bytes(ip(TCP())), 0, flags=flag)
    assert bench.host.handed_up[0]["csum_ok"]


def test_a_tag_that_the_port_took_off_counts_as_one():
    bench = Bench(vlan=42)
    frame = bytes(ip(TCP()))
    bench.host.input(frame, 0, flags=TAKEN_OFF, vlan=0x2000 | 42)
    assert len(bench.host.handed_up) == 1
    bench.host.input(frame, 0, flags=TAKEN_OFF, vlan=43)
    bench.host.input(bytes(eth(Dot1Q(vlan=42) / IP(src=PEER, dst=US) / TCP())), 0, flags=TAKEN_OFF, vlan=42)
    assert bench.host.drops() == {"vlan": 1, "eth_short": 1}
