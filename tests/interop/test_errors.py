"""Peers that refuse, break off or are not there."""
import errno
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interop.addresses import DEVICE, KERNEL, NOBODY, PREFIX, USNET
from tests.interop.machine import PATIENCE, drive, read_line
from usnet.backends.tap.peer import configure_peer

pytestmark = pytest.mark.needs("root", "tun")


@pytest.fixture
def source(machine, stack):
    """A process that sends without end, and a connection of usnet to it that has had a part."""
    process = machine.start(sys.executable, Path(__file__).with_name("source.py"), KERNEL, 7000, stdout=subprocess.PIPE)
    with process.stdout:
        assert read_line(process) == "listening"
        with stack.create_connection((KERNEL, 7000), timeout=PATIENCE) as sock:
            received = 0
            while received < 1_000_000:
                received += len(sock.recv(1 << 16))
            yield process, sock


def drain(sock):
    while sock.recv(1 << 16):
        pass


def send_on(sock):
    """As much as ever it takes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        sock.sendall(bytes(1 << 16))


def test_a_server_killed_with_unread_data_resets_the_connection(source):
    process, sock = source
    sock.sendall(b"never read")
    process.kill()
    with pytest.raises(ConnectionResetError):
        drain(sock)
    with pytest.raises(BrokenPipeError):
        sock.send(b"anyone?")


def test_a_server_killed_after_all_was_read_ends_the_stream(source):
    process, sock = source
    process.kill()
    drain(sock)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):     # nobody is there to take what is sent now
        send_on(sock)


def test_a_server_that_vanishes_is_given_up_after_the_users_timeout(machine, stack, source):
    """The kernel's end moves to another address: what is sent to the old one is no longer answered."""
    _, sock = source
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    with machine.entered():
        configure_peer(DEVICE, f"10.9.0.3/{PREFIX}")
    begun = time.monotonic()
    with pytest.raises(OSError) as caught:
        send_on(sock)
    assert caught.value.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH)
    assert 1 < time.monotonic() - begun < 30


def test_a_port_where_nobody_listens_refuses_usnet(stack):
    with pytest.raises(ConnectionRefusedError):
        stack.create_connection((KERNEL, 7001), timeout=PATIENCE)


def test_a_port_where_nobody_listens_refuses_the_kernel(machine):
    machine.serve("echo", "--port", 7)
    with pytest.raises(ConnectionRefusedError):
        machine.connect(8)


def test_an_address_that_nobody_has_cannot_be_reached(stack):
    begun = time.monotonic()
    with pytest.raises(OSError) as caught:
        stack.create_connection((NOBODY, 7000), timeout=PATIENCE)
    assert caught.value.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT)
    assert time.monotonic() - begun < 30


def test_a_network_without_a_route_cannot_be_reached(stack):
    with pytest.raises(OSError) as caught:
        stack.create_connection(("192.0.2.1", 7000), timeout=PATIENCE)
    assert caught.value.errno == errno.ENETUNREACH


def test_a_server_of_usnet_that_closes_with_unread_data_resets_the_kernels_client(machine, stack):
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        client = machine.socket()
        client.setblocking(False)
        assert client.connect_ex((USNET, 7000)) == errno.EINPROGRESS
        conn, peer = listener.accept()
        assert peer == client.getsockname()
        client.send(b"never read")
        drive(stack, lambda: stack.statistics()["tcp"]["bytes_in"] == 10)
        conn.close()
        stack.run_once()
        client.settimeout(PATIENCE)
        with pytest.raises(ConnectionResetError):
            client.recv(100)


@pytest.mark.parametrize("linger", [True, False])
def test_a_client_of_the_kernel_that_breaks_off_is_noticed(machine, stack, linger):
    """SO_LINGER of 0 s makes the kernel reset instead of close."""
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        client = machine.socket()
        client.setblocking(False)
        client.connect_ex((USNET, 7000))
        conn, _ = listener.accept()
        with conn:
            if linger:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            conn.settimeout(PATIENCE)
            if linger:
                with pytest.raises(ConnectionResetError):
                    conn.recv(100)
            else:
                assert conn.recv(100) == b""


def test_a_killed_server_is_gone_with_its_device(machine):
    """Nothing of a server that gets no chance to say goodbye is left: another one takes its place at once."""
    server = machine.serve("echo")
    sock = machine.connect(7)
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    server.process.kill()
    server.process.wait()
    machine.serve("echo")
    with machine.connect(7) as again:
        again.sendall(b"hello")
        assert again.recv(100) == b"hello"
    sock.sendall(b"hello")
    with pytest.raises(ConnectionResetError):       # the new one knows no such connection
        sock.recv(100)
