"""RACK: losses by time (RFC 8985, sections 5 and 6)."""

import itertools

import pytest
from usnet.tcp.recovery.resent import Board

from tests.tcp.recovering import flying, measured, sent, windows
from usnet.testing.packetdrill.info import tcp_info


def test_what_was_overtaken_is_given_up_a_quarter_of_a_round_trip_later():
    """6.2: RACK.rtt and the reordering window, by the reordering timer."""
    tcp = flying(4)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 3001:4001>")
    tcp.expect_nothing()
    tcp.after(ms=24.9)
    tcp.expect_nothing()
    tcp.after(ms=0.1)
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.counters()["fast_retransmits"] == 1


def test_what_arrives_in_time_was_only_reordered():
    tcp = flying(4)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 3001:4001>")
    tcp.after(ms=20)
    tcp.rx(". 1:1(0) ack 4001")
    assert tcp.watch(s=2) == []
    assert tcp.snapshot()["reord_seen"] == 1
    assert tcp.counters()["sack_reorders"] == 1


def test_three_reports_are_enough_while_no_reordering_was_seen():
    """6.2, step 4: RACK.segs_sacked >= DupThresh makes the window 0."""
    tcp = flying()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:4001>")
    tcp.expect(". 1:1001(1000) ack 1")


def test_where_reordering_was_seen_three_reports_are_not():
    tcp = flying()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 2001")
    tcp.rx(". 1:1(0) ack 2001 <sack 3001:6001>")
    tcp.expect_nothing()
    tcp.after(ms=25)
    tcp.expect(". 2001:3001(1000) ack 1")


def test_of_two_bursts_only_the_older_is_given_up():
    """Times of sending decide, not how much is reported above."""
    tcp = flying(4)
    tcp.after(ms=60)
    tcp.send(6000)
    assert len(tcp.take()) == 6
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 6001:8001>")
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp_info(tcp.sock)["lost"] == 4
    tcp.after(ms=25)
    tcp.cable.run()
    assert tcp_info(tcp.sock)["lost"] == 6


def test_a_lost_retransmission_is_found_by_what_was_sent_after_it():
    """5.3: RFC 6675 would wait for the timeout."""
    tcp = flying()
    tcp.after(ms=100)
    tcp.rx(*[f". 1:1(0) ack 1 <sack 1001:{n}>" for n in (2001, 3001, 4001)])
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.send(10000)
    tcp.rx(*[f". 1:1(0) ack 1 <sack 1001:{n}>" for n in (5001, 6001, 7001, 8001, 9001, 10001)])
    news = [s.seq for s in tcp.take()]
    assert news and min(news) == 10001
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:11001>")
    assert sent(tcp)[0] == 1
    assert tcp.counters()["lost_retransmits"] == 1


def test_what_was_sent_before_it_in_the_same_moment_does_not_make_a_retransmission_lost():
    """New data went out for one ACK, and what the next one gave up behind it, in one tick of the clock."""
    tcp = flying()
    tcp.send(30000)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 2001")
    assert sent(tcp) == [10001, 11001, 12001, 13001]
    tcp.rx(*[f". 1:1(0) ack 2001 <sack 3001:{n}>" for n in (4001, 5001, 6001)])
    assert sent(tcp) == [2001]
    tcp.rx(*[f". 1:1(0) ack 2001 <sack 3001:{n}>" for n in (7001, 8001, 9001, 10001)])
    later = sent(tcp)[0]
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 2001 <sack 3001:14001>")
    assert 2001 not in sent(tcp)
    tcp.rx(f". 1:1(0) ack 2001 <sack 3001:{later + 1000}>")
    assert sent(tcp)[0] == 2001  # this one left behind it
    assert tcp.counters()["lost_retransmits"] == 1


def test_where_times_of_bursts_became_one_a_retransmission_between_them_is_not_lost():
    """Of more bursts than there are records for neighbours are one: what arrived of it may have left before the retransmission."""
    tcp = measured(congestion="none", mss=500)

    def send(bursts):
        for _ in range(bursts):
            tcp.send(500)
            tcp.cable.run()
            tcp.take()
            tcp.after(ms=1)

    send(60)
    tcp.after(ms=40)
    tcp.send(500)
    tcp.cable.run()
    tcp.take()
    tcp.after(ms=0.5)
    tcp.rx(*[f". 1:1(0) ack 1 <sack 501:{n}>" for n in (1001, 1501, 2001)])
    assert sent(tcp) == [1]
    tcp.after(ms=0.5)
    send(20)
    tcp.after(ms=75)
    tcp.rx(". 1:1(0) ack 1 <sack 501:30501>")
    assert sent(tcp) == []
    tcp.rx(". 1:1(0) ack 1 <sack 501:36001>")
    assert sent(tcp) == [1]


def test_an_answer_too_soon_is_to_the_first_copy():
    """6.2, step 2: it says nothing about when the retransmission arrived."""
    tcp = flying()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:4001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.after(ms=1)
    tcp.rx(". 1:1(0) ack 4001")
    assert [s.seq for s in tcp.take()] == []
    tcp.after(ms=50)
    tcp.expect_nothing()


def test_dsacks_widen_the_window_once_a_round_and_quiet_recoveries_narrow_it():
    """6.2, step 4: RACK.reo_wnd_mult."""
    tcp = flying()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 2001")
    tcp.rx(". 1:1(0) ack 2001 <sack 4001:7001>")
    tcp.after(ms=25)
    tcp.expect(". 2001:3001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001 <sack 4001:8001>")
    tcp.expect(". 3001:4001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 8001", ". 1:1(0) ack 8001 <sack 2001:3001>", ". 1:1(0) ack 8001 <sack 3001:4001>")
    assert (tcp.snapshot()["reo_wnd_steps"], tcp.snapshot()["reo_wnd_persist"]) == (1, 16)
    tcp.rx(". 1:1(0) ack 8001 <sack 9001:10001>")
    tcp.after(ms=49)
    tcp.expect_nothing()
    tcp.after(ms=1)
    assert sent(tcp)[0] == 8001


def test_a_timeout_leaves_what_was_sent_lately():
    """6.3, RACK_mark_losses_on_RTO."""
    tcp = flying(4, probes=0)
    tcp.after(ms=299)
    tcp.send(2000)
    assert len(tcp.take()) == 2
    tcp.after(ms=1)
    tcp.expect(". 1:1001(1000) ack 1")
    assert windows(tcp)[0] == 3  # the two are in flight, and one more


@pytest.mark.parametrize(("rtt", "window"), [(0, 1), (16, 4)])
def test_a_clock_too_coarse_to_see_a_round_trip_does_not_give_up_at_once(rtt, window):
    """All in one tick: without a floor, whatever was overtaken would be lost at the first report."""
    tcp = flying(rtt=rtt)
    tcp.after(ms=rtt)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 2001")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 2001 <sack 3001:6001>")
    tcp.after(ms=window - 0.1)
    tcp.expect_nothing()
    tcp.after(ms=0.1)
    assert sent(tcp)[0] == 2001


def test_rfc_6675_without_it():
    tcp = flying(4, recovery=0)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 3001:4001>")
    tcp.after(ms=150)
    tcp.expect_nothing()
    assert not tcp.snapshot()["timed"]


def test_pieces_of_what_is_out():
    board = Board(0, 100, lost_to=50, sacked=[(20, 30), (60, 70)])
    board.resend(0, 10, 5)
    board.resend(80, 90, 6)
    assert board.pieces() == [
        (0, 10, "resent"),
        (10, 20, "lost"),
        (20, 30, "sacked"),
        (30, 50, "lost"),
        (50, 60, "out"),
        (60, 70, "sacked"),
        (70, 80, "out"),
        (80, 90, "twice"),
        (90, 100, "out"),
    ]
    assert board.totals() == (10 + 10 + 10 + 20 + 10, 40, 20)
    assert board.next(5) == (10, 5)
    assert board.next(100) == (10, 10)
    board.lose(85)
    board.lose(5)
    assert board.next(100) == (0, 20)
    board.resend(0, 20, 7)
    assert board.again() == [(0, 20, 7), (80, 90, 6)]
    board.arrive(5, 10)
    assert board.again() == [(0, 5, 7), (10, 20, 7), (80, 90, 6)]


def test_more_that_was_sent_again_than_there_is_room_for_is_taken_for_later():
    board = Board(0, 10_000, lost_to=10_000)
    for i in range(200):
        board.resend(20 * i, 20 * i + 10, i)
    again = board.again()
    assert len(again) == 160
    assert again[-1] == (3980, 3990, 199)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(again))


def test_in_a_flight_of_many_more_bursts_than_records_times_stay_known_to_a_sixteenth():
    """A segment is given up as soon as what was sent a sixteenth of the flight later is reported, wherever in it that is."""
    tcp = measured(congestion="none", mss=100)
    for _ in range(600):
        tcp.send(100)
        tcp.cable.run()
        tcp.take()
        tcp.after(us=100)
    tcp.after(ms=40)
    lost, reported = 20_001, 24_101
    tcp.rx(f". 1:1(0) ack {lost} <sack {reported}:{reported + 500}>")
    again = sent(tcp)
    assert again[0] == lost
    assert max(again) < reported
