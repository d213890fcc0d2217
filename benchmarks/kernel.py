"""The peer: the kernel's TCP over loopback, both ends in one thread, the same calls."""

import contextlib
import socket

from benchmarks import work


def listening():
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def pair_of(listener):
    """A connected pair of non-blocking sockets."""
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    for end in (client, server):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def nothing():
    """Loopback delivers inside the calls."""


def bulk():
    with listening() as listener:
        client, server = pair_of(listener)
        with client, server:
            return work.bulk(client, server, nothing)


def echo(connections, requests=20_000):
    with listening() as listener, contextlib.ExitStack() as stack:
        pairs = [pair_of(listener) for _ in range(connections)]
        for client, server in pairs:
            stack.enter_context(client)
            stack.enter_context(server)
        return work.echo([c for c, _ in pairs], [s for _, s in pairs], nothing, requests // connections)


def connect():
    with listening() as listener:
        return work.connect(lambda: pair_of(listener), 3000)
