"""When an ACK is owed: RFC 9293, 3.8.6.3; RFC 5681, 4.2; RFC 2525, 2.13."""

import pytest

from usnet.testing.peer import established


def test_every_second_full_segment_is_acknowledged_at_once():
    tcp = established()
    tcp.rx(". 1:1461(1460) ack 1")
    tcp.expect_nothing()
    tcp.rx(". 1461:2921(1460) ack 1")
    tcp.expect(". 1:1(0) ack 2921")


def test_within_a_burst_too():
    tcp = established()
    tcp.rx(*[f". {1 + i * 1460}:{1461 + i * 1460}(1460) ack 1" for i in range(10)])
    tcp.expect(*[f". 1:1(0) ack {1 + i * 1460}" for i in (2, 4, 6, 8, 10)])


def test_a_single_segment_waits_40_ms():
    tcp = established()
    tcp.rx(". 1:1461(1460) ack 1")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 1461")
    tcp.at(s=10)
    tcp.expect_nothing()


def test_the_delay_counts_from_the_first_segment():
    tcp = established()
    tcp.rx("P. 1:11(10) ack 1")
    tcp.at(ms=30)
    tcp.rx("P. 11:21(10) ack 1")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 21")


@pytest.mark.parametrize("delack", [1_000_000, 500_000_000])
def test_the_delay_is_a_setting(delack):
    tcp = established(delack=delack)
    tcp.rx("P. 1:11(10) ack 1")
    tcp.at(ns=delack)
    tcp.expect(". 1:1(0) ack 11")


def test_out_of_order_is_acknowledged_each_time():
    """RFC 5681, 4.2."""
    tcp = established()
    for seq in (1461, 2921, 4381):
        tcp.rx(f". {seq}:{seq + 1460}(1460) ack 1")
        tcp.expect(". 1:1(0) ack 1")


def test_filling_a_gap_is_acknowledged_at_once():
    tcp = established()
    tcp.rx(". 101:201(100) ack 1", ". 301:401(100) ack 1")
    tcp.expect(". 1:1(0) ack 1", ". 1:1(0) ack 1")
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect(". 1:1(0) ack 201")
    tcp.rx(". 201:301(100) ack 1")
    tcp.expect(". 1:1(0) ack 401")


def test_a_duplicate_is_acknowledged_at_once():
    tcp = established()
    tcp.rx(". 1:101(100) ack 1")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 101")
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect(". 1:1(0) ack 101")


def test_a_fin_is_acknowledged_at_once():
    tcp = established()
    tcp.rx("P. 1:101(100) ack 1", "F. 101:101(0) ack 1")
    tcp.expect(". 1:1(0) ack 102")


def test_pure_acks_are_not_acknowledged():
    tcp = established()
    tcp.rx(*[". 1:1(0) ack 1"] * 5)
    tcp.at(s=10)
    tcp.expect_nothing()


def test_every_second_full_segment_counts_also_where_full_ones_are_short():
    """RFC 5681, 4.2: full is what the SYNs agreed on, less than 536 bytes here."""
    tcp = established(mss=400)
    tcp.rx(". 1:401(400) ack 1")
    tcp.expect_nothing()
    tcp.rx(". 401:801(400) ack 1")
    tcp.expect(". 1:1(0) ack 801")
