"""Fast retransmit and fast recovery: RFC 5681, 3.2; RFC 6582; RFC 3042."""

import pytest

from usnet.testing.peer import established


def in_flight(n=10, mss=1000):
    tcp = established(mss=mss)
    tcp.send(n * mss)
    assert len(tcp.take()) == n
    return tcp


def test_three_duplicates_resend_the_first_segment():
    """RFC 5681, 3.2. Before it, limited transmit (RFC 3042) sends new data."""
    tcp = in_flight()
    tcp.send(5000)
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect(". 10001:11001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect(". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.counters()["fast_retransmits"] == 1


def test_two_duplicates_do_not():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1", ". 1:1(0) ack 1")
    tcp.expect_nothing()


def test_the_new_data_behind_a_loss_has_new_numbers():
    """libusnet's F3 wrote it over the old."""
    tcp = in_flight()
    tcp.rx(*[". 1:1(0) ack 1"] * 4)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.send(1000)
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect("P. 10001:11001(1000) ack 1")


@pytest.mark.parametrize(
    "twist",
    [
        "P. 1:2(1) ack 1",  # data
        ". 1:1(0) ack 1 win 60000",  # a window update
        "F. 1:1(0) ack 1",
    ],
)
def test_what_is_no_duplicate_does_not_count(twist):
    """RFC 5681, 2."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1", ". 1:1(0) ack 1", twist)
    assert [s for s in tcp.take() if s.length] == []
    assert tcp.counters()["fast_retransmits"] == 0


def test_nothing_outstanding_no_duplicate():
    tcp = established()
    tcp.rx(*[". 1:1(0) ack 1"] * 10)
    tcp.expect_nothing()
    assert tcp.counters()["dupacks_in"] == 0


def test_the_window_is_halved_inflated_and_deflated():
    """RFC 5681, 3.2; RFC 2525, 2.8."""
    tcp = in_flight(10)
    tcp.rx(*[". 1:1(0) ack 1"] * 3)
    assert tcp.snapshot()["cc"]["ssthresh"] == 5000
    assert tcp.snapshot()["cc"]["cwnd"] == 8000
    tcp.rx(*[". 1:1(0) ack 1"] * 4)
    assert tcp.snapshot()["cc"]["cwnd"] == 12000
    tcp.rx(". 1:1(0) ack 10001")
    assert tcp.snapshot()["cc"]["cwnd"] <= 5000
    assert tcp.snapshot()["cc"]["ssthresh"] == 5000


def test_what_is_out_is_halved_and_not_what_might_have_been():
    """RFC 5681, equation 4: FlightSize, not cwnd."""
    tcp = in_flight(6)
    tcp.rx(*[". 1:1(0) ack 1"] * 3)
    assert tcp.snapshot()["cc"]["ssthresh"] == 3000


def test_what_limited_transmit_sent_does_not_count_in_the_flight():
    """RFC 5681, 3.2, step 2."""
    tcp = in_flight(10)
    tcp.send(5000)
    for _ in range(3):
        tcp.rx(". 1:1(0) ack 1")
    assert [segment.seq for segment in tcp.take()] == [10001, 11001, 1]
    assert tcp.snapshot()["cc"]["ssthresh"] == 5000
    assert tcp.snapshot()["cc"]["cwnd"] == 8000


def test_a_partial_ack_resends_the_next_hole_at_once():
    """RFC 6582, 3.2, step 3."""
    tcp = in_flight()
    tcp.rx(*[". 1:1(0) ack 1"] * 3)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 3001")
    tcp.expect(". 3001:4001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001")
    tcp.expect(". 5001:6001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect_nothing()
    assert tcp.counters()["fast_retransmits"] == 1


def test_duplicates_for_the_recovery_point_start_no_second_episode():
    """RFC 6582, 3.2, step 1: the ACK must cover more than `recover`."""
    tcp = in_flight()
    tcp.rx(*[". 1:1(0) ack 1"] * 3)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.send(4000)
    tcp.take()
    tcp.rx(*[". 1:1(0) ack 10001"] * 3)
    assert all(s.seq >= 10001 + 2000 for s in tcp.take())
    assert tcp.counters()["fast_retransmits"] == 1


def test_duplicates_behind_the_recovery_point_are_a_new_episode():
    tcp = in_flight()
    tcp.rx(*[". 1:1(0) ack 1"] * 3)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.send(5000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 11001")
    tcp.take()
    tcp.rx(*[". 1:1(0) ack 11001"] * 3)
    assert tcp.take()[0].seq == 11001
    assert tcp.counters()["fast_retransmits"] == 2


def test_duplicates_after_a_timeout_resend_nothing_twice():
    """RFC 6582, 4: they echo what was sent before."""
    tcp = in_flight()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(*[". 1:1(0) ack 1"] * 5)
    assert all(s.seq != 1 for s in tcp.take())
    assert tcp.counters()["fast_retransmits"] == 0


def test_a_lost_retransmission_is_left_to_the_timer():
    tcp = in_flight()
    tcp.rx(*[". 1:1(0) ack 1"] * 9)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")


def test_the_initial_window_is_ten_segments():
    """RFC 6928; RFC 2525, 2.1 and 2.3."""
    for mss, segments in ((1460, 10), (1000, 10), (536, 10)):
        tcp = established(mss=mss)
        tcp.send(60000)
        assert len(tcp.take()) == segments


def test_slow_start_doubles_and_congestion_avoidance_adds_one_segment():
    """RFC 5681, 3.1; RFC 2525, 2.6."""
    tcp = established(mss=1000)
    tcp.send(60000)
    assert len(tcp.take()) == 10
    for ack in range(1001, 10002, 1000):
        tcp.rx(f". 1:1(0) ack {ack}")
    assert tcp.snapshot()["cc"]["cwnd"] == 20000
    tcp.take()
    tcp.rx(*[". 1:1(0) ack 10001"] * 3)
    ssthresh = tcp.snapshot()["cc"]["ssthresh"]
    tcp.take()
    tcp.rx(". 1:1(0) ack 30001")
    tcp.take()
    before = tcp.snapshot()["cc"]["cwnd"]
    assert before <= ssthresh


def test_after_idling_the_window_is_the_initial_one():
    """RFC 5681, 4.1."""
    tcp = established(mss=1000)
    tcp.send(60000)
    acked = 0
    while acked < 60000:
        for s in tcp.take():
            acked = max(acked, s.end - 1)
        tcp.rx(f". 1:1(0) ack {acked + 1}")
    assert tcp.snapshot()["cc"]["cwnd"] > 10000
    tcp.after(s=10)
    tcp.send(30000)
    assert len(tcp.take()) == 10


def test_a_sender_that_does_not_use_its_window_does_not_grow_it():
    """RFC 7661's concern."""
    tcp = established(mss=1000)
    for i in range(50):
        tcp.send(100)
        tcp.take()
        tcp.rx(f". 1:1(0) ack {i * 100 + 101}")
    assert tcp.snapshot()["cc"]["cwnd"] == 10000


def test_acks_divided_into_many_do_not_speed_it_up():
    """RFC 3465: growth by bytes (Savage 1999)."""
    tcp = in_flight(10)
    tcp.rx(*[f". 1:1(0) ack {1 + i * 10}" for i in range(1, 101)])
    assert tcp.snapshot()["cc"]["cwnd"] <= 11000
