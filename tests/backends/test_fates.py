"""Rules strike the frames that they name, no others, and decide independently of each other."""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6

from usnet.backends.fate import Fate
from usnet.backends.fates import Fates, draw

ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def tcp(flags, payload=b"", seq=1000, sport=1000, dport=80, net=None):
    net = net or IP(src="10.0.0.1", dst="10.0.0.2")
    return bytes(ETH / net / TCP(sport=sport, dport=dport, flags=flags, seq=seq) / payload)


FRAMES = {
    "syn": tcp("S"), "synack": tcp("SA"), "ack": tcp("A"), "data": tcp("PA", b"xyz"), "fin": tcp("FA"), "rst": tcp("R"),
    "arp": bytes(ETH / ARP()), "icmp": bytes(ETH / IP() / ICMP()), "udp": bytes(ETH / IP() / UDP() / b"q"),
}


def struck(frames, *rules, direction=0, now=0, **kw):
    fates = Fates(rules, **kw)
    return [i for i, f in enumerate(frames, 1) if fates.decide(f, direction, now)["drop"]]


@pytest.mark.parametrize("flag", FRAMES)
def test_a_flag_names_one_kind_of_frame(flag):
    assert [k for k in FRAMES if struck([FRAMES[k]], Fate("drop", flag=flag))] == [flag]


def test_kinds_are_seen_behind_vlan_tags_and_in_ipv6_behind_extension_headers():
    from scapy.all import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
    tagged = bytes(ETH / Dot1Q(vlan=5) / IP() / TCP(flags="S"))
    six = bytes(ETH / IPv6() / IPv6ExtHdrDestOpt() / TCP(flags="S"))
    first = bytes(ETH / IPv6() / IPv6ExtHdrFragment(m=1, offset=0) / TCP(flags="S"))
    later = bytes(ETH / IPv6() / IPv6ExtHdrFragment(offset=8) / TCP(flags="S"))
    assert struck([tagged, six, first, later], Fate("drop", flag="syn")) == [1, 2, 3]
    assert struck([tagged, six], Fate("drop", ip=6)) == [2]


def test_short_and_random_bytes_match_only_what_asks_for_nothing():
    import random
    r = random.Random(1)
    junk = [r.randbytes(n) for n in range(80)] + [FRAMES["data"][:n] for n in range(54)]
    assert struck(junk, Fate("drop", flag="syn", ip=4)) == []
    assert len(struck(junk, Fate("drop"))) == len(junk)
    assert struck(junk, Fate("drop", size="60..61")) == [61, 62]


def test_ordinals_count_matches_and_ranges_include_both_ends():
    mixed = [FRAMES["data"], FRAMES["ack"]] * 8
    data = {n: 2 * n - 1 for n in range(1, 9)}
    assert struck(mixed, Fate("drop", flag="data", nth="3..5")) == [data[3], data[4], data[5]]
    assert struck(mixed, Fate("drop", flag="data", nth=[1, "7.."])) == [data[1], data[7], data[8]]
    assert struck(mixed, Fate("drop", flag="data", nth="2, 4")) == [data[2], data[4]]


def test_direction_ports_sizes_and_times_narrow_a_rule():
    a, b = tcp("A", sport=5, dport=80), tcp("A", sport=6, dport=81)
    assert struck([a, b], Fate("drop", src_port=5)) == [1]
    assert struck([a, b], Fate("drop", dst_port="81..90")) == [2]
    assert struck([a], Fate("drop", at="b->a")) == [] and struck([a], Fate("drop", at="b->a"), direction=1) == [1]
    assert struck([a], Fate("drop", time="1ms..2ms"), now=999_999) == []
    assert struck([a], Fate("drop", time="1ms..2ms"), now=1_000_000) == [1]
    assert struck([a], Fate("drop", time="1ms..2ms"), now=2_000_000) == []
    assert struck([a, tcp("AU")], Fate("drop", flags="A", not_flags="U")) == [1]


def test_stream_bytes_are_counted_from_the_syn_and_nth_counts_transmissions():
    isn = 0xFFFFFFF0
    flow = [tcp("S", seq=isn)] + [tcp("A", b"z" * 100, seq=(isn + 1 + i * 100) % 2**32) for i in (0, 1, 2, 1, 1)]
    assert struck(flow, Fate("drop", bytes="100..199")) == [3, 5, 6]
    assert struck(flow, Fate("drop", bytes="150..150", nth=2)) == [5]
    assert struck(flow, Fate("drop", bytes="99..100")) == [2, 3, 5, 6]
    other = [tcp("A", b"z", seq=isn + 1, sport=7)]
    assert struck(flow + other, Fate("drop", bytes="0..0")) == [2]


def test_flows_are_told_apart_by_addresses_and_ports():
    b = IP(src="10.0.0.9", dst="10.0.0.2")
    frames = [tcp("S", seq=100), tcp("S", seq=500, net=b), tcp("A", b"x", seq=501), tcp("A", b"x", seq=501, net=b),
              tcp("A", b"x", seq=101)]
    assert struck(frames, Fate("drop", bytes=0)) == [4, 5]


def test_a_rate_is_met_and_follows_the_seed():
    frames = [FRAMES["data"]] * 20000
    hit = struck(frames, Fate("drop", p=0.01), seed=3)
    assert 140 < len(hit) < 260
    assert hit == struck(frames, Fate("drop", p=0.01), seed=3)
    assert hit != struck(frames, Fate("drop", p=0.01), seed=4)
    assert hit != struck(frames, Fate("drop", p=0.01), seed=3, stream=1)


def test_a_higher_rate_strikes_what_the_lower_one_struck_and_more():
    frames = [FRAMES["data"]] * 3000
    low, high = (set(struck(frames, Fate("drop", p=p), seed=1)) for p in (0.02, 0.1))
    assert low < high


def test_taking_a_rule_away_changes_no_other_rules_decisions():
    frames = [FRAMES["data"]] * 2000
    loss, dup, corrupt = Fate("drop", p=0.1), Fate("dup(2)", p=0.2), Fate("corrupt", p=0.3)

    def seen(rules, key):
        fates = Fates(rules, seed=9)
        return [fates.decide(f)[key] for f in frames]

    assert seen([loss, dup, corrupt], "copies") == seen([dup], "copies")
    assert seen([loss, dup, corrupt], "bits") == seen([corrupt, loss], "bits")
    assert seen([loss, dup, corrupt], "drop") == seen([loss], "drop")


def test_two_rules_alike_draw_apart():
    frames = [FRAMES["data"]] * 4000
    fates = Fates([Fate("drop", p=0.5), Fate("drop", p=0.5)], seed=1)
    both = sum(fates.decide(f)["drop"] for f in frames)
    assert 2800 < both < 3200


def test_corruption_flips_a_bit_behind_the_ethernet_header():
    for frame in (FRAMES["data"], FRAMES["arp"], bytes(ETH / Dot1Q(vlan=5) / IP())):
        skip = 18 if frame[12:14] == b"\x81\0" else 14
        bits = [b for _ in range(300) for b in Fates([Fate("corrupt")], seed=_).decide(frame)["bits"]]
        assert len(bits) == 300 and min(bits) >= skip * 8 and max(bits) < len(frame) * 8
        assert len(set(bits)) > 100
    assert Fates([Fate("corrupt(9)")]).decide(FRAMES["data"])["bits"] == [14 * 8 + 9]
    assert Fates([Fate("corrupt(5000)")]).decide(FRAMES["data"])["bits"] == []


def test_fates_of_several_rules_add_up():
    fates = Fates([Fate("dup(2, gap=1ms)"), Fate("delay(5ms)"), Fate("delay(t=1ms)"), Fate("reorder(3, within=20ms)")])
    assert fates.decide(FRAMES["data"]) == {"drop": False, "by": -1, "copies": 2, "gap": 10**6, "delay": 6 * 10**6,
                                            "hold": 3,
                                            "hold_ns": 2 * 10**7, "mangled": None, "bits": []}
    assert fates.counts() == [(1, 1)] * 4
    fates.reset()
    assert fates.counts() == [(0, 0)] * 4


def test_the_rule_that_dropped_is_named():
    assert Fates([Fate("drop", flag="syn"), Fate("drop")]).decide(FRAMES["ack"])["by"] == 1


def test_tables_round_trip_and_take_the_ends_names():
    table = {"at": "server -> client", "match": {"flag": "data", "nth": "3..5", "bytes": "0..1000"}, "do": "drop"}
    fate = Fate.from_dict(table, ends=("client", "server"))
    assert fate == Fate("drop", at="b->a", flag="data", nth="3..5", bytes="0..1000")
    assert Fate.from_dict(fate.to_dict()) == fate


@pytest.mark.parametrize(("table", "names"), [
    ({"do": "explode"}, "do"), ({"do": "delay"}, "delay needs t"), ({"do": "delay(fast)"},
                                                                    "delay: t"), ({"do": "drop(3)"}, "takes: nothing"),
    ({"do": "dup(1, 2, 3)"}, "argument 3"),
    ({}, "do"), ({"do": "drop", "when": 1}, "when"), ({"do": "drop", "match": {"flga": "syn"}}, "match.flga"),
    ({"do": "drop", "match": {"flag": "blue"}}, "flag"), ({"do": "drop", "match": {"nth": "last-1..last"}},
                                                          "nth.*last"),
    ({"do": "drop", "match": {"nth": 0}}, "nth"), ({"do": "drop", "match": {"nth": "5..3"}}, "nth"),
    ({"do": "drop", "match": {"p": 2}}, "p:"),
    ({"do": "drop", "match": {"p": "x"}}, "p:"), ({"do": "drop", "match": {"src_port": 70000}},
                                                  "src_port"), ({"do": "drop", "at": "a->c"}, "at"),
    ({"do": "drop", "match": {"time": "1s"}}, "time"), ({"do": "drop", "match": {"time": "1..x"}},
                                                        "time"), ({"do": "drop", "match": {"flags": "Z"}}, "flags"),
    ({"do": "drop", "match": {"protocol": "udp", "flag": "syn"}}, "protocol"),
    ({"do": "drop", "match": {"ip": 5}}, "ip"), ({"do": "dup(0)"}, "dup: n"),
    ({"do": "drop", "match": {"nth": list(range(1, 10))}}, "at most 8"),
    ("drop", "table"), ({"do": "drop", "match": 3}, "match"), ({"do": 5}, "do"),
])
def test_a_bad_rule_is_refused_and_the_key_named(table, names):
    with pytest.raises(ValueError, match=names):
        Fate.from_dict(table)


def test_draws_are_a_function_of_their_four_numbers_and_spread():
    values = {draw(*key) for key in ((s, t, p,
                                      i) for s in range(4) for t in range(4) for p in range(4) for i in range(64))}
    assert len(values) == 4 * 4 * 4 * 64
    assert draw(1, 2, 3, 4) == draw(1, 2, 3, 4) == 15383451731816908118
    ones = [sum(draw(0, 0, 0, i) >> bit & 1 for i in range(2000)) for bit in range(64)]
    assert 850 < min(ones) and max(ones) < 1150


def test_every_strikes_each_so_many_th_of_those_that_match():
    frames = [FRAMES["ack"], *[FRAMES["data"]] * 9]
    assert struck(frames, Fate("drop", flag="data", every=3)) == [4, 7, 10]
    assert struck(frames, Fate("drop", flag="data", every=3, nth="4..7")) == [7]


def options(frame):
    return dict(Ether(frame)[TCP].options)


SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]


@pytest.mark.parametrize("net", [
    IP(src="10.0.0.1", dst="10.0.0.2"), IPv6(src="::1", dst="::2"), IP(src="10.0.0.1", dst="10.0.0.2", options=b"\x01" * 8),
])
def test_middleboxes_strike_and_rewrite_and_mend_the_checksum(net):
    syn = bytes(ETH / Dot1Q(vlan=5) / net / TCP(flags="S", options=SYN_OPTIONS)) + b"padding"
    rules = [Fate("strip(sack)"), Fate("strip(timestamps)"), Fate("clamp(mss, 1000)"), Fate("rewrite(wscale, 2)")]
    mangled = Fates(rules).decide(syn)["mangled"]
    assert len(mangled) == len(syn) and options(mangled) == {"NOP": None, "MSS": 1000, "WScale": 2}
    mended = Ether(mangled)[TCP].chksum
    again = Ether(mangled)
    del again[TCP].chksum
    assert Ether(bytes(again))[TCP].chksum == mended
    assert Fates([Fate("strip(mss)", flag="data")]).decide(syn)["mangled"] is None


def test_a_middlebox_leaves_alone_what_is_no_tcp_or_has_nothing_of_it():
    rules = [Fate("strip(mss)"), Fate("clamp(window, 65535)")]
    assert [name for name, frame in FRAMES.items() if Fates(rules).decide(frame)["mangled"] is not None] == []


@pytest.mark.parametrize(("do", "names"), [
    ("strip", "strip needs what"), ("strip(window)", "strip: 'window' is none of mss"),
    ("clamp(sack, 3)", "clamp: 'sack' is none of mss, wscale, window"),
    ("rewrite(mss)", "rewrite needs value"), ("rewrite(mss, 70000)", "rewrite: value"), ("rewrite(wscale, x)", "rewrite: value"),
])
def test_a_bad_rewriting_is_refused(do, names):
    with pytest.raises(ValueError, match=names.replace("(", r"\(")):
        Fate(do)


@pytest.mark.parametrize("every", [0, -1, "2", True])
def test_a_bad_every_is_refused(every):
    with pytest.raises(ValueError, match="every"):
        Fate("drop", every=every)
