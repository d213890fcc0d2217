"""epoll: the same sequences of registering, happening and polling report the same on the kernel's sockets and on usnet's."""

import errno
import itertools
import socket

import pytest

from tests.sockets import agree
from tests.sockets.agree import NOW, said
from usnet import EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLPRI, EPOLLRDHUP

ALL = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP
MASKS = {
    "level": ALL,
    "edge": ALL | EPOLLET,
    "oneshot": ALL | EPOLLONESHOT,
    "edge oneshot": ALL | EPOLLET | EPOLLONESHOT,
    "reading": EPOLLIN,
    "reading edge": EPOLLIN | EPOLLET,
    "writing edge": EPOLLOUT | EPOLLET,
    "nothing": 0,
    "exclusive": EPOLLIN | EPOLLEXCLUSIVE,
    "exclusive edge": EPOLLIN | EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE,
    "by other names": 0x0040 | 0x0100,  # EPOLLRDNORM, EPOLLWRNORM
}


def instance(net, sock):
    return net.keep(sock.stack.epoll() if net.name == "usnet" else net.kind.epoll())


def polls(net, ep, times=2):
    """What each of some polls in a row reports, without descriptors."""
    told = []
    for _ in range(times):
        net.settle()
        told.append(sorted(events for _, events in ep.poll(0)))
    return told


def quick(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def arrivals(sock, peer, net):
    peer.send(b"one")
    yield
    peer.send(b"two")
    yield
    sock.recv(3)
    yield
    sock.recv(10)
    yield
    said(sock.recv, 10)
    peer.send(b"three")
    yield


def a_half_closed_peer(sock, peer, net):
    peer.shutdown(socket.SHUT_WR)
    yield
    sock.send(b"x")
    yield
    sock.shutdown(socket.SHUT_WR)
    yield


def data_and_fin(sock, peer, net):
    peer.send(b"last")
    peer.close()
    yield
    sock.recv(10)
    yield
    sock.recv(10)
    yield


def shutting_down_oneself(sock, peer, net):
    sock.shutdown(socket.SHUT_WR)
    agree.fin_arrives(net, sock)
    yield
    peer.send(b"x")
    yield
    peer.shutdown(socket.SHUT_WR)
    yield


def shutting_down_reading(sock, peer, net):
    sock.shutdown(socket.SHUT_RD)
    yield
    peer.send(b"x")
    yield


def a_reset(sock, peer, net):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    peer.close()
    yield
    said(sock.recv, 10)
    yield


def a_reset_with_data(sock, peer, net):
    peer.send(b"abc")
    net.settle()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    peer.close()
    yield
    said(sock.recv, 10)
    yield
    said(sock.recv, 10)
    yield


def sending_to_one_who_left(sock, peer, net):
    peer.close()
    yield
    sock.send(b"x")
    yield
    said(sock.send, b"x")
    yield


def a_full_buffer(sock, peer, net):
    sent = net.fill(sock)
    yield
    net.drain(peer, sent)
    yield


HAPPENINGS = [
    arrivals, a_half_closed_peer, data_and_fin, shutting_down_oneself, shutting_down_reading, a_reset, a_reset_with_data,
    sending_to_one_who_left, a_full_buffer,
]  # fmt: skip


def happening_case(net, happening, mask, rearm):
    sock, peer = net.connected()
    quick(peer)
    ep = instance(net, sock)
    ep.register(sock, mask)
    told = [polls(net, ep)]
    for _ in happening(sock, peer, net):
        if rearm:
            ep.modify(sock, mask)
        told.append(polls(net, ep))
    return told


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda h: h.__name__)
def test_what_is_reported_agrees(happening, mask):
    agree.check((happening.__name__, mask), happening_case, happening, MASKS[mask], False)


@pytest.mark.parametrize("mask", ["level", "edge", "oneshot", "edge oneshot"])
@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda h: h.__name__)
def test_what_is_reported_after_modifying_agrees(happening, mask):
    agree.check((happening.__name__, mask, "modified"), happening_case, happening, MASKS[mask], True)


def state_case(net, state, mask):
    sock, _ = state(net)
    net.settle()
    if sock.fileno() < 0:
        return None
    ep = instance(net, sock)
    told = [said(ep.register, sock, mask), polls(net, ep)]
    ep.close()
    return told


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("state", agree.STATES, ids=lambda state: state.__name__)
def test_registering_in_a_state_agrees(state, mask):
    agree.check((state.__name__, mask), state_case, state, MASKS[mask])


# --- Instances in instances ---


def nested(net, mask):
    sock, peer = net.connected()
    quick(peer)
    inner, outer = instance(net, sock), instance(net, sock)
    inner.register(sock, EPOLLIN)
    outer.register(inner, mask)
    told = [polls(net, outer)]
    peer.send(b"a")
    told.append(polls(net, outer))
    peer.send(b"b")
    told.append(polls(net, outer))
    told.append(polls(net, inner))
    told.append(polls(net, outer))
    sock.recv(10)
    told.append(polls(net, outer))
    peer.send(b"c")
    told.append(polls(net, outer))
    inner.modify(sock, 0)
    told.append(polls(net, outer))
    inner.modify(sock, EPOLLIN)
    told.append(polls(net, outer))
    inner.close()
    told.append(polls(net, outer))
    return told


@pytest.mark.parametrize("mask", ["reading", "reading edge", "level", "oneshot", "nothing"])
def test_an_instance_in_an_instance_agrees(mask):
    agree.check(("nested", mask), nested, MASKS[mask])


def circle(net):
    sock = net.tcp()
    a, b, c = (instance(net, sock) for _ in range(3))
    number = (lambda ep: ep.descriptor) if net.name == "usnet" else (lambda ep: ep.fileno())
    told = [said(a.register, number(a), EPOLLIN)]
    told += [said(a.register, number(b), EPOLLIN), said(b.register, number(c), EPOLLIN), said(c.register, number(a), EPOLLIN)]
    told += [said(a.register, number(c), EPOLLIN | EPOLLEXCLUSIVE), said(c.register, sock, EPOLLIN), polls(net, a)]
    told += [said(a.unregister, number(b)), said(c.register, number(a), EPOLLIN)]
    return told


def test_circles_of_instances_are_refused_alike():
    agree.check("circle", circle)


def tower(net, upwards, with_socket):
    """Instances, each in the next: how the registrations go."""
    sock, _ = net.connected()
    eps = [instance(net, sock) for _ in range(8)]
    pairs = list(itertools.pairwise(eps))
    told = [said(eps[0].register, sock, EPOLLOUT)] if with_socket else []
    for inner, outer in pairs if upwards else reversed(pairs):
        told.append(said(outer.register, inner, EPOLLIN))
    return told


@pytest.mark.parametrize("with_socket", [True, False], ids=["with a socket", "empty"])
@pytest.mark.parametrize("upwards", [True, False], ids=["upwards", "downwards"])
def test_towers_of_instances_have_the_same_height(upwards, with_socket):
    agree.check(("tower", upwards, with_socket), tower, upwards, with_socket)


# --- The calls ---


def exclusive_rules(net):
    sock, _ = net.connected()
    ep = instance(net, sock)
    told = []
    for extra in (EPOLLIN, EPOLLOUT | EPOLLET, EPOLLERR | EPOLLHUP, EPOLLRDHUP, EPOLLPRI, EPOLLONESHOT):
        told.append(said(ep.register, sock, EPOLLEXCLUSIVE | extra))
        told.append(said(ep.modify, sock, EPOLLIN))
        told.append(said(ep.unregister, sock))
    ep.register(sock, EPOLLIN)
    told.append(said(ep.modify, sock, EPOLLIN | EPOLLEXCLUSIVE))
    return told


def registering(net):
    sock, peer = net.connected()[0], net.tcp()
    ep = instance(net, sock)
    told = [said(ep.register, sock), said(ep.register, sock), said(ep.modify, peer, EPOLLIN), said(ep.unregister, peer)]
    told += [said(ep.unregister, sock), said(ep.modify, sock, EPOLLIN), said(ep.register, 9999, EPOLLIN)]
    told += [said(ep.register, -1), said(ep.register, "3"), said(ep.register, None), said(ep.register, 1.5)]
    told += [said(ep.poll, 0, 0), said(ep.poll, 0, -2), said(ep.poll, "x"), said(ep.poll, float("nan")), said(ep.poll, 0.001)]
    ep.register(sock, EPOLLIN)
    sock.close()
    told += [said(ep.poll, 0), said(ep.unregister, sock), said(ep.close), said(ep.close), said(ep.poll, 0), said(ep.register, peer)]
    return [*told, said(ep.fileno), ep.closed]


def reused_descriptor(net):
    """A socket closed while it is registered takes its registration with it, even when its number is given out again."""
    sock, peer = net.connected()
    ep = instance(net, sock)
    ep.register(sock, EPOLLIN | EPOLLOUT)
    peer.send(b"x")
    net.settle()
    fd = sock.fileno()
    sock.close()
    again = net.tcp()
    return [again.fileno() == fd, polls(net, ep), said(ep.modify, again, EPOLLIN), said(ep.register, again, EPOLLIN), polls(net, ep)]


def many_and_few(net):
    """A list shorter than what is ready: everyone's turn comes."""
    pairs = [net.connected() for _ in range(5)]
    ep = instance(net, pairs[0][0])
    for sock, peer in pairs:
        ep.register(sock, EPOLLIN)
        peer.send(b"x")
    net.settle()
    order = {sock.fileno(): i for i, (sock, _) in enumerate(pairs)}
    return [[order[fd] for fd, _ in ep.poll(0, 2)] for _ in range(6)]


def two_instances(net):
    sock, peer = net.connected()
    quick(peer)
    a, b = instance(net, sock), instance(net, sock)
    a.register(sock, EPOLLIN | EPOLLET)
    b.register(sock, EPOLLIN | EPOLLONESHOT)
    told = []
    for data in (b"x", b"y"):
        peer.send(data)
        told.append([polls(net, a), polls(net, b)])
    b.modify(sock, EPOLLIN)
    told.append([polls(net, a), polls(net, b)])
    a.unregister(sock)
    sock.recv(10)
    return [*told, polls(net, a), polls(net, b)]


def descriptors(net):
    """Each reports by its descriptor; user data is the program's own dict."""
    sock, _ = net.connected()
    ep = instance(net, sock)
    ep.register(sock.fileno(), EPOLLOUT)
    net.settle()
    return ep.poll(0) == [(sock.fileno(), EPOLLOUT)]


@pytest.mark.parametrize(
    "body", [exclusive_rules, registering, reused_descriptor, many_and_few, two_instances, descriptors], ids=lambda b: b.__name__
)
def test_the_calls_agree(body):
    agree.check(body.__name__, body)


def datagram_case(net, mask):
    server, client = net.udp("server"), net.udp()
    server.bind((net.host, 0))
    server.setblocking(False)
    ep = instance(net, server)
    ep.register(server, mask)
    told = [polls(net, ep)]
    for data in (b"a", b"b"):
        client.sendto(data, server.getsockname())
        told.append(polls(net, ep))
    for _ in range(3):
        told.append([said(server.recv, 10), polls(net, ep)])
    server.connect((net.host, 9))
    told += [said(server.send, b"x"), polls(net, ep), said(server.recv, 1), polls(net, ep)]
    return told


@pytest.mark.parametrize("mask", MASKS)
def test_datagrams_are_reported_alike(mask):
    agree.check(("datagrams", mask), datagram_case, MASKS[mask])


def accept_case(net, mask):
    listener = net.listener()
    listener.setblocking(False)
    ep = instance(net, listener)
    ep.register(listener, mask)
    told = [polls(net, ep)]
    for _ in range(2):
        client = net.tcp()
        assert client.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        told.append(polls(net, ep))
    for _ in range(3):
        told.append([said(listener.accept), polls(net, ep)])
    return told


@pytest.mark.parametrize("mask", MASKS)
def test_connections_that_wait_are_reported_alike(mask):
    agree.check(("accept", mask), accept_case, MASKS[mask])
