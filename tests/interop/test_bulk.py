"""Much data in one direction, between usnet and a process of the kernel's: one that knows every byte, and iperf3."""
import hashlib
import json
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop import iperf3
from tests.interop.addresses import KERNEL, USNET
from tests.interop.links import BOTH_LINKS
from tests.interop.machine import PATIENCE, read_line
from tests.interop.payload import difference

pytestmark = pytest.mark.needs("root", "tun")
MB = 1_000_000
PEER = Path(__file__).with_name("bulk.py")
SIZES = {"good": 50 * MB, "bad": 3 * MB}


@pytest.fixture
def size(request):
    return SIZES[request.node.callspec.params["stack"]]


@pytest.fixture
def peer(machine):
    """peer(what, size, ...): bulk.py, about to connect to port 7000 of usnet's."""
    return lambda what, size, *more: machine.start(sys.executable, PEER, what, USNET, 7000, size, *more, stdout=subprocess.PIPE)


def report(record_property, what, moved, seconds):
    figure = f"{moved * 8 / 1e6 / seconds:.0f} Mbit/s"
    record_property(what, figure)
    print(f"{what}: {figure}")


@BOTH_LINKS
def test_what_the_kernel_sends_arrives(stack, peer, size, record_property):
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        process, digest = peer("send", size), hashlib.sha256()
        conn, _ = listener.accept()
        with conn:
            conn.settimeout(PATIENCE)
            while part := conn.recv(1 << 16):
                digest.update(part)
    said, seconds = read_to_end(stack, process).split()     # our FIN may be lost too
    assert digest.hexdigest() == said
    report(record_property, f"kernel to usnet, {size // MB} MB", size, float(seconds))


@BOTH_LINKS
@pytest.mark.parametrize("buffer", ["", "2304", "20000"])
def test_what_usnet_sends_arrives(stack, peer, size, buffer, record_property):
    """Into a receive buffer of the kernel's own size, one below a segment's, and one of a few segments."""
    size = size if not buffer else 300_000
    data = random.Random(size).randbytes(size)
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        process = peer("receive", size, buffer)
        conn, _ = listener.accept()
        conn.settimeout(PATIENCE)
        conn.sendall(data)
        conn.close()
        said, seconds = read_to_end(stack, process).split()
    assert hashlib.sha256(data).hexdigest() == said
    if not buffer:
        report(record_property, f"usnet to kernel, {size // MB} MB", size, float(seconds))


def read_to_end(stack, process) -> str:
    """What it says, while the stack is driven."""
    while process.poll() is None:
        stack.run_once()
        stack.wait(stack.clock.now() + 10_000_000)
    with process.stdout:
        return process.stdout.read().decode()


@BOTH_LINKS
@pytest.mark.parametrize("buffer", [2048, 20_000])
def test_what_the_kernel_sends_arrives_in_a_tiny_window_of_usnets(stack, peer, buffer):
    with stack.create_server(("", 7000)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        listener.settimeout(PATIENCE)
        process = peer("send", 300_000)
        conn, _ = listener.accept()
        with conn:
            conn.settimeout(PATIENCE)
            parts = []
            while part := conn.recv(1000):
                parts.append(part)
    read_to_end(stack, process)
    assert difference(b"".join(parts), random.Random(300_000).randbytes(300_000)) == ""


@pytest.mark.needs("iperf3")
@BOTH_LINKS
@pytest.mark.parametrize("reverse", [False, True], ids=["up", "down"])
def test_usnet_as_iperf3s_client(machine, stack, size, reverse, record_property):
    process = machine.start("iperf3", "-s", "-1", "--forceflush", "-B", KERNEL, "-p", 5201, stdout=subprocess.PIPE)
    with process.stdout:
        while "listening" not in read_line(process):
            pass

        def connect():
            return stack.create_connection((KERNEL, 5201), timeout=PATIENCE)

        moved, theirs, seconds = iperf3.client(connect, size, reverse)
        read_to_end(stack, process)
    assert process.returncode == 0
    [stream] = theirs["streams"]
    assert (stream["bytes"] if reverse else moved) >= size
    assert 0 < moved <= stream["bytes"] if reverse else 0 < stream["bytes"] <= moved
    report(record_property, f"iperf3 -s, {'down' if reverse else 'up'}, {size // MB} MB", moved, seconds)


@pytest.mark.needs("iperf3")
@BOTH_LINKS
@pytest.mark.parametrize("reverse", [False, True], ids=["up", "down"])
def test_usnet_as_iperf3s_server(machine, stack, size, reverse, record_property):
    with stack.create_server(("", 5201)) as listener:
        listener.settimeout(PATIENCE)
        process = machine.start("iperf3", "-c", USNET, "-p", 5201, "-n", size, "-J", *["-R"] * reverse, stdout=subprocess.PIPE)
        moved, theirs = iperf3.server(listener)
        said = json.loads(read_to_end(stack, process))
    assert process.returncode == 0, said
    [stream] = theirs["streams"]
    assert (moved if reverse else stream["bytes"]) >= size
    assert 0 < stream["bytes"] <= moved if reverse else 0 < moved <= stream["bytes"]
    total = said["end"]["sum_received" if reverse else "sum_sent"]
    report(record_property, f"iperf3 -c, {'down' if reverse else 'up'}, {size // MB} MB", moved, total["seconds"])
