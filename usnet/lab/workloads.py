"""Programs for scenarios, named by short texts: `bulk:1000000`, `request:1@2s`, `respond:20000(after=eof)`, `rpc:10*100@50ms(writes=2)`.

Each is ordinary blocking code over usnet.socket. What they send depends on the stream and on the offset in it, and is checked byte by byte where it arrives;
all results of calls, with their virtual times, go into a Ledger.
"""

import errno
import hashlib
import importlib
import inspect
import re
import socket as std
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from usnet.backends.sim import units

PORT = 7000
CHUNK = 1 << 16
PERIOD = 65521
"""Bytes after which a pattern repeats: a prime, so that no shift by whole segments looks right."""

Stream = tuple[tuple[str, int], tuple[str, int]]
"""(sender's end, receiver's end)."""


class Pattern:
    """The bytes of one stream: at offset i always the same, different in another stream."""

    def __init__(self, stream: Stream):
        once = hashlib.shake_128(repr(stream).encode()).digest(PERIOD)
        self._table = memoryview(once + once)

    def at(self, offset: int, length: int) -> memoryview:
        """Up to `length` bytes from `offset` on; at most PERIOD."""
        start = offset % PERIOD
        return self._table[start : start + min(length, PERIOD)]

    def mismatch(self, offset: int, data: bytes) -> int | None:
        """The offset of the first byte that is not the pattern's; None when all are."""
        for done in range(0, len(data), PERIOD):
            part = data[done : done + PERIOD]
            wanted = self.at(offset + done, len(part))
            if part != wanted:
                return offset + done + next(i for i, (a, b) in enumerate(zip(part, wanted, strict=True)) if a != b)
        return None


@dataclass
class Transfer:
    """What became of one stream: bytes that send() took, bytes that recv() gave, and whether its end was read."""

    pattern: Pattern
    written: int = 0
    read: int = 0
    shut: bool = False
    eof: bool = False
    began: int = 0
    ended: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Failed:
    """A call that raised: where and when."""

    host: str
    call: str
    error: str
    t: int


@dataclass(frozen=True)
class Took:
    """A call, or a round of calls, that took a while (ns)."""

    host: str
    what: str
    began: int
    ended: int

    @property
    def duration(self) -> int:
        return self.ended - self.began


class Ledger:
    """What the programs of a run did: streams, errors, times. Every entry goes into the world's digest too."""

    def __init__(self, world: Any):
        self.world = world
        self.streams: dict[Stream, Transfer] = {}
        self.errors: list[Failed] = []
        self.times: list[Took] = []
        self.ended: dict[str, int] = {}

    def note(self, host: str, what: str, *results: Any) -> None:
        self.world.note(host, what, *results)

    def transfer(self, stream: Stream) -> Transfer:
        known = self.streams.get(stream)
        if known is None:
            known = self.streams[stream] = Transfer(Pattern(stream), began=self.world.now)
        return known

    def fail(self, host: str, call: str, error: OSError) -> None:
        name = "TIMEOUT" if isinstance(error, TimeoutError) and error.errno is None else errno.errorcode.get(error.errno or 0, repr(error))
        self.errors.append(Failed(host, call, name, self.world.now))
        self.note(host, call, name)

    def took(self, host: str, what: str, began: int) -> None:
        self.times.append(Took(host, what, began, self.world.now))
        self.note(host, what, self.world.now - began)


@dataclass(frozen=True)
class Spec:
    """A parsed text: the workload's name, its number(s), and options."""

    text: str
    name: str
    size: int = 0
    count: int = 1
    at: int = 0
    hook: tuple[str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether it waits for connections: it may be left waiting when all else is done."""
        return self.name in ("sink", "respond", "echo")


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _amount(text: str) -> int | str:
    return text if text == "eof" else units.size(int(text) if text.isdigit() else text)


OPTIONS: dict[str, tuple[Callable[[str], Any], str]] = {
    "port": (int, "the server's port; 7000"),
    "to": (str, "the host to connect to; the first other host that serves"),
    "bind": (int, "the client's own port; any"),
    "nodelay": (_switch, "TCP_NODELAY"),
    "sndbuf": (_amount, "SO_SNDBUF, bytes"),
    "rcvbuf": (_amount, "SO_RCVBUF, bytes"),
    "chunk": (_amount, "bytes that a call of send() offers; 64 KiB"),
    "read": (_amount, "bytes that a call of recv() asks for; 64 KiB"),
    "every": (units.time, "pause after each recv()"),
    "stop": (units.time, "how long to stop reading, once"),
    "after": (_amount, "bytes that are read first: before the pause of `stop`, before respond answers (or `eof`)"),
    "limit": (_amount, "bytes to read; then the socket is closed, whatever waits"),
    "close_at": (units.time, "when to close both directions at once, instead of ending one's own first"),
    "count": (int, "connections to serve; 1"),
    "writes": (int, "pieces that rpc sends a request in; 1"),
    "unit": (_amount, "bytes that echo answers at a time; whatever came"),
    "timeout": (units.time, "how long a call may block"),
    "start": (units.time, "when the first call is made; 0s"),
}
"""Options of workloads, how they are read, and what they mean."""

SHAPES = {
    "bulk": "bulk:N", "request": "request:N@T", "half_close": "half_close:N", "rpc": "rpc:N*SIZE@GAP", "cross": "cross:N", "sink": "sink",
    "respond": "respond:N", "echo": "echo", "python": "python:MODULE:FUNCTION",
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
    shape = re.fullmatch(r"(?::(?:(\d+)\*)?(\d\w*))?(?:@(.+))?", rest)
    wants = SHAPES[name]
    if not shape or (":" in wants) != (shape[2] is not None) or ("*" in wants) != (shape[1] is not None) or (shape[3] and "@" not in wants):
        raise ValueError(f"{text!r}: it is written {wants}")
    size = shape[2] or "0"
    return Spec(
        text, name, size=units.size(int(size) if size.isdigit() else size), count=int(shape[1] or 1), at=units.time(shape[3] or 0), options=options
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


class App:
    """A workload on a host: what its program, or a hook, has at hand."""

    def __init__(self, world: Any, host: Any, spec: Spec, ledger: Ledger, peer: Any):
        self.world, self.host, self.spec, self.ledger, self.peer = world, host, spec, ledger, peer
        self.streams: dict[int, tuple[Transfer, Transfer]] = {}

    def option(self, name: str, default: Any = None) -> Any:
        return self.spec.options.get(name, default)

    @property
    def now(self) -> int:
        return self.world.now

    def sleep(self, duration: int | str) -> None:
        from usnet.lab.programs import sleep

        sleep(duration)

    def sleep_until(self, t: int) -> None:
        if t > self.now:
            self.sleep(t - self.now)

    def note(self, what: str, *results: Any) -> None:
        self.ledger.note(self.host.name, what, *results)

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Notes the OSError of a call, and that it was this call, before it goes on."""
        try:
            yield
        except OSError as error:
            if not getattr(error, "noted", False):
                self.ledger.fail(self.host.name, name, error)
                error.noted = True  # type: ignore[attr-defined]
            raise

    # Sockets

    def socket(self) -> Any:
        sock = self.host.stack.socket()
        self.prepare(sock)
        return sock

    def prepare(self, sock: Any) -> None:
        for name, level, option in (("sndbuf", std.SOL_SOCKET, std.SO_SNDBUF), ("rcvbuf", std.SOL_SOCKET, std.SO_RCVBUF),
                                    ("nodelay", std.IPPROTO_TCP, std.TCP_NODELAY)):
            if name in self.spec.options:
                sock.setsockopt(level, option, int(self.spec.options[name]))
        if "timeout" in self.spec.options:
            sock.settimeout(self.spec.options["timeout"] / 1e9)

    def connect(self) -> Any:
        """A connected socket, whose two streams are being kept book of."""
        sock = self.socket()
        try:
            with self.call("connect"):
                began = self.now
                if "bind" in self.spec.options:
                    sock.bind((self.host.address, self.option("bind")))
                try:
                    sock.connect((self.peer.address, self.option("port", PORT)))
                finally:
                    self.ledger.took(self.host.name, "connect", began)
        except BaseException:
            sock.close()
            raise
        self.adopt(sock, began)
        return sock

    def adopt(self, sock: Any, began: int | None = None) -> None:
        here, there = sock.getsockname(), sock.getpeername()
        self.streams[id(sock)] = self.ledger.transfer((here, there)), self.ledger.transfer((there, here))
        self.note("connected", here, there)
        if began is not None:
            for transfer in self.streams[id(sock)]:
                transfer.began = began

    def listen(self) -> Any:
        sock = self.socket()
        sock.bind(("", self.option("port", PORT)))
        sock.listen(max(8, self.option("count", 1)))
        return sock

    # Streams

    def send(self, sock: Any, n: int, chunk: int | None = None) -> None:
        """Sends the next n bytes of the stream."""
        out = self.streams[id(sock)][0]
        end = out.written + n
        chunk = chunk or self.option("chunk", CHUNK)
        with self.call("send"):
            while out.written < end:
                done = sock.send(out.pattern.at(out.written, min(chunk, end - out.written)))
                out.written += done
                self.note("send", done)

    def receive(self, sock: Any, n: int) -> int:
        """One recv() of up to n bytes, checked: how many came, 0 at the end of the stream."""
        inward = self.streams[id(sock)][1]
        with self.call("recv"):
            data = sock.recv(n)
        self.note("recv", len(data))
        if not data:
            inward.eof = True
        wrong = inward.pattern.mismatch(inward.read, data)
        if wrong is not None and not inward.wrong:
            inward.wrong.append(f"byte {wrong} of the stream is not what was sent (of {len(data)} read at {inward.read})")
        inward.read += len(data)
        inward.ended = self.now
        return len(data)

    def receive_all(self, sock: Any, n: int) -> bool:
        """Reads n bytes; False when the stream ends before."""
        while n:
            got = self.receive(sock, min(n, self.option("read", CHUNK)))
            if not got:
                return False
            n -= got
        return True

    def drain(self, sock: Any) -> None:
        """Reads to the end of the stream, in the manner that the options say."""
        inward = self.streams[id(sock)][1]
        stop, after, limit = self.option("stop"), self.option("after", 0), self.option("limit")
        while limit is None or inward.read < limit:
            most = self.option("read", CHUNK)
            if stop is not None and inward.read >= after:
                self.sleep(stop)
                stop = None
            if stop is not None:
                most = min(most, after - inward.read)
            if not self.receive(sock, most if limit is None else min(most, limit - inward.read)):
                return
            if "every" in self.spec.options:
                self.sleep(self.option("every"))

    def shut(self, sock: Any) -> None:
        """Ends the own stream."""
        with self.call("shutdown"):
            sock.shutdown(std.SHUT_WR)
        self.streams[id(sock)][0].shut = True
        self.note("shutdown")

    def close(self, sock: Any) -> None:
        if "close_at" in self.spec.options:
            self.sleep_until(self.option("close_at"))
            self.streams[id(sock)][0].shut = True
        self.note("close", sock.state)
        sock.close()

    def finish(self, sock: Any) -> None:
        """Ends the own stream, reads the other one to its end, closes; or closes at the time of `close_at`."""
        if "close_at" in self.spec.options:
            self.close(sock)
            return
        self.shut(sock)
        self.drain(sock)
        self.close(sock)


# --- Clients: each from the connected socket on ---


def bulk(app: App, sock: Any) -> None:
    app.send(sock, app.spec.size)
    app.finish(sock)


def request(app: App, sock: Any) -> None:
    app.send(sock, app.spec.size)
    app.drain(sock)
    app.shut(sock)
    app.close(sock)


def half_close(app: App, sock: Any) -> None:
    app.send(sock, app.spec.size)
    app.shut(sock)
    app.drain(sock)
    app.note("state", sock.state)
    app.close(sock)


def rpc(app: App, sock: Any) -> None:
    for _ in range(app.spec.count):
        began, size, pieces = app.now, app.spec.size, app.option("writes", 1)
        for i in range(pieces):
            app.send(sock, size * (i + 1) // pieces - size * i // pieces)
        if not app.receive_all(sock, size):
            break
        app.ledger.took(app.host.name, "rpc", began)
        if app.spec.at:
            app.sleep(app.spec.at)
    app.finish(sock)


# --- Servers: each from the accepted socket on ---


def sink(app: App, sock: Any) -> None:
    app.drain(sock)
    if "limit" not in app.spec.options and "close_at" not in app.spec.options:
        app.shut(sock)
    app.close(sock)


def respond(app: App, sock: Any) -> None:
    after = app.option("after", 1)
    if after == "eof":
        while app.receive(sock, app.option("read", CHUNK)):
            pass
    elif not app.receive_all(sock, after):
        raise AssertionError(f"{app.host.name}: the request ended before its {after} bytes")
    app.send(sock, app.spec.size)
    app.shut(sock)
    while not app.streams[id(sock)][1].eof:
        app.receive(sock, CHUNK)
    app.close(sock)


def echo(app: App, sock: Any) -> None:
    unit = app.option("unit")
    while True:
        if unit is not None:
            if not app.receive_all(sock, unit):
                break
            app.send(sock, unit)
            continue
        got = app.receive(sock, app.option("read", CHUNK))
        if not got:
            break
        app.send(sock, got)
    app.shut(sock)
    app.close(sock)


CLIENTS: dict[str, Callable[[App, Any], None]] = {"bulk": bulk, "request": request, "half_close": half_close, "rpc": rpc, "cross": bulk}
SERVERS: dict[str, Callable[[App, Any], None]] = {"sink": sink, "respond": respond, "echo": echo}


def run_client(app: App) -> None:
    """The program of a client: errors of its calls are in the ledger, and end it."""
    app.sleep_until(app.option("start", 0))
    if app.spec.name == "request":
        app.sleep_until(app.spec.at)
    _guarded(app, lambda: _converse(app, app.connect(), CLIENTS[app.spec.name]))


def _converse(app: App, sock: Any, workload: Callable[[App, Any], None]) -> None:
    try:
        workload(app, sock)
    finally:
        sock.close()


def _guarded(app: App, function: Callable[[], None]) -> None:
    try:
        function()
    except OSError as error:
        if not getattr(error, "noted", False):
            app.ledger.fail(app.host.name, app.spec.name, error)
    app.ledger.ended[app.host.name] = app.now


def run_server(app: App) -> None:
    """Accepts connections; each is served by a program of its own."""
    with app.listen() as listener:
        for _ in range(app.option("count", 1)):
            sock, _address = listener.accept()
            own = App(app.world, app.host, app.spec, app.ledger, app.peer)
            own.adopt(sock)
            own.prepare(sock)
            app.host.run(_guarded, own, lambda own=own, sock=sock: _converse(own, sock, SERVERS[own.spec.name]), name=f"{app.host.name}:{app.spec.name}")


def run_hook(app: App) -> None:
    """`python:module:function` calls function(app)."""
    assert app.spec.hook is not None
    function = getattr(importlib.import_module(app.spec.hook[0]), app.spec.hook[1])
    _guarded(app, lambda: function(app))


def start(app: App) -> Any:
    """Starts the workload's program on its host. Those that serve may be left waiting at the end."""
    if app.spec.hook is not None:
        return app.host.run(run_hook, app, name=f"{app.host.name}:{app.spec.hook[1]}")
    if app.spec.serves:
        return app.host.run(run_server, app, name=f"{app.host.name}:accept", daemon=True)
    return app.host.run(run_client, app, name=f"{app.host.name}:{app.spec.name}")


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
