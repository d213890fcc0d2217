"""The kernel with other settings, and what may happen to a link."""
import hashlib
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest

from tests.interop.addresses import DEVICE, KERNEL, PREFIX, USNET
from tests.interop.machine import PATIENCE
from tests.interop.payload import difference, read_all

pytestmark = pytest.mark.needs("root", "tun")
SIZE = 1_000_000


def setting(machine, name, value):
    done = machine.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}", check=False)
    if b"Read-only" in done.stderr:
        pytest.skip("missing: /proc/sys that may be written to")
    assert done.returncode == 0, done.stderr


def echo(machine, data, sock=None) -> bytes:
    """What comes back of `data` on a connection of the kernel's to an echo server."""
    sock = sock or machine.connect(7)
    with sock:
        writer = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        writer.start()
        back = read_all(sock)
        writer.join()
    return back


@pytest.mark.needs("tshark")
@pytest.mark.parametrize(("name", "value"), [
    ("tcp_timestamps", 0), ("tcp_sack", 0), ("tcp_window_scaling", 0), ("tcp_ecn", 1),
    ("tcp_congestion_control", "reno"),
])
def test_clients_of_other_settings_get_back_what_they_sent(machine, noise, name, value):
    machine.serve("echo", "--faults", "loss=0.01,reorder=0.01", capture=True)
    setting(machine, name, value)
    assert difference(echo(machine, noise(SIZE)), noise(SIZE)) == ""
    assert machine.complaints() == []


@pytest.mark.parametrize(("name", "value"), [
    ("tcp_timestamps", 0), ("tcp_sack", 0), ("tcp_window_scaling", 0), ("tcp_ecn", 1), ("tcp_syncookies", 2),
])
def test_servers_of_other_settings_give_back_what_usnet_sent(machine, stack, noise, name, value):
    setting(machine, name, value)
    listener = machine.listen(7000)

    def answer():
        conn, _ = listener.accept()
        conn.settimeout(PATIENCE)
        with conn:
            conn.sendall(read_all(conn))

    server = threading.Thread(target=answer)
    server.start()
    with stack.create_connection((KERNEL, 7000), timeout=PATIENCE) as sock:
        sock.sendall(noise(SIZE))
        sock.shutdown(socket.SHUT_WR)
        assert difference(read_all(sock), noise(SIZE)) == ""
    server.join()


@pytest.mark.parametrize("size", [1, 2304, 5000])
def test_a_client_with_a_tiny_window_gets_back_what_it_sent(machine, noise, size):
    machine.serve("echo")
    sock = machine.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    sock.connect((USNET, 7))
    assert difference(echo(machine, noise(200_000), sock), noise(200_000)) == ""


def test_an_urgent_byte_is_apart_and_the_stream_goes_on(machine):
    """The service does not ask for urgent data inline, so its last byte is not in the stream, as with the kernel's sockets."""
    machine.serve("echo")
    with machine.connect(7) as sock:
        sock.sendall(b"one ")
        sock.send(b"two ", socket.MSG_OOB)
        sock.sendall(b"three")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"one twothree"


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("options", [
    pytest.param(b"\x01\x01\x01\x00", id="no operation"),
    pytest.param(b"\x07\x27\x04" + bytes(37), id="record route"),
    pytest.param(b"\x44\x0c\x05\x00" + bytes(8), id="timestamp"),
])
def test_ip_options_of_the_kernels_are_skipped(machine, noise, options):
    machine.serve("echo", capture=True)
    sock = machine.socket()
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
    sock.connect((USNET, 7))
    assert difference(echo(machine, noise(20_000), sock), noise(20_000)) == ""
    datagrams = machine.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
    datagrams.connect((USNET, 7))
    datagrams.send(noise(4000))
    assert difference(datagrams.recv(5000), noise(4000)) == ""
    assert machine.complaints() == []


@pytest.mark.needs("ip")
@pytest.mark.parametrize("event", [
    pytest.param(["ip", "neigh", "flush", "all"], id="the kernel forgets neighbours"),
    pytest.param(["ip", "link", "set", DEVICE, "address", "02:00:00:00:00:77"], id="the kernel gets another address"),
    pytest.param(["sh", "-c", f"ip link set {DEVICE} down; ip link set {DEVICE} up"], id="it is down and up again"),
])
def test_a_connection_survives_what_happens_to_the_link(machine, noise, event):
    machine.serve("echo")
    with machine.connect(7) as sock:
        sock.sendall(noise(1000))
        assert sock.recv(1000, socket.MSG_WAITALL) == noise(1000)
        machine.run(*event)
        assert difference(echo(machine, noise(SIZE), sock), noise(SIZE)) == ""


def test_a_swarm_on_a_bad_link_gets_its_own_bytes_back(machine):
    machine.serve("echo", "--faults", "loss=0.005,reorder=0.02,duplicate=0.02,corrupt=0.005")
    said = machine.run(sys.executable, Path(__file__).with_name("swarm.py"), USNET, 7, 50, 10).stdout.decode()
    assert said.strip() == "50 connections at once, 500 echoes"


@pytest.mark.needs("curl")
def test_clients_that_break_off_leave_a_server_that_serves(machine, noise, tmp_path):
    """curls that are killed in the midst of a transfer, which is seen from its first bytes."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(noise(20 * SIZE))
    server = machine.serve("http", "--root", tmp_path / "www")
    url = f"http://{USNET}:8080/file"
    for _ in range(20):
        sock = machine.connect(8080)
        sock.sendall(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    got = machine.run("curl", "-sS", "--max-time", PATIENCE, url).stdout
    assert hashlib.sha256(got).digest() == hashlib.sha256(noise(20 * SIZE)).digest()
    assert "20 of them failed" in server.stop()


def test_a_device_in_use_is_refused_with_one_line(machine):
    """A second server cannot have the same device."""
    machine.serve("echo")
    done = machine.run(sys.executable, "-m", "usnet", "serve", "echo", "--backend", f"tap:{DEVICE}",
                       "--address", f"10.9.0.4/{PREFIX}", check=False)
    assert done.returncode == 1
    assert done.stderr == f"usnet: {DEVICE} is in use by another program\n".encode()
