"""Episodes that were none: DSACK (RFC 2883, RFC 3708), Eifel detection and response (RFC 3522, RFC 4015), F-RTO (RFC 5682)."""

import pytest

from tests.tcp.recovering import flying, sent, windows

REORDERED = (". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 1 <sack 1001:3001>", ". 1:1(0) ack 1 <sack 1001:4001>")


def spurious(**kwargs):
    """A recovery that began since the first segment came late; all that was sent again, one segment, is out."""
    tcp = flying(**kwargs)
    tcp.after(ms=100)
    tcp.rx(*REORDERED)
    tcp.expect(". 1:1001(1000) ack 1")
    assert windows(tcp)[1] == 5
    return tcp


def test_dsacks_of_all_that_was_sent_again_bring_the_windows_back():
    tcp = spurious()
    tcp.rx(". 1:1(0) ack 10001")
    assert windows(tcp)[1] == 5
    tcp.rx(". 1:1(0) ack 10001 <sack 1:1001>")
    assert windows(tcp)[0] == 10
    assert windows(tcp)[1] > 1000
    assert tcp.counters()["dsack_undos"] == 1


def test_in_the_recovery_too():
    tcp = spurious()
    tcp.rx(". 1:1(0) ack 4001", ". 1:1(0) ack 4001 <sack 1:1001>")
    assert windows(tcp)[0] >= 10
    assert tcp.counters()["dsack_undos"] == 1


def test_a_dsack_of_one_of_two_does_not():
    tcp = flying()
    tcp.after(ms=100)
    for n in (3001, 4001, 5001, 6001, 7001):
        tcp.rx(f". 1:1(0) ack 1 <sack 2001:{n}>")
    assert {s.seq for s in tcp.take()} == {1, 1001}
    tcp.rx(". 1:1(0) ack 10001 <sack 1:1001>")
    assert windows(tcp)[1] == 5
    assert tcp.counters()["dsack_undos"] == 0
    tcp.rx(". 1:1(0) ack 10001 <sack 1001:2001>")
    assert windows(tcp)[0] == 10


def test_nothing_is_undone_twice():
    tcp = spurious()
    tcp.rx(". 1:1(0) ack 10001", ". 1:1(0) ack 10001 <sack 1:1001>", ". 1:1(0) ack 10001 <sack 1:1001>")
    assert tcp.counters()["dsack_undos"] == 1


def test_nothing_is_undone_when_it_is_turned_off():
    tcp = spurious(undo=0)
    tcp.rx(". 1:1(0) ack 10001", ". 1:1(0) ack 10001 <sack 1:1001>")
    assert windows(tcp)[1] == 5


def test_a_late_dsack_of_an_older_episode_changes_nothing():
    """What was acknowledged since then ends the wait."""
    tcp = spurious()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.send(5000)
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 15001")
    tcp.rx(". 1:1(0) ack 15001 <sack 1:1001>")
    assert windows(tcp)[1] == 5
    assert tcp.cable.memory()["scoreboards"] == 0


def test_eifel_an_ack_that_echoes_the_first_copy_ends_the_recovery():
    """RFC 3522, section 3.2: its timestamp, of 100 ms behind the beginning, is from before the retransmission at 200 ms."""
    tcp = flying(timestamps=True, mss=1012)
    tcp.after(ms=100)
    tcp.rx(*REORDERED)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.after(ms=5)
    tcp.rx(". 1:1(0) ack 10001 <TS val 9000 ecr 100>")
    assert tcp.counters()["full_undos"] == 1
    assert windows(tcp)[0] >= 10
    assert windows(tcp)[1] > 1000


def test_eifel_nothing_more_is_given_up_when_a_partial_ack_does():
    tcp = flying(timestamps=True, mss=1012)
    tcp.after(ms=100)
    tcp.rx(*REORDERED)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 4001 <TS val 9000 ecr 100>")
    tcp.expect_nothing()
    assert tcp.counters()["partial_undos"] == 1
    assert windows(tcp)[0] >= 10


def test_eifel_an_ack_of_what_an_older_episode_sent_again_does_not():
    """It comes in one burst with the ACK that began the new episode, which has sent nothing again so far."""
    tcp = flying()
    tcp.send(30000)
    tcp.after(ms=100)
    tcp.rx(*[f". 1:1(0) ack 1 <sack 1001:{n}>" for n in range(2001, 11001, 1000)])
    assert sent(tcp) == [1, 10001, 11001, 12001, 13001]
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10001 11001:12001>")
    assert sent(tcp)[:2] == [1, 10001]
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 10001 <sack 11001:12001 13001:14001>", ". 1:1(0) ack 12001 <sack 13001:14001>")
    assert tcp.counters()["fast_retransmits"] == 2
    assert tcp.counters().get("partial_undos", 0) == 0
    assert windows(tcp) == (2, 2)


def test_eifel_an_ack_of_the_retransmission_does_not():
    tcp = flying(timestamps=True, mss=1012)
    tcp.after(ms=100)
    tcp.rx(*REORDERED)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 10001 <TS val 9000 ecr 200>")
    assert tcp.counters()["full_undos"] == 0
    assert windows(tcp)[1] == 5


def timed_out(**kwargs):
    tcp = flying(5, probes=0, **kwargs)
    tcp.send(10000)
    tcp.take()
    tcp.after(ms=300)
    tcp.expect(". 1:1001(1000) ack 1")
    assert windows(tcp)[0] == 1
    return tcp


def test_frto_two_new_segments_after_the_first_ack_and_an_ack_of_old_ones_undoes():
    """RFC 5682, 3.1: steps 2.b and 3.b."""
    tcp = timed_out()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 10001:11001(1000) ack 1", ". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001")
    assert all(s.seq >= 12001 for s in tcp.take())
    assert windows(tcp)[0] >= 10
    assert windows(tcp)[1] > 1000
    assert (tcp.counters()["spurious_rtos"], tcp.counters()["retransmits"]) == (1, 1)
    assert tcp.snapshot()["backoff"] == 0


def test_frto_a_duplicate_says_that_the_loss_was_real():
    """3.a: back to slow start."""
    tcp = timed_out()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 10001:11001(1000) ack 1", ". 11001:12001(1000) ack 1")
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001 <sack 10001:11001>")
    assert sent(tcp)[0] == 1001
    assert tcp.counters()["spurious_rtos"] == 0


def test_frto_without_new_data_goes_on_as_ever():
    """2.b: the last resort of an application that has no more to say."""
    tcp = flying(5, probes=0)
    tcp.after(ms=300)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1")


def test_frto_may_be_turned_off():
    tcp = timed_out(frto=0, undo=0)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1")


def test_a_timeout_whose_first_copy_is_acknowledged_is_undone_by_its_timestamp():
    """Eifel (RFC 3522, 3.2; RFC 4015): the ACK echoes what was sent before the timeout."""
    tcp = timed_out(timestamps=True, mss=1012)
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001 <TS val 9000 ecr 100>")
    assert tcp.counters()["loss_undos"] == 1
    assert windows(tcp)[0] >= 10
    assert all(s.seq >= 10001 for s in tcp.take())


@pytest.mark.parametrize("again", [1, 2])
def test_what_was_really_lost_stays_reduced(again):
    """Nothing says that anything arrived twice."""
    tcp = timed_out()
    for _ in range(again):
        tcp.after(ms=100)
        tcp.rx(". 1:1(0) ack 10001")
        tcp.take()
    counters = tcp.counters()
    assert counters["loss_undos"] + counters["dsack_undos"] + counters["full_undos"] == 0
    assert windows(tcp)[1] == 5


def test_a_peer_that_reneges_gets_all_again_after_the_timeout():
    """RFC 2018, section 8: snd_una is reported, and still not acknowledged."""
    tcp = flying(6, probes=0)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.rx(". 1:1(0) ack 1001")
    tcp.after(ms=49)
    tcp.expect_nothing()
    tcp.after(ms=1)
    assert sent(tcp)[0] == 1001
    assert tcp.counters()["sacks_reneged"] == 1
    assert tcp.cable.memory()["scoreboards"] == 1
    tcp.rx(". 1:1(0) ack 6001")
    assert tcp.snapshot()["snd_una"] == tcp.snapshot()["snd_max"]
