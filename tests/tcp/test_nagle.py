"""What is small waits for what is out (Nagle, RFC 9293, 3.7.4); with the setting minshall only for what is small itself, as in Linux."""

import socket

import pytest

from usnet.testing.peer import Tcp, established

TCP = socket.IPPROTO_TCP
BOTH = pytest.mark.parametrize("minshall", [0, 1])


def opened(minshall, **kwargs) -> Tcp:
    return established(mss=1000, minshall=minshall, **kwargs)


@BOTH
def test_one_small_segment_is_out_at_a_time(minshall):
    tcp = opened(minshall)
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.send(100)
    tcp.send(100)
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 101")
    tcp.expect("P. 101:301(200) ack 1")


@BOTH
def test_the_end_of_a_large_write(minshall):
    """The last 500 bytes wait for the full ones before them, or go along."""
    tcp = opened(minshall)
    tcp.send(2500)
    full, rest = [". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1"], "P. 2001:2501(500) ack 1"
    if minshall:
        tcp.expect(*full, rest)
        return
    tcp.expect(*full)
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 2001")
    tcp.expect(rest)


@BOTH
def test_small_large_small(minshall):
    """The second small one waits for the first, whatever is out behind that."""
    tcp = opened(minshall)
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 1")
    tcp.send(1000)
    tcp.expect("P. 101:1101(1000) ack 1")
    tcp.send(100)
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 101")                          # the small one has arrived, the full one has not
    tcp.expect(*(["P. 1101:1201(100) ack 1"] if minshall else []))
    tcp.rx(". 1:1(0) ack 1101")
    tcp.expect(*([] if minshall else ["P. 1101:1201(100) ack 1"]))


@BOTH
def test_nodelay_waits_for_nothing(minshall):
    tcp = opened(minshall)
    tcp.sock.setsockopt(TCP, socket.TCP_NODELAY, 1)
    for i in range(3):
        tcp.send(100)
        tcp.expect(f"P. {100 * i + 1}:{100 * i + 101}(100) ack 1")


@BOTH
def test_a_cork_holds_what_is_small(minshall):
    tcp = opened(minshall)
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 1)
    tcp.send(2500)
    tcp.expect(". 1:1001(1000) ack 1", ". 1001:2001(1000) ack 1")
    tcp.sock.setsockopt(TCP, socket.TCP_CORK, 0)
    tcp.expect(*(["P. 2001:2501(500) ack 1"] if minshall else []))


def test_a_large_frame_takes_its_small_end_along():
    tcp = opened(1, offload=True)
    tcp.send(2500)
    tcp.expect("P. 1:2501(2500) ack 1")
    tcp.send(500)
    tcp.expect_nothing()                                # a small one is out
    tcp.rx(". 1:1(0) ack 2501")
    tcp.expect("P. 2501:3001(500) ack 1")


def test_the_short_way_agrees():
    for short_way in (0, 1):
        tcp = opened(1, short_way=short_way)
        for n in (100, 1000, 1500):
            tcp.send(n)
        tcp.expect("P. 1:101(100) ack 1", "P. 101:1101(1000) ack 1", ". 1101:2101(1000) ack 1")
        tcp.rx(". 1:1(0) ack 101")
        tcp.expect("P. 2101:2601(500) ack 1")
