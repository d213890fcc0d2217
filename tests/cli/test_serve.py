"""`usnet serve` on a TAP device in a network namespace of its own, with clients from elsewhere."""

import errno
import hashlib
import re
import signal
import sys
import time

import pytest
from click.testing import CliRunner

from tests.cli.kit import Namespace, first_line, stop
from usnet.backends import pair, registry
from usnet.backends.errors import BackendUnavailable
from usnet.backends.findings import ADVICE, GOOD, PROBLEM, Finding
from usnet.cli import loop
from usnet.cli.commands import root

DEVICE = ["--backend", "tap:tap0", "--address", "10.9.0.2/24", "--peer-address", "10.9.0.1/24"]
STOPPED = re.compile(r"stopped after [\d.]+ s: (\d+) connections?, .*segments in, \d+ out, \d+ sent again")
PROGRAM = [sys.executable, "-W", "error", "-m", "usnet"]
device = pytest.mark.needs("root", "tun")


@pytest.fixture
def namespace():
    with Namespace() as made:
        yield made


@device
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_idle_server_at_once_with_exit_0_and_statistics(namespace, number):
    with namespace.serving("echo", *DEVICE) as process:
        begun = time.monotonic()
        status, out, err = stop(process, number)
        assert (status, err) == (0, "")
        assert STOPPED.fullmatch(out.strip())[1] == "0"
        assert time.monotonic() - begun < 5


@device
@pytest.mark.needs("nc")
def test_echo_answers_nc_over_tcp_and_udp_and_stops_in_the_middle_of_it(namespace):
    data = hashlib.shake_128(b"nc").digest(1_000_000)
    with namespace.serving("echo", *DEVICE) as process:
        assert namespace.run("nc", "-N", "10.9.0.2", "7", input=data).stdout == data
        assert namespace.run("nc", "-u", "-w", "1", "10.9.0.2", "7", input=b"datagram").stdout == b"datagram"
        status, out, err = stop(process, signal.SIGTERM)
        assert (status, err) == (0, "")
        assert STOPPED.fullmatch(out.strip())[1] == "1" and ", 1 datagram," in out


@device
@pytest.mark.needs("nc")
def test_discard_takes_all_and_answers_nothing(namespace):
    with namespace.serving("discard", *DEVICE, "--port", "99") as process:
        assert namespace.run("nc", "-N", "10.9.0.2", "99", input=b"x" * 300_000).stdout == b""
        assert " 300000 bytes in, 0 bytes out" in stop(process, signal.SIGINT)[1]


@device
@pytest.mark.needs("curl")
def test_http_serves_files_to_curl_with_ranges_and_keep_alive(namespace, tmp_path):
    data = hashlib.shake_128(b"curl").digest(5_000_000)
    (tmp_path / "data").write_bytes(data)
    with namespace.serving("http", *DEVICE, "--root", str(tmp_path)) as process:
        url = "http://10.9.0.2:8080/data"
        assert namespace.run("curl", "-sS", url).stdout == data
        assert namespace.run("curl", "-sS", "-r", "1000000-1999999", url).stdout == data[1_000_000:2_000_000]
        assert namespace.run("curl", "-sS", url, url).stdout == data * 2
        assert b"404 Not Found" in namespace.run("curl", "-sS", "--path-as-is", "http://10.9.0.2:8080/nothing").stdout
        status, out, err = stop(process, signal.SIGTERM)
        assert (status, err) == (0, "")
        assert STOPPED.fullmatch(out.strip())[1] == "4" and " 5 requests," in out


@device
@pytest.mark.needs("curl")
def test_faults_of_both_directions_change_nothing_for_curl(namespace, tmp_path):
    data = hashlib.shake_128(b"faults").digest(2_000_000)
    (tmp_path / "data").write_bytes(data)
    faults = "loss=0.02,reorder=0.01,duplicate=0.01"
    with namespace.serving("http", *DEVICE, "--root", str(tmp_path), "--faults", faults, "--seed", "3") as process:
        assert namespace.run("curl", "-sS", "http://10.9.0.2:8080/data").stdout == data
        status, out, err = stop(process, signal.SIGTERM)
        assert (status, err) == (0, "")
        assert int(re.search(r"(\d+) frames dropped on purpose", out)[1]) > 5


@device
@pytest.mark.needs("nc", "tshark")
def test_tshark_finds_nothing_wrong_in_the_capture(namespace, tmp_path):
    path = tmp_path / "capture.pcapng"
    with namespace.serving("echo", *DEVICE, "--pcap", str(path)) as process:
        namespace.run("nc", "-N", "10.9.0.2", "7", input=b"x" * 200_000)
        assert stop(process, signal.SIGTERM)[0] == 0
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r", path]
    assert namespace.run("tshark", *options, "-Y", "tcp.checksum.status == 0 || _ws.malformed", env=None).stdout == b""
    assert namespace.run("tshark", *options, "-Y", "tcp.len > 0", env=None).stdout.count(b"\n") > 10


@device
def test_a_stop_ends_connections_that_are_open(namespace):
    client = """
import socket
s = socket.create_connection(("10.9.0.2", 7))
s.sendall(b"x")
print("echoed" if s.recv(1) == b"x" else "lost", flush=True)
print("ended" if s.recv(1) == b"" else "more", flush=True)
"""
    with namespace.serving("echo", *DEVICE) as process, namespace.start(sys.executable, "-c", client) as inside:
        assert first_line(inside) == "echoed\n"
        assert stop(process, signal.SIGTERM)[0] == 0
        assert first_line(inside) == "ended\n"


def fails_in_one_line(result):
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    return result.stderr


@device
def test_a_device_that_is_in_use_is_one_line_and_exit_1(namespace):
    with namespace.serving("echo", *DEVICE):
        second = namespace.run(*PROGRAM, "serve", "echo", *DEVICE, check=False, text=True)
        assert "in use" in fails_in_one_line(second)


@device
def test_a_capture_that_cannot_be_written_is_one_line_and_exit_1(namespace):
    path = "/no/such/directory/x.pcapng"
    result = namespace.run(*PROGRAM, "serve", "echo", *DEVICE, "--pcap", path, check=False, text=True)
    assert path in fails_in_one_line(result)


def test_without_the_device_one_line_says_what_to_do(monkeypatch):
    def unavailable(name):
        raise BackendUnavailable(errno.EPERM, "no permission to open /dev/net/tun: run as root")

    monkeypatch.setattr(registry, "open_port", unavailable)
    result = CliRunner().invoke(root, ["serve", "echo", *DEVICE], prog_name="usnet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "usnet: no permission to open /dev/net/tun: run as root\n"


def test_only_a_tap_device_has_a_kernels_end(monkeypatch):
    opened = []
    monkeypatch.setattr(registry, "open_port", opened.append)
    for backend in ("pair:kernel", "netmap:em0"):
        result = CliRunner().invoke(root, ["serve", "echo", "--backend", backend, *DEVICE[2:]], prog_name="usnet")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert "--peer-address" in result.stderr and backend in result.stderr and "tap:" in result.stderr
    assert opened == []


def test_advice_about_a_port_comes_when_it_could_be_opened(monkeypatch):
    def unavailable(name):
        raise BackendUnavailable(errno.ENOENT, "there is no /dev/netmap")

    found = [Finding(ADVICE, "offloads are on"), Finding(GOOD, "it is up"), Finding(PROBLEM, "no link")]
    monkeypatch.setattr(registry, "examine", lambda name: found)
    serve = ["serve", "echo", "--backend", "netmap:em0", "--address", "10.9.0.2/24"]
    with monkeypatch.context() as without:
        without.setattr(registry, "open_port", unavailable)
        result = CliRunner().invoke(root, serve, prog_name="usnet")
        assert (result.exit_code, result.stderr) == (1, "usnet: there is no /dev/netmap\n")
    monkeypatch.setattr(registry, "open_port", lambda name: pair.open_port("advice"))
    monkeypatch.setattr(loop.Loop, "run", lambda self: None)
    result = CliRunner().invoke(root, serve, prog_name="usnet")
    assert (result.exit_code, result.stderr) == (0, "netmap:em0: offloads are on\nnetmap:em0: no link\n")
