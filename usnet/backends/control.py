"""A unix socket of a running program that others may ask questions through: who asks sends one word and a newline, and
gets one JSON document. Nothing can be changed through it. It lives in the runtime directory, for its user only
(mode 0600), and is served from the program's own loop: nothing here waits.

    door = ControlDoor(path, {"statistics": function}); door.serve(now) in the loop, soon after door.fileno() is readable
    ask(path, "statistics") from anywhere else
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUFFIX = ".sock"
LONGEST = 107  # bytes of a unix socket's path
MOST_ASKERS = 16
QUESTION_BYTES = 256
PATIENCE = 5 * 10**9  # ns for an asker to say what it wants, and to read the answer
INTERVAL = 10**6  # ns between two looks while someone is being served, or at the door


class ControlError(OSError):
    """A running stack cannot be asked; the message says why."""


def runtime_directories() -> list[Path]:
    """Where control sockets lie: the user's own runtime directory first, then the system's."""
    found = [Path("/run/usnet")]
    mine = os.environ.get("XDG_RUNTIME_DIR")
    if mine and os.path.isabs(mine):
        found.insert(0, Path(mine) / "usnet")
    return found


def default_path(name: str) -> Path:
    """A path for this process's control socket; `name` is of the stack's port. The folder is made, for its user only."""
    folder = runtime_directories()[0]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ControlError(error.errno, f"no place for a control socket: {folder}: {error.strerror} (XDG_RUNTIME_DIR names another)") from None
    plain = re.sub(r"[^A-Za-z0-9.:_-]", "_", name)[:40] or "stack"
    path = folder / f"{os.getpid()}-{plain}{SUFFIX}"
    number = 1
    while path.exists() and is_alive(path):
        number += 1
        path = folder / f"{os.getpid()}-{plain}-{number}{SUFFIX}"
    return path


def is_alive(path: Path | str) -> bool:
    """Whether a process listens at the socket `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # its queue is full, or it is another user's
            return True
    return True


class Asker:
    """One who asked, and what is still to be sent to it."""

    def __init__(self, sock: socket.socket, until: int) -> None:
        self.sock, self.until = sock, until
        self.question = b""
        self.answer: memoryview | None = None


class ControlDoor:
    """Listens at `path`; `answers` has a function for each word that may be asked. OSError when the path is in use or
    cannot be had. What a process that is gone left there is removed.
    """

    def __init__(self, path: Path | str, answers: dict[str, Callable[[], Any]]) -> None:
        self.path = Path(path)
        self.answers = answers
        self.askers: list[Asker] = []
        self.next_look = 0
        if len(os.fsencode(self.path)) > LONGEST:
            raise ControlError(errno.ENAMETOOLONG, f"{self.path}: the path of a control socket has at most {LONGEST} bytes")
        if self.path.is_socket():
            if is_alive(self.path):
                raise ControlError(errno.EADDRINUSE, f"{self.path}: another stack has its control socket there")
            self.path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        try:
            os.fchmod(self.sock.fileno(), 0o600)  # before there is a path
            self.sock.bind(str(self.path))
            self.sock.listen(4 * MOST_ASKERS)
        except OSError as error:
            self.sock.close()
            raise ControlError(error.errno, f"{self.path}: {error.strerror}") from None
        self.identity = (os.stat(self.path).st_ino, os.getpid())

    def fileno(self) -> int:
        return self.sock.fileno()

    def serve(self, now: int) -> int | None:
        """Takes in who has come, and answers as far as that needs no waiting. At most once in INTERVAL of the clock
        `now` (ns) is read from. When it wants to be called again (ns), or None: when fileno() is readable.
        """
        if now >= self.next_look:
            self.next_look = now + INTERVAL
            self._admit(now)
            self.askers = [asker for asker in self.askers if self._attend(asker, now)]
        return self.next_look if self.askers else None

    def _admit(self, now: int) -> None:
        while len(self.askers) < MOST_ASKERS:
            try:
                sock, _ = self.sock.accept()
            except OSError:  # nobody is there, or there is no descriptor to spare
                return
            sock.setblocking(False)
            self.askers.append(Asker(sock, now + PATIENCE))

    def _attend(self, asker: Asker, now: int) -> bool:
        """One turn of an asker: False when it is done with, or has been too slow."""
        try:
            if asker.answer is None:
                more = asker.sock.recv(QUESTION_BYTES)
                asker.question += more
                if b"\n" in asker.question:
                    asker.answer = memoryview(self._answer(asker.question.partition(b"\n")[0]))
                elif not more or len(asker.question) > QUESTION_BYTES:
                    return self._dismiss(asker)
            while asker.answer:
                asker.answer = asker.answer[asker.sock.send(asker.answer):]
            if asker.answer is not None:
                return self._dismiss(asker)
        except BlockingIOError:
            pass
        except OSError:
            return self._dismiss(asker)
        return now < asker.until or self._dismiss(asker)

    def _dismiss(self, asker: Asker) -> bool:
        asker.sock.close()
        return False

    def _answer(self, question: bytes) -> bytes:
        function = self.answers.get(question.decode("ascii", "replace"))
        if function is None:
            return json.dumps({"error": f"no such question: {question.decode('ascii', 'replace')}"}).encode()
        try:
            return json.dumps(function()).encode()
        except Exception as error:  # who asks is told, and the program goes on
            return json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()

    def close(self) -> None:
        """Takes the socket away. May be called again."""
        for asker in self.askers:
            asker.sock.close()
        self.askers = []
        if self.sock.fileno() >= 0:
            self.sock.close()
            with contextlib.suppress(OSError):
                if (os.stat(self.path).st_ino, os.getpid()) == self.identity:
                    self.path.unlink()

    def __del__(self) -> None:
        if hasattr(self, "identity"):
            self.close()


# --- the other side ---


def ask(path: Path | str, question: str, timeout: float = 3.0) -> Any:
    """What the stack at `path` answers. ControlError when there is none, or it does not answer in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
            sock.sendall(question.encode() + b"\n")
            text = b"".join(iter(lambda: sock.recv(1 << 16), b""))
        except TimeoutError:
            raise ControlError(errno.ETIMEDOUT, f"{path}: no answer within {timeout:g} s: its program does not drive the stack now") from None
        except (ConnectionRefusedError, FileNotFoundError):
            raise ControlError(errno.ESRCH, f"{path}: no stack runs there") from None
        except OSError as error:
            raise ControlError(error.errno, f"{path}: {error.strerror}") from None
    try:
        answer = json.loads(text)
    except ValueError:
        raise ControlError(errno.EPROTO, f"{path}: the answer was cut short") from None
    if isinstance(answer, dict) and "error" in answer:
        raise ControlError(errno.EPROTO, f"{path}: {answer['error']}")
    return answer


def running() -> list[Path]:
    """Control sockets of the stacks that run, oldest process first. What others left behind is removed."""
    found = []
    for folder in runtime_directories():
        with contextlib.suppress(OSError):
            for path in sorted(folder.iterdir()):
                if path.name.endswith(SUFFIX) and path.is_socket():
                    if is_alive(path):
                        found.append(path)
                    else:
                        with contextlib.suppress(OSError):
                            path.unlink()
    return found
