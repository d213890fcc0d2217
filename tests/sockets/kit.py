"""Two ends of one network for tests of sockets: usnet's in memory and virtual time, or the kernel's over loopback.

The same bodies run on both.
"""

import select
import socket

import usnet
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.backends.poller import Poller

FOREVER = 2**63 - 1


class StalledError(RuntimeError):
    """Nothing is left that could end the wait."""


class Together(Poller):
    """Waits by running the other stacks, and lets virtual time pass when none of them has anything to do."""

    def __init__(self, clock, stacks):
        self.clock = clock
        self.stacks = stacks
        self.waits = 0
        self.rung = False

    def add_port(self, port):
        pass

    def wait(self, deadline):
        self.waits += 1
        while True:
            before = [port.statistics()["tx_frames"] for s in self.stacks for port in s.ports]
            following = min([FOREVER, *(FOREVER if (t := s.run_once()) is None else t for s in self.stacks if s.poller is not self)])
            if before != [port.statistics()["tx_frames"] for s in self.stacks for port in s.ports]:
                return True
            if self.rung:
                self.rung = False
                return True
            now = self.clock.now()
            if now >= deadline:
                return False
            if min(deadline, following) == FOREVER:
                raise StalledError
            self.clock.set(max(now, min(deadline, following)))

    def ring_doorbell(self):
        self.rung = True


class Usnet:
    """Two stacks joined back to back. `server` and `client` make sockets; time is virtual."""

    name = "usnet"
    host = "10.9.0.1"
    dead = "10.9.0.77"  # on-link, and nobody there

    def __init__(self, **config):
        self.clock = ManualClock(1_000_000_000)
        ports = make_pair(clock=self.clock)
        stacks = []
        for n, port in enumerate(ports):
            stacks.append(usnet.Stack(port, f"10.9.0.{n + 1}/24", seed=n + 1, poller=Together(self.clock, stacks), config=config))
        self.server, self.client = stacks

    def tcp(self, side="client"):
        return getattr(self, side).socket(socket.AF_INET, socket.SOCK_STREAM)

    def udp(self, side="client"):
        return getattr(self, side).socket(socket.AF_INET, socket.SOCK_DGRAM)

    def epoll(self, side="client"):
        return getattr(self, side).epoll()

    def settle(self, *socks):
        """Everything that can happen without time passing has happened."""
        for _ in range(20):
            self.server.run_once()
            self.client.run_once()

    def close(self):
        for stack in (self.server, self.client):
            stack.close(linger=0)


class Kernel:
    """The operating system's sockets over loopback. Waits are for readiness, never for a time."""

    name = "kernel"
    host = "127.0.0.1"

    def tcp(self, side="client"):
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def udp(self, side="client"):
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def epoll(self, side="client"):
        return select.epoll()

    def settle(self, *socks):
        """Loopback delivers within the call that sends; what was put off needs one pass of the scheduler."""
        select.select([], [], [], 0.002)

    def close(self):
        pass


class Net:
    """What a test is given: a side of either kind, and shorthands."""

    def __init__(self, kind):
        self.kind = kind
        self.open = []

    def __getattr__(self, name):
        return getattr(self.kind, name)

    def keep(self, sock):
        self.open.append(sock)
        return sock

    def tcp(self, side="client"):
        return self.keep(self.kind.tcp(side))

    def udp(self, side="client"):
        return self.keep(self.kind.udp(side))

    def epoll(self, side="client"):
        return self.keep(self.kind.epoll(side))

    def keep_descriptor(self, sock, fd):
        """A descriptor that was detached from `sock` is closed in the end all the same."""
        if fd >= 0:
            self.keep(type(sock)(fileno=fd, **({"stack": sock.stack} if self.name == "usnet" else {})))

    def listener(self, backlog=8):
        sock = self.tcp("server")
        sock.bind((self.host, 0))
        sock.listen(backlog)
        return sock

    def connected(self):
        """(client, server): both ends of a new connection, non-blocking."""
        with self.listener() as listener:
            client = self.tcp()
            client.connect(listener.getsockname())
            server, _ = listener.accept()
        for sock in (client, self.keep(server)):
            sock.setblocking(False)
        self.settle()
        return client, server

    def fill(self, sock):
        """Sends until nothing more fits; returns how many bytes that was."""
        sent = 0
        while True:
            try:
                sent += sock.send(bytes(65536))
            except BlockingIOError:
                self.settle()
                try:
                    sent += sock.send(bytes(65536))
                except BlockingIOError:
                    return sent

    def drain(self, sock, total):
        got = 0
        while got < total:
            try:
                part = len(sock.recv(1 << 20))
                assert part
                got += part
            except BlockingIOError:
                self.pass_time()
        return got

    def pass_time(self):
        """Lets timers of a fraction of a second go off (delayed acknowledgements, probes)."""
        if self.name == "usnet":
            self.kind.clock.advance(50_000_000)
        self.settle()

    def close(self):
        for sock in self.open:
            sock.close()
        self.kind.close()
