"""usnet on the real module: with itself, and with the kernel's own TCP over a switch."""
import hashlib
import random
import re
import resource
import socket
import sys
from pathlib import Path

import pytest

from tests.interop.machine import drive
from tests.netmap.ends import End, serve
from tests.netmap.peers import KERNEL, SWITCH, USNET, kernel_on_the_switch, run, served
from usnet import Stack

HTTP = "10.9.0.4"
SWARM = Path(__file__).parents[1] / "interop" / "swarm.py"


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def kernel():
    with kernel_on_the_switch():
        yield KERNEL


@pytest.fixture(scope="module")
def echo(kernel):
    with served("echo", "--port", 7) as process:
        yield process


def exchange(sock, data):
    """Sends it all and reads it all back: less than the buffers hold."""
    sock.sendall(data)
    back = b""
    while len(back) < len(data):
        more = sock.recv(65536)
        assert more, "the echo ended early"
        back += more
    return back


@pytest.mark.parametrize(("near", "far"), [("vale1:a", "vale1:b"), ("two{1", "two}1")], ids=["vale", "pipe"])
def test_two_stacks_in_two_processes_echo(near, far):
    server = End(far, f"{USNET}/24", serve)
    try:
        assert server.line() == "ready"
        with Stack(f"netmap:{near}", "10.9.0.9/24") as stack, stack.create_connection((USNET, 7), timeout=30) as sock:
            for size in (1, 60, 1460, 1461, 30_000):
                assert exchange(sock, noise(size)) == noise(size)
    finally:
        server.kill()


def test_ping_of_the_kernel(echo):
    for size in (0, 56, 1472):
        said = run("ping", "-c", 5, "-i", "0.02", "-w", 30, "-s", size, USNET).stdout.decode()
        assert re.search(r"5 packets transmitted, 5 received, 0% packet loss", said), said


def test_nc_gets_its_bytes_back(echo):
    assert run("nc", "-N", USNET, 7, data=noise(300_000)).stdout == noise(300_000)


def test_curl_gets_files_from_usnet_serve(kernel, tmp_path):
    (tmp_path / "file").write_bytes(noise(1_000_000))
    # A port and an address of its own: the echo server has the others
    with served("http", "--port", 80, "--root", tmp_path, port=f"{SWITCH}:h", address=HTTP):
        for _ in range(2):
            got = run("curl", "-sS", "--max-time", 60, f"http://{HTTP}/file").stdout
            assert hashlib.sha256(got).digest() == hashlib.sha256(noise(1_000_000)).digest()
        assert run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{HTTP}/nothing").stdout == b"404"


def test_1000_connections_of_the_kernel_at_once(echo):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        said = run(sys.executable, SWARM, USNET, 7, 1000, 1).stdout.decode()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert said.strip() == "1000 connections at once, 1000 echoes"


def test_usnet_asks_a_server_of_the_kernel(kernel):
    with socket.create_server((KERNEL, 7777)) as listener, Stack("netmap:vale0:c", "10.9.0.3/24") as stack, stack.socket() as sock:
        listener.settimeout(30)
        sock.setblocking(False)
        assert sock.connect_ex((KERNEL, 7777)) != 0
        listener.setblocking(False)
        found = []

        def accepted():
            try:
                found.append(listener.accept()[0])
            except BlockingIOError:
                return False
            return True
        drive(stack, accepted)
        with found[0] as theirs:
            theirs.sendall(b"hello")
            drive(stack, lambda: stack.statistics()["tcp"]["bytes_in"] >= 5)
            assert sock.recv(100) == b"hello"
