"""The echo example, in simulation and on a real device against the kernel's sockets."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ECHO = Path(__file__).resolve().parents[2] / "examples" / "echo.py"


def run(*args):
    done = subprocess.run([sys.executable, str(ECHO), *args], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_the_echo_example_answers_every_client_and_repeats_to_the_byte():
    first = run("sim:", "--clients", "5")
    assert sorted(re.findall(r"came back: (.*)", first)) == [f"hello from client {n}" for n in range(5)]
    assert run("sim:", "--clients", "5") == first


@pytest.fixture
def tap():
    """A TAP device of the kernel's, with an address on our side of it."""
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.link("add", ifname="usecho0", kind="tuntap", mode="tap")
        (index,) = ip.link_lookup(ifname="usecho0")
        ip.addr("add", index=index, address="10.213.7.1", prefixlen=24)
        ip.link("set", index=index, state="up")
        yield "tap:usecho0"
        ip.link("del", index=index)


@pytest.mark.needs("root", "tun")
def test_the_echo_example_serves_the_kernel_on_a_tap_device_until_ctrl_c(tap):
    server = subprocess.Popen(
        [sys.executable, "-u", str(ECHO), tap, "--address", "10.213.7.2/24"], stdout=subprocess.PIPE, text=True
    )
    try:
        with socket.create_connection(("10.213.7.2", 7), timeout=20) as sock:
            data = bytes(range(256)) * 400
            sock.sendall(data)
            got = b""
            while len(got) < len(data):
                got += sock.recv(65536)
            assert got == data
        server.send_signal(signal.SIGINT)
        out, _ = server.communicate(timeout=20)
        assert out.startswith("connected: 10.213.7.1 ") and out.endswith("bye\n")
        assert server.returncode == 0
    finally:
        server.kill()
        server.wait()
