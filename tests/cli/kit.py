"""What the tests of the command line share: the program as users run it, servers in virtual time, and a network
namespace.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time

import usnet
from tests.conftest import SBIN
from usnet.cli.loop import Loop
from usnet.lab.world import World

ENVIRONMENT = {**os.environ, "COLUMNS": "120", "PATH": SBIN, "NO_COLOR": "1"}


def usnet_program(*arguments, cwd=None, env=None, timeout=120):
    """`python -m usnet ARGUMENTS...`: a CompletedProcess with text."""
    command = [sys.executable, "-W", "error", "-m", "usnet", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
    )


def in_virtual_time(start, *clients, seed=1, limit="300s", **link):
    """Runs start(loop) on a server at 10.0.0.1 and each client as a blocking program on a host of its own: the
    server's Statistics.
    """
    world = World(seed)
    server = world.host("server", "10.0.0.1/16")
    switch = world.switch("switch")
    world.link(server, switch)
    seen = []

    def serve():
        loop = Loop(usnet.current())
        seen.append(loop)
        try:
            start(loop)
            loop.run()
        finally:
            loop.close()

    program = server.run(serve, daemon=True)
    for number, client in enumerate(clients):
        host = world.host(
            f"client{number}", f"10.0.1.{number + 1}/16", max_connections=2048, max_chunks=8192, max_sockets=2048
        )
        world.link(host, switch, **{"rate": "100Mbit", "delay": "5ms", **link})
        host.run(client)
    try:
        assert world.run_programs(limit), f"not done after {limit}"
    finally:
        program.kill()
    assert server.statistics()["tcp_drops"].get("checksum", 0) == 0
    return seen[0].statistics


def read_all(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


class Namespace:
    """A network namespace of the kernel, for as long as the `with` block lasts."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        mine = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + 10
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == mine:
            assert self.holder.poll() is None and time.monotonic() < end, "no network namespace"
            time.sleep(0.01)
        return self

    def __exit__(self, *exc):
        self.holder.stdin.close()
        self.holder.wait(10)

    def _inside(self, command):
        return ["nsenter", "--net", "--target", str(self.holder.pid), *map(str, command)]

    def run(self, *command, check=True, **options):
        options = {"capture_output": True, "timeout": 60, "env": ENVIRONMENT, **options}
        return subprocess.run(self._inside(command), check=check, **options)

    @contextlib.contextmanager
    def start(self, *command, **options):
        """A process with pipes for stdout and stderr, as text; killed at the end unless it has ended."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(self._inside(command), env=ENVIRONMENT, **pipes, **options)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    @contextlib.contextmanager
    def serving(self, *arguments, cwd=None):
        """`usnet serve ARGUMENTS...` that is ready."""
        command = [sys.executable, "-W", "error", "-m", "usnet", "serve", *arguments]
        with self.start(*command, cwd=cwd) as process:
            line = first_line(process)
            assert line.startswith("listening on "), process.communicate(timeout=10)
            yield process


def first_line(process, timeout=60):
    lines = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    return lines.get(timeout=timeout)


def stop(process, number):
    """Sends a signal: (exit code, rest of stdout, stderr)."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err
