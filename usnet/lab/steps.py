"""Programs of a few steps, written in scenario files: `steps:write 1000; pause 5ms; shut; drain` at the client,
`serve:read 200; close` at the server.

Each call that such a program makes is written down with its times and its result; what those may be, usnet.lab.model says.
"""

import re
import socket as std
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from usnet.backends.sim import units
from usnet.lab.doing import Doing

CHUNK = 1 << 16
SHAPES = ("write N", "read N", "drain", "pause T", "shut", "close", "reset")
"""How steps are written. `write`, `read` and `drain` may end in `by N every T`: N bytes a call, T between calls."""

_STEP = re.compile(r"(\w+)(?:\s+(\w[\w.]*))?(?:\s+by\s+(\w+)(?:\s+every\s+([\w.]+))?)?")


@dataclass(frozen=True)
class Step:
    """One step. n: bytes, or ns of a pause; by: bytes a call (0: all, or 64 KiB); every: ns between calls."""

    do: str
    n: int = 0
    by: int = 0
    every: int = 0

    def __str__(self) -> str:
        text = self.do
        if self.do == "pause":
            return f"pause {time_text(self.n)}"
        if self.do in ("write", "read"):
            text += f" {self.n}"
        if self.by:
            text += f" by {self.by}" + (f" every {time_text(self.every)}" if self.every else "")
        return text


def time_text(ns: int) -> str:
    """A time in the largest unit in which it is whole."""
    for unit, factor in (("s", 10**9), ("ms", 10**6), ("us", 1000)):
        if ns and ns % factor == 0:
            return f"{ns // factor}{unit}"
    return f"{ns}ns"


def parse_steps(text: str) -> tuple[Step, ...]:
    """The steps of "write 1000; shut; drain". ValueError says what is wrong."""
    return tuple(_step(part.strip()) for part in text.split(";") if part.strip())


@lru_cache(4096)
def _step(text: str) -> Step:
    found = _STEP.fullmatch(text)
    takes = next((shape for shape in SHAPES if found and shape.split()[0] == found[1]), None)
    if not found or takes is None or (" " in takes) != (found[2] is not None) or (found[3] and found[1] not in ("write", "read", "drain")):
        raise ValueError(f"{text!r} is no step (there are: {', '.join(SHAPES)})")
    number = 0
    if found[2] is not None:
        number = units.time(_number(found[2])) if found[1] == "pause" else units.size(_number(found[2]))
    by = units.size(_number(found[3])) if found[3] else 0
    return Step(found[1], number, by, units.time(_number(found[4])) if found[4] else 0)


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


class Actor:
    """Runs the steps of one end of a connection. A call that fails is written down, and the next step follows."""

    def __init__(self, app: Any):
        self.app, self.end = app, (app.host.name, app.option("port", 7777))
        self.sock: Any = None

    def doing(self, call: str, asked: int) -> Doing:
        return Doing(self.app.ledger, self.app.world.network, self.end, call, asked)

    def connect(self) -> bool:
        app = self.app
        self.sock = sock = app.socket()
        with self.doing("connect", 0) as returned:
            there = app.peer.address, app.option("port", 7777)
            sock.connect(there)
            app.adopt(sock, there=there)
            returned(1)
        return bool(app.streams)

    def run(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if step.do in ("close", "reset"):
                return self.close(step.do == "reset")
            getattr(self, step.do)(step)
        return self.close(False)

    def pause(self, step: Step) -> None:
        self.app.sleep(step.n)

    def write(self, step: Step) -> None:
        out = self.app.streams[id(self.sock)][0]
        left, by = step.n, step.by or CHUNK
        while left > 0:
            part, done = out.pattern.at(out.written, min(by, left)), 0
            with self.doing("send", len(part)) as returned:
                done = self.sock.send(part)
                out.written += done
                returned(done)
            if not done:
                return
            left -= done
            if step.every and left:
                self.app.sleep(step.every)

    def read(self, step: Step) -> None:
        left: float = step.n
        while left > 0:
            got = self.receive(int(min(step.by or CHUNK, left)))
            if not got:
                return
            left -= got
            if step.every and left:
                self.app.sleep(step.every)

    def drain(self, step: Step) -> None:
        while self.receive(step.by or CHUNK):
            if step.every:
                self.app.sleep(step.every)

    def receive(self, most: int) -> int:
        inward = self.app.streams[id(self.sock)][1]
        data = b""
        with self.doing("recv", most) as returned:
            data = self.sock.recv(most)
            returned(len(data))
            inward.eof = not data
            inward.check(data)
        return len(data)

    def shut(self, _step: Step) -> None:
        with self.doing("shutdown", 0):
            self.sock.shutdown(std.SHUT_WR)

    def close(self, reset: bool) -> None:
        if reset:
            self.sock.setsockopt(std.SOL_SOCKET, std.SO_LINGER, struct.pack("ii", 1, 0))
        with self.doing("reset" if reset else "close", 0):
            self.sock.close()


def run_steps(app: Any) -> None:
    """The program of a client."""
    app.sleep_until(app.option("start", 0))
    actor = Actor(app)
    try:
        if actor.connect():
            actor.run(app.spec.steps)
        else:
            actor.close(False)
    finally:
        actor.sock.close()
    app.ledger.ended[app.host.name] = app.now


def serve_steps(app: Any, sock: Any) -> None:
    """The program of a server, for one connection."""
    actor = Actor(app)
    actor.sock = sock
    with actor.doing("accept", 0) as returned:
        returned(1)
    actor.run(app.spec.steps)
