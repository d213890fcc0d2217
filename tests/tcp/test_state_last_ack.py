"""LAST-ACK (RFC 9293, 3.10.7.4): the peer closed first; our FIN is out."""

import pytest

from usnet.testing.peer import last_ack


@pytest.mark.parametrize("close", [False, True])
def test_the_ack_of_our_fin_ends_it(close):
    tcp = last_ack(close=close)
    tcp.rx(". 2:2(0) ack 2")
    tcp.expect_nothing()
    assert tcp.state == (None if close else "CLOSED")
    tcp.at(s=1000)
    assert tcp.cable.memory()["timers"] == 0


def test_an_ack_of_less_does_not():
    tcp = last_ack()
    tcp.rx(". 2:2(0) ack 1")
    tcp.expect_nothing()
    assert tcp.state == "LAST_ACK"


def test_our_fin_is_sent_again_and_given_up():
    tcp = last_ack()
    assert [ms for ms, _ in tcp.watch(s=100)] == [200, 600, 1400, 3000, 6200, 12600, 25400]
    assert tcp.state is None


def test_the_peers_fin_again_is_acknowledged_again():
    tcp = last_ack()
    tcp.rx("F. 1:1(0) ack 1")
    tcp.expect(". 2:2(0) ack 2")


def test_after_the_end_the_same_ports_open_again():
    tcp = last_ack()
    tcp.rx(". 2:2(0) ack 2")
    tcp.us_isn = None
    tcp.handshake()
    assert tcp.state == "ESTABLISHED"
