"""`usnet run --backend tap:...`: ordinary programs on a device, with the kernel's programs as their peers."""

import re
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.interop.addresses import DEVICE, KERNEL, PREFIX, USNET
from tests.interop.machine import PATIENCE, read_line

pytestmark = pytest.mark.needs("root", "tun")
MB = 1_000_000


class Running:
    """A script on the TAP device, from the first line that it prints on."""

    def __init__(self, machine, *words):
        self.said = machine.folder / "script.stderr"
        with self.said.open("w") as errors:
            self.process = machine.start(
                sys.executable, "-u", "-m", "usnet", "run", "--backend", f"tap:{DEVICE}", "--address", f"{USNET}/{PREFIX}",
                "--peer-address", f"{KERNEL}/{PREFIX}", *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        machine._cleanup.callback(self.process.stdout.close)
        self.first = read_line(self.process)

    def end(self, by=None):
        """(status, the rest that it printed, what it said on stderr), after the signal `by`."""
        if by is not None:
            self.process.send_signal(by)
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), self.said.read_text()


@pytest.fixture
def script(machine, tmp_path):
    def start(source, *options):
        file = tmp_path / "script.py"
        file.write_text(textwrap.dedent(source))
        return Running(machine, *options, file)

    return start


WEB = """
    import functools, http.server, sys
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory={folder!r})
    with http.server.ThreadingHTTPServer(("", 8000), handler) as server:
        print("listening")
        server.serve_forever()
"""


@pytest.mark.needs("curl")
@pytest.mark.parametrize("faults", [(), ("--faults", "loss=0.02,reorder=0.02,duplicate=0.02")], ids=["good", "bad"])
def test_curl_and_an_unedited_web_server(machine, script, noise, tmp_path, faults):
    (tmp_path / "file").write_bytes(noise(5 * MB))
    running = script(WEB.format(folder=str(tmp_path)), *faults)
    clients = [machine.start("curl", "-sS", "--max-time", 50, "-o", tmp_path / f"got{i}", f"http://{USNET}:8000/file") for i in range(4)]
    assert [client.wait(PATIENCE) for client in clients] == [0] * 4
    assert all((tmp_path / f"got{i}").read_bytes() == noise(5 * MB) for i in range(4))
    assert machine.run("curl", "-sS", "-w", "%{http_code}", "-o", "/dev/null", f"http://{USNET}:8000/none").stdout == b"404"
    status, _, said = running.end(signal.SIGINT)
    assert status == 130 and said.count('"GET /file HTTP/1.1" 200') == 4
    assert re.search(r'File "\S*script\.py", line 6, in <module>\n.*\n(.*\n)*KeyboardInterrupt\n$', said)
    assert "usnet/" not in said


def test_a_client_script_and_a_server_of_the_kernels(machine, script):
    running = script(f"""
        import socket, sys, time
        begin = time.time()
        time.sleep(0.2)
        print(0.2 <= time.time() - begin < 20)
        while True:
            try:
                s = socket.create_connection(("{KERNEL}", 7000), timeout=30)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        with s:
            s.settimeout(0.1)
            try:
                s.recv(1)
            except TimeoutError:
                s.sendall(b"late")
            s.settimeout(30)
            print(s.makefile().readline())
        sys.exit(4)
    """)
    listener = machine.listen(7000)
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(100) == b"late"
        connection.sendall(b"hello\n")
        assert connection.recv(1) == b""
    assert (running.first, running.end()) == ("True", (4, "hello\n\n", ""))


def test_threads_take_turns_and_a_loop_that_never_blocks_gets_its_bytes(machine, script):
    running = script("""
        import queue, select, signal, socket, threading
        heard = queue.Queue()
        listener = socket.create_server(("", 7))
        print("listening")
        def serve():
            connection, _ = listener.accept()
            connection.setblocking(False)
            got = b""
            while len(got) < 3:
                try:
                    got += connection.recv(1)
                except BlockingIOError:
                    pass
            heard.put(got)
            connection.close()
        threading.Thread(target=serve).start()
        print(heard.get())
        signal.signal(signal.SIGTERM, lambda *_: exit(5))
        print("waits")
        select.select([listener], [], [])
    """)
    connection = machine.connect(7)
    for byte in (b"a", b"b", b"c"):
        connection.sendall(byte)
    assert connection.recv(1) == b""
    assert read_line(running.process) == "b'abc'"
    assert read_line(running.process) == "waits"
    assert running.end(signal.SIGTERM) == (5, "", "")


def test_what_a_script_sent_before_it_ended_arrives(machine, script):
    running = script("""
        import socket
        listener = socket.create_server(("", 7))
        print("listening")
        s, _ = listener.accept()
        s.sendall(bytes(200_000))
    """, "--faults", "loss=0.1")
    with machine.connect(7) as connection:
        assert len(b"".join(iter(lambda: connection.recv(65536), b""))) == 200_000
    assert running.end() == (0, "", "")


def test_an_asyncio_server_that_ends_by_a_signal(machine, script):
    running = script("""
        import asyncio, signal
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()
        async def main():
            end = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
            async with await asyncio.start_server(serve, "", 7):
                print("listening")
                await end.wait()
            print("ends")
        asyncio.run(main())
    """)
    with machine.connect(7) as connection:
        connection.sendall(b"hello\n")
        assert connection.recv(100) == b"HELLO\n"
    assert running.end(signal.SIGTERM) == (0, "ends\n", "")


def test_a_device_that_cannot_be_had_is_one_line(machine):
    result = machine.run(sys.executable, "-m", "usnet", "run", "--backend", "tap:none/such", "--address", "10.9.0.2/24", "-m", "this", check=False)
    assert result.returncode in (1, 2) and result.stderr.count(b"\n") == 1
