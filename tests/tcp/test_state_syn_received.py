"""SYN-RECEIVED (RFC 9293, 3.10.7.4), and simultaneous opens (3.5, figure 8)."""

import errno

import pytest

from usnet.testing.peer import syn_received, syn_sent


def test_the_ack_of_the_syn_establishes():
    tcp = syn_received()
    tcp.rx(". 1:1(0) ack 1 win 3000")
    tcp.expect_nothing()
    assert tcp.state == "ESTABLISHED"
    assert tcp.snapshot()["snd_wnd"] == 3000


@pytest.mark.parametrize("ack", [0, 2, -1, 1 << 30])
def test_an_unacceptable_ack_is_reset_and_nothing_else_changes(ack):
    tcp = syn_received()
    tcp.rx(f". 1:1(0) ack {ack}")
    tcp.expect(f"R {ack}:{ack}(0)")
    assert tcp.state == "SYN_RECEIVED"


def test_the_same_syn_again_is_answered_again():
    tcp = syn_received()
    tcp.rx("S 0:0(0) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1 win 65535 <mss 1460>")


def test_another_syn_is_challenged_and_not_taken():
    tcp = syn_received()
    tcp.rx("S 100:100(0)")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "SYN_RECEIVED"


def test_a_syn_with_a_reset_is_not_answered():
    tcp = syn_received()
    tcp.rx("SR 0:0(0)")
    tcp.expect_nothing()
    assert tcp.state == "SYN_RECEIVED"


def test_the_syn_ack_is_sent_again_and_given_up():
    tcp = syn_received()
    assert [ms for ms, _ in tcp.watch(s=200)] == [1000, 3000, 7000, 15000, 31000]
    assert tcp.state is None
    assert tcp.cable.memory() == {**tcp.cable.memory(), "connections": 1, "timers": 0}


def test_a_reset_at_the_next_number_returns_to_listen():
    tcp = syn_received()
    tcp.rx("R 1:1(0)")
    tcp.expect_nothing()
    assert tcp.state is None
    tcp.us_isn = None
    tcp.rx("S 0:0(0)")
    tcp.expect("S. 0:0(0) ack 1")


def test_a_reset_elsewhere_in_the_window_is_challenged():
    tcp = syn_received()
    tcp.rx("R 2:2(0)")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "SYN_RECEIVED"


def test_a_reset_outside_the_window_is_ignored():
    tcp = syn_received()
    tcp.rx("R 70000:70000(0)", "R 0:0(0)")
    tcp.expect_nothing()
    assert tcp.state == "SYN_RECEIVED"


def test_data_and_fin_on_the_last_ack_of_the_handshake_are_taken():
    tcp = syn_received()
    tcp.rx("FP. 1:11(10) ack 1", data=b"0123456789")
    tcp.expect(". 1:1(0) ack 12")
    tcp.accept()
    assert tcp.recv() == b"0123456789"
    assert tcp.recv() == b""


def test_data_before_the_last_ack_waits_for_it():
    tcp = syn_received()
    tcp.rx("P 1:11(10)")
    tcp.expect_nothing()
    assert tcp.drops() == {"no_ack": 1}
    assert tcp.state == "SYN_RECEIVED"


def test_after_a_lost_syn_ack_the_first_data_waits_three_seconds():
    """RFC 6298, 5.7."""
    tcp = syn_received()
    tcp.at(s=1)
    tcp.expect("S. 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.at(s=4)
    tcp.expect("P. 1:101(100) ack 1")


# Simultaneous opens


def simultaneous(options="<mss 1000,wscale 7>"):
    tcp = syn_sent()
    tcp.rx(f"S 0:0(0) win 1000 {options}")
    tcp.expect("S. 0:0(0) ack 1")
    assert tcp.state == "SYN_RECEIVED"
    return tcp


def test_crossing_syns_open_one_connection():
    tcp = simultaneous()
    tcp.rx("S. 0:0(0) ack 1 win 1000 <mss 1000,wscale 7>")
    assert tcp.state == "ESTABLISHED"
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")


def test_the_window_of_a_crossing_syn_ack_is_not_scaled():
    """RFC 7323, 2.2."""
    tcp = simultaneous()
    tcp.rx("S. 0:0(0) ack 1 win 1000 <mss 1000,wscale 7>")
    assert tcp.snapshot()["snd_wnd"] == 1000
    tcp.rx(". 1:1(0) ack 1 win 1000")
    assert tcp.snapshot()["snd_wnd"] == 128000


def test_crossing_syns_then_a_plain_ack_open_it_too():
    tcp = simultaneous()
    tcp.rx(". 1:1(0) ack 1 win 1000")
    tcp.expect_nothing()
    assert tcp.state == "ESTABLISHED"
    assert tcp.snapshot()["snd_wnd"] == 128000


def test_a_reset_during_a_simultaneous_open_refuses():
    tcp = simultaneous()
    tcp.rx("R 1:1(0)")
    tcp.expect_nothing()
    assert tcp.sock.getsockopt(1, 4) == errno.ECONNREFUSED


def test_closed_during_a_simultaneous_open_the_fin_follows_the_handshake():
    tcp = simultaneous()
    tcp.close()
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect("F. 1:1(0) ack 1")
    assert tcp.state == "FIN_WAIT_1"
