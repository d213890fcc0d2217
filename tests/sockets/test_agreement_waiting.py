"""Blocking, timeouts, files, names, wrong arguments: the kernel's sockets and usnet's agree."""

import errno
import io
import socket

import pytest

import usnet
from tests.sockets import agree
from tests.sockets.agree import plain, said


def pair(net, timeout):
    sock, peer = net.connected()
    sock.settimeout(timeout)
    return sock, peer


WAITS = {
    "recv": lambda s, net: s.recv(1),
    "recv_into": lambda s, net: s.recv_into(bytearray(1)),
    "recvfrom": lambda s, net: s.recvfrom(1),
    "recvmsg": lambda s, net: s.recvmsg(1),
    "recv MSG_DONTWAIT": lambda s, net: s.recv(1, socket.MSG_DONTWAIT),
    "recv MSG_PEEK": lambda s, net: s.recv(1, socket.MSG_PEEK),
    "accept": lambda s, net: net.listener_of(s).accept(),
    "sendall": lambda s, net: s.sendall(bytes(50_000_000)),
    "connect": lambda s, net: net.untried(s).connect(agree.full_listener(net)),
    "connect_ex": lambda s, net: net.untried(s).connect_ex(agree.full_listener(net)),
    "makefile read": lambda s, net: s.makefile("rb").read(1),
    "makefile readline": lambda s, net: s.makefile("r").readline(),
}


class Waiting:
    """A network whose sockets all wait as the one at hand does."""

    def __init__(self, net):
        self._net = net

    def __getattr__(self, name):
        return getattr(self._net, name)

    def listener_of(self, like):
        sock = self._net.listener()
        sock.settimeout(like.gettimeout())
        return sock

    def untried(self, like):
        sock = self._net.tcp()
        sock.settimeout(like.gettimeout())
        return sock


def waiting(net, call, timeout):
    sock, _ = pair(net, timeout)
    told = said(WAITS[call], sock, Waiting(net))
    return told, sock.gettimeout(), sock.getblocking()


@pytest.mark.parametrize("timeout", [0, 0.02])
@pytest.mark.parametrize("call", WAITS)
def test_a_call_that_finds_nothing_agrees(call, timeout):
    agree.check((call, timeout), waiting, call, timeout)


def ended(net, call, how):
    """A blocking call that something there already ends at once."""
    sock, peer = pair(net, None)
    if how == "data":
        peer.send(b"ab")
    elif how == "end":
        peer.shutdown(socket.SHUT_WR)
    elif how == "data and end":
        peer.send(b"ab")
        peer.shutdown(socket.SHUT_WR)
    elif how == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, agree.NOW)
        peer.close()
    else:
        sock.shutdown(socket.SHUT_RD)
    net.settle()
    return said(call, sock), said(call, sock) if how in ("end", "data and end", "shut") else None


READS = {
    "recv": lambda s: s.recv(1),
    "recv more": lambda s: s.recv(2),
    "recvmsg": lambda s: s.recvmsg(1),
    "recv_into": lambda s: agree.into(s.recv_into),
    "readline": lambda s: s.makefile("rb").readline(2),
}


@pytest.mark.parametrize("how", ["data", "end", "data and end", "reset", "shut"])
@pytest.mark.parametrize("call", READS)
def test_a_blocking_read_that_need_not_wait_agrees(call, how):
    agree.check((call, how), ended, READS[call], how)


def shut_datagrams(net, timeout):
    sock = net.udp()
    sock.connect((net.host, 9))
    sock.shutdown(socket.SHUT_RD)
    sock.settimeout(timeout)
    return said(sock.recv, 5), said(sock.recv, 5, socket.MSG_DONTWAIT), said(sock.recvfrom, 5)[0]


@pytest.mark.parametrize("timeout", [None, 0, 0.02])
def test_datagram_sockets_shut_for_reading_agree(timeout):
    agree.check(("shut datagrams", timeout), shut_datagrams, timeout)


# --- Files ---


def modes(net, mode, options):
    sock, peer = pair(net, None)
    peer.sendall(b"one\ntwo\r\nthree")
    peer.shutdown(socket.SHUT_WR)
    try:
        with sock.makefile(mode, **options) as file:
            told = [type(file).__name__, getattr(file, "mode", None), file.readable(), file.writable(), file.seekable()]
            if file.readable():
                told.append(list(file))
            if file.writable():
                told.append(file.write(b"x" if "b" in mode else "x"))
            sock.close()
            told.append(sock.fileno() >= 0)
        return [*told, sock.fileno()]
    except (ValueError, OSError) as e:
        return type(e).__name__, str(e)


FILE_OPTIONS = [{}, {"buffering": 0}, {"buffering": 4}, {"newline": ""}, {"encoding": "ascii", "errors": "replace"}]


@pytest.mark.parametrize("options", FILE_OPTIONS, ids=str)
@pytest.mark.parametrize("mode", ["r", "w", "rw", "rb", "wb", "rwb", "a", ""])
def test_files_agree(mode, options):
    agree.check((mode, str(options)), modes, mode, options)


def send_a_file(net, offset, count, kind):
    sock, peer = pair(net, 5)
    file = io.BytesIO(bytes(range(200)))
    told = [said(sock.sendfile, file, offset, count), file.tell()]
    if kind == "text":
        told = [said(sock.sendfile, io.StringIO("x"))]
    sock.close()
    net.settle()
    peer.settimeout(5)
    return told, said(peer.recv, 1000, socket.MSG_WAITALL)


@pytest.mark.parametrize(("offset", "count"), [(0, None), (10, None), (0, 50), (10, 50), (190, 50), (300, None), (0, 0), (0, -1), (0, 1.5)])
def test_sendfile_agrees(offset, count):
    agree.check(("sendfile", offset, count), send_a_file, offset, count, "bytes")


def sendfile_refusals(net):
    sock, _ = net.connected()
    return said(sock.sendfile, io.BytesIO(b"x")), said(net.udp().sendfile, io.BytesIO(b"x"))


def test_sendfile_refuses_alike():
    agree.check("sendfile refusals", sendfile_refusals)


# --- Arguments ---

ARGUMENTS = {
    "recv": [(), (-1,), ("1",), (1.5,), (1, "x"), (1, 0, 0), (None,)],
    "recv_into": [(), (b"x",), ("x",), (bytearray(2), 3), (bytearray(2), -1), (bytearray(2), 1, "x")],
    "recvfrom": [(), (-1,), ("1",)],
    "recvfrom_into": [(), (b"x",), (bytearray(2), 3), (bytearray(2), -1)],
    "recvmsg": [(), (-1,), (1, -1), ("x",)],
    "recvmsg_into": [(), (1,), ([b"x"],), (["x"],), ([bytearray(1)], -1), ([],)],
    "send": [(), ("text",), (1,), (None,), (b"x", "y")],
    "sendall": [(), ("text",), ([b"x"],)],
    "sendto": [(), (b"x",), (b"x", 0), (b"x", ("127.0.0.1",)), (b"x", "addr"), (b"x", 0, 0, 0), ("x", ("127.0.0.1", 1))],
    "sendmsg": [(), (1,), ("text",), ([1],), (["x"],), ([b"x"], 5), ([b"x"], [], "x"), ([b"x"], [], 0, "addr")],
    "bind": [(), (1,), ("x",), (("127.0.0.1",),), (("127.0.0.1", "80"),), (("127.0.0.1", 65536),), (("127.0.0.1", -1),), ((1, 2),),
             (("1.2.3", 4, 5),)],
    "connect": [(), (1,), (("127.0.0.1", 1.5),), (("127.0.0.1", 70000),), ((None, 1),)],
    "connect_ex": [(), (1,), (("127.0.0.1", 70000),)],
    "listen": [("x",), (1.5,), (1, 2), (2**40,)],
    "shutdown": [(), ("x",), (1.5,)],
    "settimeout": [(), (-1,), ("1",), (1e30,), (float("nan"),), (None,), (0,), (1.5,), (2**70,)],
    "setblocking": [(), (1,), ("x",), ([],)],
    "getsockopt": [(), (1,), ("x", 1), (1, "x"), (1, 4, "x")],
    "setsockopt": [(), (1, 2), (1, 2, "x"), (1, 2, None), (1, 2, 1.5), (1, 2, 2**40), (1, 2, None, 4)],
    "makefile": [("x",), (1,), ("r", "x")],
    "fileno": [(1,)],
    "close": [(1,)],
    "detach": [(1,)],
    "accept": [(1,)],
    "set_inheritable": [(), (False,)],
    "get_inheritable": [(), (1,)],
}  # fmt: skip


def arguments(net, name, given, kind):
    sock = net.tcp() if kind == "stream" else net.udp()
    sock.setblocking(False)
    try:
        result = getattr(sock, name)(*given)
    except (TypeError, ValueError, OverflowError) as e:
        return type(e).__name__
    except OSError as e:
        return errno.errorcode.get(e.errno, type(e).__name__)
    return plain(result)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize(("name", "given"), [(name, given) for name, many in ARGUMENTS.items() for given in many], ids=str)
def test_wrong_arguments_are_refused_alike(name, given, kind):
    agree.check((name, str(given), kind), arguments, name, given, kind)


# --- Making them ---

KINDS = [
    (), (socket.AF_INET,), (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP), (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP),
    (socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK), (socket.AF_INET, socket.SOCK_STREAM, 9999), (socket.AF_INET, 99),
    (9999,),
    (socket.AF_INET, socket.SOCK_SEQPACKET), ("x",), (socket.AF_INET, "x"),
]  # fmt: skip


def making(net, given):
    make = net.kind.client.socket if net.name == "usnet" else socket.socket
    try:
        sock = net.keep(make(*given))
    except (OSError, TypeError, ValueError) as e:
        return type(e).__name__, getattr(e, "errno", None)
    return sock.family, sock.type, sock.proto, sock.gettimeout(), sock.getblocking(), sock.get_inheritable()


@pytest.mark.parametrize("given", KINDS, ids=str)
def test_making_a_socket_agrees(given):
    agree.check(("making", given), making, given)


# --- Names: what needs no table of hosts ---

LOOKUPS = [
    ("127.0.0.1", 80, 0, socket.SOCK_STREAM), ("127.0.0.1", "80", 0, socket.SOCK_STREAM), ("127.0.0.1", "http", 0, socket.SOCK_STREAM),
    ("127.0.0.1", "nonesuch", 0, socket.SOCK_STREAM), ("127.0.0.1", None, 0, socket.SOCK_STREAM), ("127.1", 80, 0, socket.SOCK_DGRAM),
    (None, 80, 0, socket.SOCK_STREAM), (None, 80, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE), (None, None), ("", 80, 0, socket.SOCK_STREAM),
    ("127.0.0.1", 80, 0, 0, socket.IPPROTO_TCP), ("127.0.0.1", 80, 0, 0, socket.IPPROTO_UDP), ("127.0.0.1", 80, socket.AF_INET, socket.SOCK_DGRAM),
    ("127.0.0.1", 80, socket.AF_INET6), ("127.0.0.1", 80, 9999), ("127.0.0.1", 80, 0, 77),
    ("no.such.host.invalid", 80, 0, 0, 0, socket.AI_NUMERICHOST),
    ("127.0.0.1", "http", 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICSERV), ("127.0.0.1", 80, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME),
    (b"127.0.0.1", b"80", 0, socket.SOCK_STREAM), ("127.0.0.1", 1.5), ("localhost", 80, socket.AF_INET, socket.SOCK_STREAM),
    ("127.0.0.1", 80, 0, socket.SOCK_STREAM, socket.IPPROTO_UDP), ("127.0.0.1", 99999, 0, socket.SOCK_STREAM),
]  # fmt: skip


def looked_up(module, given, **stack):
    try:
        return module.getaddrinfo(*given, **stack)
    except socket.gaierror as e:
        return "gaierror", e.errno
    except (OSError, TypeError) as e:
        return type(e).__name__


@pytest.mark.parametrize("given", LOOKUPS, ids=str)
def test_getaddrinfo_agrees(given):
    kernel = looked_up(socket, given)
    if isinstance(kernel, list):
        kernel = [found for found in kernel if found[0] == socket.AF_INET and found[1] != socket.SOCK_RAW]  # which usnet has not
    with usnet.Stack(seed=1) as stack:
        assert looked_up(usnet, given, stack=stack) == kernel
