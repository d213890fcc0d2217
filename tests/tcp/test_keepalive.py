"""Keepalive: RFC 9293, 3.8.4; RFC 2525, 2.9 and 2.11."""

import socket

import pytest

from usnet.testing.peer import close_wait, established

KEEPALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
IDLE, INTERVAL = (socket.IPPROTO_TCP, 4), (socket.IPPROTO_TCP, 5)


def kept(idle=None, interval=None, **kwargs):
    tcp = established(**kwargs)
    if idle:
        tcp.sock.setsockopt(*IDLE, idle)
    if interval:
        tcp.sock.setsockopt(*INTERVAL, interval)
    tcp.sock.setsockopt(*KEEPALIVE, 1)
    return tcp


def test_it_is_off_unless_asked_for():
    """MUST-25."""
    tcp = established()
    tcp.at(s=1_000_000)
    tcp.expect_nothing()


def test_two_hours_of_silence_then_probes():
    """MUST-28: no less than two hours by default."""
    tcp = kept()
    seen = tcp.watch(s=20000)
    assert [ms / 1000 for ms, _ in seen] == [7200 + 75 * i for i in range(9)] + [7200 + 75 * 9]
    assert all(text.startswith(". 0:0(0) ack 1") for _, text in seen[:-1])
    assert seen[-1][1].startswith("R. 1:1(0) ack 1")
    assert tcp.state == "CLOSED"
    with pytest.raises(TimeoutError):
        tcp.recv()


def test_an_answer_starts_the_silence_anew():
    tcp = kept(idle=10, interval=2)
    tcp.at(s=10)
    tcp.expect(". 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.at(s=20)
    tcp.expect(". 0:0(0) ack 1")


def test_data_counts_as_a_sign_of_life():
    tcp = kept(idle=10, interval=2)
    tcp.at(s=9)
    tcp.rx("P. 1:11(10) ack 1")
    tcp.watch(ms=100)
    tcp.at(s=19)
    tcp.expect(". 0:0(0) ack 11")


def test_one_lost_probe_does_not_end_it():
    """MUST-29."""
    tcp = kept(idle=10, interval=2)
    tcp.at(s=10)
    tcp.expect(". 0:0(0) ack 1")
    tcp.at(s=12)
    tcp.expect(". 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"
    tcp.at(s=22)
    tcp.expect(". 0:0(0) ack 1")


def test_a_peers_probe_is_answered():
    tcp = established()
    tcp.rx(". 0:0(0) ack 1")
    tcp.expect(". 1:1(0) ack 1")


def test_a_peers_probe_with_a_byte_of_garbage_is_answered_and_not_read():
    tcp = established()
    tcp.rx("P. 1:11(10) ack 1")
    tcp.recv()
    tcp.watch(ms=40)
    tcp.rx(". 10:11(1) ack 1", data=b"X")
    tcp.expect(". 1:1(0) ack 11")
    with pytest.raises(BlockingIOError):
        tcp.recv()


def test_switched_off_again_nothing_is_sent():
    tcp = kept(idle=10, interval=2)
    tcp.sock.setsockopt(*KEEPALIVE, 0)
    tcp.at(s=1000)
    tcp.expect_nothing()


def test_accepted_connections_inherit_it():
    from usnet.testing.peer import listening

    tcp = listening()
    tcp.listener.setsockopt(*IDLE, 10)
    tcp.listener.setsockopt(*KEEPALIVE, 1)
    tcp.handshake()
    tcp.at(s=10)
    tcp.expect(". 0:0(0) ack 1")


def test_another_time_of_silence_holds_at_once_also_when_the_peer_has_closed():
    tcp = close_wait()
    tcp.sock.setsockopt(*KEEPALIVE, 1)
    tcp.sock.setsockopt(*IDLE, 10)
    tcp.at(s=10)
    tcp.expect(". 0:0(0) ack 2")
