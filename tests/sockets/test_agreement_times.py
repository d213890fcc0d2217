"""SO_RCVTIMEO and SO_SNDTIMEO: what a call says whose time is up, and that a timeout of the socket object comes before them."""

import socket
import struct
import time

import pytest

from tests.sockets import agree
from tests.sockets.agree import said

SOL = socket.SOL_SOCKET
LIMIT = 0.1  # s
PEEK_ALL = socket.MSG_WAITALL | socket.MSG_PEEK


def limit(sock, name, seconds=LIMIT):
    sock.setsockopt(SOL, getattr(socket, name), struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000)))


def seconds(net):
    return net.kind.clock.now() / 1e9 if net.name == "usnet" else time.monotonic()


def some(n):
    return 0 < n < 50_000_000


def untried(net, like):
    sock = net.tcp()
    sock.settimeout(like.gettimeout())
    limit(sock, "SO_SNDTIMEO")
    return sock


def accept(s, net, peer):
    listener = net.listener()
    listener.settimeout(s.gettimeout())
    limit(listener, "SO_RCVTIMEO")
    return listener.accept()


def with_data(call):
    def body(s, net, peer):
        peer.send(b"ab")
        net.settle()
        return call(s)

    return body


def datagram(s, net, peer):
    sock = net.udp("server")
    sock.bind((net.host, 0))
    sock.settimeout(s.gettimeout())
    limit(sock, "SO_RCVTIMEO")
    return sock.recv(10)


CALLS = {
    "recv": lambda s, net, peer: s.recv(1),
    "recv_into": lambda s, net, peer: s.recv_into(bytearray(1)),
    "recvfrom": lambda s, net, peer: s.recvfrom(1),
    "recvmsg": lambda s, net, peer: s.recvmsg(1),
    "recv MSG_DONTWAIT": lambda s, net, peer: s.recv(1, socket.MSG_DONTWAIT),
    "recv MSG_WAITALL": lambda s, net, peer: s.recv(4, socket.MSG_WAITALL),
    "recv of what is there": with_data(lambda s: s.recv(4)),
    "recv MSG_WAITALL of more than is there": with_data(lambda s: (s.recv(4, socket.MSG_WAITALL), said(s.recv, 4))),
    "peek MSG_WAITALL of more than is there": with_data(lambda s: (s.recv(4, PEEK_ALL), s.recv(4, PEEK_ALL))),
    "MSG_WAITALL that may not wait": with_data(lambda s: s.recv(4, socket.MSG_WAITALL | socket.MSG_DONTWAIT)),
    "makefile read": lambda s, net, peer: s.makefile("rb").read(1),
    "makefile readline": lambda s, net, peer: s.makefile("r").readline(),
    "accept": accept,
    "send": lambda s, net, peer: some(s.send(bytes(50_000_000))),
    "sendall": lambda s, net, peer: s.sendall(bytes(50_000_000)),
    "sendmsg": lambda s, net, peer: some(s.sendmsg([bytes(50_000_000)])),
    "connect": lambda s, net, peer: untried(net, s).connect(agree.full_listener(net)),
    "connect_ex": lambda s, net, peer: untried(net, s).connect_ex(agree.full_listener(net)),
    "datagram": datagram,
}


def late(net, call, timeout):
    sock, peer = net.connected()
    sock.settimeout(timeout)
    limit(sock, "SO_RCVTIMEO")
    limit(sock, "SO_SNDTIMEO")
    begin = seconds(net)
    told = said(CALLS[call], sock, net, peer)
    return told, seconds(net) - begin >= LIMIT / 2, sock.gettimeout()


@pytest.mark.parametrize("timeout", [None, 0, 0.01, 0.2])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_whose_time_is_up_agrees(call, timeout):
    agree.check(("late", call, timeout), late, call, timeout)


def other_way(net, name, call):
    """The limit of the other direction does not count."""
    sock, peer = net.connected()
    sock.settimeout(0.05)
    limit(sock, name, 0.01)
    sock.setblocking(True)
    if call == "recv":
        limit(sock, "SO_RCVTIMEO", 0.15)
    else:
        limit(sock, "SO_SNDTIMEO", 0.15)
    begin = seconds(net)
    told = said(CALLS[call], sock, net, peer)
    return told, seconds(net) - begin >= 0.12


@pytest.mark.parametrize(("name", "call"), [("SO_RCVTIMEO", "sendall"), ("SO_SNDTIMEO", "recv")])
def test_each_way_has_its_own_time(name, call):
    agree.check(("other way", name), other_way, name, call)


def at_once(net, call):
    """Below zero seconds: not at all."""
    sock, peer = net.connected()
    sock.settimeout(None)
    for name in ("SO_RCVTIMEO", "SO_SNDTIMEO"):
        sock.setsockopt(SOL, getattr(socket, name), struct.pack("ll", -1, 0))
    return said(CALLS[call], sock, net, peer)


@pytest.mark.parametrize("call", ["recv", "recv of what is there", "send", "sendall"])
def test_less_than_no_time_is_none_at_all(call):
    agree.check(("at once", call), at_once, call)


def connects_twice(net):
    sock = net.tcp()
    limit(sock, "SO_SNDTIMEO")
    address = agree.full_listener(net)
    return said(sock.connect, address), said(sock.connect, address), said(sock.connect_ex, address)


def test_connecting_again_when_time_was_up_agrees():
    agree.check("connects twice", connects_twice)


@pytest.mark.parametrize("microseconds", [1, 123_456, 1_500_000])
def test_the_time_is_kept_exactly(us, microseconds):
    sock, _ = us.connected()
    sock.setblocking(True)
    sock.setsockopt(SOL, socket.SO_RCVTIMEO, struct.pack("ll", *divmod(microseconds, 1_000_000)))
    begin = us.clock.now()
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert us.clock.now() - begin == microseconds * 1000


def test_a_time_taken_back_is_none(us):
    sock, peer = us.connected()
    sock.setblocking(True)
    for time_ in ((0, 1000), (0, 0)):
        sock.setsockopt(SOL, socket.SO_RCVTIMEO, struct.pack("ll", *time_))
    peer.send(b"x")
    assert sock.recv(1) == b"x"
    sock.setsockopt(SOL, socket.SO_RCVTIMEO, struct.pack("ll", 2**62, 0))
    peer.send(b"y")
    assert sock.recv(1) == b"y"


def test_a_descriptor_that_is_used_again_has_no_time(us):
    sock = us.tcp()
    limit(sock, "SO_RCVTIMEO")
    fd = sock.fileno()
    sock.close()
    again = us.tcp()
    assert again.fileno() == fd
    assert again.getsockopt(SOL, socket.SO_RCVTIMEO, 16) == bytes(16)


def test_many_descriptors_with_times_come_and_go(us):
    for _ in range(100_000):
        sock = us.client.socket()
        limit(sock, "SO_RCVTIMEO")
        sock.close()
    again = us.tcp()
    limit(again, "SO_RCVTIMEO")
    assert again.getsockopt(SOL, socket.SO_RCVTIMEO, 16) == struct.pack("ll", 0, 100_000)
