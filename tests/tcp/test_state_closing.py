"""CLOSING (RFC 9293, 3.6, figure 13): both closed at once."""

from usnet.testing.peer import closing


def test_the_ack_of_our_fin_leads_to_time_wait():
    tcp = closing()
    tcp.rx(". 2:2(0) ack 2")
    tcp.expect_nothing()
    assert tcp.state == "TIME_WAIT"
    tcp.at(s=60)
    tcp.expect_nothing()
    assert tcp.snapshot() is None or tcp.state == "CLOSED"


def test_our_fin_is_sent_again():
    tcp = closing()
    tcp.at(ms=200)
    tcp.expect("F. 1:1(0) ack 2")
    tcp.rx(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"


def test_the_peers_fin_again_is_acknowledged_again():
    tcp = closing()
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "CLOSING"


def test_a_reset_ends_it():
    tcp = closing(close=True)
    tcp.rx("R 2:2(0)")
    tcp.expect_nothing()
    assert tcp.state is None


def test_an_orphan_gives_up():
    tcp = closing(close=True)
    tcp.watch(s=100)
    assert tcp.state is None
    assert tcp.cable.memory()["timers"] == 0
