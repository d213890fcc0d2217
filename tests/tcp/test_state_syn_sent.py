"""SYN-SENT (RFC 9293, 3.10.7.3)."""

import errno

import pytest

from usnet.testing.peer import syn_sent

SO_ERROR = (1, 4)


def test_a_syn_ack_establishes():
    tcp = syn_sent()
    tcp.rx("S. 0:0(0) ack 1 win 5000 <mss 1000>")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"
    assert tcp.snapshot()["snd_wnd"] == 5000
    assert tcp.sock.getpeername() == ("10.0.0.2", 40000)


@pytest.mark.parametrize("ack", [0, -1, 2, 1 << 30])
@pytest.mark.parametrize("flags", [".", "S.", "F.", "P."])
def test_an_unacceptable_ack_is_reset_and_the_attempt_goes_on(flags, ack):
    tcp = syn_sent()
    tcp.rx(f"{flags} 0:0(0) ack {ack}")
    tcp.expect(f"R {ack}:{ack}(0)")
    assert tcp.state == "SYN_SENT"


def test_a_reset_with_an_acceptable_ack_refuses():
    tcp = syn_sent()
    tcp.rx("R. 0:0(0) ack 1")
    tcp.expect_nothing()
    assert tcp.state == "CLOSED"
    assert tcp.sock.getsockopt(*SO_ERROR) == errno.ECONNREFUSED
    assert tcp.sock.getsockopt(*SO_ERROR) == 0


@pytest.mark.parametrize("arrives", ["R 0:0(0)", "R. 0:0(0) ack 0", "R. 0:0(0) ack 2", "SR 0:0(0)"])
def test_a_reset_that_acknowledges_nothing_of_ours_is_ignored(arrives):
    tcp = syn_sent()
    tcp.rx(arrives)
    tcp.expect_nothing()
    assert tcp.state == "SYN_SENT"


@pytest.mark.parametrize("arrives", [". 0:0(0) ack 1", "F. 0:0(0) ack 1", "P. 0:9(9) ack 1", "- 0:0(0)", "F 0:0(0)"])
def test_what_has_no_syn_is_dropped(arrives):
    tcp = syn_sent()
    tcp.rx(arrives)
    tcp.expect_nothing()
    assert tcp.state == "SYN_SENT"


def test_the_syn_is_sent_again_at_one_second_and_doubles():
    tcp = syn_sent()
    assert tcp.watch(s=300) == [
        (ms, f"S 0:0(0) win 65535 <mss 1460,wscale 5,sackOK,TS val {ms} ecr 0>")
        for ms in (1000, 3000, 7000, 15000, 31000, 63000, 123000)
    ]
    assert tcp.state == "CLOSED"
    assert tcp.sock.getsockopt(*SO_ERROR) == errno.ETIMEDOUT


def connect_again(tcp):
    tcp.us_isn = None
    assert tcp.sock.connect_ex(("10.0.0.2", 40000)) == errno.ECONNABORTED  # as Linux says it, once
    assert tcp.sock.connect_ex(("10.0.0.2", 40000)) == errno.EINPROGRESS


def test_after_a_failed_attempt_the_socket_connects_afresh():
    tcp = syn_sent()
    tcp.rx("R. 0:0(0) ack 1")
    assert tcp.sock.getsockopt(*SO_ERROR) == errno.ECONNREFUSED
    connect_again(tcp)
    tcp.expect("S 0:0(0)")
    tcp.rx("S. 0:0(0) ack 1 win 5000")
    tcp.expect(". 1:1(0) ack 1 win 65535 <>")
    assert tcp.state == "ESTABLISHED"


def test_after_an_attempt_that_timed_out_the_next_has_all_its_retries():
    tcp = syn_sent(syn_retries=2)
    assert [ms for ms, _ in tcp.watch(s=60)] == [1000, 3000]
    assert tcp.sock.getsockopt(*SO_ERROR) == errno.ETIMEDOUT
    tcp.at(s=100)
    connect_again(tcp)
    tcp.expect("S 0:0(0)")
    assert [ms for ms, _ in tcp.watch(s=60)] == [101000, 103000]


def test_after_a_lost_syn_the_first_data_waits_three_seconds():
    """RFC 6298, 5.7."""
    tcp = syn_sent()
    tcp.at(s=1)
    tcp.expect("S 0:0(0)")
    tcp.rx("S. 0:0(0) ack 1 <mss 1000>")
    tcp.expect(". 1:1(0) ack 1")
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.at(s=4)
    tcp.expect("P. 1:101(100) ack 1")


def test_after_a_lost_syn_the_initial_window_is_one_segment():
    """RFC 5681, 3.1."""
    tcp = syn_sent()
    tcp.at(s=1)
    tcp.expect("S 0:0(0)")
    tcp.rx("S. 0:0(0) ack 1 <mss 1000>")
    tcp.expect(". 1:1(0) ack 1")
    tcp.send(5000)
    tcp.expect(". 1:1001(1000) ack 1")


def test_close_ends_the_attempt_without_a_word():
    tcp = syn_sent()
    tcp.close()
    tcp.expect_nothing()
    assert tcp.cable.memory()["connections"] == 0
    tcp.rx("S. 0:0(0) ack 1")
    tcp.expect("R 1:1(0)")


def test_data_on_the_syn_ack_is_taken():
    tcp = syn_sent()
    tcp.rx("S. 0:10(10) ack 1 <mss 1000>", data=b"0123456789")
    tcp.expect(". 1:1(0) ack 11")
    assert tcp.recv() == b"0123456789"


def test_data_on_the_syn_ack_is_taken_within_the_window_that_the_syn_offered():
    tcp = syn_sent(rcvbuf=1000)
    tcp.rx("S. 0:1400(1400) ack 1 <mss 1460>", data=bytes(1400))
    tcp.expect(". 1:1(0) ack 1001")


def test_a_fin_on_the_syn_ack_is_the_end_of_the_stream():
    tcp = syn_sent()
    tcp.rx("FS. 0:0(0) ack 1 <mss 1000>")
    tcp.expect(". 1:1(0) ack 2")
    assert tcp.state == "CLOSE_WAIT"
    assert tcp.recv() == b""
