"""Datagrams, the same for usnet and the kernel."""

import errno
import socket

import pytest


def code(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


@pytest.fixture
def ends(net):
    """(client, server, the server's address)"""
    server, client = net.udp("server"), net.udp()
    server.bind((net.host, 0))
    client.setblocking(False)
    server.setblocking(False)
    return client, server, server.getsockname()


def test_datagrams_keep_their_borders_and_name_their_sender(net, ends):
    client, server, address = ends
    assert client.sendto(b"one", address) == 3
    assert client.sendto(b"", 0, address) == 0
    client.sendto(b"three", address)
    net.settle()
    data, sender = server.recvfrom(100)
    assert data == b"one" and sender[1] == client.getsockname()[1]
    assert server.recv(100) == b""
    assert server.recv(100) == b"three"
    with pytest.raises(BlockingIOError):
        server.recv(100)
    server.sendto(b"back", sender)
    net.settle()
    assert client.recvfrom(100) == (b"back", address)


def test_what_does_not_fit_is_cut_off(net, ends):
    client, server, address = ends
    client.sendto(b"0123456789", address)
    client.sendto(b"next", address)
    net.settle()
    room = bytearray(4)
    assert server.recvfrom_into(room)[0] == 4 and room == b"0123"
    assert server.recv(100) == b"next"


def test_the_true_length_can_be_asked_for(net, ends):
    client, server, address = ends
    client.sendto(b"0123456789", address)
    net.settle()
    assert server.recv_into(bytearray(4), 4, socket.MSG_PEEK | socket.MSG_TRUNC) == 10
    assert server.recv(100, socket.MSG_PEEK) == server.recv(100) == b"0123456789"


def test_connected_endpoints_send_to_and_hear_from_their_peer_only(net, ends):
    client, server, address = ends
    stranger = net.udp("server")
    stranger.bind((net.host, 0))
    client.connect(address)
    assert client.getpeername() == address
    client.send(b"hello")
    net.settle()
    _, me = server.recvfrom(10)
    stranger.sendto(b"not from the peer", me)
    server.sendto(b"from the peer", me)
    net.settle()
    assert client.recv(100) == b"from the peer"
    with pytest.raises(BlockingIOError):
        client.recv(100)


def test_a_closed_port_is_told_to_a_connected_endpoint_once(net, ends):
    client, server, address = ends
    client.connect(address)
    server.close()
    client.send(b"anybody?")
    net.settle()
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)
    with pytest.raises(BlockingIOError):
        client.recv(100)


def test_errors(net, ends):
    client, _, _ = ends
    assert code(client.send, b"x") == errno.EDESTADDRREQ
    assert code(client.getpeername) == errno.ENOTCONN
    assert code(client.listen) == errno.EOPNOTSUPP
    assert code(client.accept) == errno.EOPNOTSUPP
    assert code(client.shutdown, socket.SHUT_RD) == errno.ENOTCONN


def test_more_than_a_datagram_can_hold_is_emsgsize(net, ends):
    client, _, address = ends
    assert code(client.sendto, bytes(65508), address) == errno.EMSGSIZE


def test_shut_down_endpoints_neither_send_nor_wait(net, ends):
    client, _, address = ends
    client.connect(address)
    client.shutdown(socket.SHUT_RDWR)
    client.setblocking(True)
    assert code(client.send, b"x") == errno.EPIPE
    assert client.recv(10) == b""


def test_addresses_are_taken_once_unless_shared(net):
    a, b = net.udp("server"), net.udp("server")
    a.bind((net.host, 0))
    assert code(b.bind, a.getsockname()) == errno.EADDRINUSE
    for sock in (a, b):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c = net.udp("server")
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c.bind(a.getsockname())


def test_large_datagrams_arrive_whole(net, ends):
    client, server, address = ends
    data = bytes(range(256)) * 200
    client.sendto(data, address)
    net.settle()
    assert server.recv(65536) == data


def test_options_of_datagrams(net, ends):
    client, _, _ = ends
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_DGRAM
    client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
    assert client.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    assert code(client.setsockopt, socket.IPPROTO_IP, socket.IP_TTL, 256) == errno.EINVAL
    assert code(client.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
