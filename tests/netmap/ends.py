"""Processes of their own with a stack each, at the two ends of a way through netmap: forked, so that nothing is loaded anew."""
import os
import select
import signal
import traceback

from tests.interop.machine import PATIENCE
from usnet import Stack


def serve(stack, say):
    with stack.create_server(("", 7)) as listener:
        say("ready")
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)


def ask(stack, say, host):
    """Round trips without end; says how many, each ten."""
    with stack.create_connection((host, 7), timeout=30) as sock:
        say("ready")
        sent = 0
        while True:
            data = bytes([sent & 0xFF]) * 5000
            sock.sendall(data)
            back = b""
            while len(back) < len(data):
                back += sock.recv(65536)
            assert back == data
            sent += 1
            if sent % 10 == 0:
                say(str(sent))


class End:
    """End(name, address, serve) or End(name, address, ask, peer): a child process, until kill()."""

    def __init__(self, name, address, what, *arguments):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.reader)
                with Stack(f"netmap:{name}", address) as stack:
                    what(stack, lambda text: os.write(writer, text.encode() + b"\n"), *arguments)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(writer)

    def line(self):
        found = b""
        while not found.endswith(b"\n"):
            assert select.select([self.reader], [], [], PATIENCE)[0], f"only {found!r} for {PATIENCE} s"
            more = os.read(self.reader, 1)
            assert more, "the process has ended"
            found += more
        return found.decode().strip()

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.reader)
            self.pid = 0
