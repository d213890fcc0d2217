"""The same call, in the same state, on the kernel's sockets and on usnet's: what is said is brought into one form and compared."""

import errno
import socket
import struct

from tests.sockets.differences import KEPT
from tests.sockets.kit import Kernel, Net, Usnet
from usnet import EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP

EVERY_EVENT = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP
HOSTS = {Kernel.host: "SERVER", Usnet.host: "SERVER", "10.9.0.2": "SERVER", "0.0.0.0": "ANY"}
NOW = struct.pack("ii", 1, 0)  # SO_LINGER: reset


def plain(value):
    """A result without what must differ: addresses, ports, descriptors."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return HOSTS.get(value[0], value[0]), "port" if value[1] else 0
    if isinstance(value, tuple | list):
        return type(value)(plain(v) for v in value)
    if isinstance(value, bytearray):
        return bytes(value)
    if hasattr(value, "getsockname"):
        value.close()
        return "a socket"
    return value


def said(call, *args):
    """What a call says: its value, or the name of its error."""
    try:
        return plain(call(*args))
    except TimeoutError as e:
        return errno.errorcode[e.errno] if e.errno else "timed out"
    except OSError as e:
        return errno.errorcode[e.errno] if e.errno in errno.errorcode else f"{type(e).__name__} {e}"
    except (TypeError, ValueError, OverflowError) as e:
        return type(e).__name__


def events_of(net, sock, mask=EVERY_EVENT):
    """The events that a poll reports of a socket now."""
    try:
        ep = sock.stack.epoll() if net.name == "usnet" else net.kind.epoll()
        ep.register(sock, mask)
    except (OSError, ValueError) as e:
        return type(e).__name__
    net.settle()
    found = ep.poll(0)
    ep.close()
    return found[0][1] if found else 0


def both(body, *args):
    """(what the kernel said, what usnet said)"""
    answers = []
    for kind in (Kernel, Usnet):
        net = Net(kind())
        try:
            answers.append(body(net, *args))
        finally:
            net.close()
    return answers


def check(name, body, *args):
    """Both agree, or the table of differences (differences.py) has the case, and they do differ."""
    kernel, usnet = both(body, *args)
    if name in KEPT:
        assert kernel != usnet, f"{name}: agrees by now; take it out of the table"
        return
    assert kernel == usnet, f"{name}: the kernel says {kernel}, usnet {usnet}"


# --- Streams in every state: each gives (socket, the other end or None) ---


def fresh(net):
    return net.tcp(), None


def bound(net):
    sock = net.tcp()
    sock.bind(("", 0))
    return sock, None


def listening(net):
    return net.listener(), None


def listening_with_one(net):
    sock = net.listener()
    client = net.tcp()
    client.connect(sock.getsockname())
    net.settle()
    return sock, client


def full_listener(net):
    """The address of a listener whose queue is full: connections to it stay half-way."""
    listener = net.listener(0)
    for _ in range(2):
        client = net.tcp()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        net.settle()
    return listener.getsockname()


def closed_port(net):
    listener = net.listener()
    address = listener.getsockname()
    listener.close()
    net.settle()
    return address


def connecting(net):
    sock = net.tcp()
    address = full_listener(net)
    sock.setblocking(False)
    sock.connect_ex(address)
    return sock, None


def refused(net):
    sock = net.tcp()
    sock.setblocking(False)
    address = closed_port(net)
    if sock.connect_ex(address) == errno.ECONNREFUSED:  # told already, where the answer comes within the call
        sock.connect_ex(address)
    return sock, None


def refused_and_told(net):
    sock, _ = refused(net)
    net.settle()
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return sock, None


def connected(net):
    return net.connected()


def with_data(net):
    sock, peer = net.connected()
    peer.send(b"abc")
    return sock, peer


def unsent_room(net):
    sock, peer = net.connected()
    net.fill(sock)
    return sock, peer


def peer_shut(net):
    sock, peer = net.connected()
    peer.shutdown(socket.SHUT_WR)
    return sock, peer


def peer_shut_with_data(net):
    sock, peer = net.connected()
    peer.send(b"abc")
    peer.shutdown(socket.SHUT_WR)
    return sock, peer


def peer_closed(net):
    sock, peer = net.connected()
    peer.close()
    return sock, peer


def fin_arrives(net, sock):
    """Until the other end has acknowledged the FIN: its ACK may be put off."""
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\4":
        net.pass_time()


def shut_for_writing(net):
    sock, peer = net.connected()
    sock.shutdown(socket.SHUT_WR)
    fin_arrives(net, sock)
    return sock, peer


def shut_for_writing_with_data(net):
    sock, peer = with_data(net)
    net.settle()
    sock.shutdown(socket.SHUT_WR)
    fin_arrives(net, sock)
    return sock, peer


def shut_for_reading(net):
    sock, peer = net.connected()
    sock.shutdown(socket.SHUT_RD)
    return sock, peer


def shut_for_reading_with_data(net):
    sock, peer = with_data(net)
    net.settle()
    sock.shutdown(socket.SHUT_RD)
    return sock, peer


def shut_for_both(net):
    sock, peer = net.connected()
    sock.shutdown(socket.SHUT_RDWR)
    fin_arrives(net, sock)
    return sock, peer


def shut_by_both(net):
    sock, peer = net.connected()
    peer.shutdown(socket.SHUT_WR)
    net.settle()
    sock.shutdown(socket.SHUT_WR)
    return sock, peer


def shut_by_both_first(net):
    sock, peer = net.connected()
    sock.shutdown(socket.SHUT_WR)
    net.settle()
    peer.shutdown(socket.SHUT_WR)
    return sock, peer


def reset(net):
    sock, peer = net.connected()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    peer.close()
    return sock, peer


def reset_with_data(net):
    sock, peer = net.connected()
    peer.send(b"abc")
    net.settle()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    peer.close()
    return sock, peer


def reset_and_told(net):
    sock, _ = reset(net)
    net.settle()
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return sock, None


def reset_after_fin(net):
    sock, peer = net.connected()
    peer.close()
    net.settle()
    sock.send(b"x")
    return sock, peer


def closed(net):
    sock, peer = net.connected()
    sock.close()
    return sock, peer


STATES = [
    fresh, bound, listening, listening_with_one, connecting, refused, refused_and_told, connected, with_data, unsent_room, peer_shut,
    peer_shut_with_data, peer_closed, shut_for_writing, shut_for_writing_with_data, shut_for_reading, shut_for_reading_with_data,
    shut_for_both, shut_by_both, shut_by_both_first, reset, reset_with_data, reset_and_told, reset_after_fin, closed,
]  # fmt: skip

# --- What is asked there ---

INT = struct.pack("i", 1)


def into(call):
    room = bytearray(8)
    return call(room), bytes(room)


def option(level, name, value=1):
    return lambda s, net: (s.setsockopt(level, name, value), s.getsockopt(level, name))


def tcp_state(s, net):
    state = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return b"\5" if state == b"\4" else state  # whether the FIN is acknowledged yet is a matter of time


CALLS = {
    "bind": lambda s, net: s.bind(("", 0)),
    "bind elsewhere": lambda s, net: s.bind(("203.0.113.9", 0)),
    "listen": lambda s, net: s.listen(5),
    "accept": lambda s, net: s.accept(),
    "connect": lambda s, net: s.connect_ex(net.listener().getsockname()),
    "connect to a closed port": lambda s, net: s.connect_ex(closed_port(net)) and None,
    "connect to port 0": lambda s, net: s.connect_ex((net.host, 0)),
    "send": lambda s, net: s.send(b"x"),
    "send nothing": lambda s, net: s.send(b""),
    "send MSG_DONTWAIT": lambda s, net: s.send(b"x", socket.MSG_DONTWAIT),
    "send MSG_NOSIGNAL": lambda s, net: s.send(b"x", socket.MSG_NOSIGNAL),
    "sendall": lambda s, net: s.sendall(b"xyz"),
    "sendall nothing": lambda s, net: s.sendall(b""),
    "sendto": lambda s, net: s.sendto(b"x", (net.host, 9)),
    "sendmsg": lambda s, net: s.sendmsg([b"x", b"yz"]),
    "sendmsg nothing": lambda s, net: s.sendmsg([]),
    "recv": lambda s, net: s.recv(10),
    "recv of nothing": lambda s, net: s.recv(0),
    "recv MSG_PEEK": lambda s, net: (s.recv(2, socket.MSG_PEEK), s.recv(10, socket.MSG_PEEK)),
    "recv MSG_WAITALL": lambda s, net: s.recv(10, socket.MSG_WAITALL),
    "recv MSG_OOB": lambda s, net: s.recv(10, socket.MSG_OOB),
    "recv MSG_TRUNC": lambda s, net: s.recv_into(bytearray(8), 2, socket.MSG_TRUNC),
    "recv_into": lambda s, net: into(s.recv_into),
    "recv_into nothing": lambda s, net: s.recv_into(bytearray()),
    "recvfrom": lambda s, net: s.recvfrom(10),
    "recvfrom_into": lambda s, net: into(s.recvfrom_into),
    "recvmsg": lambda s, net: s.recvmsg(10),
    "recvmsg_into": lambda s, net: into(lambda room: s.recvmsg_into([memoryview(room)[:2], memoryview(room)[2:]])),
    "shutdown reading": lambda s, net: s.shutdown(socket.SHUT_RD),
    "shutdown writing": lambda s, net: s.shutdown(socket.SHUT_WR),
    "shutdown both": lambda s, net: s.shutdown(socket.SHUT_RDWR),
    "shutdown wrongly": lambda s, net: s.shutdown(7),
    "getsockname": lambda s, net: s.getsockname(),
    "getpeername": lambda s, net: s.getpeername(),
    "SO_ERROR": lambda s, net: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    "SO_ACCEPTCONN": lambda s, net: s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    "TCP_INFO state": tcp_state,
    "TCP_NODELAY": option(socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "SO_KEEPALIVE": option(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "TCP_USER_TIMEOUT": option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000),
    "settimeout": lambda s, net: (s.settimeout(1.5), s.gettimeout(), s.getblocking(), s.setblocking(False)),
    "close twice": lambda s, net: (s.close(), s.close(), s.fileno()),
    "detach": lambda s, net: (net.keep_descriptor(s, s.detach()), s.fileno()),
    "nothing": lambda s, net: None,
}


def afterwards(net, sock):
    """What can still be told apart when the call is over."""
    if sock.fileno() < 0:
        return "closed"
    events = events_of(net, sock)
    told = [events, said(sock.recv, 10), said(sock.send, b"after")]
    net.settle()
    return [*told, said(sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)]


def stream_case(net, state, call):
    sock, peer = state(net)
    net.settle()
    if sock.fileno() >= 0:
        sock.setblocking(False)
    first = said(CALLS[call], sock, net)
    net.settle()
    told = [first, afterwards(net, sock)]
    if peer is not None and peer.fileno() >= 0:
        net.pass_time()  # Nagle's algorithm and a delayed ACK may hold back what was sent last
        peer.setblocking(False)
        told += [events_of(net, peer), said(peer.recv, 10)]
    return told
