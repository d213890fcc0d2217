"""Clients that are killed, links that go down, hosts that fall silent or start anew, peers that do not read: what is left of
it in usnet is nothing, as the fixture `stack` sees to."""
import errno
import hashlib
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interop.addresses import DEVICE, KERNEL, PREFIX, USNET
from tests.interop.links import BOTH_LINKS
from tests.interop.machine import PATIENCE, drive
from tests.interop.payload import difference
from tests.interop.serving import Serving
from usnet.backends.tap.peer import configure_peer
from usnet.cli.files import Files
from usnet.cli.http import serve_http
from usnet.cli.services import serve_discard

pytestmark = pytest.mark.needs("root", "tun")
MB = 1_000_000
PEER = Path(__file__).with_name("bulk.py")
TCP_REPAIR = 19
"""Linux's: a connection in repair is closed without a word, as if its host had lost its power."""


def now_and_then(stack, seconds: float) -> None:
    end = stack.clock.now() + int(seconds * 1e9)
    drive(stack, lambda: stack.clock.now() >= end)


@pytest.fixture
def pair(machine, stack):
    """pair(): a connection between a socket of usnet's and one of the kernel's."""
    made = []

    def connect(port=7000, local=None):
        with stack.create_server(("", port)) as listener:
            listener.settimeout(PATIENCE)
            client = machine.socket()
            if local:
                client.bind((KERNEL, local))
            client.setblocking(False)
            client.connect_ex((USNET, port))
            conn, _ = listener.accept()
        made.extend((client, conn))
        conn.settimeout(PATIENCE)
        client.settimeout(PATIENCE)
        return conn, client

    yield connect
    for sock in made:
        sock.close()


def forgotten(client) -> None:
    """The kernel forgets the connection, and says nothing."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.close()


# Clients that are killed

@BOTH_LINKS
def test_downloads_killed_in_their_midst_are_reset(machine, stack, noise, tmp_path):
    """20 kernel clients with unread data: their kernel sends RST, and the server drops what it still had to say."""
    (tmp_path / "file").write_bytes(noise(5 * MB))
    with Serving(stack) as loop:
        serve_http(loop, ("", 8080), Files(tmp_path))
        reading = "import socket, sys, time; s = socket.create_connection((sys.argv[1], 8080)); " \
                  "s.sendall(b'GET /file HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); s.recv(1000); time.sleep(60)"
        clients = [machine.start(sys.executable, "-c", reading, USNET) for _ in range(20)]
        loop.run_until(lambda: loop.statistics.requests == 20 and loop.statistics.bytes_out > 20 * 100_000)
        for client in clients:
            client.kill()
        loop.run_until(lambda: loop.statistics.open == 0)
        assert loop.statistics.failed == 20
    assert stack.statistics()["tcp"]["resets"] >= 20


@BOTH_LINKS
def test_uploads_killed_in_their_midst_end(machine, stack):
    """All that they sent is read, so that their kernel can end in order."""
    with Serving(stack) as loop:
        serve_discard(loop, ("", 7000))
        clients = [machine.start(sys.executable, PEER, "send", USNET, 7000, 40 * MB, stdout=subprocess.DEVNULL) for _ in range(4)]
        loop.run_until(lambda: loop.statistics.connections == 4 and loop.statistics.bytes_in > MB)
        for client in clients:
            client.kill()
        loop.run_until(lambda: loop.statistics.open == 0)
    assert loop.statistics.bytes_in < 4 * 40 * MB


# Links and hosts

@pytest.mark.needs("ip")
@pytest.mark.parametrize("seconds", [0, 1.2])
@pytest.mark.parametrize("what", ["send", "receive"])
def test_a_transfer_goes_on_after_its_device_was_down(machine, stack, noise, what, seconds):
    """In the midst of it, and long enough that timeouts pass. A device that is down forgets its routes and neighbours."""
    size = 20 * MB
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        process = machine.start(sys.executable, PEER, what, USNET, 7000, size, stdout=subprocess.PIPE)
        conn, _ = listener.accept()
    with conn:
        conn.settimeout(PATIENCE)
        data, half = random.Random(size).randbytes(size), size // 4
        got = []
        if what == "receive":
            conn.sendall(data[:half])
        else:
            while sum(map(len, got)) < half:
                got.append(conn.recv(1 << 16))
        machine.run("ip", "link", "set", DEVICE, "down")
        now_and_then(stack, seconds)
        machine.run("ip", "link", "set", DEVICE, "up")
        if what == "receive":
            conn.sendall(data[half:])
            conn.shutdown(socket.SHUT_WR)
            assert conn.recv(1) == b""
        else:
            while part := conn.recv(1 << 16):
                got.append(part)
            assert difference(b"".join(got), data) == ""
    drive(stack, lambda: process.poll() is not None)
    assert process.stdout.read().split()[0].decode() == hashlib.sha256(data).hexdigest()


def is_silent(machine) -> None:
    """From now on no host has the kernel's address."""
    with machine.entered():
        configure_peer(DEVICE, f"10.9.0.3/{PREFIX}")


def test_keepalive_ends_an_idle_connection_to_a_host_that_is_gone(machine, stack, pair):
    stack.configure(keep_idle=300_000_000, keep_interval=100_000_000, keep_count=3)
    conn, _ = pair()
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    now_and_then(stack, 0.7)
    assert stack.statistics()["tcp"]["keep_probes"] >= 1
    is_silent(machine)
    begun = time.monotonic()
    with pytest.raises(OSError) as caught:
        conn.recv(100)
    assert caught.value.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH)
    assert time.monotonic() - begun < 10


@pytest.mark.needs("ip")
@pytest.mark.parametrize("gone", ["the host", "the link"])
def test_the_user_timeout_ends_a_connection_with_unacknowledged_data(machine, stack, pair, gone):
    conn, _ = pair()
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    if gone == "the host":
        is_silent(machine)
    else:
        machine.run("ip", "link", "set", DEVICE, "down")
    begun = time.monotonic()
    conn.sendall(b"anyone?")
    with pytest.raises(OSError) as caught:
        conn.recv(100)
    assert caught.value.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETDOWN)
    assert 1 < time.monotonic() - begun < 10
    machine.run("ip", "link", "set", DEVICE, "up")


def test_connections_nobody_holds_to_a_host_that_is_gone_are_given_up(machine, stack, pair):
    """Closed with data that cannot arrive any more: the orphans end by themselves."""
    stack.configure(orphan_retries=2, rto_min=50_000_000)
    conns = [pair() for _ in range(20)]
    for conn, client in conns:
        conn.sendall(b"hello")
        assert client.recv(5) == b"hello"
    is_silent(machine)
    for conn, _ in conns:
        conn.sendall(bytes(100_000))
        conn.close()
    assert stack.statistics()["memory"]["connections"] == 20
    drive(stack, lambda: stack.statistics()["memory"]["connections"] == 0)


# Half-open connections

@pytest.mark.needs("tshark")
@BOTH_LINKS
def test_a_peer_that_forgot_the_connection_resets_it_when_it_is_sent_to(machine, stack, pair):
    conn, client = pair()
    forgotten(client)
    conn.sendall(b"anyone?")
    with pytest.raises(ConnectionResetError):
        conn.recv(100)
    conn.close()
    assert machine.complaints() == []


def test_a_peer_that_forgot_the_connection_resets_it_when_it_is_asked_whether_it_lives(stack, pair):
    stack.configure(keep_idle=200_000_000, keep_interval=200_000_000)
    conn, client = pair()
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    forgotten(client)
    with pytest.raises(ConnectionResetError):
        conn.recv(100)


@BOTH_LINKS
def test_a_peer_that_started_anew_connects_from_the_port_of_a_half_open_connection(stack, pair):
    """Its SYN meets an established connection: a challenge ACK (RFC 5961, 4.2), its RST, and its SYN again."""
    conn, client = pair(local=40000)
    conn.sendall(b"before")
    assert client.recv(6) == b"before"
    forgotten(client)
    again, client = pair(port=7000, local=40000)
    with pytest.raises(ConnectionResetError):
        conn.recv(100)
    again.sendall(b"after")
    assert client.recv(5) == b"after"
    assert stack.statistics()["tcp"]["challenge_acks"] >= 1


# Slow readers

@BOTH_LINKS
@pytest.mark.parametrize("who", ["the kernel", "usnet"])
def test_a_window_closed_for_seconds_opens_again(stack, pair, noise, who):
    """Probes and their answers may be lost, and the segment that opens the window, too."""
    conn, client = pair()
    size = (3 if who == "the kernel" else 8) * MB           # more than the writer's and the reader's buffers hold
    reader, writer = (client, conn) if who == "the kernel" else (conn, client)
    for sock in (conn, client):
        sock.setblocking(False)
    data, sent, got = memoryview(noise(size)), 0, bytearray()
    opens = stack.clock.now() + 2_500_000_000

    def go_on():
        nonlocal sent
        try:
            while sent < size:
                sent += writer.send(data[sent:sent + (1 << 18)])
        except BlockingIOError:
            pass
        try:
            while stack.clock.now() >= opens and len(got) < size:
                got.extend(reader.recv(1 << 18))
        except BlockingIOError:
            pass
        return len(got) == size

    drive(stack, lambda: stack.clock.now() >= opens or go_on())
    assert (sent < size, len(got)) == (True, 0)
    assert who == "usnet" or stack.statistics()["tcp"]["probes"] >= 2
    drive(stack, go_on, lambda: f"{sent} sent, {len(got)} received")
    assert difference(bytes(got), bytes(data)) == ""


@BOTH_LINKS
def test_what_follows_the_peers_half_close_arrives(stack, pair, noise):
    """Both ways: the kernel ends, usnet goes on; and the other way round."""
    for first in (0, 1):
        ends = pair(port=7000 + first)
        early, late = ends[first], ends[1 - first]
        early.sendall(b"question")
        early.shutdown(socket.SHUT_WR)
        for sock in ends:
            sock.setblocking(False)
        heard, sent, got = bytearray(), 0, bytearray()
        answer = noise(MB)

        def go_on(early=early, late=late, heard=heard, got=got, answer=answer):
            nonlocal sent
            try:
                heard.extend(late.recv(100))
            except BlockingIOError:
                pass
            try:
                if heard == b"question":
                    sent += late.send(answer[sent:])
            except BlockingIOError:
                pass
            try:
                got.extend(early.recv(1 << 18))
            except BlockingIOError:
                pass
            return len(got) == len(answer)

        drive(stack, go_on)
        assert difference(bytes(got), answer) == ""
        late.close()
        early.setblocking(True)
        if first == 0:
            early.settimeout(PATIENCE)
            assert early.recv(1) == b""
