"""What runs on a host of a test's network: functions, coroutines, scripts."""

import asyncio
import traceback

import pytest

import usnet
from usnet.testing import CheckFailed, pair

SERVER = """
import socket

listener = socket.create_server(("", 80))
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1000):
            connection.sendall(data)
"""
CLIENT = """
import socket
import sys

with socket.create_connection((sys.argv[1], 80)) as s:
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)
    assert s.recv(100) == b"hello"
sys.exit(3)
"""


@pytest.fixture
def scripts(tmp_path):
    for name, text in (("server.py", SERVER), ("client.py", CLIENT), ("broken.py", "1 / 0\n")):
        (tmp_path / name).write_text(text)
    return tmp_path


async def handle(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve():
    server = await asyncio.start_server(handle, "0.0.0.0", 80)
    async with server:
        await server.serve_forever()


async def ask(n):
    reader, writer = await asyncio.open_connection("server", 80)
    writer.write(bytes(n))
    writer.write_eof()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return len(data)


def test_coroutines_run_on_both_hosts_in_virtual_time():
    with pair(loss=0.1, seed=1) as net:
        net.server.run(serve)
        assert net.call(ask, 10_000) == 10_000


def test_sleeping_takes_virtual_time_alone():
    with pair(limit="2h") as net:
        net.call(asyncio.sleep, 3600)
        assert net.world.now == 3600 * 10**9


def test_scripts_run_by_their_path_and_their_status_comes_back(scripts):
    with pair() as net:
        net.server.run(scripts / "server.py")
        assert net.call(str(scripts / "client.py"), "server") == 3


def test_a_script_answers_a_function_and_a_coroutine(scripts):
    def ask_for_one():
        with usnet.create_connection(("server", 80)) as s:
            s.sendall(b"a")
            return s.recv(1)

    with pair() as net:
        net.server.run(scripts / "server.py")
        assert net.call(ask_for_one) == b"a"
        assert net.call(ask, 700) == 700


def test_the_error_of_a_servers_script_is_told_before_what_it_made_of_the_client(scripts):
    with pair() as net:
        net.server.run(scripts / "broken.py")
        with pytest.raises(ZeroDivisionError):
            net.call(ask, 1)


def test_a_clients_script_that_fails_fails_the_call(scripts):
    with pair() as net, pytest.raises(ZeroDivisionError):
        net.call(scripts / "broken.py")


def test_a_script_that_runs_behind_the_body_fails_the_test(scripts):
    with pytest.raises(ConnectionRefusedError), pair() as net:
        net.client.run(scripts / "client.py", "server")


def test_a_script_that_never_ends_is_named_with_its_line(scripts):
    place = r"client:server.py at .*server.py:6 in <module>: connection, _ = listener.accept\(\)"
    with pytest.raises(CheckFailed, match=place), pair(limit="5s") as net:
        net.call(scripts / "server.py")


def test_a_daemons_exception_is_the_tests_failure():
    async def fail():
        await asyncio.sleep(0.03)
        raise LookupError("in the server")

    with pair() as net:
        net.server.run(fail)
        with pytest.raises(LookupError, match="in the server"):
            net.call(asyncio.sleep, 1)


def test_a_traceback_begins_with_the_programs_own_lines():
    def fail():
        raise LookupError("here")

    try:
        with pair() as net:
            net.call(fail)
    except LookupError as error:
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-1] == "fail"
    assert "step" not in names and "_run" not in names
