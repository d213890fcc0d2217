"""Datagram sockets: every call in every state says on usnet what it says on the kernel's."""

import socket

import pytest

from tests.sockets import agree
from tests.sockets.agree import events_of, into, option, said


def fresh(net):
    return net.udp(), None


def bound(net):
    sock = net.udp()
    sock.bind(("", 0))
    return sock, None


def server(net):
    sock = net.udp("server")
    sock.bind((net.host, 0))
    sock.setblocking(False)
    return sock


def connected(net):
    sock, peer = net.udp(), server(net)
    sock.connect(peer.getsockname())
    return sock, peer


def with_datagrams(net):
    sock, peer = connected(net)
    for data in (b"abcdef", b"", b"gh"):
        peer.sendto(data, (sock.getsockname()))
        net.settle()
    return sock, peer


def to_a_closed_port(net):
    sock, peer = connected(net)
    peer.close()
    sock.send(b"anybody?")
    return sock, None


def unconnected_to_a_closed_port(net):
    sock, peer = net.udp(), server(net)
    address = peer.getsockname()
    peer.close()
    sock.sendto(b"anybody?", address)
    return sock, None


def refused_and_told(net):
    sock, _ = to_a_closed_port(net)
    net.settle()
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return sock, None


def shut_for_reading(net):
    sock, peer = connected(net)
    sock.shutdown(socket.SHUT_RD)
    return sock, peer


def shut_for_writing(net):
    sock, peer = connected(net)
    sock.shutdown(socket.SHUT_WR)
    return sock, peer


def shut_for_both(net):
    sock, peer = connected(net)
    sock.shutdown(socket.SHUT_RDWR)
    return sock, peer


def shut_with_datagrams(net):
    sock, peer = with_datagrams(net)
    net.settle()
    sock.shutdown(socket.SHUT_RD)
    return sock, peer


def closed(net):
    sock, peer = connected(net)
    sock.close()
    return sock, peer


STATES = [
    fresh, bound, connected, with_datagrams, to_a_closed_port, unconnected_to_a_closed_port, refused_and_told, shut_for_reading,
    shut_for_writing, shut_for_both, shut_with_datagrams, closed,
]  # fmt: skip


CALLS = {
    "bind": lambda s, net: s.bind(("", 0)),
    "bind elsewhere": lambda s, net: s.bind(("203.0.113.9", 0)),
    "listen": lambda s, net: s.listen(5),
    "accept": lambda s, net: s.accept(),
    "connect": lambda s, net: (s.connect_ex(server(net).getsockname()), said(s.getpeername)),
    "connect to port 0": lambda s, net: (s.connect_ex((net.host, 0)), said(s.getpeername)),
    "send": lambda s, net: s.send(b"x"),
    "send nothing": lambda s, net: s.send(b""),
    "send too much": lambda s, net: s.send(bytes(65508)),
    "send MSG_OOB": lambda s, net: s.send(b"x", socket.MSG_OOB),
    "sendall": lambda s, net: s.sendall(b"xyz"),
    "sendto": lambda s, net: s.sendto(b"x", server(net).getsockname()),
    "sendto with flags": lambda s, net: s.sendto(b"x", socket.MSG_DONTWAIT, server(net).getsockname()),
    "sendto nobody": lambda s, net: s.sendto(b"x", ("", 9)) and None,
    "sendto port 0": lambda s, net: s.sendto(b"x", (net.host, 0)),
    "sendto too much": lambda s, net: s.sendto(bytes(65508), server(net).getsockname()),
    "sendmsg": lambda s, net: s.sendmsg([b"x", b"", b"yz"]),
    "sendmsg to": lambda s, net: s.sendmsg([b"x", b"yz"], [], 0, server(net).getsockname()),
    "sendmsg nothing": lambda s, net: s.sendmsg([]),
    "recv": lambda s, net: s.recv(10),
    "recv a part": lambda s, net: (s.recv(2), s.recv(10)),
    "recv of nothing": lambda s, net: s.recv(0),
    "recv MSG_PEEK": lambda s, net: (s.recv(2, socket.MSG_PEEK), s.recv(10, socket.MSG_PEEK)),
    "recv MSG_WAITALL": lambda s, net: s.recv(10, socket.MSG_WAITALL),
    "recv MSG_OOB": lambda s, net: s.recv(10, socket.MSG_OOB),
    "recv MSG_TRUNC": lambda s, net: s.recv_into(bytearray(8), 2, socket.MSG_TRUNC),
    "recv_into": lambda s, net: into(s.recv_into),
    "recvfrom": lambda s, net: s.recvfrom(10),
    "recvfrom nothing": lambda s, net: s.recvfrom(0),
    "recvfrom_into": lambda s, net: into(s.recvfrom_into),
    "recvmsg": lambda s, net: s.recvmsg(10),
    "recvmsg a part": lambda s, net: s.recvmsg(2),
    "recvmsg of nothing": lambda s, net: s.recvmsg(0),
    "recvmsg MSG_TRUNC": lambda s, net: s.recvmsg_into([bytearray(2)], 0, socket.MSG_TRUNC),
    "recvmsg_into": lambda s, net: into(lambda room: s.recvmsg_into([memoryview(room)[:2], memoryview(room)[2:]])),
    "shutdown reading": lambda s, net: s.shutdown(socket.SHUT_RD),
    "shutdown writing": lambda s, net: s.shutdown(socket.SHUT_WR),
    "shutdown both": lambda s, net: s.shutdown(socket.SHUT_RDWR),
    "shutdown wrongly": lambda s, net: s.shutdown(-1),
    "getsockname": lambda s, net: s.getsockname(),
    "getpeername": lambda s, net: s.getpeername(),
    "SO_ERROR": lambda s, net: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    "SO_BROADCAST": option(socket.SOL_SOCKET, socket.SO_BROADCAST),
    "IP_TTL": option(socket.IPPROTO_IP, socket.IP_TTL, 7),
    "IP_TOS": option(socket.IPPROTO_IP, socket.IP_TOS, 0xB8),
    "TCP_NODELAY": option(socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "close twice": lambda s, net: (s.close(), s.close(), s.fileno()),
    "nothing": lambda s, net: None,
}  # fmt: skip


def case(net, state, call):
    sock, peer = state(net)
    net.settle()
    if sock.fileno() >= 0:
        sock.setblocking(False)
    told = [said(CALLS[call], sock, net)]
    net.settle()
    if sock.fileno() >= 0:
        told += [events_of(net, sock), said(sock.recv, 10), said(sock.send, b"after"), said(sock.getsockname)]
        net.settle()
        told.append(said(sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR))
    if peer is not None and peer.fileno() >= 0:
        told += [events_of(net, peer), said(peer.recvfrom, 10), said(peer.recv, 10)]
    return told


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_call_in_a_state_agrees(state, call):
    agree.check(("datagram", state.__name__, call), case, state, call)


def bind_case(net, first, second, specific):
    """Whether a second endpoint may have the address of the first, and who then gets datagrams."""
    socks = [net.udp("server"), net.udp("server")]
    for sock, names in zip(socks, (first, second), strict=True):
        sock.setblocking(False)
        for name in names:
            sock.setsockopt(socket.SOL_SOCKET, name, 1)
    socks[0].bind(("" if specific == 2 else net.host, 0))
    port = socks[0].getsockname()[1]
    told = [said(socks[1].bind, ("" if specific == 1 else net.host, port))]
    client = net.udp()
    for data in (b"a", b"b"):
        client.sendto(data, (net.host, port))
        net.settle()
    if set(first) & set(second) & {socket.SO_REUSEPORT}:
        return told  # spread over both, by numbers of each one's own
    return told + [said(sock.recv, 10) for sock in socks]


REUSE = [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)]


@pytest.mark.parametrize("specific", [0, 1, 2], ids=["the same address", "then any", "first any"])
@pytest.mark.parametrize("second", REUSE, ids=str)
@pytest.mark.parametrize("first", REUSE, ids=str)
def test_sharing_an_address_agrees(first, second, specific):
    agree.check(("datagram", "sharing", first, second, specific), bind_case, first, second, specific)
