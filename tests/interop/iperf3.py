"""iperf3's protocol, as far as one stream of so many bytes takes it: a client, and a server of one test, on usnet's sockets.

Beside the streams a connection for control: states as single bytes, and JSON behind its length.
"""
import json
import socket
import time
import uuid

from tests.interop.machine import PATIENCE

TEST_START, TEST_RUNNING, TEST_END = b"\x01", b"\x02", b"\x04"
PARAM_EXCHANGE, CREATE_STREAMS, EXCHANGE_RESULTS, DISPLAY_RESULTS, IPERF_DONE = b"\x09", b"\x0a", b"\x0d", b"\x0e", b"\x10"
COOKIE = 37
PIECE = 1 << 17


def exactly(sock, length: int) -> bytes:
    got = sock.recv(length, socket.MSG_WAITALL)
    assert len(got) == length, f"the end, behind {len(got)} bytes of {length}"
    return got


def send_json(sock, value) -> None:
    text = json.dumps(value).encode()
    sock.sendall(len(text).to_bytes(4, "big") + text)


def take_json(sock):
    return json.loads(exactly(sock, int.from_bytes(exactly(sock, 4), "big")))


def results(moved: int, seconds: float) -> dict:
    stream = {"id": 1, "bytes": moved, "retransmits": 0, "jitter": 0, "errors": 0, "packets": 0, "start_time": 0, "end_time": seconds}
    return {"cpu_util_total": 0, "cpu_util_user": 0, "cpu_util_system": 0, "sender_has_retransmits": 0, "streams": [stream]}


def move(stream, size: int, sends: bool) -> int:
    """At least so many bytes, in pieces."""
    moved, data = 0, memoryview(bytes(PIECE))
    while moved < size:
        moved += stream.send(data) if sends else len(stream.recv(PIECE))
    return moved


def client(connect, size: int, reverse: bool = False) -> tuple[int, dict, float]:
    """connect() makes a connection to a server. (bytes we moved, the server's results, seconds of the moving)."""
    cookie = uuid.uuid4().hex.encode().ljust(COOKIE - 1, b"x") + b"\0"
    with connect() as control:
        control.sendall(cookie)
        assert exactly(control, 1) == PARAM_EXCHANGE
        send_json(control, {"tcp": True, "omit": 0, "time": 0, "num": size, "blockcount": 0, "parallel": 1, "len": PIECE,
                            "pacing_timer": 1000, "client_version": "3.12", **({"reverse": True} if reverse else {})})
        assert exactly(control, 1) == CREATE_STREAMS
        with connect() as stream:
            stream.sendall(cookie)
            assert exactly(control, 1) == TEST_START
            assert exactly(control, 1) == TEST_RUNNING
            begun = time.monotonic()
            moved = move(stream, size, sends=not reverse)
            seconds = time.monotonic() - begun
            control.sendall(TEST_END)
            assert exactly(control, 1) == EXCHANGE_RESULTS
            send_json(control, results(moved, seconds))
            theirs = take_json(control)
            assert exactly(control, 1) == DISPLAY_RESULTS
            control.sendall(IPERF_DONE)
    return moved, theirs, seconds


def server(listener) -> tuple[int, dict]:
    """Serves one test of one stream, and then its client goes: (bytes we moved, the client's results)."""
    control, _ = listener.accept()
    with control:
        cookie = exactly(control, COOKIE)
        control.sendall(PARAM_EXCHANGE)
        wanted = take_json(control)
        control.sendall(CREATE_STREAMS)
        stream, _ = listener.accept()
        with stream:
            assert exactly(stream, COOKIE) == cookie
            control.sendall(TEST_START + TEST_RUNNING)
            moved = serve_stream(control, stream, wanted.get("reverse", False))
        control.sendall(EXCHANGE_RESULTS)
        theirs = take_json(control)
        send_json(control, results(moved, 1))
        control.sendall(DISPLAY_RESULTS)
        assert exactly(control, 1) == IPERF_DONE
    return moved, theirs


def serve_stream(control, stream, sends: bool) -> int:
    """Moves bytes until the client says that this is the end: what is under way then counts for nobody."""
    moved, data = 0, memoryview(bytes(PIECE))
    for sock in (control, stream):
        sock.setblocking(False)
    while True:
        try:
            moved += stream.send(data) if sends else len(stream.recv(PIECE))
            continue
        except BlockingIOError:
            pass
        try:
            said = control.recv(1)
        except BlockingIOError:
            continue
        assert said == TEST_END
        control.settimeout(PATIENCE)
        return moved
