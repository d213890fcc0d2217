"""TCP_CONGESTION: controllers by name, of a stack, of a listener's children, of a connection before and while it lives; errors as Linux's."""

import contextlib
import errno
import socket
from types import SimpleNamespace

import pytest

import usnet
from usnet.sockets.inspect import connection_list
from usnet.testing.peer import established

TCP_CONGESTION = 13


def name_of(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16).rstrip(b"\0").decode()


def choose(sock, name):
    sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, name)


@pytest.fixture
def stack():
    with usnet.Stack(seed=1) as made, contextlib.ExitStack() as sockets:
        make = made.socket
        keep = sockets.enter_context
        yield SimpleNamespace(core=made.core, poll=made.run_once, itself=made, keep=keep, socket=lambda *kind: keep(make(*kind)))


def test_cubic_unless_told_otherwise(stack):
    assert name_of(stack.socket()) == "cubic"
    stack.core.configure(congestion="newreno")
    assert name_of(stack.socket()) == "newreno"
    with pytest.raises(ValueError, match="no congestion controller 'vegas', but newreno, cubic"):
        stack.core.configure(congestion="vegas")


def test_a_name_may_be_cut_off_or_have_a_zero_behind_it(stack):
    sock = stack.socket()
    choose(sock, b"newreno\0")
    assert sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 64) == b"newreno".ljust(16, b"\0")
    assert sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 4) == b"newr"
    choose(sock, b"reno")
    assert name_of(sock) == "newreno"


@pytest.mark.parametrize(("name", "error"), [(b"vegas", errno.ENOENT), (b"", errno.EINVAL), (b"cubic-and-many-more-letters", errno.ENOENT)])
def test_unknown_names_are_told_of(stack, name, error):
    sock = stack.socket()
    with pytest.raises(OSError) as told:
        choose(sock, name)
    assert told.value.errno == error
    assert name_of(sock) == "cubic"


def test_chosen_before_connect_and_inherited_by_accept(stack):
    listener, client = stack.socket(), stack.socket()
    choose(listener, b"none")
    choose(client, b"newreno")
    listener.bind(("127.0.0.1", 80))
    listener.listen()
    client.connect(("127.0.0.1", 80))
    child = stack.keep(listener.accept()[0])
    assert (name_of(client), name_of(child)) == ("newreno", "none")
    assert {one.congestion for one in connection_list(stack.itself)} == {"newreno", "none"}


def test_a_live_connection_keeps_its_windows():
    tcp = established(mss=1000)
    before = tcp.snapshot()["cc"]
    choose(tcp.sock, b"cubic")
    assert name_of(tcp.sock) == "cubic"
    assert tcp.snapshot()["cc"] == {**before, "wants": 16}
    choose(tcp.sock, b"none")
    assert tcp.snapshot()["cc"]["cwnd"] == 1 << 30
    tcp.send(30_000)
    assert len(tcp.take()) == 30


def test_the_window_of_none_is_a_setting():
    tcp = established(mss=1000, congestion="none", fixed_window=25_000)
    tcp.send(60_000)
    assert len(tcp.take()) == 25
    tcp.rx(". 1:1(0) ack 10001 win 65535")
    assert len(tcp.take()) == 10
    assert tcp.snapshot()["cc"]["cwnd"] == 25_000


def test_the_kind_of_socket_matters(stack):
    datagrams = stack.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(OSError) as told:
        choose(datagrams, b"cubic")
    assert told.value.errno == errno.ENOPROTOOPT


def test_a_resting_connection_keeps_its_controller(stack):
    stack.core.configure(working_set=0)
    listener, client = stack.socket(), stack.socket()
    listener.bind(("127.0.0.1", 80))
    listener.listen()
    client.connect(("127.0.0.1", 80))
    choose(client, b"newreno")
    stack.poll()
    assert stack.core.statistics()["memory"]["awake"] < 3
    assert name_of(client) == "newreno"
