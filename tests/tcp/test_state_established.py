"""ESTABLISHED (RFC 9293, 3.10.7.4): acceptability, RST, SYN, ACK, text, FIN. What needs more has a file of its own."""
import errno

import pytest

from usnet.testing.peer import established, stream


def test_data_in_order_is_read_and_acknowledged_within_40_ms():
    tcp = established()
    tcp.rx("P. 1:101(100) ack 1")
    tcp.expect_nothing()
    assert tcp.recv() == stream(1, 100)
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 101")


def test_an_ack_rides_on_data():
    tcp = established()
    tcp.rx("P. 1:101(100) ack 1")
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 101")
    tcp.at(ms=190)
    tcp.expect_nothing()


@pytest.mark.parametrize("arrives", ["P. 0:1(1) ack 1", "P. -99:1(100) ack 1", "P. 65536:65636(100) ack 1", "F. 65536:65536(0) ack 1"])
def test_text_outside_the_window_is_acknowledged_at_once_and_dropped(arrives):
    tcp = established()
    tcp.rx(arrives)
    tcp.expect(". 1:1(0) ack 1")
    with pytest.raises(BlockingIOError):
        tcp.recv()
    assert tcp.state == "ESTABLISHED"


def test_what_reaches_into_the_window_is_trimmed_on_either_side():
    tcp = established()
    tcp.rx("P. -9:101(110) ack 1")
    tcp.expect(". 1:1(0) ack 101")
    assert tcp.recv() == stream(1, 100)


def test_nothing_behind_the_window_is_taken():
    tcp = established(rcvbuf=4096)
    for seq in range(1, 4001, 1000):
        tcp.rx(f". {seq}:{seq + 1000}(1000) ack 1")
    tcp.take()
    tcp.rx(". 4001:5001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 4097 win 0")
    assert tcp.recv() == stream(1, 4096)
    assert tcp.drops() == {"past_window": 1}


# RST (RFC 5961, section 3)

def test_a_reset_at_the_next_number_ends_the_connection():
    tcp = established()
    tcp.rx("R 1:1(0)")
    tcp.expect_nothing()
    with pytest.raises(ConnectionResetError):
        tcp.recv()
    assert tcp.recv() == b""
    assert tcp.counters()["resets"] == 1


def test_what_arrived_before_a_reset_can_still_be_read():
    tcp = established()
    tcp.rx("P. 1:101(100) ack 1", "R 101:101(0)")
    assert tcp.recv() == stream(1, 100)
    with pytest.raises(ConnectionResetError):
        tcp.recv()


@pytest.mark.parametrize("seq", [2, 65535])
def test_a_reset_elsewhere_in_the_window_earns_one_challenge(seq):
    tcp = established()
    tcp.rx(f"R {seq}:{seq}(0)")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"
    assert tcp.counters()["challenge_acks"] == 1
    assert tcp.drops() == {"rst_seq": 1}


@pytest.mark.parametrize("seq", [0, -100, 65536, 1 << 30])
def test_a_reset_outside_the_window_is_silently_dropped(seq):
    tcp = established()
    tcp.rx(f"R {seq}:{seq}(0)", f"R. {seq}:{seq}(0) ack 1")
    tcp.expect_nothing()
    assert tcp.state == "ESTABLISHED"


def test_after_a_reset_writing_fails():
    tcp = established()
    tcp.rx("R 1:1(0)")
    with pytest.raises(ConnectionResetError):
        tcp.send(1)
    with pytest.raises(BrokenPipeError):
        tcp.send(1)


# SYN (RFC 5961, section 4)

@pytest.mark.parametrize("arrives", ["S 1:1(0)", "S 100:100(0)", "S 0:0(0)", "S -5:-5(0)", "S 99999999:99999999(0)", "S. 1:1(0) ack 1", "S. 0:0(0) ack 1"])
def test_a_syn_earns_a_challenge_and_nothing_else(arrives):
    tcp = established()
    tcp.rx(arrives)
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"
    assert tcp.snapshot()["rcv_nxt"] == (tcp.isn + 1) & 0xffffffff


# ACK (RFC 5961, section 5)

def test_an_ack_of_something_never_sent_is_answered_and_its_text_dropped():
    tcp = established()
    tcp.rx("P. 1:11(10) ack 2")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.drops() == {"bad_ack": 1}
    with pytest.raises(BlockingIOError):
        tcp.recv()


def test_an_ack_far_behind_the_window_is_answered_and_its_text_dropped():
    tcp = established(win=1000)
    tcp.rx("P. 1:11(10) ack -70000")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.drops() == {"old_ack": 1}
    with pytest.raises(BlockingIOError):
        tcp.recv()


def test_text_with_a_recent_old_ack_is_taken():
    tcp = established()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.rx(". 1:1(0) ack 101")
    tcp.rx("P. 1:11(10) ack 50")
    assert tcp.recv() == stream(1, 10)


def test_a_segment_without_ack_is_dropped():
    tcp = established()
    tcp.rx("P 1:11(10)", "- 1:11(10)", "F 1:1(0)")
    tcp.expect_nothing()
    assert tcp.drops() == {"no_ack": 3}


def test_an_old_ack_does_not_touch_the_window():
    tcp = established(win=5000)
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.rx(". 1:1(0) ack 101 win 5000")
    tcp.rx("P. 1:11(10) ack 50 win 60000")
    assert tcp.snapshot()["snd_wnd"] == 5000


def test_the_window_follows_the_newest_segment_only():
    tcp = established(win=5000)
    tcp.rx("P. 101:111(10) ack 1 win 7000")
    assert tcp.snapshot()["snd_wnd"] == 7000
    tcp.rx("P. 1:11(10) ack 1 win 3000")
    assert tcp.snapshot()["snd_wnd"] == 7000


# FIN

def test_a_fin_is_acknowledged_at_once_and_ends_the_stream():
    tcp = established()
    tcp.rx("FP. 1:11(10) ack 1")
    tcp.expect(". 1:1(0) ack 12")
    assert tcp.state == "CLOSE_WAIT"
    assert tcp.recv() == stream(1, 10)
    assert tcp.recv() == b""
    assert tcp.recv() == b""


def test_a_fin_ahead_of_missing_data_waits_for_it():
    tcp = established()
    tcp.rx("F. 101:101(0) ack 1")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect(". 1:1(0) ack 102")
    assert tcp.state == "CLOSE_WAIT"
    assert tcp.recv() == stream(1, 100)
    assert tcp.recv() == b""


def test_data_behind_a_fin_is_dropped():
    tcp = established()
    tcp.rx("F. 101:101(0) ack 1", ". 102:202(100) ack 1")
    tcp.take()
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect(". 1:1(0) ack 102")
    assert tcp.recv() == stream(1, 100)
    assert tcp.drops() == {"after_fin": 1}


def test_a_forged_fin_ahead_does_not_hide_the_true_one():
    tcp = established()
    tcp.rx("F. 5001:5001(0) ack 1")
    tcp.expect(". 1:1(0) ack 1")
    tcp.rx("FP. 1:11(10) ack 1")
    tcp.expect(". 1:1(0) ack 12")
    assert tcp.state == "CLOSE_WAIT"


def test_urgent_data_is_ordinary_data():
    tcp = established()
    tcp.rx("PU. 1:11(10) ack 1 urg 5")
    tcp.rx("PU. 11:21(10) ack 1 urg 65535")
    tcp.rx("PU. 21:31(10) ack 1 urg 0")
    assert tcp.recv() == stream(1, 30)


def test_close_sends_a_fin_behind_the_data():
    tcp = established()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.close()
    tcp.expect("F. 101:101(0) ack 1")
    assert tcp.state == "FIN_WAIT_1"


def test_a_fin_rides_on_the_last_data():
    tcp = established(win=1000, mss=1000)
    tcp.send(1500)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.close()
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect("FP. 1001:1501(500) ack 1")


def test_close_with_unread_data_resets():
    """RFC 2525, 2.17; RFC 9293, 3.6.1."""
    tcp = established()
    tcp.rx("P. 1:11(10) ack 1")
    tcp.close()
    tcp.expect("R. 1:1(0) ack 11")
    assert tcp.state is None


def test_data_after_close_resets():
    tcp = established()
    tcp.close()
    tcp.expect("F. 1:1(0) ack 1")
    tcp.rx("P. 1:11(10) ack 2")
    tcp.expect("R. 2:2(0) ack 1")
    assert tcp.state is None


def test_reading_nothing_says_try_again():
    tcp = established()
    with pytest.raises(BlockingIOError) as e:
        tcp.recv()
    assert e.value.errno == errno.EAGAIN
