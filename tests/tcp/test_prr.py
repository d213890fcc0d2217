"""Proportional rate reduction (RFC 9937)."""

import pytest
from usnet.tcp.congestion.prr import recovery

from tests.tcp.recovering import flying, sent, windows


def test_half_of_what_is_delivered_goes_out_while_too_much_is_in_flight():
    """Section 5: of 10 in flight 5 are to remain; every second ACK lets one out, the first at once."""
    acks, pipe, sent = [], 9, []
    for _ in range(8):
        pipe -= 1
        acks.append([1000, pipe * 1000, False, 0])
    p = 0
    while p < len(acks) and acks[p][1] > 5000:
        before = recovery([tuple(a) for a in acks[: p + 1]], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000)
        acks[p][3] = before[-1] - acks[p][1]
        sent.append(acks[p][3])
        p += 1
    assert sent == [1000, 0, 1000]


def test_below_the_target_it_holds_on_unless_all_goes_well():
    """PRR-CRB: as much as is delivered; PRR-SSRB with SafeACK: a segment more, up to ssthresh."""
    assert recovery([(1000, 2000, False, 1000)], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000) == [3000]
    assert recovery([(1000, 2000, True, 2000)], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000) == [4000]
    assert recovery([(1000, 4000, True, 2000)], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000) == [5000]


def test_upon_entering_one_segment_leaves_whatever_else():
    assert recovery([(100, 9000, False, 0)], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000) == [10000]
    assert recovery([(0, 9000, False, 0)], mss=1000, cwnd=10000, ssthresh=5000, recover_fs=10000) == [10000]  # nothing delivered: as it was


def test_a_recovery_sends_by_it_and_ends_at_ssthresh():
    """One of ten is lost; ten more wait. Two ACKs, a segment, until no more than ssthresh is in flight."""
    tcp = flying(20)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>")
    tcp.expect(". 10001:11001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.expect(". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:4001>")
    tcp.expect(". 1:1001(1000) ack 1")
    left = []
    for end in range(5001, 11001, 1000):
        tcp.rx(f". 1:1(0) ack 1 <sack 1001:{end}>")
        left.append(len(tcp.take()))
    assert left == [0, 1, 0, 1, 0, 0]
    assert windows(tcp)[1] == 5
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 12001")
    assert windows(tcp) == (5, 5)


def test_what_a_recovery_leaves_empty_is_not_filled_by_a_burst():
    """Moderation: no more at once than a connection starts with."""
    tcp = flying(2)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 2001")
    for _ in range(5):
        tcp.send(64000)
        tcp.take()
        tcp.after(ms=100)
        now = tcp.snapshot()
        ack = (now["snd_max"] - now["iss"]) & 0xFFFFFFFF
        tcp.rx(f". 1:1(0) ack {ack}")
        tcp.take()
    cwnd = windows(tcp)[0]
    assert cwnd >= 20
    now = tcp.snapshot()
    una, end = now["snd_una"] - now["iss"], now["snd_max"] - now["iss"]
    tcp.after(ms=100)
    tcp.rx(f". 1:1(0) ack {una} <sack {una + 1000}:{end}>")
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(f". 1:1(0) ack {end}")
    assert windows(tcp)[0] <= 11


@pytest.mark.parametrize("rack", [0, 1])
def test_the_flight_is_not_smaller_for_what_one_ack_takes_out_of_it(rack):
    """RFC 5681, 3.1: an ACK of a whole train both moves on and tells of a loss. What waits would have left for its first half."""
    tcp = flying(10, recovery=rack, slow_start_step=2)
    tcp.send(30000)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 5001 <sack 6001:10001>")
    assert windows(tcp)[1] in (5, 6)


def test_the_flight_is_what_is_out_where_nothing_waits():
    tcp = flying(10)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 5001 <sack 6001:10001>")
    assert windows(tcp)[1] == 2


def test_what_acks_of_the_same_burst_delivered_before_counts():
    """Nothing has left for them yet: with the retransmission alone out nothing would tell of its loss but the timeout."""
    tcp = flying()
    tcp.send(30000)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 6001", *[f". 1:1(0) ack 6001 <sack 7001:{n}>" for n in (8001, 9001, 10001)])
    assert windows(tcp)[1] == 8
    assert sent(tcp) == [6001, *range(10001, 17001, 1000)]


def test_ssthresh_is_of_whole_segments():
    """Of half of one nothing would be sent."""
    tcp = flying(5)
    tcp.after(ms=100)
    tcp.rx(*[f". 1:1(0) ack 1 <sack 1001:{n}>" for n in (2001, 3001, 4001)])
    assert tcp.snapshot()["cc"]["ssthresh"] == 2000
