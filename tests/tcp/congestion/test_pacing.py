"""Pacing: when segments leave, at SO_MAX_PACING_RATE and at the pace of the window."""

import socket
import struct

import pytest

from usnet.testing.peer import established

SO_MAX_PACING_RATE = 47


def limited(rate, **config):
    tcp = established(mss=1000, **config)
    tcp.sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)
    return tcp


def test_a_rate_spreads_what_the_window_allows():
    """100 kB/s: two segments at once, and then the time that they take."""
    tcp = limited(100_000)
    tcp.send(10_000)
    assert len(tcp.take()) == 2
    seen = tcp.watch(ms=100)
    times = sorted({round(at) for at, _ in seen})
    assert len(seen) == 8
    assert times == [20, 40, 60, 80]


def test_what_is_not_paced_leaves_at_once():
    tcp = established(mss=1000)
    tcp.send(10_000)
    assert len(tcp.take()) == 10


def test_a_late_start_is_not_made_up_for_beyond_half_a_burst():
    tcp = limited(100_000)
    tcp.send(2000)
    assert len(tcp.take()) == 2
    tcp.after(s=0.15)
    tcp.rx(". 1:1(0) ack 2001 win 65535")
    tcp.send(6000)
    assert len(tcp.take()) == 2
    assert [round(at) for at, _ in tcp.watch(ms=60)] == [160, 160, 180, 180]


def test_the_limit_is_read_back_in_both_widths():
    tcp = established(mss=1000)
    read = lambda n: tcp.sock.getsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, n)  # noqa: E731
    assert (read(4), read(8)) == (b"\xff" * 4, b"\xff" * 8)
    tcp.sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, struct.pack("Q", 5_000_000_000))
    assert (read(4), read(8)) == (b"\xff" * 4, struct.pack("Q", 5_000_000_000))
    tcp.sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, 1000)
    assert read(4) == struct.pack("I", 1000)
    tcp.sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, -1)
    tcp.send(10_000)
    assert len(tcp.take()) == 10


def test_the_setting_paces_by_window_and_round_trip():
    """Twice the window in a round trip, while it is to grow."""
    tcp = established(mss=1000, pacing=1)
    tcp.send(1000)
    tcp.take()
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1001 win 65535")
    rtt, cwnd = tcp.snapshot()["srtt"], tcp.snapshot()["cc"]["cwnd"]
    rate = struct.unpack_from("Q", tcp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280), 104)[0]
    assert rate == pytest.approx(cwnd * 2 * 10**9 / rtt, rel=0.01)
    tcp.send(10_000)
    assert 2 <= len(tcp.take()) < 10
