"""The HTTP server on a simulated network, byte by byte and against the standard library's client."""

import hashlib
import http.client
import io

import pytest

import usnet
from tests.cli.kit import in_virtual_time, read_all
from usnet.cli import http as server
from usnet.cli.files import Files
from usnet.lab.programs import sleep

SERVER = ("10.0.0.1", 80)
BIG = hashlib.shake_128(b"big").digest(3_000_000)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "hello.txt").write_bytes(b"hello")
    (tmp_path / "big").write_bytes(BIG)
    return Files(tmp_path)


def serve(files, *clients, **link):
    return in_virtual_time(lambda loop: server.serve_http(loop, ("", 80), files), *clients, **link)


def parse(raw, method="GET"):
    """(status, headers, body, what follows) of one response by the standard library's judgement."""

    class Source:
        file = io.BytesIO(raw)

        def makefile(self, mode):
            return self.file

    Source.file.close = lambda: None
    response = http.client.HTTPResponse(Source(), method=method)
    response.begin()
    body = response.read()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, body, Source.file.read()


def ask(raw, answers, pieces=None):
    """A client that sends bytes, all at once or in pieces, and keeps what comes until the end."""

    def client():
        with usnet.create_connection(SERVER) as sock:
            for piece in pieces or [raw]:
                sock.sendall(piece)
                sleep("20ms")
            answers.append(read_all(sock))

    return client


def answer_to(files, raw, pieces=None):
    answers = []
    serve(files, ask(raw, answers, pieces))
    return answers[0]


LAST = b"Host: x\r\nConnection: close\r\n\r\n"


def test_a_file_is_sent_with_its_length_and_the_connection_ends_when_asked(files):
    status, headers, body, rest = parse(answer_to(files, b"GET /hello.txt HTTP/1.1\r\n" + LAST))
    assert (status, body, rest) == (200, b"hello", b"")
    assert (headers["content-length"], headers["connection"]) == ("5", "close")


def test_a_request_may_arrive_byte_by_byte(files):
    raw = b"GET /hello.txt HTTP/1.1\r\n" + LAST
    answer = answer_to(files, raw, [raw[i : i + 1] for i in range(len(raw))])
    assert parse(answer)[0] == 200


def test_pipelined_requests_are_answered_in_order_on_one_connection(files):
    wanted = (b"GET /hello.txt", b"HEAD /big", b"GET /nothing")
    raw = b"".join(line + b" HTTP/1.1\r\nHost: x\r\n\r\n" for line in wanted)
    rest = answer_to(files, raw + b"GET /big HTTP/1.1\r\n" + LAST)
    status, _, body, rest = parse(rest)
    assert (status, body) == (200, b"hello")
    status, headers, _, rest = parse(rest, "HEAD")
    assert (status, headers["content-length"]) == (200, str(len(BIG)))
    status, headers, _, rest = parse(rest)
    assert status == 404 and "connection" not in headers
    assert parse(rest)[2:] == (BIG, b"")


def test_http_1_0_ends_with_the_answer(files):
    status, _, body, _ = parse(answer_to(files, b"GET /hello.txt HTTP/1.0\r\n\r\n"))
    assert (status, body) == (200, b"hello")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /hello.txt\r\n\r\n", 400),
        (b"GET /hello.txt HTTP/1.1\r\n\r\n", 400),  # without Host
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),  # TLS
        (b"GET /hello.txt HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 40000, 431),
        (b"POST /hello.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_cannot_be_served_is_answered_and_the_connection_ends(files, raw, status):
    found, headers, _, _ = parse(answer_to(files, raw))
    assert (found, headers["connection"]) == (status, "close")


def test_an_answer_survives_data_that_nobody_reads(files):
    """A close with unread data would be a reset, which may destroy the answer on its way."""
    raw = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
    assert parse(answer_to(files, raw, [raw] + [b"y" * 100_000] * 9))[0] == 405


def test_files_arrive_whole_over_lossy_links_by_the_standard_librarys_client(files):
    digests = []

    def client():
        with usnet.create_connection(SERVER) as sock:
            for wanted in ({}, {"Range": "bytes=1000000-1999999"}):
                connection = http.client.HTTPConnection("x")
                connection.sock = sock
                connection.request("GET", "/big", headers=wanted)
                response = connection.getresponse()
                digests.append((response.status, hashlib.sha256(response.read()).digest()))

    statistics = serve(files, *[client] * 5, loss=0.03, duplicate=0.01)
    whole, part = (hashlib.sha256(data).digest() for data in (BIG, BIG[1_000_000:2_000_000]))
    assert sorted(digests) == [(200, whole)] * 5 + [(206, part)] * 5
    assert (statistics.connections, statistics.open, statistics.failed, statistics.requests) == (5, 0, 0, 10)


def test_a_slow_reader_gets_all_and_holds_up_nobody(files):
    order = []

    def slow():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_STREAM) as sock:
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_RCVBUF, 16384)
            sock.connect(SERVER)
            sock.sendall(b"GET /big HTTP/1.1\r\n" + LAST)
            got = bytearray()
            while data := sock.recv(100_000):
                got += data
                sleep("50ms")
            order.append("slow")
            assert got.endswith(BIG)

    def quick():
        sleep("100ms")
        answers = []
        ask(b"GET /hello.txt HTTP/1.1\r\n" + LAST, answers)()
        order.append("quick")

    serve(files, slow, quick)
    assert order == ["quick", "slow"]


def test_a_client_that_stops_reading_does_not_make_us_hold_the_file(files, monkeypatch):
    held = []
    monkeypatch.setattr(
        server.FilePart, "read", lambda part, most, read=server.FilePart.read: held.append(most) or read(part, most)
    )

    def stalls():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_STREAM) as sock:
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_RCVBUF, 4096)
            sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.connect(SERVER)
            sock.sendall(b"GET /big HTTP/1.1\r\n" + LAST)
            sleep("2s")
        sleep("1s")

    statistics = serve(files, stalls)
    assert sum(held) < 2_000_000
    assert statistics.failed == 1  # the client's reset


def test_idle_connections_and_endless_requests_are_closed(files):
    lasted = []

    def idle():
        with usnet.create_connection(SERVER) as sock:
            assert read_all(sock) == b""
            lasted.append(sock.stack.clock.now() / 1e9)

    def drip(sock):
        while True:
            sock.sendall(b"X: y\r\n")
            sleep("1s")

    def drips():
        with usnet.create_connection(SERVER) as sock:
            sock.settimeout(1.0)
            sock.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(ConnectionError):
                drip(sock)
            lasted.append(sock.stack.clock.now() / 1e9)

    serve(files, idle, drips)
    assert all(server.IDLE <= seconds < server.IDLE + 3 for seconds in lasted) and len(lasted) == 2


def test_a_request_that_ends_in_the_middle_is_answered_and_forgotten(files):
    answers = []

    def half():
        with usnet.create_connection(SERVER) as sock:
            sock.sendall(b"GET / HT")
            sock.shutdown(usnet.SHUT_WR)
            answers.append(read_all(sock))

    statistics = serve(files, half)
    assert parse(answers[0])[0] == 400
    assert statistics.open == 0


def test_a_client_that_has_said_all_still_gets_its_answer(files):
    answers = []

    def half():
        with usnet.create_connection(SERVER) as sock:
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.shutdown(usnet.SHUT_WR)
            answers.append(read_all(sock))

    serve(files, half)
    assert parse(answers[0])[2] == BIG
