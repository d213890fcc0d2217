"""Blocking calls, who drives the stack, and who may: in virtual time."""

import gc
import socket
import struct
import threading
import time
import warnings

import pytest

import usnet
from tests.sockets.kit import StalledError


def test_a_blocking_read_waits_for_its_timeout_exactly(us):
    client, _ = us.connected()
    client.settimeout(1.25)
    start = us.clock.now()
    with pytest.raises(TimeoutError, match="timed out"):
        client.recv(1)
    assert us.clock.now() - start == 1_250_000_000


def test_a_blocking_accept_waits_for_its_timeout_exactly(us):
    listener = us.listener()
    listener.settimeout(0.5)
    start = us.clock.now()
    with pytest.raises(TimeoutError):
        listener.accept()
    assert us.clock.now() - start == 500_000_000


def test_a_read_that_nothing_can_end_stays_blocked(us):
    client, _ = us.connected()
    client.setblocking(True)
    with pytest.raises(StalledError):
        client.recv(1)


def test_a_blocking_send_of_more_than_fits_waits_for_the_reader(us):
    """The peer reads whenever the poller waits, so that the sender's call can end."""
    client, server = us.connected()
    got = 0
    poller = us.client.poller

    class Reading(type(poller)):
        def wait(self, deadline):
            nonlocal got
            try:
                got += len(server.recv(1 << 20))
            except BlockingIOError:
                pass
            return super().wait(deadline)

    poller.__class__ = Reading
    client.settimeout(60)
    client.sendall(bytes(5_000_000))
    client.setblocking(False)
    assert got + us.drain(server, 5_000_000 - got) == 5_000_000


def test_sendall_that_times_out_says_so(us):
    client, _ = us.connected()
    client.settimeout(2)
    start = us.clock.now()
    with pytest.raises(TimeoutError):
        client.sendall(bytes(20_000_000))
    assert us.clock.now() - start == 2_000_000_000


def test_a_reader_is_woken_once_for_a_burst(us):
    client, server = us.connected()
    client.settimeout(10)
    for _ in range(20):
        server.send(bytes(1000))
    waits = us.client.poller.waits
    assert len(client.recv(1 << 20)) >= 1000
    assert us.client.poller.waits - waits <= 1


def test_a_non_blocking_loop_makes_progress_by_itself(us):
    client, server = us.connected()
    server.send(b"x")
    us.clock.advance(1_000_000)
    assert client.recv(1) == b"x"


def test_close_waits_for_the_peer_when_told_to_linger(us):
    client, server = us.connected()
    client.send(b"x" * 3000)
    client.settimeout(None)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
    start = us.clock.now()
    client.close()
    assert us.clock.now() - start < 1_000_000_000
    assert len(server.recv(10_000)) == 3000 and server.recv(1) == b""


def test_lingering_ends_with_its_time(us):
    client, server = us.connected()
    us.fill(client)  # nobody reads: the FIN cannot leave
    client.settimeout(None)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3))
    start = us.clock.now()
    client.close()
    assert us.clock.now() - start == 3_000_000_000
    assert server.recv(1) == b"\0"


def test_leaving_a_stack_lets_closed_sockets_finish(us):
    listener = us.listener()
    client = us.client.create_connection(listener.getsockname())
    client.sendall(b"z" * 300_000)
    client.close()
    server, _ = listener.accept()
    us.keep(server).setblocking(False)
    us.server.run_once()
    assert us.client.has_unsaid()
    start = us.clock.now()
    us.client.close(linger=0.3)
    assert us.client.closed and us.clock.now() - start <= 300_000_000


def test_another_thread_is_refused(us):
    client, _ = us.connected()
    said = []

    def misuse():
        for call in (lambda: client.recv(1), us.client.run_once, us.client.socket, us.client.epoll):
            try:
                call()
            except RuntimeError as e:
                said.append(str(e))

    thread = threading.Thread(target=misuse)
    thread.start()
    thread.join()
    assert said == ["a stack belongs to the thread that made it"] * 4


def test_a_leaked_socket_is_warned_of_and_closed(us):
    sock = us.client.socket()
    fd = sock.fileno()
    with pytest.warns(ResourceWarning, match=r"unclosed <usnet\.socket fd=3"):
        del sock, gc.garbage[:]
    again = us.tcp()
    assert again.fileno() == fd


def test_a_detached_or_closed_socket_is_not_warned_of(us):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sock = us.client.socket()
        sock.close()
        del sock
        with us.client.socket():
            pass
        us.client.socket().detach()
        gc.collect()
    assert told == []


def test_the_repr_says_who_talks_to_whom(us):
    client, server = us.connected()
    text = repr(client)
    assert f"laddr={client.getsockname()}" in text and f"raddr={server.getsockname()}" in text and "state=ESTABLISHED" in text
    client.close()
    assert "[closed]" in repr(client)


def test_calls_after_the_stack_was_closed(us):
    client, _ = us.connected()
    us.client.close(linger=0)
    us.client.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        client.recv(1)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        us.client.socket()


def test_the_current_stack_is_the_one_in_use(us):
    with pytest.raises(RuntimeError, match="no stack is in use"):
        usnet.socket()
    with usnet.use(us.server):
        assert usnet.current() is us.server
        with usnet.use(us.client):
            assert us.keep(usnet.socket()).stack is us.client
        listener = us.keep(usnet.create_server(("", 0)))
        assert listener.stack is us.server
        with usnet.epoll() as ep:
            ep.register(listener)
    with usnet.use(us.client):
        client = us.keep(usnet.create_connection(("10.9.0.1", listener.getsockname()[1]), timeout=3, source_address=("10.9.0.2", 4444)))
    assert client.gettimeout() == 3 and client.getsockname() == ("10.9.0.2", 4444)
    assert us.keep(listener.accept()[0]).getpeername() == ("10.9.0.2", 4444)


def test_entering_a_stack_makes_it_current_and_leaving_closes_it():
    with usnet.Stack(seed=1) as stack:
        assert usnet.current() is stack
    assert stack.closed
    with pytest.raises(RuntimeError):
        usnet.current()


def test_stacks_are_set_up_as_told():
    from usnet.backends.clock import ManualClock
    from usnet.backends.pair import make_pair

    a, b = make_pair(clock=ManualClock(5))
    with (
        usnet.Stack(
            a,
            ["10.1.0.1/24", "10.2.0.1/16"],
            gateway="10.1.0.254",
            routes=[("192.168.0.0/16", "10.2.0.9")],
            seed=3,
            config={"ttl": 4},
        ) as stack,
        b,
    ):
        assert stack.clock.now() == 5 and stack.ports == [a]
        with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.connect(("192.168.3.4", 9))
            assert u.getsockname()[0] == "10.2.0.1"
        with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.connect(("8.8.8.8", 9))
            assert u.getsockname()[0] == "10.1.0.1"
        assert "tcp" in stack.statistics()
    for wrong in (
        {"address": "10.1.0.1/99"},
        {"address": "nonsense"},
        {"config": {"no_such": 1}},
        {"gateway": "nowhere"},
    ):
        with pytest.raises(ValueError):
            usnet.Stack(make_pair()[0], **wrong)
    with pytest.raises(TypeError):
        usnet.Stack(42)


def test_ctrl_c_ends_a_blocking_call_promptly():
    """A real poller and a real signal."""
    import signal

    from usnet.backends.pair import make_pair

    a, b = make_pair()
    with usnet.Stack(a, "10.9.0.1/24") as stack, b:
        with stack.create_server(("", 80)) as listener:
            timer = threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
            timer.start()
            start = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                listener.accept()
            assert time.monotonic() - start < 5
            timer.join()


def test_the_operating_systems_poller_keeps_the_timeout():
    from usnet.backends.pair import make_pair

    a, b = make_pair()
    with usnet.Stack(a, "10.9.0.1/24", max_connections=64) as stack:
        with stack.create_server(("", 80)) as listener:
            assert listener.getsockname() == ("0.0.0.0", 80)
            listener.settimeout(0.02)
            start = time.monotonic_ns()
            with pytest.raises(TimeoutError):
                listener.accept()
            assert time.monotonic_ns() - start >= 20_000_000
    b.close()


def test_importing_usnet_is_light():
    import subprocess
    import sys

    code = "import usnet, sys; print([m for m in sys.modules if m.startswith('usnet.') or m in ('numpy', 'simpy')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_constants_are_the_standard_librarys():
    import select

    assert usnet.AF_INET is socket.AF_INET and usnet.EPOLLET == select.EPOLLET and usnet.timeout is TimeoutError
    with pytest.raises(AttributeError):
        usnet.no_such_thing  # noqa: B018
    assert {"Stack", "socket", "EPOLLIN", "SO_REUSEADDR"} <= set(dir(usnet))
