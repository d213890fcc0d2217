"""Options: defaults, ranges and errors of each, on the kernel's sockets and on usnet's."""

import re
import socket
import struct

import pytest

from tests.sockets import agree
from tests.sockets.agree import said
from tests.sources import ROOT

SOL, TCP, IP = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IP
NAMES = {
    "SO_REUSEADDR": SOL, "SO_REUSEPORT": SOL, "SO_KEEPALIVE": SOL, "SO_BROADCAST": SOL, "SO_TYPE": SOL, "SO_DOMAIN": SOL,
    "SO_PROTOCOL": SOL, "SO_ERROR": SOL, "SO_ACCEPTCONN": SOL, "SO_SNDBUF": SOL, "SO_RCVBUF": SOL, "SO_LINGER": SOL, "TCP_NODELAY": TCP,
    "TCP_KEEPIDLE": TCP, "TCP_KEEPINTVL": TCP, "TCP_KEEPCNT": TCP, "TCP_USER_TIMEOUT": TCP, "TCP_MAXSEG": TCP, "IP_TTL": IP, "IP_TOS": IP,
    "SO_RCVTIMEO": SOL, "SO_SNDTIMEO": SOL, "TCP_CORK": TCP, "TCP_QUICKACK": TCP, "TCP_FASTOPEN": TCP, "TCP_LINGER2": TCP,
}  # fmt: skip
VALUES = [-1, 0, 1, 2, 64, 88, 127, 128, 255, 256, 1000, 5000, 32767, 32768, 100_000]
RAW = [b"", b"\1", struct.pack("h", 1), struct.pack("i", 1), struct.pack("ii", 1, 5), struct.pack("ii", 0, 5), struct.pack("iii", 1, 2, 3)]
TIMES = [(0, 0), (1, 500_000), (0, 100_000), (0, 1_000_000), (2, -1), (-1, 0), (-1, 5), (100, 20_000), (2**62, 0)]


def one(net, kind):
    return net.tcp() if kind == "stream" else net.udp()


def default(net, kind, name):
    sock = one(net, kind)
    level, number = NAMES[name], getattr(socket, name)
    return [said(sock.getsockopt, level, number), *(said(sock.getsockopt, level, number, n) for n in (1, 2, 4, 8, -1, 2000))]


def setting(net, kind, name, values):
    level, number = NAMES[name], getattr(socket, name)
    told = []
    for value in values:
        sock = one(net, kind)
        told.append((value, said(sock.setsockopt, level, number, value), said(sock.getsockopt, level, number, 20)))
    return told


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize("name", NAMES)
def test_the_default_agrees(kind, name):
    agree.check(("option", kind, name, "default"), default, kind, name)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_set_agrees(kind, name):
    agree.check(("option", kind, name, "set"), setting, kind, name, VALUES)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_set_as_bytes_agrees(kind, name):
    agree.check(("option", kind, name, "raw"), setting, kind, name, RAW)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize("name", ["SO_RCVTIMEO", "SO_SNDTIMEO"])
def test_times_that_may_be_set_agree(kind, name):
    agree.check(("option", kind, name, "times"), setting, kind, name, [struct.pack("ll", *time) for time in TIMES])
    agree.check(("option", kind, name, "too long"), setting, kind, name, [struct.pack("lll", 1, 500_000, 7)])


@pytest.mark.parametrize("name", ["SO_RCVTIMEO", "SO_SNDTIMEO"])
def test_times_are_kept_to_the_microsecond(name):
    agree.check(("option", "stream", name, "odd"), setting, "stream", name, [struct.pack("ll", 0, 1), struct.pack("ll", 7, 123_457)])


UNKNOWN = [(SOL, 9999), (TCP, 9999), (IP, 9999), (9999, 1), (socket.IPPROTO_UDP, 9999)]


def unknown(net, kind, level, name):
    sock = one(net, kind)
    return said(sock.setsockopt, level, name, 1), said(sock.getsockopt, level, name)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize(("level", "name"), UNKNOWN)
def test_what_does_not_exist_is_refused_alike(kind, level, name):
    agree.check(("unknown", kind, level, name), unknown, kind, level, name)


BY_NUMBER = {"SO_MAX_PACING_RATE", "SO_PEEK_OFF", "SO_ZEROCOPY", "SO_TIMESTAMPING", "TCP_INQ"}
STREAMS = ("SO_RCVLOWAT", "SO_OOBINLINE")


def offered():
    """The options that the table of docs/sockets.md has."""
    row = next(line for line in (ROOT / "docs" / "sockets.md").read_text().splitlines() if line.startswith("| options |"))
    return set(re.findall(r"(?:SO|TCP|IP)_\w+", row))


def option_names():
    """Of all options that the standard library knows here: (level, name)."""
    levels = {"SO_": SOL, "TCP_": TCP, "IP_": IP}
    return [(levels[prefix], name) for name in dir(socket) for prefix in levels
            if name.startswith(prefix) and not name.startswith(("IP_DEFAULT", "IP_MAX", "IP_PMTUDISC_", "SO_J1939_", "SO_VM_"))]


def test_every_option_is_offered_as_the_table_says_or_refused(us):
    wrong = []
    for kind in ("stream", "datagram"):
        for level, name in option_names():
            sock = one(us, kind)
            told = [said(sock.getsockopt, level, getattr(socket, name)), said(sock.setsockopt, level, getattr(socket, name), 1)]
            refused = told[0] in ("ENOPROTOOPT", "ENOTSUP") and told[1] == "ENOPROTOOPT"
            if refused == (name in offered() and (kind == "stream" or (level != TCP and name not in STREAMS))):
                wrong.append((kind, name, told))
    assert wrong == []
    assert offered() - BY_NUMBER <= {name for _, name in option_names()}


INHERITED = {
    "SO_REUSEADDR": 1, "SO_REUSEPORT": 1, "SO_KEEPALIVE": 1, "SO_BROADCAST": 1, "SO_LINGER": struct.pack("ii", 1, 7), "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 90, "TCP_KEEPINTVL": 7, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 1234, "IP_TTL": 9, "IP_TOS": 0xB8,
    "TCP_CORK": 1, "SO_RCVTIMEO": struct.pack("ll", 1, 500_000), "SO_SNDTIMEO": struct.pack("ll", 2, 0),
}  # fmt: skip


def inherited(net, name):
    listener = net.tcp("server")
    listener.setsockopt(NAMES[name], getattr(socket, name), INHERITED[name])
    listener.bind((net.host, 0))
    listener.listen()
    net.tcp().connect(listener.getsockname())
    server, _ = listener.accept()
    net.keep(server)
    told = server.getsockopt(NAMES[name], getattr(socket, name), 16)
    server.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", 0, 0))
    listener.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", 0, 0))
    return told


@pytest.mark.parametrize("name", INHERITED)
def test_accepted_sockets_inherit_alike(name):
    agree.check(("inherited", name), inherited, name)


def maxseg(net):
    """Set before connecting, it bounds what both ends send."""
    listener = net.listener()
    client = net.tcp()
    client.setsockopt(TCP, socket.TCP_MAXSEG, 500)
    told = [client.getsockopt(TCP, socket.TCP_MAXSEG)]
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    net.keep(server)
    return told + [sock.getsockopt(TCP, socket.TCP_MAXSEG) for sock in (client, server)]


def test_the_largest_segment_is_agreed_alike():
    agree.check("maxseg", maxseg)


REUSE = [(), ("SO_REUSEADDR",), ("SO_REUSEPORT",), ("SO_REUSEADDR", "SO_REUSEPORT")]


def allow(sock, names):
    for name in names:
        sock.setsockopt(SOL, getattr(socket, name), 1)


def shared_port(net, first, second, how):
    """Whether a second stream may have the address of a first that is bound, listens, has a connection, or had one."""
    one, two = net.tcp("server"), net.tcp("server")
    allow(one, first)
    allow(two, second)
    one.bind(("" if how == "any" else net.host, 0))
    address = (net.host, one.getsockname()[1])
    if how != "bound":
        one.listen()
    if how in ("connected", "left", "time-wait"):
        client = net.tcp()
        client.connect(one.getsockname())
        server, _ = one.accept()
        net.keep(server)
        net.settle()
        if how != "connected":
            one.close()
        if how == "time-wait":
            server.close()
            net.settle()
            client.close()
        net.settle()
    return said(two.bind, address), said(two.listen)


@pytest.mark.parametrize("how", ["bound", "listening", "any", "connected", "left", "time-wait"])
@pytest.mark.parametrize("second", REUSE, ids=str)
@pytest.mark.parametrize("first", REUSE, ids=str)
def test_sharing_a_port_agrees(first, second, how):
    agree.check(("sharing", first, second, how), shared_port, first, second, how)
