"""nginx on the kernel's end, usnet as its client: with the standard library's http.client on usnet's sockets."""
import http.client
import signal
import socket
import time

import pytest

from tests.interop.addresses import KERNEL
from tests.interop.links import BOTH_LINKS
from tests.interop.machine import PATIENCE
from tests.interop.payload import difference

pytestmark = pytest.mark.needs("root", "tun", "nginx")
PORT, SINK = 8080, 8081
MB = 1_000_000
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; default_type application/octet-stream; keepalive_requests 1000; client_max_body_size 64m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen {KERNEL}:{PORT}; root {folder}/www;
        location = /post {{ client_body_in_file_only on; proxy_pass http://127.0.0.1:{SINK}/; }}
    }}
    server {{ listen 127.0.0.1:{SINK}; location / {{ return 200 "$content_length bytes"; }} }}
}}
"""


@pytest.fixture
def nginx(machine, stack, tmp_path):
    """The folder that it serves as www/ and keeps the bodies of requests in as body/."""
    (tmp_path / "www").mkdir()
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, KERNEL=KERNEL, PORT=PORT, SINK=SINK))
    process = machine.start("nginx", "-p", tmp_path, "-c", config, "-e", tmp_path / "error.log")
    wait_until_it_listens(machine, process, tmp_path / "error.log")
    yield tmp_path
    process.send_signal(signal.SIGQUIT)
    assert process.wait(PATIENCE) == 0


def wait_until_it_listens(machine, process, log):
    deadline = time.monotonic() + PATIENCE
    while True:
        with machine.socket() as probe:
            if probe.connect_ex((KERNEL, PORT)) == 0:
                return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def connect(stack) -> http.client.HTTPConnection:
    made = http.client.HTTPConnection(KERNEL, PORT)
    made.sock, made.auto_open = stack.create_connection((KERNEL, PORT), timeout=PATIENCE), 0
    return made


def request(connection, *what, **options) -> tuple[int, bytes]:
    connection.request(*what, **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_20_mb_are_downloaded_whole(stack, nginx, noise, record_property):
    data = noise(20 * MB)
    (nginx / "www" / "20mb").write_bytes(data)
    connection, begun = connect(stack), time.monotonic()
    status, got = request(connection, "GET", "/20mb")
    figure = f"{len(got) * 8 / 1e6 / (time.monotonic() - begun):.0f} Mbit/s"
    connection.close()
    assert status == 200
    assert difference(got, data) == ""
    record_property("download of 20 MB from nginx", figure)
    print("download of 20 MB from nginx:", figure)


@pytest.mark.needs("tshark")
def test_gets_and_posts_on_one_connection(machine, stack, nginx, noise):
    connection = connect(stack)
    for n, size in enumerate((1, 1460, 1461, 100_000, 3 * MB), 1):
        (nginx / "www" / str(n)).write_bytes(noise(size))
        status, got = request(connection, "GET", f"/{n}")
        assert status == 200
        assert difference(got, noise(size)) == ""
        assert request(connection, "POST", "/post", body=noise(size)[::-1]) == (200, b"%d bytes" % size)
        assert difference((nginx / "body" / f"{n:010}").read_bytes(), noise(size)[::-1]) == ""
    assert request(connection, "GET", "/none")[0] == 404
    connection.close()
    assert machine.complaints() == []


@BOTH_LINKS
def test_kept_alive_while_5_mb_come_and_3_mb_go(machine, stack, nginx, noise):
    """Each by the same connection, which nginx keeps open; then again by 8 at once."""
    (nginx / "www" / "5mb").write_bytes(noise(5 * MB))
    connection = connect(stack)
    assert difference(request(connection, "GET", "/5mb")[1], noise(5 * MB)) == ""
    assert request(connection, "POST", "/post", body=noise(3 * MB)) == (200, b"%d bytes" % (3 * MB))
    assert difference((nginx / "body" / "0000000001").read_bytes(), noise(3 * MB)) == ""
    others = [connect(stack) for _ in range(8)]
    for other in (connection, *others):
        other.request("GET", "/5mb", headers={"Range": f"bytes=0-{MB - 1}"})
    for other in (connection, *others):
        assert difference(other.getresponse().read(), noise(5 * MB)[:MB]) == ""
        other.close()


def test_many_connections_at_once(stack, nginx, noise):
    """All requests are sent before the first answer is read."""
    (nginx / "www" / "file").write_bytes(noise(50_000))
    connections = [connect(stack) for _ in range(50)]
    for connection in connections:
        connection.request("GET", "/file")
    for connection in connections:
        assert difference(connection.getresponse().read(), noise(50_000)) == ""
        connection.close()


def test_nginx_is_told_of_the_end_of_a_request_by_a_half_close(stack, nginx):
    """HTTP/1.0 as of old: the server too ends its answer by closing."""
    (nginx / "www" / "file").write_bytes(b"all")
    with stack.create_connection((KERNEL, PORT), timeout=PATIENCE) as sock:
        sock.sendall(b"GET /file HTTP/1.0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\nall")
