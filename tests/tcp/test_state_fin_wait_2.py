"""FIN-WAIT-2 (RFC 9293, 3.10.7.4): half closed."""

import pytest

from usnet.testing.peer import fin_wait_2, stream


def test_a_fin_leads_to_time_wait():
    tcp = fin_wait_2()
    tcp.rx("F. 1:1(0) ack 2")
    tcp.expect(". 2:2(0) ack 2")
    assert tcp.state == "TIME_WAIT"
    assert tcp.recv() == b""


def test_a_half_closed_connection_receives_for_as_long_as_the_peer_sends():
    tcp = fin_wait_2()
    seq = 1
    for _ in range(10):
        tcp.after(s=100)
        tcp.rx(f"P. {seq}:{seq + 1000}(1000) ack 2")
        assert tcp.recv() == stream(seq, 1000)
        tcp.watch(s=1)
        seq += 1000
    assert tcp.state == "FIN_WAIT_2"
    tcp.rx(f"F. {seq}:{seq}(0) ack 2")
    assert tcp.recv() == b""
    assert tcp.state == "TIME_WAIT"


def test_an_orphan_waits_a_minute_for_the_peers_fin():
    tcp = fin_wait_2(close=True)
    tcp.at(s=60, ns=-1)
    assert tcp.state == "FIN_WAIT_2"
    tcp.at(s=60)
    tcp.expect_nothing()
    assert tcp.state is None
    assert tcp.cable.memory()["connections"] == 1


def test_closing_a_half_closed_socket_starts_the_same_minute():
    tcp = fin_wait_2()
    tcp.at(s=100)
    tcp.close()
    tcp.expect_nothing()
    tcp.at(s=160, ns=-1)
    assert tcp.state == "FIN_WAIT_2"
    tcp.at(s=160)
    tcp.expect_nothing()
    assert tcp.state is None


def test_data_that_nobody_will_read_resets():
    tcp = fin_wait_2(close=True)
    tcp.rx("P. 1:101(100) ack 2")
    tcp.expect("R. 2:2(0) ack 1")
    assert tcp.state is None


def test_a_reset_ends_it():
    tcp = fin_wait_2()
    tcp.rx("R 1:1(0)")
    tcp.expect_nothing()
    with pytest.raises(ConnectionResetError):
        tcp.recv()
