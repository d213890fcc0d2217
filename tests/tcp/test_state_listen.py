"""LISTEN (RFC 9293, 3.10.7.2)."""

import pytest

from usnet.testing.peer import listening, stream


def test_a_syn_is_answered_at_once():
    tcp = listening()
    tcp.rx("S 0:0(0) win 1000 <mss 1000>")
    tcp.expect("S. 0:0(0) ack 1 win 65535 <mss 1460>")
    assert tcp.state == "SYN_RECEIVED"


def test_a_reset_is_ignored():
    tcp = listening()
    tcp.rx("R 0:0(0)", "R. 0:0(0) ack 1", "SR 0:0(0)")
    tcp.expect_nothing()
    assert tcp.drops() == {"listen_flags": 3}


@pytest.mark.parametrize("arrives", [". 5:5(0) ack 77", "S. 5:5(0) ack 77", "F. 5:5(0) ack 77", "P. 5:7(2) ack 77"])
def test_an_ack_is_reset(arrives):
    tcp = listening()
    tcp.rx(arrives)
    tcp.expect("R 77:77(0)")
    assert tcp.cable.memory()["connections"] == 1


@pytest.mark.parametrize("arrives", ["- 0:0(0)", "F 0:0(0)", "P 0:10(10)", "U 0:0(0)", "FS 0:0(0)"])
def test_what_is_neither_syn_nor_ack_nor_reset_is_dropped(arrives):
    tcp = listening()
    tcp.rx(arrives)
    tcp.expect_nothing()
    assert tcp.drops() == {"listen_flags": 1}


def test_data_on_a_syn_is_not_acknowledged_and_taken_when_it_comes_again():
    tcp = listening()
    tcp.rx("S 0:10(10) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1")
    tcp.rx("P. 1:11(10) ack 1")
    tcp.accept()
    assert tcp.recv() == stream(1, 10)


def test_ecn_bits_on_a_syn_do_no_harm_where_ecn_is_off():
    tcp = listening(ecn=0)
    tcp.rx("SEW 0:0(0)")
    tcp.expect("S. 0:0(0) ack 1")


def test_syns_of_many_peers_each_have_their_answer():
    tcp = listening()
    peers = [tcp.another(41000 + i, isn=i * 99999) for i in range(20)]
    for peer in peers:
        peer.rx("S 0:0(0)")
    for peer in peers:
        peer.expect("S. 0:0(0) ack 1")


def test_closing_the_listener_resets_those_that_wait():
    tcp = listening()
    half, ready = tcp.another(41000), tcp.another(41001)
    half.rx("S 0:0(0)")
    half.expect("S. 0:0(0) ack 1")
    ready.rx("S 0:0(0)")
    ready.expect("S. 0:0(0) ack 1")
    ready.rx(". 1:1(0) ack 1")
    tcp.listener.close()
    half.expect("R. 1:1(0) ack 1")
    ready.expect("R. 1:1(0) ack 1")
    assert tcp.cable.memory()["connections"] == 0
    tcp.rx("S 0:0(0)")
    tcp.expect("R. 0:0(0) ack 1")
