"""Episodes that were none, where the peer does not report: F-RTO's basic algorithm (RFC 5682, 2.1) and Eifel detection (RFC 3522, RFC 4015)."""

import pytest

from tests.tcp.recovering import sent, windows
from usnet.testing.peer import syn_received


def measured(*, rtt=100, **kwargs):
    """Established over a path of `rtt` ms, segments of 1,000 bytes, no SACK, NewReno."""
    tcp = syn_received(mss=1012 if kwargs.get("timestamps") else 1000, **kwargs)
    tcp.after(ms=rtt)
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def timed_out(n=5, more=10, **kwargs):
    """n segments were out when the timeout came, and more wait."""
    tcp = measured(**kwargs)
    tcp.send(n * 1000)
    assert len(tcp.take()) == n
    if more:
        tcp.send(more * 1000)
        tcp.take()
    tcp.after(ms=300)
    tcp.expect(". 1:1001(1000) ack 1")
    assert windows(tcp)[0] == 1
    return tcp


def counted(tcp, *names):
    counters = tcp.counters()
    return tuple(counters[name] for name in names)


def test_the_first_ack_lets_two_new_segments_go_and_the_second_shows_that_nothing_was_lost():
    """Steps 2.b and 3.b: nothing more is sent again, and the windows are as they were."""
    tcp = timed_out()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 10001:11001(1000) ack 1", ". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001")
    assert all(s.seq >= 12001 for s in tcp.take())
    assert windows(tcp)[0] >= 10
    assert windows(tcp)[1] > 1000
    assert counted(tcp, "spurious_rtos", "loss_undos", "retransmits") == (1, 1, 1)
    assert tcp.snapshot()["backoff"] == 0
    assert tcp.snapshot()["recover"] in (tcp.snapshot()["snd_una"], tcp.snapshot()["snd_una"] - 1)


def test_a_duplicate_then_says_that_the_loss_was_real():
    """Step 3.a: what is missing is sent again, in slow start from three segments at most."""
    tcp = timed_out()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 10001:11001(1000) ack 1", ". 11001:12001(1000) ack 1")
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001")
    assert sent(tcp) == [1001, 2001, 3001]
    assert windows(tcp)[0] <= 3
    tcp.rx(". 1:1(0) ack 1001", ". 1:1(0) ack 1001")
    assert counted(tcp, "spurious_rtos", "loss_undos", "fast_retransmits") == (0, 0, 0)


def test_a_duplicate_first_ends_the_trial():
    """Step 2.a."""
    tcp = timed_out()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect(". 1001:2001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001")
    assert sent(tcp)[0] == 2001
    assert counted(tcp, "spurious_rtos", "loss_undos") == (0, 0)


def test_an_ack_of_all_that_was_out_says_nothing():
    """Step 2.a: the loss may have been that of the first segment alone."""
    tcp = timed_out()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 10001")
    assert all(seq >= 10001 for seq in sent(tcp))
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 12001")
    assert counted(tcp, "spurious_rtos", "loss_undos") == (0, 0)
    assert windows(tcp)[1] == 5


def test_an_ack_of_a_part_of_what_was_sent_again_ends_it():
    """Step 2.a."""
    tcp = timed_out()
    tcp.rx(". 1:1(0) ack 501")
    assert all(s.seq < 10001 for s in tcp.take())
    tcp.rx(". 1:1(0) ack 2001")
    assert counted(tcp, "spurious_rtos") == (0,)


def test_without_new_data_it_goes_on_as_ever():
    tcp = timed_out(more=0)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1")


def test_without_room_in_the_peers_window_it_does_too():
    """What counts is the window of the ACK that says so."""
    tcp = timed_out()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001 win 9000")
    assert sent(tcp) == [1001, 2001]
    assert counted(tcp, "spurious_rtos") == (0,)
    tcp = timed_out(win=10000)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001 win 11000")
    assert sent(tcp) == [10001, 11001]


def test_nagle_holds_the_end_of_what_waits_back():
    tcp = timed_out(more=0)
    tcp.send(300)
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    assert sent(tcp) == [1001, 2001]
    tcp = timed_out(more=0)
    tcp.send(1300)
    tcp.take()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 5001:6001(1000) ack 1")


def test_a_second_timeout_is_put_on_trial_again_but_none_within_slow_start():
    """3.2: again for the same segment; a timeout while old data is sent again is no new trial."""
    tcp = timed_out()
    tcp.after(ms=600)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001")
    assert sent(tcp) == [10001, 11001]
    tcp.rx(". 1:1(0) ack 2001")
    assert counted(tcp, "spurious_rtos", "loss_undos") == (1, 1)
    assert windows(tcp)[0] >= 10
    tcp = timed_out(frto=0, undo=0)
    tcp.rx(". 1:1(0) ack 1001")
    assert sent(tcp) == [1001, 2001]


def test_a_timeout_while_old_data_goes_out_again_is_no_new_trial():
    tcp = timed_out()
    tcp.rx(". 1:1(0) ack 1", ". 1:1(0) ack 1001")
    tcp.take()
    seen = tcp.watch(s=1)
    assert any("1001:2001" in text for _, text in seen)
    tcp.rx(". 1:1(0) ack 4001")
    assert sent(tcp)[0] == 4001


def test_a_fin_goes_along_with_the_last_new_data():
    tcp = timed_out(more=6)
    tcp.sock.close()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect("FP. 10001:11001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001")
    assert counted(tcp, "spurious_rtos", "retransmits") == (1, 1)
    tcp.rx(". 1:1(0) ack 11002")
    assert tcp.snapshot()["state"] == "FIN_WAIT_2"


@pytest.mark.parametrize("n", [1, 2])
def test_eifel_an_ack_that_echoes_the_first_copy_takes_the_timeout_back(n):
    """RFC 3522, 3.2; RFC 4015: nothing else is sent again, whatever waits."""
    tcp = timed_out(timestamps=True)
    tcp.after(ms=10)
    tcp.rx(f". 1:1(0) ack {n}001 <TS val 9000 ecr 100>")
    assert counted(tcp, "loss_undos", "spurious_rtos", "retransmits") == (1, 0, 1)
    assert windows(tcp)[0] >= 10
    assert windows(tcp)[1] > 1000
    assert all(s.seq >= 10001 for s in tcp.take())
    for _ in range(3):
        tcp.rx(f". 1:1(0) ack {n}001 <TS val 9000 ecr 100>")
    assert counted(tcp, "fast_retransmits", "retransmits") == (0, 1)


def test_eifel_an_ack_of_the_retransmission_does_not():
    tcp = timed_out(timestamps=True, frto=0)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001 <TS val 9000 ecr 400>")
    assert sent(tcp)[0] == 1001
    assert counted(tcp, "loss_undos") == (0,)
    assert windows(tcp)[1] == 5


def reordered(**kwargs):
    """A fast recovery that began since the first segment came late."""
    tcp = measured(timestamps=True, **kwargs)
    tcp.send(10000)
    tcp.take()
    tcp.after(ms=100)
    for _ in range(3):
        tcp.rx(". 1:1(0) ack 1 <TS val 9000 ecr 0>")
    tcp.expect(". 1:1001(1000) ack 1")
    assert windows(tcp) == (8, 5)
    tcp.after(ms=5)
    return tcp


def test_eifel_a_fast_recovery_that_was_none_is_over():
    tcp = reordered()
    tcp.rx(". 1:1(0) ack 10001 <TS val 9000 ecr 100>")
    assert counted(tcp, "full_undos", "partial_undos") == (1, 0)
    assert windows(tcp)[0] >= 10
    assert windows(tcp)[1] > 1000


def test_eifel_at_a_partial_ack_nothing_more_is_given_up():
    tcp = reordered()
    tcp.rx(". 1:1(0) ack 4001 <TS val 9000 ecr 100>")
    assert all(s.seq >= 10001 for s in tcp.take())
    assert counted(tcp, "full_undos", "partial_undos", "retransmits") == (0, 1, 1)
    assert windows(tcp)[0] >= 10
    for _ in range(3):
        tcp.rx(". 1:1(0) ack 4001 <TS val 9000 ecr 100>")
    assert counted(tcp, "fast_retransmits") == (1,)


def test_eifel_what_duplicates_let_cwnd_grow_by_does_not_stay():
    """The inflation of RFC 6582 ends with the recovery."""
    tcp = reordered()
    for _ in range(12):
        tcp.rx(". 1:1(0) ack 1 <TS val 9000 ecr 0>")
    assert windows(tcp)[0] == 20
    tcp.rx(". 1:1(0) ack 10001 <TS val 9000 ecr 100>")
    assert counted(tcp, "full_undos") == (1,)
    assert windows(tcp)[0] <= 11


def test_a_timeout_in_a_fast_recovery_stays():
    """Its windows were inflated."""
    tcp = reordered()
    assert [text for _, text in tcp.watch(ms=400)] == [". 1:1001(1000) ack 1 win 65535 <TS val 400 ecr 9000>"]
    tcp.rx(". 1:1(0) ack 1001 <TS val 9000 ecr 100>")
    assert counted(tcp, "loss_undos", "spurious_rtos") == (0, 0)
    assert windows(tcp)[0] <= 3


@pytest.mark.parametrize(("kwargs", "ecr"), [({}, 200), ({"undo": 0}, 100)])
def test_eifel_what_was_lost_or_is_not_to_be_undone_stays_so(kwargs, ecr):
    tcp = reordered(**kwargs)
    tcp.after(ms=95)
    tcp.rx(f". 1:1(0) ack 10001 <TS val 9000 ecr {ecr}>")
    assert counted(tcp, "full_undos", "partial_undos") == (0, 0)
    assert windows(tcp)[1] == 5


def test_what_it_holds_is_given_back():
    for end in (". 1:1(0) ack 10001", ". 1:1(0) ack 1001 <TS val 9000 ecr 100>", "R 1:1(0)"):
        tcp = timed_out(timestamps=True)
        assert tcp.cable.memory()["trials"] == 1
        tcp.rx(end)
        assert tcp.cable.memory()["trials"] == 0
