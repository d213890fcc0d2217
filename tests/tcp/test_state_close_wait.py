"""CLOSE-WAIT (RFC 9293, 3.10.7.4): the peer has said all."""

from usnet.testing.peer import close_wait


def test_data_still_leaves():
    tcp = close_wait()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 2")
    tcp.rx(". 2:2(0) ack 101")
    tcp.expect_nothing()
    assert tcp.snapshot()["snd_una"] == (tcp.us_isn + 101) & 0xFFFFFFFF


def test_close_leads_to_last_ack():
    tcp = close_wait()
    tcp.close()
    tcp.expect("F. 1:1(0) ack 2")
    assert tcp.state == "LAST_ACK"


def test_the_same_fin_again_is_acknowledged_again():
    tcp = close_wait()
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 1:1(0) ack 2")
    assert tcp.state == "CLOSE_WAIT"


def test_text_behind_the_fin_is_not_taken():
    tcp = close_wait()
    tcp.rx("P. 2:12(10) ack 1")
    assert tcp.recv() == b""
    assert tcp.snapshot()["rcv_nxt"] == (tcp.isn + 2) & 0xFFFFFFFF


def test_it_waits_for_ever():
    tcp = close_wait()
    tcp.at(s=100_000)
    tcp.expect_nothing()
    assert tcp.state == "CLOSE_WAIT"


def test_a_reset_ends_it():
    tcp = close_wait()
    tcp.rx("R 2:2(0)")
    tcp.expect_nothing()
    assert tcp.state == "CLOSED"
    assert tcp.counters()["resets"] == 1
