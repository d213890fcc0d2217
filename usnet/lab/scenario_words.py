"""Workloads as texts: `bulk:1000000`, `request:1@2s`, `respond:20000(after=eof)`, `rpc:10*100@50ms(writes=2)`."""

import importlib
import inspect
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from usnet.backends.sim import units
from usnet.lab.steps import Step, parse_steps


@dataclass(frozen=True)
class Spec:
    """A parsed text: the workload's name, its number(s), and options."""

    text: str
    name: str
    size: int = 0
    count: int = 1
    at: int = 0
    hook: tuple[str, str] | None = None
    script: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether it waits for connections: it may be left waiting when all else is done."""
        return self.name in ("sink", "respond", "echo", "serve", "discard") or self.options.get("daemon", False)


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _amount(text: str) -> int | str:
    return text if text == "eof" else units.size(int(text) if text.isdigit() else text)


OPTIONS: dict[str, tuple[Callable[[str], Any], str]] = {
    "port": (int, "the server's port; 7777"),
    "to": (str, "the host to connect to; the first other host that serves"),
    "bind": (int, "the client's own port; any"),
    "nodelay": (_switch, "TCP_NODELAY"),
    "fastopen": (_switch, "Fast Open: the first bytes go with the SYN (TCP_FASTOPEN_CONNECT), or may come with one (TCP_FASTOPEN)"),
    "sndbuf": (_amount, "SO_SNDBUF, bytes"),
    "rcvbuf": (_amount, "SO_RCVBUF, bytes"),
    "chunk": (_amount, "bytes that a call of send() offers; 64 KiB"),
    "read": (_amount, "bytes that a call of recv() asks for; 64 KiB"),
    "every": (units.time, "pause after each recv()"),
    "stop": (units.time, "how long to stop reading, once"),
    "after": (_amount, "bytes that are read first: before the pause of `stop`, before respond answers (or `eof`)"),
    "limit": (_amount, "bytes to read; then the socket is closed, whatever waits"),
    "close_at": (units.time, "when to close both directions at once, instead of ending one's own first"),
    "until": (units.time, "when bulk and datagrams stop sending; never"),
    "count": (int, "connections to serve; 1"),
    "pause": (units.time, "before each accept()"),
    "writes": (int, "pieces that rpc sends a request in; 1"),
    "unit": (_amount, "bytes that echo answers at a time; whatever came"),
    "timeout": (units.time, "how long a call may block"),
    "user_timeout": (units.time, "TCP_USER_TIMEOUT: how long what was sent may stay unacknowledged"),
    "start": (units.time, "when the first call is made; 0s"),
    "daemon": (_switch, "a script that may be left running at the end, as a server is; false"),
}
"""Options of workloads, how they are read, and what they mean."""

SHAPES = {
    "bulk": "bulk:N",
    "request": "request:N@T",
    "half_close": "half_close:N",
    "rpc": "rpc:N*SIZE@GAP",
    "cross": "cross:N",
    "datagrams": "datagrams:N*SIZE@GAP",
    "discard": "discard",
    "sink": "sink",
    "respond": "respond:N",
    "echo": "echo",
    "steps": "steps:STEP; STEP ...",
    "serve": "serve:STEP; STEP ...",
    "python": "python:MODULE:FUNCTION",
    "script": "script:PATH ARGS",
}
"""How each workload is written, without options."""


def parse(text: str) -> Spec:
    """The workload that `text` names. ValueError says what is wrong with it."""
    found = re.fullmatch(r"\s*(\w+)((?:[:@][^(]*)?)\s*(?:\((.*)\))?\s*", text)
    if not found or found[1] not in SHAPES:
        raise ValueError(f"{text!r} is no workload (there are: {', '.join(SHAPES.values())})")
    name, rest = found[1], found[2].strip()
    options = _options(name, found[3])
    if name == "python":
        module, _, function = rest[1:].partition(":")
        if not module or not function:
            raise ValueError(f"{text!r}: a hook is written {SHAPES[name]}")
        return Spec(text, name, hook=(module, function), options=options)
    if name == "script":
        words = tuple(shlex.split(rest[1:]))
        if not words:
            raise ValueError(f"{text!r}: it is written {SHAPES[name]}")
        return Spec(text, name, script=words, options=options)
    if name in ("steps", "serve"):
        return Spec(text, name, steps=parse_steps(rest[1:]), options=options)
    shape = re.fullmatch(r"(?::(?:(\d+)\*)?(\d\w*))?(?:@(.+))?", rest)
    wants = SHAPES[name]
    if (
        not shape
        or (":" in wants) != (shape[2] is not None)
        or ("*" in wants) != (shape[1] is not None)
        or (shape[3] and "@" not in wants)
    ):
        raise ValueError(f"{text!r}: it is written {wants}")
    size = shape[2] or "0"
    return Spec(
        text,
        name,
        size=units.size(int(size) if size.isdigit() else size),
        count=int(shape[1] or 1),
        at=units.time(shape[3] or 0),
        options=options,
    )


def _options(name: str, text: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in OPTIONS or not equals:
            raise ValueError(f"{name}: there is no option {part.strip()!r} (but {', '.join(OPTIONS)})")
        try:
            options[key] = OPTIONS[key][0](value)
        except ValueError as error:
            raise ValueError(f"{name}: {key}: {error}") from None
    return options


def find_script(spec: Spec, folder: Path) -> Spec:
    """The workload with its script's path seen from `folder`. ValueError when there is no such file."""
    if not spec.script:
        return spec
    path = folder / spec.script[0]
    if not path.is_file():
        raise ValueError(f"{spec.text!r}: there is no {path}")
    return replace(spec, script=(str(path), *spec.script[1:]))


def check_hook(spec: Spec) -> None:
    """ValueError unless the function of a hook exists."""
    if spec.hook is None:
        return
    try:
        function = getattr(importlib.import_module(spec.hook[0]), spec.hook[1])
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{spec.text!r}: {error}") from None
    if not inspect.isfunction(function):
        raise ValueError(f"{spec.text!r}: {spec.hook[1]} is no function")
