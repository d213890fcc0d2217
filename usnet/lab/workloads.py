"""Programs for scenarios: ordinary blocking code over usnet sockets. scenario_words says how files write them.

What they send depends on the stream and on the offset in it, and is checked byte by byte where it arrives; all
results of calls, with their virtual times, go into a Ledger.
"""

import importlib
import socket as std
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from usnet.lab.scenario_ledger import Ledger, Transfer
from usnet.lab.scenario_words import Spec
from usnet.lab.steps import run_steps, serve_steps
from usnet.sockets.fastopen import TCP_FASTOPEN_CONNECT

PORT = 7777
CHUNK = 1 << 16
MS = 1_000_000
TCP_USER_TIMEOUT = 18


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
        for name, level, option in (
            ("sndbuf", std.SOL_SOCKET, std.SO_SNDBUF),
            ("rcvbuf", std.SOL_SOCKET, std.SO_RCVBUF),
            ("nodelay", std.IPPROTO_TCP, std.TCP_NODELAY),
        ):
            if name in self.spec.options:
                sock.setsockopt(level, option, int(self.spec.options[name]))
        if "user_timeout" in self.spec.options:
            sock.setsockopt(std.IPPROTO_TCP, TCP_USER_TIMEOUT, self.spec.options["user_timeout"] // MS)
        if "timeout" in self.spec.options:
            sock.settimeout(self.spec.options["timeout"] / 1e9)

    def connect(self) -> Any:
        """A connected socket, whose two streams are being kept book of."""
        sock = self.socket()
        try:
            with self.call("connect"):
                began = self.now
                if self.option("fastopen", False):
                    sock.setsockopt(std.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
                if "bind" in self.spec.options:
                    sock.bind((self.host.address, self.option("bind")))
                try:
                    sock.connect((self.peer.address, self.option("port", PORT)))
                finally:
                    self.ledger.took(self.host.name, "connect", began)
        except BaseException:
            sock.close()
            raise
        waits = self.option("fastopen", False)      # maybe the SYN: then the socket has no peer yet
        self.adopt(sock, began, (self.peer.address, self.option("port", PORT)) if waits else None)
        return sock

    def adopt(self, sock: Any, began: int | None = None, there: Any = None) -> None:
        here, there = sock.getsockname(), self.ledger.seen_from_inside(there or sock.getpeername())
        self.streams[id(sock)] = self.ledger.transfer((here, there)), self.ledger.transfer((there, here))
        self.note("connected", here, there)
        if began is not None:
            for transfer in self.streams[id(sock)]:
                transfer.began = began

    def listen(self) -> Any:
        sock = self.socket()
        sock.bind(("", self.option("port", PORT)))
        sock.listen(max(8, self.option("count", 1)))
        if self.option("fastopen", False):
            sock.setsockopt(std.IPPROTO_TCP, std.TCP_FASTOPEN, max(8, self.option("count", 1)))
        return sock

    # Streams

    def send(self, sock: Any, n: int, chunk: int | None = None) -> None:
        """Sends the next n bytes of the stream."""
        out = self.streams[id(sock)][0]
        end = out.written + n
        chunk, until = chunk or self.option("chunk", CHUNK), self.option("until")
        with self.call("send"):
            while out.written < end and (until is None or self.now < until):
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
        inward.check(data)
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


def datagrams(app: App) -> None:
    """UDP without an ear for anything: N datagrams at once, every GAP."""
    spec, until = app.spec, app.option("until")
    with app.host.stack.socket(type=std.SOCK_DGRAM) as sock:
        to = app.peer.address, app.option("port", PORT)
        at = app.now
        while until is None or at < until:
            for _ in range(spec.count):
                sock.sendto(b"\0" * spec.size, to)
            at += max(spec.at, 1)
            app.sleep_until(at)


def discard(app: App) -> None:
    """Takes datagrams and forgets them (RFC 863)."""
    with app.host.stack.socket(type=std.SOCK_DGRAM) as sock:
        sock.bind(("", app.option("port", PORT)))
        while True:
            sock.recvfrom(65535)


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


CLIENTS: dict[str, Callable[[App, Any], None]] = {
    "bulk": bulk,
    "request": request,
    "half_close": half_close,
    "rpc": rpc,
    "cross": bulk,
}
SERVERS: dict[str, Callable[[App, Any], None]] = {"sink": sink, "respond": respond, "echo": echo, "serve": serve_steps}


def run_client(app: App) -> None:
    """The program of a client: errors of its calls are in the ledger, and end it."""
    app.sleep_until(app.option("start", 0))
    if app.spec.name == "request":
        app.sleep_until(app.spec.at)
    if app.spec.name == "datagrams":
        _guarded(app, lambda: datagrams(app))
        return
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
            if "pause" in app.spec.options:
                app.sleep(app.option("pause"))
            sock, address = listener.accept()
            own = App(app.world, app.host, app.spec, app.ledger, app.peer)
            own.adopt(sock, there=address)
            own.prepare(sock)
            app.host.run(
                _guarded,
                own,
                lambda own=own, sock=sock: _converse(own, sock, SERVERS[own.spec.name]),
                name=f"{app.host.name}:{app.spec.name}",
            )


def run_hook(app: App) -> None:
    """`python:module:function` calls function(app)."""
    assert app.spec.hook is not None
    function = getattr(importlib.import_module(app.spec.hook[0]), app.spec.hook[1])
    _guarded(app, lambda: function(app))


def start(app: App) -> Any:
    """Starts the workload's program on its host. Those that serve may be left waiting at the end."""
    if app.spec.script:
        script = app.host.run_script(*app.spec.script, daemon=app.spec.serves)
        script.main.daemon = app.spec.serves
        return script.main
    if app.spec.hook is not None:
        return app.host.run(run_hook, app, name=f"{app.host.name}:{app.spec.hook[1]}")
    if app.spec.name == "discard":
        return app.host.run(_guarded, app, lambda: discard(app), name=f"{app.host.name}:discard", daemon=True)
    if app.spec.serves:
        return app.host.run(run_server, app, name=f"{app.host.name}:accept", daemon=True)
    if app.spec.name == "steps":
        return app.host.run(run_steps, app, name=f"{app.host.name}:steps")
    return app.host.run(run_client, app, name=f"{app.host.name}:{app.spec.name}")
