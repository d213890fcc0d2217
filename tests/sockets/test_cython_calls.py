"""Every call of the Cython API, made from a module outside: each is without the GIL, none waits."""

import errno
import re
import select
import socket

import pytest

from tests.sockets.outside import compile_module
from tests.sources import PACKAGE

SOURCE = '''
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset
from usnet.sockets.api cimport *
from usnet.sockets.host cimport Stack


cdef int pieces_of(iovec *iov, list buffers) except -1:
    cdef int i
    for i in range(len(buffers)):
        iov[i].iov_base = <void *><uint8_t *>(<bytearray>buffers[i])
        iov[i].iov_len = len(buffers[i])
    return len(buffers)


def sendmsg(Stack stack, int fd, list buffers, int flags=0, number=None, uint16_t port=0):
    cdef iovec iov[2048]
    cdef ip_addr a
    cdef int n = pieces_of(iov, buffers)
    cdef int64_t done, now = stack.now()
    cdef ip_addr *to = NULL
    if number is not None:
        addr_from_v4(&a, number)
        to = &a
    with nogil:
        done = usn_sendmsg(&stack.n, fd, iov, n, flags, to, port, now)
        usn_flush(&stack.n, now)
    return done


def recvmsg(Stack stack, int fd, list buffers, int flags=0):
    cdef iovec iov[2048]
    cdef ip_addr a
    cdef uint16_t port = 0
    cdef int told = -1, n = pieces_of(iov, buffers)
    cdef int64_t done, now = stack.now()
    memset(&a, 0, sizeof(a))
    with nogil:
        done = usn_recvmsg(&stack.n, fd, iov, n, flags, &a, &port, &told, now)
    return done, told, port


def writev(Stack stack, int fd, list buffers):
    cdef iovec iov[2048]
    cdef int n = pieces_of(iov, buffers)
    return usn_writev(&stack.n, fd, iov, n, stack.now())


def readv(Stack stack, int fd, list buffers):
    cdef iovec iov[2048]
    cdef int n = pieces_of(iov, buffers)
    return usn_readv(&stack.n, fd, iov, n, stack.now())


def queued(Stack stack, int fd):
    cdef uint32_t unread = 0, unsent = 0
    cdef int status
    with nogil:
        status = usn_queued(&stack.n, fd, &unread, &unsent)
    return status, unread, unsent


def state(Stack stack, int fd):
    return usn_state(&stack.n, fd)


def options(Stack stack, int fd, int level, int name, int value):
    """setsockopt, then getsockopt."""
    cdef int found = 0
    cdef uint32_t length = sizeof(int)
    cdef int status, asked
    with nogil:
        status = usn_setsockopt(&stack.n, fd, level, name, &value, sizeof(int))
        asked = usn_getsockopt(&stack.n, fd, level, name, &found, &length)
    return status, asked, found


def names(Stack stack, int fd):
    cdef ip_addr a
    cdef uint16_t local = 0, peer = 0
    cdef int status
    with nogil:
        usn_getsockname(&stack.n, fd, &a, &local)
        status = usn_getpeername(&stack.n, fd, &a, &peer)
    return local, status, peer


def rest(Stack stack, int fd):
    """The calls that have no test of their own here: shut down, sent to, read, closed."""
    cdef uint8_t byte = 7
    cdef int64_t now = stack.now()
    cdef int64_t results[4]
    with nogil:
        results[0] = usn_sendto(&stack.n, fd, &byte, 1, 0, NULL, 0, now)
        results[1] = usn_recvfrom(&stack.n, fd, &byte, 1, 0, NULL, NULL, now)
        results[2] = usn_shutdown(&stack.n, fd, 1, now)
        results[3] = usn_ready(&stack.n, fd)
    return [results[i] for i in range(4)]


EVENTS = {
    "EPOLLIN": USN_EPOLLIN, "EPOLLPRI": USN_EPOLLPRI, "EPOLLOUT": USN_EPOLLOUT, "EPOLLERR": USN_EPOLLERR, "EPOLLHUP": USN_EPOLLHUP,
    "EPOLLRDNORM": USN_EPOLLRDNORM, "EPOLLRDBAND": USN_EPOLLRDBAND, "EPOLLWRNORM": USN_EPOLLWRNORM, "EPOLLWRBAND": USN_EPOLLWRBAND,
    "EPOLLMSG": USN_EPOLLMSG, "EPOLLRDHUP": USN_EPOLLRDHUP, "EPOLLEXCLUSIVE": USN_EPOLLEXCLUSIVE, "EPOLLONESHOT": USN_EPOLLONESHOT,
    "EPOLLET": USN_EPOLLET,
}
OPERATIONS = (USN_EPOLLNONE, USN_EPOLL_CTL_ADD, USN_EPOLL_CTL_DEL, USN_EPOLL_CTL_MOD, USN_IOV_MAX)
'''


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    return compile_module(tmp_path_factory.mktemp("outside"), "calls", SOURCE)


@pytest.fixture
def stream(us):
    """(server's end, client's end), connected."""
    with us.server.create_server(("", 7)) as listener, us.tcp() as client:
        client.setblocking(False)
        client.connect_ex((us.host, 7))
        us.settle()
        server, _ = listener.accept()
        server.setblocking(False)
        with server:
            yield server, client


@pytest.fixture
def datagrams(us):
    with us.udp("server") as server, us.udp() as client:
        server.bind((us.host, 7))
        client.connect((us.host, 7))
        yield server, client


def test_every_call_is_without_the_gil():
    for name in ("api", "vectors"):
        text = (PACKAGE / "sockets" / f"{name}.pxd").read_text()
        declared = re.findall(r"^cdef [\w *]+?\b(usn_\w+)\(([^)]*)\)(.*)$", text, re.MULTILINE)
        assert declared
        assert [call for call, _, modifiers in declared if "noexcept nogil" not in modifiers] == []


def test_the_events_have_the_systems_numbers(calls):
    assert {name: number & 0xFFFFFFFF for name, number in calls.EVENTS.items()} == {
        name: getattr(select, name) & 0xFFFFFFFF for name in calls.EVENTS
    }
    assert calls.OPERATIONS == (0, 1, 2, 3, 1024)


def test_a_stream_is_written_from_pieces_and_read_into_pieces(us, calls, stream):
    server, client = stream
    assert calls.sendmsg(us.client, client.fileno(), [bytearray(b"one"), bytearray(), bytearray(b"twothree")]) == 11
    us.settle()
    pieces = [bytearray(2), bytearray(0), bytearray(4), bytearray(20)]
    assert calls.recvmsg(us.server, server.fileno(), pieces, socket.MSG_PEEK)[:2] == (11, 0)
    assert b"".join(pieces)[:11] == b"onetwothree"
    pieces = [bytearray(2), bytearray(0), bytearray(4), bytearray(20)]
    assert calls.recvmsg(us.server, server.fileno(), pieces)[:2] == (11, 0)
    assert b"".join(pieces)[:11] == b"onetwothree"
    assert calls.readv(us.server, server.fileno(), pieces) == -errno.EAGAIN
    assert calls.writev(us.server, server.fileno(), [bytearray(b"ba"), bytearray(b"ck")]) == 4
    us.settle()
    assert calls.readv(us.client, client.fileno(), pieces[:1]) == 2
    assert calls.readv(us.client, client.fileno(), pieces[2:]) == 2
    assert bytes(pieces[0] + pieces[2][:2]) == b"back"


def test_a_stream_that_is_full_takes_a_part_of_the_pieces(us, calls, stream):
    _, client = stream
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert calls.sendmsg(us.client, client.fileno(), [bytearray(3000), bytearray(3000), bytearray(3000)]) == 4096
    assert calls.queued(us.client, client.fileno()) == (0, 0, 4096)
    us.settle()
    assert calls.queued(us.client, client.fileno())[2] < 4096       # the last piece may wait for an acknowledgement


def test_pieces_are_one_datagram(us, calls, datagrams):
    server, client = datagrams
    assert calls.sendmsg(us.client, client.fileno(), [bytearray(b"a"), bytearray(b"bc")]) == 3
    assert calls.sendmsg(us.client, client.fileno(), [bytearray(b"second"), bytearray()], 0, 0x0A090001, 7) == 6
    us.settle()
    assert calls.queued(us.server, server.fileno()) == (0, 3, 0)
    pieces = [bytearray(2), bytearray(2)]
    done, flags, port = calls.recvmsg(us.server, server.fileno(), pieces)
    assert (done, flags, port) == (3, 0, client.getsockname()[1])
    assert b"".join(pieces)[:3] == b"abc"
    assert calls.recvmsg(us.server, server.fileno(), pieces, socket.MSG_PEEK | socket.MSG_TRUNC)[:2] == (6, socket.MSG_TRUNC)
    assert calls.recvmsg(us.server, server.fileno(), pieces)[:2] == (4, socket.MSG_TRUNC)
    assert b"".join(pieces) == b"seco"


def test_wrong_pieces_are_refused(us, calls, stream, datagrams):
    many = [bytearray(1)] * 1025
    assert calls.sendmsg(us.client, stream[1].fileno(), many) == -errno.EMSGSIZE
    assert calls.recvmsg(us.client, stream[1].fileno(), many)[0] == -errno.EMSGSIZE
    assert calls.sendmsg(us.client, datagrams[1].fileno(), [bytearray(40_000), bytearray(40_000)]) == -errno.EMSGSIZE
    for call in (calls.sendmsg, calls.writev, calls.readv):
        assert call(us.client, 999, [bytearray(1), bytearray(1)]) == -errno.EBADF


def test_what_waits_and_the_state_are_told(us, calls, stream):
    server, client = stream
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.send(b"x" * 5000)
    us.settle()
    assert calls.queued(us.client, client.fileno()) == (0, 5000, 0)
    assert calls.state(us.client, client.fileno()) == 4             # ESTABLISHED
    with us.server.create_server(("", 8)) as listener, us.udp() as datagram, us.epoll() as ep:
        assert calls.state(us.server, listener.fileno()) == 1       # LISTEN
        assert calls.queued(us.server, listener.fileno())[0] == -errno.EINVAL
        assert calls.state(us.client, datagram.fileno()) == -errno.EOPNOTSUPP
        assert calls.state(us.client, ep.descriptor) == calls.queued(us.client, ep.descriptor)[0] == -errno.ENOTSOCK
    assert calls.state(us.client, 999) == calls.queued(us.client, 999)[0] == -errno.EBADF


def test_options_and_names(us, calls, stream):
    _, client = stream
    assert calls.options(us.client, client.fileno(), socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) == (0, 0, 1)
    assert calls.options(us.client, client.fileno(), socket.SOL_SOCKET, 9999, 1)[:2] == (-errno.ENOPROTOOPT,) * 2
    assert calls.names(us.client, client.fileno()) == (client.getsockname()[1], 0, 7)
    assert calls.rest(us.client, client.fileno())[:3] == [1, -errno.EAGAIN, 0]
