import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.interop.addresses import KERNEL, USNET
from tests.interop.machine import PATIENCE
from tests.interop.payload import difference, read_all
from tests.sources import ROOT

pytestmark = pytest.mark.needs("root", "tun")
EXAMPLES = ROOT / "examples"
MB = 1_000_000


@pytest.mark.needs("nc", "tshark")
def test_nc_gets_back_what_it_sent_and_ends_with_its_half_close(machine, noise, tmp_path):
    sent = tmp_path / "sent"
    sent.write_bytes(noise(5 * MB + 1))
    server = machine.serve("echo", capture=True)
    with sent.open("rb") as data:
        back = machine.run("nc", "-N", USNET, 7, stdin=data).stdout
    assert difference(back, sent.read_bytes()) == ""
    assert f" {len(back)} bytes in, {len(back)} bytes out" in server.stop()
    assert machine.complaints() == []


@pytest.mark.needs("nc", "tshark")
@pytest.mark.parametrize("delay", ["0ms", "3ms"])
def test_nc_gets_back_what_it_sent_over_a_bad_link(machine, noise, delay):
    """Both ends send and receive at once, while frames of both are lost, late, or there twice."""
    machine.serve("echo", "--faults", f"loss=0.02,reorder=0.02,duplicate=0.02,delay={delay}", capture=True)
    back = machine.run("nc", "-N", USNET, 7, data=noise(MB)).stdout
    assert difference(back, noise(MB)) == ""
    assert machine.complaints() == []


@pytest.mark.needs("nc")
@pytest.mark.parametrize("size", [0, 1, 1460, 100_000])
def test_what_follows_a_half_close_still_arrives(machine, noise, size):
    """nc says all it has, and that this is all, before it reads; echo answers after that."""
    machine.serve("echo")
    back = machine.run("nc", "-N", USNET, 7, data=noise(size)).stdout
    assert difference(back, noise(size)) == ""


@pytest.mark.needs("tshark")
def test_200_connections_at_once_get_their_own_bytes_back(machine):
    server = machine.serve("echo", capture=True)
    said = machine.run(sys.executable, Path(__file__).with_name("swarm.py"), USNET, 7, 200, 20).stdout.decode()
    assert said.strip() == "200 connections at once, 4000 echoes", said
    assert " 200 connections, " in server.stop()
    assert machine.complaints() == []


def test_connections_come_and_go_by_the_hundred(machine):
    """More than the backlog one after another: each is closed by its client, and none is left behind."""
    machine.serve("echo")
    for n in range(300):
        with machine.connect(7) as sock:
            sock.sendall(b"%d" % n)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100) == b"%d" % n and sock.recv(100) == b""


def test_a_slow_reader_is_waited_for(machine, noise):
    """The client does not read until nothing more can be sent: windows close on both sides, and open again."""
    machine.serve("echo")
    data = noise(3 * MB)
    with machine.connect(7) as sock:
        sock.setblocking(False)
        sent = 0
        try:
            while sent < len(data):
                sent += sock.send(data[sent:sent + 65536])
        except BlockingIOError:
            pass
        sock.settimeout(PATIENCE)
        writer = threading.Thread(target=lambda: (sock.sendall(data[sent:]), sock.shutdown(socket.SHUT_WR)))
        writer.start()
        back = read_all(sock)
        writer.join()
    assert difference(back, data) == ""


def test_usnet_as_a_client_half_closes_and_reads_on(machine, stack, noise):
    """A kernel's server that answers only once it knows that it has all."""
    data, listener = noise(2 * MB), machine.listen(7000)

    def answer():
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            sock.sendall(read_all(sock)[::-1])

    server = threading.Thread(target=answer)
    server.start()
    with stack.create_connection((KERNEL, 7000), timeout=PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        back = read_all(sock)
    assert difference(back, data[::-1]) == ""
    server.join()


@pytest.mark.needs("ping", "ip")
@pytest.mark.parametrize("name", ["echo.py", "aio_echo.py"])
def test_the_example_that_runs_in_simulation_serves_the_kernels_clients(machine, noise, name):
    """The same program, `sim:` in tests/sockets/test_example.py, on a device that stands already."""
    for words in ("tuntap add dev tap0 mode tap", f"address add {KERNEL}/24 dev tap0", "link set tap0 up"):
        machine.run("ip", *words.split())
    server = machine.start(sys.executable, EXAMPLES / name, "tap:tap0", "--address", f"{USNET}/24", stdout=subprocess.DEVNULL)
    machine.run("ping", "-c", "1", "-w", PATIENCE, USNET)  # answered as soon as it listens
    with machine.connect(7) as client:
        client.sendall(noise(MB))
        client.shutdown(socket.SHUT_WR)
        assert difference(read_all(client), noise(MB)) == ""
    server.send_signal(signal.SIGINT)
    assert server.wait(PATIENCE) == 0
