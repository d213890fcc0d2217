"""Retransmission timeouts: RFC 6298, Karn's algorithm, RFC 9293, 3.8.1 and 3.8.3."""

import errno

import pytest

from usnet.testing.peer import established


def test_the_first_rto_is_one_second():
    """RFC 6298, 2.1: before any measurement."""
    tcp = established(active=True, rto_min=1_000_000_000)
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.at(s=1)
    tcp.expect("P. 1:101(100) ack 1")


def test_it_doubles_each_time_up_to_a_minute():
    """RFC 6298, 5.5; RFC 2525, 2.10."""
    tcp = established(rto_min=1_000_000_000)
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    times = [ms / 1000 for ms, _ in tcp.watch(s=400)]
    assert times == [1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]


def test_one_timeout_sends_one_segment():
    """RFC 6298, 5.4; RFC 2525, 2.14."""
    tcp = established(mss=1000)
    tcp.send(5000)
    assert len(tcp.take()) == 5
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.at(ms=600)
    tcp.expect(". 1:1001(1000) ack 1")


def test_after_a_timeout_acks_clock_out_the_rest_in_slow_start():
    """RFC 5681, 3.1: the loss window is one segment; RFC 2525, 2.2."""
    tcp = established(mss=1000)
    tcp.send(8000)
    assert len(tcp.take()) == 8
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001")
    tcp.expect(". 3001:4001(1000) ack 1", ". 4001:5001(1000) ack 1")


def test_slow_start_behind_a_timeout_grows_by_one_segment_an_ack():
    """RFC 3465, 2.3."""
    tcp = established(mss=1000, slow_start_step=2)
    tcp.send(8000)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 3001")
    assert tcp.snapshot()["cc"]["cwnd"] == 2000


def test_what_is_acknowledged_is_not_sent_again():
    tcp = established(mss=1000)
    tcp.send(5000)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001")
    tcp.at(s=100)
    tcp.expect_nothing()


def test_the_same_bytes_are_sent_again():
    """RFC 2525, 2.4. (Each segment's payload is compared with what was written.)"""
    tcp = established(mss=1000)
    for _ in range(30):
        tcp.send(33)
    tcp.rx(". 1:1(0) ack 34")
    tcp.watch(s=3)
    tcp.rx(". 1:1(0) ack 100")
    assert [text[:17] for _, text in tcp.watch(s=4)] == ["P. 100:991(891) a"]


def test_a_new_ack_restarts_the_timer():
    """RFC 6298, 5.3."""
    tcp = established(mss=1000)
    tcp.send(2000)
    tcp.take()
    tcp.at(ms=150)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.at(ms=150 + tcp.snapshot()["rto"] // 1_000_000)
    tcp.expect("P. 1001:2001(1000) ack 1")


def test_all_acknowledged_the_timer_is_off():
    """RFC 6298, 5.2."""
    tcp = established()
    tcp.send(100)
    tcp.take()
    tcp.rx(". 1:1(0) ack 101")
    tcp.at(s=1000)
    tcp.expect_nothing()
    assert tcp.cable.memory()["timers"] == 0


def test_a_segment_that_was_sent_twice_measures_nothing():
    """Karn: the ACK may be for either."""
    tcp = established()
    before = tcp.snapshot()["srtt"]
    tcp.send(100)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.at(ms=590)
    tcp.rx(". 1:1(0) ack 101")
    assert tcp.snapshot()["srtt"] == before


def test_the_backoff_stays_until_something_new_is_measured():
    """RFC 6298, 5.7 and RFC 9293, 3.8.1 (MUST-18): else a path slower than the RTO would never be measured."""
    tcp = established()
    tcp.send(100)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.rx(". 1:1(0) ack 101")
    tcp.at(s=1)
    tcp.send(100)
    tcp.expect("P. 101:201(100) ack 1")
    tcp.at(ms=1400)
    tcp.expect("P. 101:201(100) ack 1")
    tcp.rx(". 1:1(0) ack 201")
    tcp.at(s=5)
    tcp.send(100)
    tcp.expect("P. 201:301(100) ack 1")
    tcp.at(ms=5100)
    tcp.rx(". 1:1(0) ack 301")
    tcp.at(s=6)
    tcp.send(100)
    tcp.expect("P. 301:401(100) ack 1")
    tcp.after(ns=tcp.snapshot()["rto"])
    tcp.expect("P. 301:401(100) ack 1")


def test_with_timestamps_a_retransmission_is_measured_and_ends_the_backoff():
    tcp = established(timestamps=True)
    tcp.send(100)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")
    assert tcp.snapshot()["backoff"] == 1
    tcp.rx(". 1:1(0) ack 101")
    assert tcp.snapshot()["backoff"] == 0


def test_srtt_and_rttvar_follow_rfc_6298():
    tcp = established()
    srtt, var = tcp.snapshot()["srtt"], tcp.snapshot()["rttvar"]
    sent = acked = 0
    for rtt in (100, 180, 20, 50, 50):
        tcp.send(100)
        tcp.take()
        sent += 100
        tcp.after(ms=rtt)
        acked += 100
        tcp.rx(f". 1:1(0) ack {acked + 1}")
        error = rtt * 1_000_000 - srtt
        srtt, var = srtt + int(error / 8), var + int((abs(error) - var) / 4)
        assert abs(tcp.snapshot()["srtt"] - srtt) <= 5 and abs(tcp.snapshot()["rttvar"] - var) <= 5
        now = tcp.snapshot()
        assert now["rto"] == max(200_000_000, now["srtt"] + max(1_000_000, 4 * now["rttvar"], min(200_000_000, now["srtt"])))


def test_the_timeout_stays_clear_of_a_long_round_trip_that_never_varies():
    tcp = established()
    for i in range(150):
        tcp.send(100)
        tcp.take()
        tcp.after(ms=min(600, 150 + 10 * i))
        tcp.rx(f". 1:1(0) ack {100 * i + 101}")
    now = tcp.snapshot()
    assert now["rttvar"] < 1_000_000 and now["rto"] == now["srtt"] + 200_000_000


def test_it_gives_up_after_the_configured_number():
    """RFC 9293, 3.8.3: R2."""
    tcp = established(data_retries=4)
    tcp.send(100)
    tcp.take()
    assert [ms for ms, _ in tcp.watch(s=100)] == [200, 600, 1400, 3000]
    assert tcp.state == "CLOSED"
    with pytest.raises(TimeoutError) as e:
        tcp.recv()
    assert e.value.errno == errno.ETIMEDOUT


def test_fifteen_retransmissions_take_more_than_100_seconds():
    """RFC 9293, 3.8.3: R2 corresponds to at least 100 s."""
    tcp = established()
    tcp.send(100)
    tcp.take()
    assert len(tcp.watch(s=2000)) == 15
    assert tcp.state == "CLOSED"


def test_a_peer_that_answers_without_acknowledging_cannot_keep_it_for_ever():
    """R2 counts transmissions of the same segment."""
    tcp = established(data_retries=4)
    tcp.send(100)
    tcp.take()
    for _ in range(10):
        tcp.watch(s=2)
        if tcp.state == "CLOSED":
            break
        tcp.rx(". 1:1(0) ack 1")
    assert tcp.state == "CLOSED"


def test_the_second_timeout_of_a_segment_leaves_ssthresh_alone():
    """RFC 5681, 3.1."""
    tcp = established(mss=1000)
    tcp.send(10000)
    assert len(tcp.take()) == 10
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.snapshot()["cc"]["ssthresh"] == 5000
    tcp.watch(s=2)
    assert tcp.snapshot()["cc"]["ssthresh"] == 5000


def test_an_orphans_queue_is_still_delivered():
    tcp = established(mss=1000)
    tcp.send(3000)
    tcp.take()
    tcp.close()
    tcp.expect("F. 3001:3001(0) ack 1")
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", "FP. 2001:3001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 3002")
    assert tcp.state == "FIN_WAIT_2"


# User timeout (RFC 5482)

TCP_USER_TIMEOUT = (6, 18)


@pytest.mark.parametrize("ms", [1000, 2500, 10000])
def test_the_user_timeout_ends_it_on_time(ms):
    tcp = established()
    tcp.sock.setsockopt(*TCP_USER_TIMEOUT, ms)
    tcp.send(100)
    tcp.take()
    tcp.watch(ms=ms - 1)
    assert tcp.state == "ESTABLISHED"
    tcp.watch(ms=1)
    assert tcp.state == "CLOSED"
    with pytest.raises(TimeoutError):
        tcp.recv()


def test_the_user_timeout_begins_anew_with_each_progress():
    tcp = established()
    tcp.sock.setsockopt(*TCP_USER_TIMEOUT, 1000)
    for i in range(5):
        tcp.send(100)
        tcp.take()
        tcp.watch(ms=900)
        tcp.rx(f". 1:1(0) ack {i * 100 + 101}")
    assert tcp.state == "ESTABLISHED"


def test_a_window_that_was_closed_for_long_leaves_no_debt():
    tcp = established(win=0)
    tcp.send(100)
    tcp.watch(s=100)
    tcp.rx(". 1:1(0) ack 1 win 5000")
    tcp.expect("P. 1:101(100) ack 1")
    tcp.sock.setsockopt(*TCP_USER_TIMEOUT, 5000)
    tcp.watch(s=3)
    assert tcp.state == "ESTABLISHED"


@pytest.mark.parametrize(("step", "cwnd"), [(0, 20000), (2, 12000), (8, 18000)])
def test_in_slow_start_an_ack_for_many_lets_the_window_grow_by_as_much_or_as_is_allowed(step, cwnd):
    tcp = established(mss=1000, slow_start_step=step)
    tcp.send(10000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001")
    assert tcp.snapshot()["cc"]["cwnd"] == cwnd
