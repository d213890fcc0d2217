"""The demonstration: an echo server and many clients at a switch, over links that lose packets, in virtual time.

Every client sends a stretch of bytes of its own and checks what comes back. The programs are ordinary blocking ones.
"""

from __future__ import annotations

import hashlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from usnet.lab.picture import Trace
from usnet.lab.programs import sleep
from usnet.lab.world import World
from usnet.sockets.epoll import epoll
from usnet.sockets.helpers import create_connection, create_server

PORT = 7
SERVER = "10.0.0.1"
PIECE = 16384
STEP = 20_000_000  # ns between two looks at the progress
AFTERWARDS = 2_000_000_000  # ns that the last FINs have to arrive
CLIENT = {"max_connections": 16, "max_chunks": 4096, "max_sockets": 16, "config": {"rcvbuf": 128 * 1024}}


@dataclass(frozen=True)
class Group:
    """Clients behind links of one kind. `delay` is one way."""

    name: str
    rate: str
    delay: str


GROUPS = (Group("office", "100Mbit", "2ms"), Group("home", "20Mbit", "12ms"), Group("abroad", "10Mbit", "45ms"))
PICTURED = "home"


@dataclass
class Client:
    """One client and what became of it; times in ns."""

    name: str
    group: Group
    host: Any
    link: Any
    payload: bytes
    begun: int = 0
    ended: int = 0
    echoed: int = 0


@dataclass(frozen=True)
class Row:
    """A group's totals. `bytes` went out and came back; seconds are of a client's whole exchange; goodput is the
    bytes that came back, in bit/s.
    """

    group: str
    link: str
    clients: int
    bytes: int
    median_seconds: float
    slowest_seconds: float
    goodput: float
    retransmits: int
    rtos: int


@dataclass
class Result:
    """What a run was like."""

    rows: list[Row]
    server_retransmits: int
    server_rtos: int
    bytes: int
    frames: int  # that entered a link
    lost: int
    virtual_seconds: float
    cpu_seconds: float
    digest: str
    trace: Trace
    pictured: Client


class EchoServer:
    """One program for all connections: epoll says who has something, and nobody is read faster than he takes his
    echo.
    """

    def __init__(self) -> None:
        self.connections: dict[int, Any] = {}
        self.waiting: dict[int, memoryview] = {}  # what a socket did not take yet

    def serve(self) -> None:
        with create_server(("", PORT), backlog=1024) as listener, epoll() as ready:
            listener.setblocking(False)
            ready.register(listener, select.EPOLLIN)
            while True:
                for fd, _ in ready.poll():
                    if fd == listener.fileno():
                        connection, _ = listener.accept()
                        connection.setblocking(False)
                        self.connections[connection.fileno()] = connection
                        ready.register(connection, select.EPOLLIN)
                    elif self.echo(fd):
                        ready.modify(fd, select.EPOLLOUT if fd in self.waiting else select.EPOLLIN)

    def echo(self, fd: int) -> bool:
        """Moves what can be moved now. False when that was the end of the connection."""
        connection = self.connections[fd]
        try:
            while True:
                data = self.waiting.pop(fd, None) or memoryview(connection.recv(65536))
                if not data:
                    del self.connections[fd]
                    connection.close()
                    return False
                sent = 0
                while sent < len(data):
                    self.waiting[fd] = data[sent:]
                    sent += connection.send(data[sent:])
                del self.waiting[fd]
        except BlockingIOError:
            return True


@dataclass(frozen=True)
class Progress:
    now: int  # ns
    echoed: int  # bytes
    total: int
    done: int  # clients
    clients: int


@dataclass
class Demo:
    """Demo(clients=64, seed=1, loss=0.02): the world of the demonstration; run() it once.

    `loss`: chance of each frame on a client's link, each way. `size`: bytes that each client sends.
    """

    clients: int = 64
    seed: int = 1
    loss: float = 0.02
    size: int = 384 * 1024
    world: Any = field(init=False)
    server: Any = field(init=False)
    server_link: Any = field(init=False)
    everyone: list[Client] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        switch = self.world.switch("switch")
        self.server = self.world.host("server", f"{SERVER}/16")
        self.server_link = self.world.link(self.server, switch, rate="1Gbit", delay="50us", queue=1000)
        for i in range(self.clients):
            group = GROUPS[i % len(GROUPS)]
            name = f"{group.name}-{i // len(GROUPS) + 1}"
            host = self.world.host(name, f"10.0.{1 + i // 200}.{1 + i % 200}/16", **CLIENT)
            link = self.world.link(host, switch, rate=group.rate, delay=group.delay, loss=self.loss, queue=200)
            self.everyone.append(Client(name, group, host, link, self._payload(name)))

    def _payload(self, name: str) -> bytes:
        return hashlib.shake_128(f"{self.seed}/{name}".encode()).digest(self.size)

    # The clients

    def ask(self, client: Client, number: int) -> None:
        """Sends from one program and receives in another, as an echo needs it."""
        sleep(number * 1_000_000)  # they do not all begin at the same instant
        client.begun = self.world.now
        with create_connection((SERVER, PORT)) as connection:
            client.host.run(self.talk, connection, client.payload, name=f"{client.name}:talk")
            received = hashlib.sha256()
            while data := connection.recv(65536):
                received.update(data)
                client.echoed += len(data)
        client.ended = self.world.now
        if received.digest() != hashlib.sha256(client.payload).digest():
            raise AssertionError(f"{client.name} did not get back what it sent")
        self.world.note(client.name, client.echoed, received.hexdigest())

    @staticmethod
    def talk(connection: Any, payload: bytes) -> None:
        for at in range(0, len(payload), PIECE):
            connection.sendall(payload[at : at + PIECE])
        connection.shutdown(socket.SHUT_WR)

    # The run

    def run(
        self, progress: Callable[[Progress], None] | None = None, tap: Callable[[Any], None] | None = None
    ) -> Result:
        """Runs all to the end. `progress` is told now and then how it goes; `tap` gets each Happening of the network
        (see Network.tap).
        """
        pictured = next((c for c in self.everyone if c.group.name == PICTURED), self.everyone[0])
        trace = Trace(SERVER, pictured.host.address, pictured.link)
        self.world.network.tap(trace)
        if tap is not None:
            self.world.network.tap(tap)
        begun = time.process_time()
        self.server.run(EchoServer().serve, daemon=True)
        for number, client in enumerate(self.everyone):
            client.host.run(self.ask, client, number, name=client.name)
        if progress is not None:
            self.world.process(self._watch(progress))
        self.world.run_programs()
        lasted = self.world.now
        self.world.run(until=lasted + AFTERWARDS)
        if progress is not None:
            progress(self._progress())
        return self._result(trace, pictured, lasted, time.process_time() - begun)

    def _watch(self, progress: Callable[[Progress], None]) -> Any:
        while not all(client.ended for client in self.everyone):
            yield self.world.env.timeout(STEP)
            progress(self._progress())

    def _progress(self) -> Progress:
        echoed = sum(client.echoed for client in self.everyone)
        done = sum(client.ended > 0 for client in self.everyone)
        return Progress(self.world.now, echoed, self.size * self.clients, done, self.clients)

    def _result(self, trace: Trace, pictured: Client, lasted: int, cpu: float) -> Result:
        counted = self.server.statistics()["tcp"]
        ways = [way for link in self.world.network.statistics()["links"].values() for way in link.values()]
        return Result(
            rows=[self._row(group) for group in GROUPS if any(c.group is group for c in self.everyone)],
            server_retransmits=counted["retransmits"],
            server_rtos=counted["rto_count"],
            bytes=sum(client.echoed for client in self.everyone),
            frames=sum(way["sent"] for way in ways),
            lost=sum(sum(way["dropped"].values()) for way in ways),
            virtual_seconds=lasted / 1e9,
            cpu_seconds=cpu,
            digest=self.world.digest(),
            trace=trace,
            pictured=pictured,
        )

    def _row(self, group: Group) -> Row:
        members = [client for client in self.everyone if client.group is group]
        lasted = sorted((client.ended - client.begun) / 1e9 for client in members)
        counted = [client.host.statistics()["tcp"] for client in members]
        return Row(
            group=group.name,
            link=f"{group.rate}, {group.delay}",
            clients=len(members),
            bytes=sum(client.echoed for client in members),
            median_seconds=lasted[len(lasted) // 2],
            slowest_seconds=lasted[-1],
            goodput=sum(
                8 * client.echoed / seconds
                for client, seconds in zip(members, ((c.ended - c.begun) / 1e9 for c in members), strict=True)
            )
            / len(members),
            retransmits=sum(c["retransmits"] for c in counted),
            rtos=sum(c["rto_count"] for c in counted),
        )
