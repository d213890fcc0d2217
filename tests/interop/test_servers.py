"""usnet as the server of the kernel's programs, on good and bad links, in the process of the test, whose stack is looked at
afterwards: curl, nc, a thousand clients at once."""
import errno
import hashlib
import http.server
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from tests.interop.addresses import KERNEL, USNET
from tests.interop.links import BOTH_LINKS
from tests.interop.machine import PATIENCE, drive
from tests.interop.payload import difference, read_all
from tests.interop.serving import Serving
from usnet.cli.files import Files
from usnet.cli.http import serve_http
from usnet.cli.services import serve_echo

pytestmark = pytest.mark.needs("root", "tun")
MB = 1_000_000
URL = f"http://{USNET}:8080"
SWARM = Path(__file__).with_name("swarm.py")


def curl(machine, *options, **more) -> subprocess.Popen:
    return machine.start("curl", "-sS", "-f", "--max-time", PATIENCE, *options, **more)


def is_like(folder: Path, names, data: bytes) -> bool:
    return {hashlib.sha256((folder / name).read_bytes()).digest() for name in names} == {hashlib.sha256(data).digest()}


@pytest.mark.needs("curl", "tshark")
@BOTH_LINKS
def test_curl_gets_whole_files_and_ranges_at_once(machine, stack, noise, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(noise(MB))
    with Serving(stack) as loop:
        serve_http(loop, ("", 8080), Files(tmp_path / "www"))
        whole = [word for n in range(6) for word in ("-o", tmp_path / f"whole{n}", f"{URL}/file")]
        at_once = ("--parallel", "--parallel-immediate", "--parallel-max", 6)
        loop.run_while(curl(machine, *at_once, *whole), curl(machine, "-r", "1000-400000", "-o", tmp_path / "part", f"{URL}/file"),
                       curl(machine, "-r", "-5", "-o", tmp_path / "last", f"{URL}/file"))
        assert loop.statistics.requests == 8
    assert is_like(tmp_path, [f"whole{n}" for n in range(6)], noise(MB))
    assert is_like(tmp_path, ["part"], noise(MB)[1000:400_001])
    assert is_like(tmp_path, ["last"], noise(MB)[-5:])
    drive(stack, lambda: not stack.statistics()["memory"]["connections"])
    assert machine.complaints() == []


class Keeper(http.server.BaseHTTPRequestHandler):
    """Keeps what is PUT, and gives it back."""
    protocol_version = "HTTP/1.1"
    kept: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self):
        self.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, b"")

    def do_GET(self):
        self.answer(200, self.kept[self.path])

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.needs("curl")
@BOTH_LINKS
def test_curl_puts_files_into_the_standard_librarys_server_and_gets_them_back(machine, stack, noise, tmp_path):
    """http.server on usnet's sockets as they are. curl waits for "100 Continue" before a large body."""
    sizes = (0, 1, 1460, 100_000, 2 * MB)
    for size in sizes:
        (tmp_path / str(size)).write_bytes(noise(size))
    server = http.server.HTTPServer((USNET, 8080), Keeper, bind_and_activate=False)
    server.socket.close()
    with stack.create_server(("", 8080)) as server.socket:
        server.socket.settimeout(PATIENCE)
        uploads = curl(machine, *[word for size in sizes for word in ("-T", tmp_path / str(size), f"{URL}/{size}")])
        server._handle_request_noblock()                # one connection for all of them
        drive(stack, lambda: uploads.poll() is not None)
        downloads = curl(machine, *[word for size in sizes for word in ("-o", tmp_path / f"back{size}", f"{URL}/{size}")])
        server._handle_request_noblock()
        drive(stack, lambda: downloads.poll() is not None)
        assert (uploads.returncode, downloads.returncode) == (0, 0)
    for size in sizes:
        assert is_like(tmp_path, [f"back{size}"], noise(size))


@BOTH_LINKS
def test_1000_clients_of_the_kernels_at_once_get_their_own_bytes_back(machine, stack, request):
    """All are connected before the first one speaks, and all leave at about the same time."""
    echoes = 5 if request.node.callspec.params["stack"] == "good" else 2
    with Serving(stack) as loop:
        serve_echo(loop, ("", 7))
        swarm = machine.start(sys.executable, SWARM, USNET, 7, 1000, echoes, stdout=subprocess.PIPE)
        most = []
        loop.run_until(lambda: most.append(loop.statistics.open) or swarm.poll() is not None)
        loop.run_until(lambda: loop.statistics.open == 0)
        assert max(most) == 1000
    with swarm.stdout:
        assert swarm.stdout.read().decode().strip() == f"1000 connections at once, {1000 * echoes} echoes"


@BOTH_LINKS
def test_hundreds_of_connections_are_closed_by_both_ends_at_once(machine, stack):
    """No FIN knows of the other one: whoever was first is in TIME-WAIT, and some are in CLOSING before."""
    with stack.create_server(("", 7000), backlog=512) as listener:
        listener.settimeout(PATIENCE)
        clients = [machine.socket() for _ in range(400)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex((USNET, 7000))
        conns = dict(listener.accept()[::-1] for _ in clients)
        for client in clients:
            conn = conns[client.getsockname()]
            client.close()
            conn.close()
    drive(stack, lambda: not stack.statistics()["memory"]["connections"])
    assert stack.statistics()["tcp"]["resets"] == 0


@pytest.mark.needs("nc")
@BOTH_LINKS
def test_nc_as_a_server_takes_what_usnet_sends_and_says_what_it_has(machine, stack, noise, tmp_path):
    """Both directions at once. nc ends its own first: one that listens leaves as soon as its peer has ended while its buffer
    happens to be empty, whatever it still has to say."""
    (tmp_path / "said").write_bytes(noise(MB)[::-1])
    with (tmp_path / "said").open("rb") as said, (tmp_path / "heard").open("wb") as heard:
        nc = machine.start("nc", "-l", "-N", KERNEL, 7000, stdin=said, stdout=heard)
    while True:
        try:
            sock = stack.create_connection((KERNEL, 7000), timeout=PATIENCE)
            break
        except ConnectionRefusedError:
            assert nc.poll() is None
    with sock:
        sock.sendall(noise(MB))
        assert difference(read_all(sock), noise(MB)[::-1]) == ""
        sock.shutdown(socket.SHUT_WR)
        drive(stack, lambda: nc.poll() is not None)
    assert nc.returncode == 0
    assert difference((tmp_path / "heard").read_bytes(), noise(MB)) == ""


@BOTH_LINKS
def test_clients_come_again_from_the_same_port_while_usnet_is_in_time_wait(machine, stack):
    """usnet closes first each time. A SYN with a later timestamp takes the old connection's place (RFC 6191)."""
    stack.configure(msl=30_000_000_000)
    with stack.create_server(("", 7000)) as listener:
        listener.settimeout(PATIENCE)
        for n in range(10):
            client = machine.socket()
            client.setblocking(False)
            drive(stack, lambda client=client: has_bound(client, (KERNEL, 40000)))
            client.connect_ex((USNET, 7000))
            conn, peer = listener.accept()
            assert peer == (KERNEL, 40000)
            conn.sendall(b"%d" % n)
            conn.close()
            with client:
                client.settimeout(PATIENCE)
                got = []
                reader = threading.Thread(target=lambda client=client, got=got: got.append(read_all(client)))
                reader.start()
                drive(stack, lambda reader=reader: not reader.is_alive())
                assert got == [b"%d" % n]
        assert stack.statistics()["tcp"]["passive_opens"] == 10
        drive(stack, lambda: stack.statistics()["memory"]["connections"] == 2)      # the listener, one in TIME-WAIT
    stack.close(linger=0)


def has_bound(sock, address) -> bool:
    """Not while the kernel waits for the last acknowledgement of the connection before."""
    try:
        sock.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True
