"""Worlds made by chance: hosts with hardly any memory and rings of a few slots, networks that lose, repeat, damage and reorder, applications that do
whatever comes to mind. Then the faults stop, and what can still arrive must arrive, and all memory must come back.

A world is its seed. A failure names it: `run_world(seed)` is the same world again. `python -m tests.stack.test_random_worlds FIRST COUNT` runs many,
which is what a build with sanitizers is for (CONTRIBUTING.md).
"""

import contextlib
import errno
import gc
import random
import select
import socket
import struct

import pytest

from tests.stack.many import run_many
from usnet.lab.world import World
from usnet.tcp.states import illegal_transitions

MS = 1_000_000
SECOND = 1000 * MS
FAULTS_END = 20 * SECOND
PATIENCE = 200 * SECOND  # after the faults: more than any timer of these worlds, times its retries
TCP_USER_TIMEOUT = 18
PORTS = (80, 81, 5000)
PATTERN = bytes((i * 7 + (i >> 8) * 13) & 255 for i in range(1 << 16)) * 3  # repeats after 64 KiB
GONE = "gone"  # a name of a way that was used twice: nothing is known of either


def config(draw):
    """Settings of a stack whose every timer ends within seconds."""
    return {
        "rto_initial": draw.choice((100, 1000)) * MS,
        "rto_min": draw.choice((5, 200)) * MS,
        "rto_max": 4 * SECOND,
        "msl": draw.choice((0, 100, 1000)) * MS,
        "fin_wait_2": draw.choice((1, 5)) * SECOND,
        "delack": draw.choice((1, 40)) * MS,
        "timestamps": draw.randrange(2),
        "window_scaling": draw.randrange(2),
        "mss": draw.choice((0, 0, 100, 536)),
        "sndbuf": draw.choice((2048, 5000, 65536, 1 << 20)),
        "rcvbuf": draw.choice((2048, 5000, 65536, 1 << 20)),
        "max_backlog": draw.choice((0, 1, 4)),
        "max_syn_queue": draw.choice((1, 8)),
        "syn_retries": 4,
        "max_neighbours": draw.choice((2, 1024)),
        "neighbour_bytes": draw.choice((2000, 20000)),
        "loopback_bytes": draw.choice((2000, 40000)),
        "reassembly_bytes": draw.choice((4096, 20000)),
        "arp_timeout": draw.choice((100, 5000)) * MS,  # ARP has no checksum: a damaged answer is believed for so long
        "reassembly_timeout": 2 * SECOND,
    }


class Ledger:
    """What was sent and received on each way of each connection: a way is ((address, port) of the sender, of the receiver)."""

    def __init__(self):
        self.sent = {}  # way -> bytes taken by send(); GONE when the name was used twice
        self.finished = {}  # way -> bytes that stand before the FIN

    def begin(self, way):
        self.sent[way] = GONE if way in self.sent else 0
        self.finished.pop(way, None)

    def check_end(self, way, received):
        """The receiver of a way saw the end of the stream."""
        sent = self.finished.get(way, GONE)
        if self.sent.get(way, GONE) is not GONE and sent is not GONE:
            assert received == sent, f"{way}: the stream ended after {received} of {sent} bytes"


class Conn:
    """An application's end of a connection."""

    def __init__(self, app, sock):
        self.app, self.sock = app, sock
        self.dice = app.world.dice
        self.connected = False
        self.out = self.into = None  # ways
        self.n_sent = self.n_received = 0
        self.shut_out = self.shut_in = self.ended = self.failed = False
        self.impatient = False  # it has a timeout of its own
        self.since = None  # ns when it began to end in order

    def name(self, here, there):
        self.out, self.into = (here, there), (there, here)
        self.app.world.ledger.begin(self.out)

    def learn(self):
        """Finds out whether it is connected: OSError (ENOTCONN) if not."""
        there = self.sock.getpeername()
        self.connected = True
        if self.out is None:
            self.name(self.sock.getsockname(), there)

    @contextlib.contextmanager
    def telling(self):
        """A call that may tell of the connection's error: that is told once, and what is read behind it is the end of nothing."""
        try:
            yield
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.ENOTCONN):
                self.failed = True
            raise

    def send(self, n):
        """Sends up to n bytes of the pattern; how many were taken."""
        at = self.n_sent & 0xFFFF
        with self.telling():
            taken = self.place(PATTERN[at : at + n]) if self.dice.random() < 0.3 else self.sock.send(PATTERN[at : at + n])
        self.n_sent += taken
        ledger = self.app.world.ledger
        if self.out is not None and ledger.sent.get(self.out, GONE) is not GONE:
            ledger.sent[self.out] = self.n_sent
        return taken

    def place(self, data):
        """Sends from a buffer of the stack's, after some time perhaps; all of it, some or nothing."""
        with self.sock.send_buffer(len(data)) as buffer:
            buffer[:] = data[: len(buffer)]
            return buffer.commit(self.dice.choice((len(buffer), len(buffer), len(buffer) // 2, 0)))

    def look(self, n):
        """Receives in a buffer of the stack's, which may be kept for a while; n bytes in ours when it has none for what lies in parts."""
        try:
            buffer = self.sock.recv_buffer()
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return self.sock.recv(n)
        data = bytes(buffer)
        if len(self.app.kept) < 3 and self.dice.random() < 0.2:
            self.app.kept.append((buffer, data))
        else:
            buffer.release()
        return data

    def recv(self, n, flags=0):
        with self.telling():
            data = self.look(n) if n and not flags and self.dice.random() < 0.3 else self.sock.recv(n, flags)
        at = self.n_received & 0xFFFF
        assert data == PATTERN[at : at + len(data)], f"{self.into}: other bytes than were sent, from {self.n_received}"
        if not flags:
            self.n_received += len(data)
        if n and not data and not (self.shut_in or self.ended or self.failed):
            self.ended = True
            if self.into is not None:
                self.app.world.ledger.check_end(self.into, self.n_received)
        return data

    def shutdown(self, how):
        self.sock.shutdown(how)
        if how != socket.SHUT_WR:
            self.shut_in = True
        if how != socket.SHUT_RD and not self.shut_out:
            self.shut_out = True
            self.app.world.ledger.finished[self.out] = self.n_sent

    def close(self, abort=False):
        if abort:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.out is not None and not self.shut_out:
            self.app.world.ledger.finished[self.out] = self.n_sent
        self.sock.close()
        self.app.conns.remove(self)


class App:
    """What runs on one host: it does something random every few milliseconds; when the faults are over, it ends all it has in order."""

    def __init__(self, world, host, draw):
        self.world, self.host, self.draw = world, host, draw
        self.stack = host.stack
        self.alive, self.vanished = True, False
        self.restart()

    def restart(self):
        self.kept = []  # (buffer, what is in it)
        self.conns, self.listeners, self.udp = [], [], []
        self.epoll = None

    # Errors are part of the game: what is asserted is that nothing else happens.
    def attempt(self, function, *args):
        try:
            return function(*args)
        except OSError:
            return None

    def step(self):
        if not self.alive:
            return
        if (self.kept and self.world.dice.random() < 0.2) or self.world.now >= FAULTS_END:
            self.give_back()
        if self.world.now < FAULTS_END:
            for _ in range(self.draw.choice((1, 1, 1, 3, 10))):
                self.attempt(self.draw.choice(self.DEEDS), self)
            pause = self.draw.choice((0, 1, 5, 30, 300)) * MS
        else:
            self.put_in_order()
            pause = 20 * MS
        self.world.lab.network.call_in(pause, self.step)

    def a_conn(self):
        """One of the connections; one that has failed is closed, mostly."""
        if not self.conns:
            return None
        conn = self.draw.choice(self.conns)
        if conn.failed and self.draw.random() < 0.7:
            conn.close()
            return None
        return conn

    def size(self):
        return self.draw.choice((1, 2, 10, 100, 1460, 5000, 30000))

    def give_back(self):
        for buffer, data in self.kept:
            assert bytes(buffer) == data, "a buffer changed in the application's hands"
            buffer.release()
        self.kept.clear()

    # Deeds

    def listen(self):
        if len(self.listeners) < 3:
            sock = self.stack.socket()
            sock.setblocking(False)
            self.listeners.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", self.draw.choice(PORTS)))
            sock.listen(self.draw.choice((0, 1, 5)))

    def accept(self):
        if self.listeners:
            sock, _ = self.draw.choice(self.listeners).accept()
            sock.setblocking(False)
            self.conns.append(conn := Conn(self, sock))
            self.attempt(conn.learn)  # it may be over already

    def connect(self):
        if len(self.conns) > self.draw.choice((2, 4, 100)):
            return
        sock = self.stack.socket()
        sock.setblocking(False)
        self.conns.append(conn := Conn(self, sock))
        if self.draw.random() < 0.2:
            sock.bind((self.host.address, self.draw.randrange(6000, 6004)))
        there = self.world.somewhere(self.draw), self.draw.choice(PORTS)
        try:
            sock.connect(there)
        except BlockingIOError:
            conn.name(sock.getsockname(), there)

    def send(self):
        if (conn := self.a_conn()) is not None:
            if not conn.connected:
                conn.learn()
            for _ in range(self.draw.choice((1, 1, 100))):
                conn.send(self.size())

    def receive(self):
        if (conn := self.a_conn()) is not None:
            for _ in range(self.draw.choice((1, 1, 100))):
                if not conn.recv(self.size(), self.draw.choice((0, 0, 0, socket.MSG_PEEK))):
                    break

    def shut(self):
        if (conn := self.a_conn()) is not None and conn.connected:
            conn.shutdown(self.draw.choice((socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_WR, socket.SHUT_RDWR)))

    def close_one(self):
        if (conn := self.a_conn()) is not None:
            conn.close(abort=self.draw.random() < 0.3)

    def close_listener(self):
        if self.listeners and self.draw.random() < 0.1:
            self.listeners.pop(self.draw.randrange(len(self.listeners))).close()

    def option(self):
        if (conn := self.a_conn()) is not None:
            level, name = self.draw.choice(OPTIONS)
            conn.impatient |= name == TCP_USER_TIMEOUT
            conn.sock.setsockopt(level, name, self.draw.choice((0, 1, 5, 5000)))
            conn.failed |= conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def poll(self):
        if self.epoll is None:
            self.epoll = self.stack.epoll()
        for fd, _ in self.epoll.poll(0, self.draw.choice((1, 5, 100))):
            conn = next((c for c in self.conns if c.sock.fileno() == fd), None)
            if conn is not None and self.draw.random() < 0.5:
                self.attempt(conn.recv, self.size())

    def watch(self):
        conn = self.a_conn()
        if conn is not None and self.epoll is not None:
            mask = self.draw.choice((1, 4, 5)) | self.draw.choice((0, select.EPOLLET, select.EPOLLONESHOT))
            deed = self.draw.randrange(3)
            if deed == 0:
                self.epoll.register(conn.sock, mask)
            elif deed == 1:
                self.epoll.modify(conn.sock, mask)
            else:
                self.epoll.unregister(conn.sock)

    def close_epoll(self):
        if self.epoll is not None:
            epoll, self.epoll = self.epoll, None
            epoll.close()

    def datagram(self):
        if len(self.udp) < 2:
            sock = self.stack.socket(type=socket.SOCK_DGRAM)
            sock.setblocking(False)
            self.udp.append(sock)
            sock.bind(("0.0.0.0", self.draw.choice((0, 7, 8))))
        sock = self.draw.choice(self.udp)
        self.attempt(sock.sendto, PATTERN[: self.size()], (self.world.somewhere(self.draw), self.draw.choice((7, 8, 9))))
        self.attempt(sock.recvfrom, self.size())
        if self.draw.random() < 0.1:
            self.udp.remove(sock)
            sock.close()

    DEEDS = (
        *([send] * 20), *([receive] * 20), *([connect] * 4), *([accept] * 6), listen, listen, listen, shut, close_one, close_listener,
        option, poll, poll, watch, watch, watch, close_epoll, datagram, datagram,
    )  # fmt: skip

    # The end

    def put_in_order(self):
        """Everything is received, everything is ended; a listener goes once nothing waits."""
        for sock in [*self.listeners, *self.udp]:
            sock.close()
        self.listeners, self.udp = [], []
        self.close_epoll()
        for conn in list(self.conns):
            if conn.since is None:
                conn.since = self.world.now
            if self.over(conn):
                conn.close()

    def over(self, conn):
        """Whether the connection has come to its end: both ways are finished, or it failed."""
        try:
            if not conn.connected:
                conn.learn()
            if not conn.shut_out:
                conn.shutdown(socket.SHUT_WR)
            for _ in range(1000):
                if not conn.recv(65536):
                    break
        except BlockingIOError:
            if self.world.now < conn.since + PATIENCE // 2:
                return False
            # FIN-WAIT-2 lasts for as long as the peer wants; one that gave up without being heard will never say.
            assert not self.world.peer_of(conn), f"{conn.out} waits in {conn.sock.state}, and so does its peer"
            return True
        except OSError as error:
            return self.failed(conn, error.errno)
        return True

    def failed(self, conn, error):
        """Whether the connection is over because of an error, and may be."""
        if conn.sock.state == "SYN_SENT" or conn.sock.state == "SYN_RECEIVED":
            return False
        assert conn.sock.state == "CLOSED", f"{conn.out}: {errno.errorcode[error]} in {conn.sock.state}"
        patient = error == errno.ETIMEDOUT and not conn.impatient
        assert not patient or not self.world.peer_of(conn), f"{conn.out} gave up on a peer that is there"
        return True

    # Violence

    def forget(self):
        """The host starts again with nothing."""
        for sock in [*(c.sock for c in self.conns), *self.listeners, *self.udp]:
            sock.detach()
        if self.epoll is not None:
            self.epoll.close()
        self.restart()
        self.stack.reset(self.draw.getrandbits(64), self.world.now)

    def vanish(self):
        """Its device is pulled out."""
        self.vanished = True
        for port in self.host.ports:
            port.vanish()


OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.SOL_SOCKET, socket.SO_SNDBUF),
    (socket.SOL_SOCKET, socket.SO_RCVBUF), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), (socket.IPPROTO_TCP, TCP_USER_TIMEOUT),
)  # fmt: skip


class RandomWorld:
    """Two to four hosts on a switch."""

    def __init__(self, seed):
        self.draw = draw = random.Random(seed)
        self.lab = World(seed)
        self.dice = random.Random(f"{seed} zero copy")  # of its own: the rest of a world does not change with it
        self.ledger = Ledger()
        self.links, self.apps = [], []
        switch = self.lab.switch("s")
        for i in range(draw.randint(2, 4)):
            host = self.lab.host(
                f"h{i}",
                f"10.0.0.{i + 1}/24",
                config=config(draw),
                granularity=draw.choice(("1ns", "1ms", "16ms")),
                max_connections=draw.choice((4, 8, 64)),
                max_chunks=draw.choice((12, 32, 256)),
                max_sockets=draw.choice((6, 16, 64)),
            )
            rings = {"slots": (draw.choice((2, 4, 64)), draw.choice((4, 8, 64))), "mtu": draw.choice((200, 576, 1500, 9000))}
            rings["spares"] = self.dice.choice((0, 1, 3, 8, 64, 1000))
            self.links.append(self.lab.link(host, switch, ports=rings, **self.faults()))
            self.damage(self.links[-1])
            self.apps.append(App(self, host, random.Random(draw.random())))

    @property
    def now(self):
        return self.lab.now

    def peer_of(self, conn):
        """The other end of a connection, if it is still there and can still be heard."""
        ends = [c for app in self.apps if not app.vanished for c in app.conns]
        return not conn.app.vanished and any(c.out == conn.into and c.sock.state != "CLOSED" for c in ends)

    def faults(self):
        draw = self.draw
        return {
            "rate": draw.choice((0, "1Mbit", "100Mbit")),
            "delay": draw.choice((0, "1ms", "40ms")),
            "jitter": draw.choice((0, "10ms")),
            "reorder": draw.random() < 0.5,
            "loss": draw.choice((0, 0.02, 0.3)),
            "duplicate": draw.choice((0, 0.1)),
            "queue": draw.choice((None, 3)),
        }

    def damage(self, link):
        """One way only, or a frame could be damaged twice, which no checksum of 16 bits always sees."""
        link.up.change(corrupt=self.draw.choice((0, 0.1)))

    def somewhere(self, draw):
        """An address: mostly of a host, its own too; at times nobody's."""
        return f"10.0.0.{draw.randint(1, len(self.apps) + (draw.random() < 0.1))}"

    def strike(self):
        """Something happens to the network or to a host."""
        if self.now >= FAULTS_END - 2 * SECOND:
            return
        what = self.draw.random()
        if what < 0.1:
            self.draw.choice(self.apps).forget()
        elif what < 0.13:
            self.draw.choice(self.apps).vanish()
        elif what < 0.3:
            link = self.draw.choice(self.links)
            link.unplug()
            self.lab.network.call_in(self.draw.choice((10, 3000)) * MS, link.plug)
        else:
            link = self.draw.choice(self.links)
            link.change(**self.faults())
            self.damage(link)
        self.lab.network.call_in(self.draw.choice((100, 1000, 5000)) * MS, self.strike)

    def calm(self):
        for link in self.links:
            link.plug()
            link.change(loss=0, duplicate=0, corrupt=0, jitter=0, reorder=False, queue=None)

    def run(self):
        network = self.lab.network
        for app in self.apps:
            network.call_in(self.draw.randrange(50) * MS, app.step)
        network.call_in(SECOND, self.strike)
        network.call_at(FAULTS_END, self.calm)
        end = FAULTS_END
        self.lab.run(end := end + SECOND)
        while any(app.conns for app in self.apps) and end < FAULTS_END + PATIENCE:
            end += 5 * SECOND
            self.lab.run(end)
        self.check_ended()
        for app in self.apps:
            app.alive = False
        self.lab.run(end + 70 * SECOND)  # orphans give up, TIME-WAIT ends, neighbours stop asking
        self.check_empty()

    def check_ended(self):
        """Liveness: with good links everything came to its end."""
        for app in self.apps:
            left = [(c.out, c.sock.state, c.n_sent, c.n_received) for c in app.conns]
            assert not left, f"{app.host.name} still waits: {left}; {app.stack.statistics()['tcp_drops']}"

    def check_empty(self):
        for app in self.apps:
            memory = app.stack.statistics()["memory"]
            memory.pop("neighbours")
            assert not any(memory.values()), f"{app.host.name} holds {memory}: {describe(app.stack)}"
            assert app.stack.statistics()["tcp"]["established"] == 0

    def close(self):
        for app in self.apps:
            app.alive = False
            app.stack.close(linger=0)


def describe(stack):
    return [
        {k: fields[k] for k in ("state", "flags", "lport", "rport", "deadline", "timer", "snd_wnd")}
        for fields in map(stack.core.snapshot, stack.core.connections())
    ]


def run_world(seed):
    """The world of that seed from its beginning to its end."""
    illegal = illegal_transitions()
    world = RandomWorld(seed)
    try:
        world.run()
        assert illegal_transitions() == illegal, "a transition that RFC 9293 does not know"
        return world.lab.digest()
    except BaseException as error:
        error.add_note(f"in run_world({seed}) at {world.now} ns")
        raise
    finally:
        world.close()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_applications_and_networks_do_all_arrives_and_all_memory_comes_back(seed):
    run_world(seed)


def test_a_world_is_its_seed():
    assert run_world(3) == run_world(3)


if __name__ == "__main__":
    run_many(run_world, gc.collect)
