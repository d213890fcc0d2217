"""Tail loss probes (RFC 8985, section 7)."""

from tests.tcp.recovering import flying, measured, windows


def test_a_flight_that_vanished_is_probed_after_two_round_trips():
    """7.2: PTO = 2 SRTT; 7.3: the last segment again. What it uncovers is mended at once."""
    tcp = flying(4)
    tcp.after(ms=201.9)
    tcp.expect_nothing()
    tcp.after(ms=0.1)
    tcp.expect("P. 3001:4001(1000) ack 1")
    assert tcp.counters()["loss_probes"] == 1
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 3001:4001>")
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.counters()["rto_count"] == 0


def test_a_single_segment_waits_for_a_delayed_ack_too():
    """7.2: PTO += TLP.max_ack_delay; but never behind the timeout."""
    tcp = flying(1, rto_min=200_000_000, rto_spread=1)
    tcp.after(ms=299.9)
    tcp.expect_nothing()
    tcp.after(ms=0.1)
    tcp.expect("P. 1:1001(1000) ack 1")
    assert (tcp.counters()["loss_probes"], tcp.counters()["rto_count"]) == (1, 0)


def test_new_data_goes_before_old_whatever_cwnd_says():
    tcp = flying(12)
    tcp.after(ms=202)
    tcp.expect(". 10001:11001(1000) ack 1")
    assert tcp.counters()["retransmits"] == 0


def test_one_probe_then_the_timeout():
    tcp = flying(4)
    tcp.after(ms=202)
    tcp.expect("P. 3001:4001(1000) ack 1")
    tcp.after(ms=299)
    tcp.expect_nothing()
    tcp.after(ms=1)
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.counters()["rto_count"] == 1


def test_each_ack_of_something_new_moves_it():
    tcp = flying(4)
    tcp.after(ms=150)
    tcp.rx(". 1:1(0) ack 1001")
    srtt = tcp.snapshot()["srtt"]
    tcp.after(ns=2 * srtt + 1_999_999)
    tcp.expect_nothing()
    tcp.after(ns=1)
    tcp.expect("P. 3001:4001(1000) ack 1")


def test_the_end_of_a_stream_is_probed_with_its_fin():
    tcp = measured()
    tcp.send(2000)
    tcp.sock.shutdown(1)
    tcp.expect(". 1:1001(1000) ack 1", "P. 1001:2001(1000) ack 1", "F. 2001:2001(0) ack 1")
    tcp.after(ms=202)
    tcp.expect("FP. 1001:2001(1000) ack 1")


def test_a_probe_that_mended_a_loss_halves_the_window():
    """7.4.2: the ACK goes beyond it, and no DSACK said that there were two."""
    tcp = flying(10)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 9001")
    tcp.take()
    cwnd = windows(tcp)[0]
    assert [text.split(" ack")[0] for _, text in tcp.watch(ms=350)] == ["P. 9001:10001(1000)"]
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 10001")
    assert windows(tcp)[0] >= cwnd
    tcp.send(1000)
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 11001")
    assert windows(tcp)[1] < 10
    assert tcp.counters()["loss_probe_recoveries"] == 1


def test_a_probe_that_arrived_twice_changes_nothing():
    """7.4.2: a DSACK for it."""
    tcp = flying(4)
    tcp.after(ms=202)
    tcp.expect("P. 3001:4001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 4001")
    tcp.rx(". 1:1(0) ack 4001 <sack 3001:4001>")
    tcp.send(1000)
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 5001")
    assert tcp.counters()["loss_probe_recoveries"] == 0
    assert windows(tcp)[1] > 1000
    assert tcp.snapshot()["reo_wnd_steps"] == 0  # nothing was reordered


def test_and_without_dsack_by_a_bare_duplicate():
    """7.4.1: two ACKs, one for each copy."""
    tcp = flying(4)
    tcp.after(ms=202)
    tcp.expect("P. 3001:4001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 4001")
    tcp.rx(". 1:1(0) ack 4001")
    tcp.send(1000)
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 5001")
    assert tcp.counters()["loss_probe_recoveries"] == 0


def test_nobody_probes_where_it_is_turned_off_or_sack_is_not_agreed_on():
    tcp = flying(4, probes=0)
    tcp.after(ms=299)
    tcp.expect_nothing()
    tcp.after(ms=1)
    tcp.expect(". 1:1001(1000) ack 1")
