"""FIN-WAIT-1 (RFC 9293, 3.10.7.4): our FIN is out, and not acknowledged."""

import pytest

from usnet.testing.peer import fin_wait_1, stream


def test_the_ack_of_the_fin_leads_to_fin_wait_2():
    tcp = fin_wait_1()
    tcp.rx(". 1:1(0) ack 2")
    tcp.expect_nothing()
    assert tcp.state == "FIN_WAIT_2"


def test_an_ack_of_less_changes_nothing():
    tcp = fin_wait_1()
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect_nothing()
    assert tcp.state == "FIN_WAIT_1"


def test_a_fin_that_acknowledges_ours_leads_to_time_wait():
    tcp = fin_wait_1()
    tcp.rx("F. 1:1(0) ack 2")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"


def test_a_fin_that_does_not_leads_to_closing():
    tcp = fin_wait_1()
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "CLOSING"


def test_the_fin_is_sent_again():
    tcp = fin_wait_1()
    assert [(ms, text[:16]) for ms, text in tcp.watch(s=1)] == [
        (200.0, "F. 1:1(0) ack 1 "),
        (600.0, "F. 1:1(0) ack 1 "),
    ]


def test_data_still_arrives():
    tcp = fin_wait_1()
    tcp.rx("P. 1:101(100) ack 2")
    assert tcp.recv() == stream(1, 100)


def test_data_that_nobody_will_read_resets():
    tcp = fin_wait_1(close=True)
    tcp.rx("P. 1:101(100) ack 1")
    tcp.expect("R. 2:2(0) ack 1")
    assert tcp.state is None


@pytest.mark.parametrize("close", [False, True])
def test_a_reset_ends_it(close):
    tcp = fin_wait_1(close=close)
    tcp.rx("R 1:1(0)")
    tcp.expect_nothing()
    assert tcp.state == (None if close else "CLOSED")


def test_an_orphan_gives_up():
    """0.2 s, doubled: 7 retransmissions, and one more wait."""
    tcp = fin_wait_1(close=True)
    assert [ms for ms, _ in tcp.watch(s=100)] == [200, 600, 1400, 3000, 6200, 12600, 25400]
    assert tcp.state is None
    assert tcp.cable.memory()["timers"] == 0


def test_writing_after_shutdown_is_a_broken_pipe():
    tcp = fin_wait_1()
    with pytest.raises(BrokenPipeError):
        tcp.send(1)
