"""Two ends that speak asyncio, in several places: the kernel's loopback, a stack's, two stacks back to back, two hosts of a world under loss.

A case is a function of a Place that returns two coroutine functions, server and client; what both return is compared between the places.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
import warnings
from pathlib import Path

from greenlet import getcurrent, greenlet

import usnet
import usnet.aio
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.backends.poller import Poller
from usnet.lab.turns import set_aside, take_up

PEM = Path(__file__).with_name("aio_tls.pem")


def said(error):
    """An error without what must differ."""
    if isinstance(error, ExceptionGroup):
        return type(error).__name__, [said(e) for e in error.exceptions]
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        return type(error).__name__, errno.errorcode[error.errno]
    return type(error).__name__


class Place:
    """Where a case runs. `host`: the server's address for clients; `any`: for it to listen on."""

    name = "kernel"
    host = any = "127.0.0.1"

    def __init__(self):
        self.port = None
        self.over = False

    def started(self, port):
        """The server's word to the client."""
        self.port = port

    async def where(self):
        """The server's (host, port), once it has started."""
        while self.port is None:
            await asyncio.sleep(0.001)
        return self.host, self.port

    async def end(self):
        """Until the client has finished."""
        while not self.over:
            await asyncio.sleep(0.001)

    def socket(self, kind=socket.SOCK_STREAM):
        sock = self.make_socket(socket.AF_INET, kind)
        sock.setblocking(False)
        return sock

    def make_socket(self, *kind):
        return socket.socket(*kind)

    def tls(self):
        """(the server's context, the client's)"""
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(PEM)
        return server, ssl.create_default_context(cafile=PEM)

    async def _client(self, client):
        try:
            return await client()
        finally:
            self.over = True

    async def _both(self, server, client):
        return tuple(await asyncio.gather(server(), self._client(client)))

    def run(self, case):
        """(what the server returned, what the client returned)"""
        return asyncio.run(self._both(*case(self)))


class Loopback(Place):
    """One stack, one loop, real time."""

    name = "stack"

    def make_socket(self, *kind):
        return usnet.socket(*kind)

    def run(self, case):
        with usnet.Stack(None) as stack:
            got = usnet.aio.run(self._both(*case(self)))
            settled(stack)
            return got


def settled(stack):
    """No socket is left open, and no epoll instance."""
    assert stack.statistics()["memory"]["descriptors"] == 0, stack.connections()


class InTurns(Poller):
    """The poller of one of two stacks in one thread: waiting lets the other's program run; when both wait, time passes."""

    def __init__(self, clock, all_of_them):
        self.clock = clock
        self.others = all_of_them
        self.others.append(self)
        self.deadline = 2**63 - 1
        self.rung = False
        self.stack = None
        self.greenlet = None

    def add_port(self, port):
        pass

    def ring_doorbell(self):
        self.rung = True

    def frames(self):
        return sum(port.statistics()["tx_frames"] for port in self.stack.ports)

    def wait(self, deadline):
        """The other program runs until it waits too; then both look, and when nothing came the clock goes on to the next deadline."""
        self.deadline = deadline
        before = sum(p.frames() for p in self.others)
        other = next(p for p in self.others if p is not self)
        if other.greenlet is not None and not other.greenlet.dead:
            aside = set_aside()
            try:
                other.greenlet.switch()
            finally:
                take_up(aside)
        else:
            other.stack.run_once()
            following = other.stack.run_once()
            other.deadline = 2**63 - 1 if following is None else following
        if self.rung or sum(p.frames() for p in self.others) != before:
            self.rung = False
            return True
        now = self.clock.now()
        if now < deadline:
            soonest = min(p.deadline for p in self.others)
            assert soonest < 2**63 - 1, "both wait for ever"
            self.clock.set(max(now, soonest))
        return self.clock.now() < deadline


class Pair(Place):
    """Two stacks back to back, a loop on each, in one thread and virtual time."""

    name = "pair"
    host, any = "10.9.0.1", "0.0.0.0"

    def __init__(self):
        super().__init__()
        self.clock = ManualClock(1_000_000_000)
        pollers = []
        for n, port in enumerate(make_pair(clock=self.clock)):
            poller = InTurns(self.clock, pollers)
            poller.stack = usnet.Stack(port, f"10.9.0.{n + 1}/24", seed=n + 1, poller=poller, hosts={"server": "10.9.0.1"})
        self.pollers = pollers

    def make_socket(self, *kind):
        return usnet.socket(*kind)

    def run(self, case):
        server, client = case(self)
        answers = {}

        def program(name, main, stack):
            with usnet.use(stack):
                answers[name] = usnet.aio.run(main())

        ends = self.pollers
        ends[0].greenlet = greenlet(lambda: program("server", server, ends[0].stack))
        ends[1].greenlet = getcurrent()
        try:
            program("client", lambda: self._client(client), ends[1].stack)
            while not ends[0].greenlet.dead:
                ends[1].stack.wait(self.clock.now() + 10_000_000)
            for end in ends:
                settled(end.stack)
        finally:
            for end in ends:
                end.stack.close(linger=0)
        return answers["server"], answers["client"]


class Far(Place):
    """Two hosts of a world, with loss, in virtual time; asyncio.run() as anywhere."""

    name = "world"
    host, any = "10.0.0.2", "0.0.0.0"
    seed = 1

    def make_socket(self, *kind):
        return usnet.socket(*kind)

    def run(self, case):
        server, client = case(self)
        hosts = {"server": "10.0.0.2"}
        with usnet.World(seed=self.seed) as world:
            ends = [world.host(name, f"10.0.0.{n}/24") for n, name in enumerate(("client", "server"), 1)]
            for end in ends:
                for name, address in hosts.items():
                    end.stack.hosts.add(name, address)
            world.link(*ends, rate="20Mbit", delay="5ms", loss=0.01)
            programs = [
                ends[1].run(lambda: asyncio.run(server())),
                ends[0].run(lambda: asyncio.run(self._client(client))),
            ]
            world.run_programs(limit="600s")
            assert not any(program.alive for program in programs)
            for end in ends:
                settled(end.stack)
            self.digest = world.digest()
            return tuple(program.value for program in programs)


PLACES = [Loopback, Pair, Far]


def answer(place, case):
    """What a case says in a place, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return place.run(case)


@contextlib.contextmanager
def collected(errors):
    """Into `errors`, what the running loop's exception handler is told."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: errors.append(told["message"]))
    yield
    loop.set_exception_handler(None)
