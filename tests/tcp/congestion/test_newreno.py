"""NewReno's windows (RFC 5681, RFC 6582, RFC 3465, RFC 6928), and what brings them back (RFC 4015)."""

import pytest

from usnet.tcp.congestion.ops import Controller

MSS = 1000
LIMIT = 1 << 30


def started(**settings):
    controller = Controller("newreno", **settings)
    controller.start(MSS)
    return controller


@pytest.mark.parametrize(("mss", "window"), [(536, 5360), (1000, 10000), (1460, 14600), (4312, 14600), (8960, 17920)])
def test_starts_with_the_window_of_rfc_6928(mss, window):
    assert Controller("newreno").start(mss) == window
    assert Controller("newreno").start(mss, syn_lost=True) == mss


def test_slow_start_counts_bytes_two_segments_an_ack_at_most():
    controller = started()
    assert controller.ack(500) == 10500
    assert controller.ack(2000) == 12500
    assert controller.ack(9000) == 14500
    assert started(step=0).ack(9000) == 19000


def test_avoidance_grows_by_a_segment_a_window_of_bytes():
    controller = started()
    controller.set(ssthresh=10000)
    assert [controller.ack(1000) for _ in range(10)][-2:] == [10000, 11000]
    assert [controller.ack(11000), controller.ack(11999), controller.ack(1)] == [12000, 12000, 13000]


def test_a_loss_halves_the_flight_and_inflates_without_sack():
    controller = started()
    assert controller.loss(10000, sack=False) == 8000
    assert controller.state["ssthresh"] == 5000
    assert controller.dupack() == 9000
    assert controller.partial_ack(3000) == 7000
    assert controller.recovered(1000, sack=False) == 2000


def test_ssthresh_leaves_cwnd_to_whoever_brings_it_down():
    controller = started()
    assert controller.ssthresh(10000) == 5000
    assert (controller.state["cwnd"], controller.state["ssthresh"]) == (10000, 5000)
    assert controller.ssthresh(1000) == 2 * MSS


def test_a_mark_is_one_reduction_of_both_windows():
    controller = started()
    assert controller.ecn(10000) == 5000
    assert controller.state["ssthresh"] == 5000


@pytest.mark.parametrize("harm", ["loss", "ecn", "rto", "ssthresh"])
def test_what_was_no_loss_is_undone(harm):
    controller = started()
    controller.set(cwnd=40000, ssthresh=30000)
    getattr(controller, harm)(40000)
    assert controller.state["ssthresh"] == 20000
    assert controller.undo() == 40000
    assert controller.state["ssthresh"] == 30000
    controller.ack(40000)
    assert controller.state["cwnd"] == 41000, "in congestion avoidance as before"


def test_what_was_gained_meanwhile_outlives_an_undo():
    controller = started()
    controller.loss(10000)
    controller.set(cwnd=15000, ssthresh=LIMIT)
    assert controller.undo() == 15000
    assert controller.state["ssthresh"] == LIMIT


def test_the_second_timeout_of_one_segment_keeps_ssthresh_and_what_is_undone():
    controller = started()
    controller.set(cwnd=40000)
    assert controller.rto(40000) == MSS
    assert controller.rto(1000, again=True) == MSS
    assert controller.state["ssthresh"] == 20000
    assert controller.undo() == 40000


def test_undo_without_an_episode_changes_nothing():
    controller = started()
    before = controller.state
    controller.undo()
    assert controller.state == before


def test_behind_a_timeout_slow_start_goes_by_one_segment_an_ack():
    controller = started()
    controller.rto(10000)
    assert [controller.ack(2000), controller.ack(2000)] == [2000, 3000]


def test_idle_time_brings_the_window_of_a_start_back():
    controller = started()
    controller.set(cwnd=80000)
    assert controller.idle() == 10000
    controller.set(cwnd=4000)
    assert controller.idle() == 4000
