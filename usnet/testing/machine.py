"""A state machine for Hypothesis: two hosts, and calls, faults and time in whatever order it draws. The invariants are looked at behind each step.

    TestTcp = TcpMachine.TestCase
    TestTcp.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)

At the end the network heals; every byte then arrives, everything ends, and nothing is left in memory.
"""

import errno
import socket
import struct
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from usnet.backends.fate import Fate
from usnet.lab.observe import Observer
from usnet.lab.scenario_ledger import Pattern
from usnet.lab.watch import Watch
from usnet.lab.world import World
from usnet.testing.cable import FIXED_BUFFERS

MS = 1_000_000
SECOND = 1000 * MS
PORT = 7000
NAMES = ("left", "right")
ENDS_IT = {errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EHOSTUNREACH}
HELD = ("connections", "chunks", "pieces", "kept_buffers", "out_of_order", "scoreboards", "trials", "reassemblies", "listeners")
PATIENCE = 3000 * SECOND
"""Virtual time in which a connection ends once the network has healed: the timeouts had doubled up to a minute."""

_WAYS = st.sampled_from(["a->b", "b->a", "both"])
_SIDES = st.sampled_from(NAMES)
_SIZES = st.one_of(st.integers(1, 100), st.sampled_from([536, 1448, 1460, 5000, 20_000]))


class Conn:
    """One end of a connection, and what its program has done. `peer` is the other end, once there is one."""

    def __init__(self, machine: "TcpMachine", side: str, sock: Any, name: tuple[Any, Any] | None):
        self.machine, self.side, self.sock, self.name = machine, side, sock, name
        self.boot = machine.boots[side]
        self.written = self.read = 0
        self.shut = self.closed = self.aborted = self.eof = False
        self.error = 0

    @property
    def peer(self) -> "Conn | None":
        return None if self.name is None else self.machine.named.get((self.name[1], self.name[0]))

    @property
    def alive(self) -> bool:
        """Whether its socket is still there, and its host has not forgotten it."""
        return not self.closed and self.boot == self.machine.boots[self.side]

    def attempt(self, function: Any, *arguments: Any) -> Any:
        """The result of a call; None when it would wait, or the connection is over, for a reason that there is."""
        try:
            return function(*arguments)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self.failed(error)
            return None

    def failed(self, error: OSError) -> None:
        peer = self.peer
        if error.errno in (errno.ENOTCONN, errno.EAGAIN):
            return
        assert error.errno in ENDS_IT, f"{self.side}: {error}"
        reset = peer is None or not peer.alive or peer.aborted or (peer.closed and self.written > peer.read) or peer.error
        own = error.errno == errno.EPIPE and (self.shut or self.error)
        assert own or reset or self.machine.lost(), f"{self.side}: {errno.errorcode[error.errno]}, and nobody reset the connection"
        self.error = error.errno

    # Calls

    def learn(self) -> None:
        """The names of both ends, once it is connected."""
        if self.name is None:
            self.attempt(self._learn)

    def _learn(self) -> None:
        self.name = self.sock.getsockname(), self.sock.getpeername()
        self.machine.named[self.name] = self

    def pattern(self, outward: bool) -> Pattern:
        assert self.name is not None
        return self.machine.patterns.setdefault(self.name if outward else self.name[::-1], Pattern(self.name if outward else self.name[::-1]))

    def write(self, n: int) -> None:
        self.learn()
        if self.name is not None:
            done = self.attempt(self.sock.send, self.pattern(True).at(self.written, n))
            assert done is None or not self.shut
            self.written += done or 0

    def receive(self, n: int) -> bool:
        """Whether anything came."""
        self.learn()
        data = self.attempt(self.sock.recv, n) if self.name is not None else None
        if data is None:
            return False
        assert self.pattern(False).mismatch(self.read, data) is None, f"{self.side}: other bytes than were sent, from byte {self.read} on"
        self.read += len(data)
        peer = self.peer
        assert peer is None or self.read <= peer.written
        if not data and not self.eof:
            self.eof = True
            if not self.error and peer is not None and peer.alive:
                assert peer.shut, f"{self.side}: the end of a stream that goes on"
            if not self.error and peer is not None:
                assert self.read == peer.written, f"{self.side}: the end of the stream behind {self.read} of {peer.written} bytes"
        return bool(data)

    def end(self) -> None:
        self.learn()
        if not self.shut and self.name is not None:
            self.attempt(self.sock.shutdown, socket.SHUT_WR)
            self.shut = True

    def close(self, reset: bool) -> None:
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.aborted = True
        self.learn()
        self.sock.close()
        self.shut = self.closed = True


class TcpMachine(RuleBasedStateMachine):
    """Two hosts on a link; each listens, connects, writes, reads, ends and closes, while frames are lost and hosts crash."""

    conns = Bundle("conns")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(1)
        self.boots = dict.fromkeys(NAMES, 0)
        self.named: dict[tuple[Any, Any], Conn] = {}
        self.patterns: dict[tuple[Any, Any], Pattern] = {}
        self.all: list[Conn] = []
        self.listeners: dict[str, Any] = {}
        self.crashed = False

    @initialize(
        sack=st.sampled_from([1, 0]), timestamps=st.sampled_from([1, 0]), scaling=st.sampled_from([1, 0]), buffers=st.sampled_from([1 << 16, 4096]),
        clock=st.sampled_from([1, MS, 16 * MS]), delay=st.sampled_from([5 * MS, 0, 100 * MS]),
    )  # fmt: skip
    def begin(self, sack: int, timestamps: int, scaling: int, buffers: int, clock: int, delay: int) -> None:
        """Two hosts that listen."""
        config = {"sack": sack, "timestamps": timestamps, "window_scaling": scaling, "sndbuf": buffers, "rcvbuf": buffers, "msl": SECOND}
        config |= FIXED_BUFFERS
        limits = {"max_connections": 64, "max_chunks": 1 << 12, "max_sockets": 64}
        for i, name in enumerate(NAMES):
            self.world.host(name, f"10.0.0.{i + 1}/24", config=config, granularity=clock, **limits)
        self.link = self.world.link(*NAMES, delay=delay)
        self.meet()
        self.observer = Observer(self.world, frozenset())
        self.world.network.tap(self.observer)
        self.watch = Watch(self.world)
        for name in NAMES:
            self.listen(name)

    def meet(self) -> None:
        """Nobody has to ask for an address, and loses what waits for the answer."""
        left, right = (self.world.hosts[name] for name in NAMES)
        left.learn(right)
        right.learn(left)

    def listen(self, side: str) -> None:
        sock = self.world.hosts[side].stack.socket()
        sock.setblocking(False)
        sock.bind(("", PORT))
        sock.listen(16)
        self.listeners[side] = sock

    def lost(self) -> bool:
        """Whether so much was lost that somebody may have given up, or a host has forgotten something."""
        drops = sum(sum(way["dropped"].values()) for way in self.link.statistics().values())
        return self.crashed or drops + self.observer.altered >= 3

    # Calls

    @rule(target=conns, side=_SIDES)
    def connect(self, side: str) -> Conn:
        sock = self.world.hosts[side].stack.socket()
        sock.setblocking(False)
        conn = Conn(self, side, sock, None)
        conn.attempt(sock.connect, (f"10.0.0.{2 - NAMES.index(side)}", PORT))
        self.all.append(conn)
        return conn

    @rule(target=conns, side=_SIDES)
    def accept(self, side: str) -> Any:
        return multiple(*self.accept_all(side, 1))

    def accept_all(self, side: str, most: int) -> list[Conn]:
        made: list[Conn] = []
        while len(made) < most:
            try:
                sock, there = self.listeners[side].accept()
            except BlockingIOError:
                break
            sock.setblocking(False)
            conn = Conn(self, side, sock, (sock.getsockname(), there))
            self.named[conn.name] = conn  # type: ignore[index]
            made.append(conn)
        self.all += made
        return made

    @rule(conn=conns, n=_SIZES)
    def write(self, conn: Conn, n: int) -> None:
        if conn.alive and not conn.shut:
            conn.write(n)

    @rule(conn=conns, n=_SIZES)
    def read(self, conn: Conn, n: int) -> None:
        if conn.alive:
            conn.receive(n)

    @rule(conn=conns)
    def shutdown(self, conn: Conn) -> None:
        if conn.alive:
            conn.end()

    @rule(conn=conns)
    def close(self, conn: Conn) -> None:
        if conn.alive:
            conn.close(False)

    @rule(conn=conns)
    def reset(self, conn: Conn) -> None:
        if conn.alive:
            conn.close(True)

    # Time and faults

    @rule(dt=st.sampled_from([20 * MS, MS, 300 * MS, 2 * SECOND, 100 * SECOND]))
    def advance(self, dt: int) -> None:
        self.world.run(self.world.now + dt)

    def strike(self, do: str, at: str, first: int, last: int) -> None:
        """From now on the frames of that number, counted from here, meet this fate; earlier orders are over."""
        self.link.set_fates([Fate(do, at=at, protocol="tcp", nth=(first, last))])

    @rule(at=_WAYS, first=st.integers(1, 4), more=st.integers(0, 3))
    def drop(self, at: str, first: int, more: int) -> None:
        self.strike("drop", at, first, first + more)

    @rule(at=_WAYS, first=st.integers(1, 4), n=st.integers(1, 3))
    def dup(self, at: str, first: int, n: int) -> None:
        self.strike(f"dup({n})", at, first, first + 3)

    @rule(at=_WAYS, first=st.integers(1, 4), n=st.integers(1, 6))
    def reorder(self, at: str, first: int, n: int) -> None:
        self.strike(f"reorder({n})", at, first, first)

    @rule(at=_WAYS, first=st.integers(1, 4), t=st.sampled_from([MS, 50 * MS, 300 * MS]))
    def delay(self, at: str, first: int, t: int) -> None:
        self.strike(f"delay({t}ns)", at, first, first)

    @rule()
    def partition(self) -> None:
        self.link.unplug()

    @rule()
    def heal(self) -> None:
        self.link.plug()
        self.link.set_fates(())

    @rule(side=_SIDES)
    def crash(self, side: str) -> None:
        """The host forgets everything, and is back at once."""
        self.world.run(self.world.now + 1)
        host = self.world.hosts[side]
        self.crashed = True
        for sock in [self.listeners[side], *(conn.sock for conn in self.all if conn.side == side and conn.alive)]:
            sock.detach()                   # its descriptor will be another's
        self.boots[side] += 1
        host.crash()
        self.observer.crashed(side, self.world.now)
        host.boot()
        self.meet()
        self.listen(side)

    # What must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        if self.listeners:
            off = {"nagle", "resurrection"} if self.crashed else {"nagle"}
            broken = {rule: texts for rule, texts in {**self.watch.violations, **self.observer.violations}.items() if rule not in off}
            assert not broken, broken

    def teardown(self) -> None:
        """All is well from now on: everything arrives, everything ends, nothing is left."""
        try:
            if self.listeners:
                self.finish()
        finally:
            self.world.close()

    def finish(self) -> None:
        self.heal()
        end = self.world.now + PATIENCE
        pause = 50 * MS
        while self.world.now < end and not self.ended():
            self.world.run(self.world.now + pause)
            pause = min(2 * pause, 5 * SECOND)
        left = [(conn.side, conn.name, conn.sock.state, conn.written, conn.read) for conn in self.all if conn.alive]
        assert not left, f"these never ended: {left}"
        for sock in self.listeners.values():
            sock.close()
        self.world.run(self.world.now + 300 * SECOND)
        self.nothing_is_broken()
        for name, host in self.world.hosts.items():
            memory = host.stack.statistics()["memory"]
            held = {what: memory[what] for what in HELD if memory[what]}
            assert not held, f"{name} holds {held}"

    def ended(self) -> bool:
        """Everybody accepts, ends his stream, and reads to the end of the other."""
        for side in NAMES:
            self.accept_all(side, 100)
        for conn in self.all:
            if not conn.alive:
                continue
            conn.end()
            while conn.receive(1 << 16):
                pass
            if conn.eof or conn.error or self.alone(conn):
                conn.close(False)
        return not any(conn.alive for conn in self.all)

    def alone(self, conn: Conn) -> bool:
        """Its peer is gone, and need not have said so: what it said may have been lost."""
        peer = conn.peer
        if conn.name is None:
            return conn.sock.state == "CLOSED"
        return self.lost() and conn.sock.state in ("FIN_WAIT_2", "CLOSED", "SYN_SENT") and (peer is None or not peer.alive)
