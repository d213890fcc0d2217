"""TIME-WAIT (RFC 9293, 3.10.7.4 and 3.6.1; RFC 1337; RFC 6191)."""

import socket
import struct

import pytest

from usnet.testing.peer import fin_wait_2, time_wait


def test_it_lasts_two_maximum_segment_lifetimes():
    tcp = time_wait(close=True)
    tcp.at(s=60, ns=-1)
    assert tcp.state == "TIME_WAIT"
    tcp.at(s=60)
    tcp.expect_nothing()
    assert tcp.state is None
    assert tcp.cable.memory() == {**tcp.cable.memory(), "connections": 1, "chunks": 0, "timers": 0}


def test_the_peers_fin_again_is_acknowledged_and_starts_the_time_anew():
    tcp = time_wait(close=True)
    tcp.at(s=50)
    tcp.rx("F. 1:1(0) ack 2")
    tcp.expect(". 2:2(0) ack 2")
    tcp.at(s=110, ns=-1)
    assert tcp.state == "TIME_WAIT"
    tcp.at(s=110)
    assert tcp.cable.run() is None
    assert tcp.state is None


@pytest.mark.parametrize("seq", [2, 3, 1])
def test_a_reset_does_not_cut_it_short(seq):
    """RFC 1337."""
    tcp = time_wait(close=True)
    tcp.rx(f"R {seq}:{seq}(0)")
    assert tcp.state == "TIME_WAIT"


def test_old_data_is_acknowledged_and_dropped():
    tcp = time_wait(close=True)
    tcp.rx("P. 1:11(10) ack 2")  # reaches into the window: its text is ignored
    tcp.expect_nothing()
    tcp.rx("P. -10:1(11) ack 2")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"


def test_a_new_syn_reopens_with_larger_numbers():
    """RFC 9293, 3.6.1: larger than the largest that the connection before used."""
    tcp = time_wait(close=True)
    before = tcp.snapshot()["snd_max"]
    tcp.isn = (tcp.isn + 100000) & 0xFFFFFFFF
    tcp.us_isn = None
    tcp.rx("S 0:0(0) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1")
    assert 0 < (tcp.us_isn - before) & 0xFFFFFFFF < 1 << 31
    tcp.rx(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"


def test_a_reopened_connection_numbers_above_a_fast_predecessor():
    """One that sent more than the ISN clock's 250,000 bytes a second."""
    tcp = time_wait_after(2_000_000)
    before = tcp.snapshot()["snd_max"]
    tcp.isn = (tcp.isn + 100000) & 0xFFFFFFFF
    tcp.us_isn = None
    tcp.rx("S 0:0(0) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1")
    assert 0 < (tcp.us_isn - before) & 0xFFFFFFFF < 1 << 31


def time_wait_after(total):
    from usnet.testing.peer import established

    tcp = established(wscale=7)
    while len(tcp.sent) < total:
        tcp.send(60000)
        for _ in range(100):
            if not tcp.take():
                break
            tcp.rx(". 1:1(0) win 60000")
    tcp.close()
    for _ in range(100):
        if not tcp.take():
            break
        tcp.rx(". 1:1(0) win 60000")
    tcp.rx("F. 1:1(0)")
    tcp.take()
    assert tcp.state == "TIME_WAIT"
    return tcp


def test_an_old_syn_does_not_reopen():
    tcp = time_wait(close=True)
    tcp.rx("S -50:-50(0)")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"


def test_a_newer_timestamp_reopens_whatever_the_sequence_number():
    """RFC 6191."""
    tcp = time_wait(close=True, timestamps=True)
    tcp.after(ms=2000)
    tcp.isn = (tcp.isn - 5000) & 0xFFFFFFFF
    tcp.us_isn = None
    tcp.rx("S 0:0(0) <mss 1460,TS>")
    tcp.expect("S. 0:0(0) ack 1")


def test_an_older_timestamp_does_not_reopen_whatever_the_sequence_number():
    """RFC 6191."""
    tcp = time_wait(close=True, timestamps=True)
    tcp.rx("S 100000:100000(0) <mss 1460,TS val 5 ecr 0>")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"


def test_an_unread_rest_is_freed_when_the_application_lets_go():
    from usnet.testing.peer import fin_wait_2

    tcp = fin_wait_2()
    tcp.rx("FP. 1:1001(1000) ack 2")
    tcp.expect(". 2:2(0) ack 1002")
    assert tcp.cable.memory()["chunks"] == 1
    tcp.close()
    tcp.expect_nothing()
    assert tcp.state == "TIME_WAIT"
    assert tcp.cable.memory()["chunks"] == 0


def test_what_nobody_will_read_is_given_back_when_the_holder_aborts():
    tcp = fin_wait_2()
    tcp.rx("P. 1:201(200) ack 2")
    tcp.rx("F. 201:201(0) ack 2")
    tcp.expect(". 2:2(0) ack 202")
    assert tcp.state == "TIME_WAIT"
    assert tcp.cable.memory()["chunks"] == 1
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tcp.close()
    assert tcp.state == "TIME_WAIT"
    assert tcp.cable.memory()["chunks"] == 0
