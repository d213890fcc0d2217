"""Connections that nobody holds any more: how many, for how long (tcp_max_orphans, TCP_LINGER2); and TIME-WAIT's ends taken over by connect."""

import errno
import socket

import pytest

from usnet.testing.peer import PEER, closing, established, fin_wait_1, fin_wait_2, last_ack, listening, time_wait

LINGER2 = 8


def orphans(tcp):
    return tcp.counters()["orphans"]


@pytest.mark.parametrize(
    ("state", "segments"),
    [
        (fin_wait_1, [". 1:1(0) ack 2", "F. 1:1(0) ack 2"]),
        (fin_wait_1, ["R 1:1(0)"]),
        (last_ack, [". 2:2(0) ack 2"]),
        (fin_wait_1, ["F. 1:1(0) ack 2"]),
    ],
)
def test_they_are_counted_until_they_are_over_or_wait_for_time_alone(state, segments):
    tcp = state(close=True)
    assert orphans(tcp) == 1
    for segment in segments:
        assert orphans(tcp) == 1
        tcp.rx(segment)
    assert orphans(tcp) == 0


def test_what_is_shut_down_is_no_orphan_before_it_is_closed():
    tcp = established()
    tcp.sock.shutdown(socket.SHUT_WR)
    assert orphans(tcp) == 0
    tcp.close()
    tcp.take()
    assert orphans(tcp) == 1
    tcp.watch(s=1000)
    assert orphans(tcp) == 0
    assert tcp.state is None


@pytest.mark.parametrize("state", [fin_wait_2, closing])
def test_closing_in_these_states_counts_too(state):
    tcp = state()
    tcp.close()
    assert orphans(tcp) == 1


def test_one_too_many_is_reset():
    tcp = listening(max_orphans=2)
    peers = [tcp.another(41000 + i).handshake() for i in range(4)]
    for peer in peers[:3]:
        peer.close()
    peers[1].expect("F. 1:1(0) ack 1")
    peers[2].expect("R. 1:1(0) ack 1")
    assert (orphans(tcp), tcp.counters()["orphan_aborts"]) == (2, 1)
    peers[0].take()
    peers[0].rx("F. 1:1(0) ack 2")  # TIME-WAIT: there is room again
    peers[3].close()
    peers[3].expect("F. 1:1(0) ack 1")


@pytest.mark.parametrize(("asked", "told", "lasts"), [(5, 5, 5), (0, 60, 60), (1000, 120, 120)])
def test_the_wait_for_the_peers_fin_is_an_option(asked, told, lasts):
    tcp = established()
    tcp.sock.setsockopt(6, LINGER2, asked)
    assert tcp.sock.getsockopt(6, LINGER2) == told
    tcp.close()
    tcp.take()
    tcp.rx(". 1:1(0) ack 2")
    tcp.after(s=lasts, ns=-1)
    assert tcp.state == "FIN_WAIT_2"
    tcp.after(ns=1)
    tcp.expect_nothing()
    assert tcp.state is None


def test_below_zero_there_is_no_wait():
    tcp = established()
    tcp.sock.setsockopt(6, LINGER2, -1)
    assert tcp.sock.getsockopt(6, LINGER2) == -1
    tcp.close()
    tcp.take()
    tcp.rx(". 1:1(0) ack 2")
    tcp.expect("R. 2:2(0) ack 1")
    assert tcp.state is None
    assert (orphans(tcp), tcp.counters()["orphan_aborts"]) == (0, 1)


def test_a_listeners_option_is_its_connections():
    tcp = listening()
    tcp.listener.setsockopt(6, LINGER2, 7)
    tcp.handshake()
    assert tcp.sock.getsockopt(6, LINGER2) == 7


# --- TIME-WAIT ---


@pytest.mark.parametrize(("seq", "ends"), [(2, True), (3, False), (1, False)])
def test_a_reset_ends_time_wait_where_it_is_not_protected(seq, ends):
    """Linux's tcp_rfc1337=0: at exactly the next number."""
    tcp = time_wait(close=True, rfc1337=0)
    tcp.rx(f"R {seq}:{seq}(0)")
    assert (tcp.state is None) == ends


def again(tcp, s=1):
    """connect() with the ends of a connection in TIME-WAIT: the errno."""
    tcp.after(s=s)
    tcp.sock = tcp.cable.stack.socket()
    tcp.sock.setblocking(False)
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.sock.bind(("10.0.0.1", tcp.us_port))
    return tcp.sock.connect_ex((PEER, tcp.port))


def waiting(timestamps=True, **config):
    """usnet connected from port 80, and closed first."""
    tcp = established(active=True, timestamps=timestamps, **config)
    tcp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.close()
    tcp.take()
    tcp.rx("F. 1:1(0) ack 2")
    tcp.take()
    assert tcp.state == "TIME_WAIT"
    return tcp


def test_connect_takes_the_ends_of_time_wait_where_that_is_allowed():
    """RFC 6191 from the other side: numbers and timestamps go on."""
    tcp = waiting(time_wait_reuse=1)
    before = tcp.snapshot()["snd_max"], tcp.last_ts
    assert again(tcp) == errno.EINPROGRESS
    tcp.us_isn = None
    tcp.expect("S 0:0(0)")
    assert 0 < (tcp.us_isn - before[0]) & 0xFFFFFFFF < 1 << 31
    assert tcp.last_ts - before[1] >= 1000
    assert tcp.counters()["time_wait_reuses"] == 1


@pytest.mark.parametrize(("settings", "s"), [({}, 1), ({"time_wait_reuse": 1}, 0.9), ({"time_wait_reuse": 1, "timestamps": False}, 1)])
def test_otherwise_it_does_not(settings, s):
    tcp = waiting(**{"timestamps": True, **settings})
    assert again(tcp, s) == errno.EADDRNOTAVAIL
