"""A network namespace: the kernel at one end of a TAP device, usnet at the other, and processes that are nobody else's.

The namespace lives as long as its processes do, so nothing is left behind even if the tests are killed: the one that
holds it ends with its standard input, all others with the thread that started them.
"""
import contextlib
import ctypes
import os
import select
import signal
import socket as std
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import SBIN
from tests.interop.addresses import DEVICE, KERNEL, PREFIX, USNET
from tests.interop.captures import bad_frames

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds after which something has not happened: far more than it takes, for a machine that is busy."""

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": SBIN, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}


class Machine:
    """Machine(folder): start() and run() programs inside, serve() usnet's servers, open sockets and stacks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.captures: list[Path] = []
        self._cleanup = contextlib.ExitStack()
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo here; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
        self._cleanup.callback(self._let_go)
        try:
            assert self._holder.stdout.readline() == b"here\n"
            self._path = f"/proc/{self._holder.pid}/ns/net"
            from usnet.backends.interface import set_up
            with self.entered():
                set_up("lo")
        except BaseException:
            self.close()
            raise

    def _let_go(self) -> None:
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(PATIENCE)

    def close(self) -> None:
        """Ends all that was started, last first, and with it the namespace."""
        self._cleanup.close()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextlib.contextmanager
    def entered(self):
        """This thread lives in the namespace inside the block. Sockets and devices opened there stay there."""
        with open(f"/proc/self/task/{_thread()}/ns/net") as before, open(self._path) as inside:
            _set_namespace(inside.fileno())
            try:
                yield self
            finally:
                _set_namespace(before.fileno())

    # Programs

    def start(self, *words: object, **options) -> subprocess.Popen:
        """A program inside; it is ended with the machine, if it has not ended by then."""
        argv = ["nsenter", f"--net={self._path}", "setpriv", "--pdeathsig", "KILL", *map(str, words)]
        process = subprocess.Popen(argv, env=environment(), **options)
        self._cleanup.callback(_end, process)
        return process

    def run(self, *words: object, data: bytes | None = None, check: bool = True,
            stdin=None) -> subprocess.CompletedProcess:
        """A program inside, fed with `data`, until it ends. AssertionError with what it said if it ended badly."""
        stdin = stdin or (subprocess.DEVNULL if data is None else subprocess.PIPE)
        done = self.start(*words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = done.communicate(data, timeout=PATIENCE)
        assert not check or done.returncode == 0, f"{words[0]} ended with {done.returncode}: {_text(out)} {_text(err)}"
        return subprocess.CompletedProcess(words, done.returncode, out, err)

    def serve(self, what: str, *options: object, capture: bool = False) -> "Server":
        """`usnet serve`, as soon as it listens."""
        if capture:
            options = (*options, "--pcap", self.capture_file())
        return Server(self, what, options)

    # This process

    def socket(self, *kind: int) -> std.socket:
        """One of the kernel's sockets, inside."""
        with self.entered():
            made = std.socket(*kind)
        made.settimeout(PATIENCE)
        self._cleanup.callback(made.close)
        return made

    def connect(self, port: int, host: str = USNET) -> std.socket:
        made = self.socket()
        made.connect((host, port))
        return made

    def listen(self, port: int, backlog: int = 16) -> std.socket:
        made = self.socket()
        made.setsockopt(std.SOL_SOCKET, std.SO_REUSEADDR, 1)
        made.bind((KERNEL, port))
        made.listen(backlog)
        return made

    def stack(self, capture: bool = False, faults: str = "", seed: int = 1, offload: bool = True, **options):
        """A stack of this process on a new TAP device, whose other end is the kernel's; `faults` as of `usnet serve`. Without offload each
        frame is one that could be on a wire."""
        from usnet import Stack
        from usnet.backends.registry import open_port
        from usnet.backends.tap.peer import configure_peer
        from usnet.backends.wrappers.capture import CapturePort
        from usnet.backends.wrappers.faults import FaultPort
        from usnet.cli.faults import parse_faults

        with self.entered():
            port = open_port(f"tap:{DEVICE}", offload=offload)
            configure_peer(port.device, f"{KERNEL}/{PREFIX}")
        if capture:
            port = CapturePort(port, self.capture_file())
        if faults:
            port = FaultPort(port, parse_faults(faults), seed)
        stack = Stack(port, f"{USNET}/{PREFIX}", **options)
        self._cleanup.callback(stack.close)
        return stack

    # Captures

    def capture_file(self) -> Path:
        self.captures.append(self.folder / f"{len(self.captures)}.pcapng")
        return self.captures[-1]

    def complaints(self) -> list[str]:
        """Stops everything; what tshark finds wrong in what was captured. There must be something."""
        self.close()
        assert self.captures
        return [f"{file.name}: {line}" for file in self.captures for line in bad_frames(file)]


class Server:
    """A `usnet serve` of its own process: `pid`, stop()."""

    def __init__(self, machine: Machine, what: str, options: tuple[object, ...]) -> None:
        self.said = machine.folder / f"{what}.stderr"
        with self.said.open("w") as errors:
            self.process = machine.start(
                sys.executable, "-u", "-m", "usnet", "serve", what, "--backend", f"tap:{DEVICE}",
                "--address", f"{USNET}/{PREFIX}", "--peer-address", f"{KERNEL}/{PREFIX}", *options,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        machine._cleanup.callback(self.process.stdout.close)
        self.pid = self.process.pid
        line = read_line(self.process)
        assert line.startswith("listening"), line + self.said.read_text()

    def stop(self) -> str:
        """Its last line, after SIGTERM; AssertionError when it did not end well."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, self.said.read_text()
        assert self.said.read_text() == ""
        return out.decode().strip()


def drive(stack, until, complaint=lambda: "") -> None:
    """Runs a stack of this process until something is true; AssertionError with the complaint if it never is."""
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, complaint()
        stack.run_once()
        stack.wait(stack.clock.now() + 50_000_000)


def read_line(process: subprocess.Popen, pipe=None) -> str:
    """The next line a process says on its standard output, or on another pipe, which has no buffer of Python's."""
    fd = (pipe or process.stdout).fileno()
    line, deadline = b"", time.monotonic() + PATIENCE
    while not line.endswith(b"\n"):
        if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"{process.args} said only {line!r} for {PATIENCE} s")
        more = os.read(fd, 1)
        if not more:
            break
        line += more
    return line.decode().rstrip("\n")


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def _thread() -> int:
    import threading

    return threading.get_native_id()


def _set_namespace(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _text(said: bytes | str | None) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""
