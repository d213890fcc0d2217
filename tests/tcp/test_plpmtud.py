"""Path MTU discovery by probes (RFC 4821, RFC 8899), segment by segment: black holes, the search, what becomes of a probe that is lost."""

import pytest

from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import established

OFF, BLACKHOLE, ALWAYS = range(3)
BASE = 512


def lengths(tcp):
    """Of what leaves now."""
    tcp.cable.run()
    return [s.length for s in tcp.take()]


def searching(**kwargs):
    """A search from BASE on, with enough of a window for probes: 10 segments are acknowledged, and much waits."""
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=ALWAYS, base_mss=BASE, slow_start_step=2, **kwargs)
    tcp.send(60000)
    assert lengths(tcp) == [BASE] * 10
    tcp.rx(f". 1:1(0) ack {10 * BASE + 1}")
    return tcp


def mtu(tcp):
    return tcp_info(tcp.sock)["pmtu"]


# --- Black holes -----------------------------------------------------------------------------------------------------------------


def test_smaller_segments_after_timeouts_in_a_row():
    """The third timeout finds that full segments do not get through; then it is half of the base, and half of that."""
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=BLACKHOLE)
    tcp.send(5000)
    tcp.take()
    assert mtu(tcp) == 1500
    for when, length in ((1, 1460), (3, 1460), (7, 1024), (15, 512), (31, 256)):
        tcp.at(s=when)
        assert lengths(tcp) == [length]
    assert tcp.counters()["mtu_blackholes"] == 3
    assert mtu(tcp) == 296


def test_what_gets_through_again_is_sent_on_in_such_segments():
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=BLACKHOLE)
    tcp.send(5000)
    tcp.take()
    for when in (1, 3, 7):
        tcp.at(s=when)
        lengths(tcp)
    tcp.rx(". 1:1(0) ack 1025")
    tcp.expect(". 1025:2049(1024) ack 1", ". 2049:3073(1024) ack 1")


def test_small_segments_tell_of_no_black_hole():
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=BLACKHOLE)
    tcp.send(100)
    tcp.take()
    for when in (1, 3, 7, 15):
        tcp.at(s=when)
        lengths(tcp)
    assert tcp.counters()["mtu_blackholes"] == 0
    assert mtu(tcp) == 1500


@pytest.mark.parametrize(
    ("settings", "lengths_"),
    [({"mtu_probing": OFF}, [1460] * 4), ({"mtu_probing": BLACKHOLE, "mtu_blackhole": 1}, [1024, 512, 256, 128])],
)
def test_off_and_sooner(settings, lengths_):
    tcp = established(mss=1460, rto_min=10**9, **settings)
    tcp.send(3000)
    tcp.take()
    seen = []
    for when in (1, 3, 7, 15):
        tcp.at(s=when)
        seen += lengths(tcp)
    assert seen == lengths_


def test_never_below_the_floor():
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=BLACKHOLE, mtu_blackhole=1, mtu_floor=600, base_mss=1000)
    tcp.send(3000)
    tcp.take()
    tcp.at(s=1)
    assert lengths(tcp) == [1000]
    tcp.at(s=3)
    assert lengths(tcp) == [600]
    tcp.at(s=7)
    assert lengths(tcp) == [600]


# --- The search ------------------------------------------------------------------------------------------------------------------


def test_a_probe_is_halfway_and_made_of_what_waits():
    """(552 + 1500) / 2 with headers; behind it full segments as before."""
    tcp = searching()
    assert lengths(tcp)[:3] == [986, BASE, BASE]
    assert tcp.counters()["mtu_probes"] == 1


def test_one_that_arrives_makes_segments_longer():
    tcp = searching()
    tcp.take()
    tcp.rx(f". 1:1(0) ack {10 * BASE + 987}")
    assert lengths(tcp)[0] == 986
    assert mtu(tcp) == 1026
    assert tcp.counters()["mtup_success"] == 1


@pytest.mark.parametrize("sack", [False, True])
def test_one_that_is_lost_is_sent_again_in_segments_and_is_no_congestion(sack):
    tcp = searching(sack=sack)
    start = 10 * BASE + 1
    seen = tcp.take()
    assert (seen[0].seq, seen[0].length) == (start, 986)
    before = tcp.snapshot()["cc"]["cwnd"]
    for i in range(3):
        more = f" <sack {start + 986}:{start + 986 + (i + 1) * BASE}>" if sack else ""
        tcp.rx(f". 1:1(0) ack {start}{more}")
    seen += tcp.take()
    again = [(s.seq, s.length) for s in seen[1:] if s.seq < start + 986]
    assert again == [(start, BASE), (start + BASE, 986 - BASE)]
    assert tcp.snapshot()["cc"]["cwnd"] >= before
    assert tcp.counters()["fast_retransmits"] == 0
    assert tcp.counters()["mtup_fail"] == 1
    tcp.rx(f". 1:1(0) ack {max(s.end for s in seen)}")
    assert lengths(tcp)[0] == (552 + 1025 + 1) // 2 - 40


@pytest.mark.parametrize("sack", [False, True])
def test_what_else_of_that_flight_arrives_finds_no_loss_any_more(sack):
    """Its duplicate ACKs come for as long as the repair takes."""
    tcp = searching(sack=sack)
    start = 10 * BASE + 1
    tcp.take()
    before = tcp.snapshot()["cc"]["cwnd"]
    for i in range(9):
        more = f" <sack {start + 986}:{start + 986 + (i + 1) * BASE}>" if sack else ""
        tcp.rx(f". 1:1(0) ack {start}{more}")
    assert tcp.counters()["fast_retransmits"] == 0
    assert tcp.snapshot()["cc"]["cwnd"] >= before
    assert [s.seq for s in tcp.take() if s.seq < start + 986] == [start, start + BASE]


def test_a_timeout_says_nothing_about_the_probe():
    tcp = searching()
    tcp.take()
    tcp.watch(s=2)
    assert tcp.counters()["mtup_fail"] == 0
    assert tcp.counters()["rto_count"] >= 1


def test_the_search_ends_and_begins_again():
    """Each probe arrives, until less than the threshold is left; larger ones are tried again ten minutes later."""
    tcp = searching(mtu_threshold=64, mtu_raise=10**9 * 60)
    for _ in range(60):
        seen = tcp.take()
        if not seen:
            tcp.send(20000)
            seen = tcp.take()
        tcp.rx(f". 1:1(0) ack {max(s.end for s in seen)}")
    assert 1500 - 64 < mtu(tcp) <= 1500
    probes = tcp.counters()["mtu_probes"]
    assert probes == tcp.counters()["mtup_success"] == 4
    tcp.send(50000)


def test_a_router_that_answers_a_probe_ends_the_search_below():
    tcp = searching()
    tcp.take()
    tcp.rx_icmp(3, 4, 900, seq=10 * BASE + 1)
    assert tcp.counters()["mtup_fail"] == 1
    assert [s.length for s in tcp.take()][:2] == [BASE, 986 - BASE]
    assert mtu(tcp) == BASE + 40


def test_no_probe_where_its_loss_would_not_be_noticed():
    tcp = established(mss=1460, rto_min=10**9, mtu_probing=ALWAYS, base_mss=BASE)
    tcp.send(10 * BASE)
    tcp.take()
    tcp.rx(f". 1:1(0) ack {10 * BASE + 1}")
    tcp.send(986 + 3 * BASE)
    assert max(lengths(tcp)) == BASE


def test_rest_forgets_nothing():
    tcp = searching(working_set=0)
    for _ in range(40):
        seen = tcp.take()
        if not seen:
            break
        tcp.rx(f". 1:1(0) ack {max(s.end for s in seen)}")
    found = mtu(tcp)
    assert found > BASE + 40
    tcp.after(s=30)
    tcp.send(3000)
    assert lengths(tcp)[0] == found - 40
