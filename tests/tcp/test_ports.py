"""Which local ends may be bound while connections have them: a model that looks at all of them says the same, and it takes no longer with many."""

import random
import struct
import time

import pytest

import usnet
from tests.sockets.kit import Net, Usnet

PORTS = (5000, 5001)
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
FLAGS = (usnet.SO_REUSEADDR, usnet.SO_REUSEPORT)
ABORT = struct.pack("ii", 1, 0)


class Ends:
    """Connections over a stack's loopback, and what may be bound beside them by the rule: no connection of that port and address without a common
    SO_REUSE*."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.stack = usnet.Stack(seed=seed)
        self.connections = []  # (the socket, the end of it, its SO_REUSE*), and the other socket

    def flags(self):
        return {flag for flag in FLAGS if self.draw.random() < 0.5}

    def allow(self, sock, flags):
        for flag in FLAGS:
            sock.setsockopt(usnet.SOL_SOCKET, flag, flag in flags)

    def connect(self):
        """A connection whose server's end has a port of PORTS, without a listener left behind."""
        address = self.draw.choice(ADDRESSES), self.draw.choice(PORTS)
        listener = self.stack.socket()
        self.allow(listener, FLAGS)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            return
        listener.listen()
        client = self.stack.create_connection(address)
        server, _ = listener.accept()
        listener.close()
        self.connections.append([server, address, set(FLAGS), client])

    def change(self):
        if self.connections:
            connection = self.draw.choice(self.connections)
            connection[2] = self.flags()
            self.allow(connection[0], connection[2])

    def end(self):
        if self.connections:
            server, _, _, client = self.connections.pop(self.draw.randrange(len(self.connections)))
            for sock in (client, server):
                sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_LINGER, ABORT)
                sock.close()

    def bind(self):
        """(what it says, what the rule says)"""
        address, flags = (self.draw.choice(("", *ADDRESSES)), self.draw.choice(PORTS)), self.flags()
        free = not any(
            address[1] == end[1] and address[0] in ("", end[0]) and not flags & theirs for _, end, theirs, _ in self.connections
        )
        with self.stack.socket() as sock:
            self.allow(sock, flags)
            try:
                sock.bind(address)
            except OSError:
                return False, free
            return True, free


@pytest.mark.parametrize("seed", range(8))
def test_what_may_be_bound_is_what_a_look_at_all_connections_says(seed):
    ends = Ends(seed)
    seen = set()
    for _ in range(600):
        ends.draw.choice([ends.connect, ends.change, ends.change, ends.end])()
        for _ in range(3):
            said, free = ends.bind()
            assert said == free
            seen.add(said)
    assert seen == {True, False}
    while ends.connections:
        ends.end()
    assert all(ends.bind() == (True, True) for _ in range(20))
    ends.stack.close(linger=0)


def binding(net, port, n=200):
    """Seconds that binding a port takes, the best of several rounds; none is refused."""
    best = 1e9
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(n):
            with net.server.socket() as sock:
                sock.setsockopt(usnet.SOL_SOCKET, usnet.SO_REUSEADDR, 1)
                sock.bind((net.host, port))
        best = min(best, time.perf_counter() - begin)
    return best


def test_binding_takes_no_longer_with_many_connections():
    net = Net(Usnet())
    alone = binding(net, 5000)
    with net.server.socket() as listener:
        listener.setsockopt(usnet.SOL_SOCKET, usnet.SO_REUSEADDR, 1)
        listener.bind((net.host, 5000))
        listener.listen(1 << 16)
        for _ in range(20):
            for _ in range(500):
                client = net.tcp()
                client.setblocking(False)
                client.connect_ex((net.host, 5000))
            net.settle()
            for _ in range(500):
                net.keep(listener.accept()[0])
    assert net.server.statistics()["memory"]["connections"] == 10_000
    assert binding(net, 5000) < 8 * alone
    assert binding(net, 5001) < 8 * alone
    net.close()
