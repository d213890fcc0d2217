"""What a Python echo server costs a message: 64 connections with a message of 60 bytes under way on each, the client without Python (drivers/).
The server's side is counted, its own code included, and not the client's.

usnet: one thread. The client's stack and the client have their turn, and then the server has: its stack takes the frames, epoll reports, the program
receives and sends, its stack puts the answers on the wire. What the server's turns cost is what is counted.
The kernel, "one thread": the same turns. A turn of the server's is poll(), recv() and send(); the kernel takes in a message inside of the send()
of who sends it, so that the server's turn has its own answers' way into the client's socket in it, and not the requests' way into its own: as much.
The kernel, "own process": the server waits in its own process, as servers do; counted is the time that the scheduler says it ran
(/proc/PID/schedstat), which has waking and sleeping in it.
"""

import asyncio
import contextlib
import importlib.util
import multiprocessing
import select
import socket
import time

from benchmarks import building, loopback, native
from benchmarks.rows import tally

CONNECTIONS = 64
PORT = 7
ROOM = 4096
PATIENCE = 1000  # turns, or ms, without an answer
FORK = multiprocessing.get_context("fork")


def turns(client, server):
    """A work (benchmarks/native.py): client is an object of a driver, server() a turn of the server's."""
    def run(units):
        spent, wrong, answered, idle = 0, 0, 0, 0
        rounds = max(1, units // CONNECTIONS)
        to_ask, left = (rounds - 1) * CONNECTIONS, rounds * CONNECTIONS
        client.ask_all()
        while left and idle < PATIENCE:
            began = time.process_time_ns()
            server()
            spent += time.process_time_ns() - began
            answered, more_wrong = client.collect(to_ask)
            to_ask, left, wrong = max(0, to_ask - answered), left - answered, wrong + more_wrong
            idle = 0 if answered else idle + 1
        return tally(spent, rounds * CONNECTIONS, wrong + left)

    return run


def echo(poll, connections):
    """A turn of an ordinary server with epoll: the same lines for usnet and for the kernel."""
    def turn():
        for fd, _ in poll(0):
            connection = connections[fd]
            connection.send(connection.recv(ROOM))

    return turn


def echo_many(receive, send):
    """A turn of a server that asks for its messages, and hands over the answers, in one call each."""
    def turn():
        send(receive(ROOM, 0))

    return turn


@contextlib.contextmanager
def usnet_epoll(many=False, check=False, step=0):
    with native.joined(0, most=CONNECTIONS + 64, check=check, step=step) as both, contextlib.ExitStack() as opened:
        far = both.far
        listener = opened.enter_context(far.create_server(("", PORT)))
        poller = opened.enter_context(far.epoll())
        connections = {}
        for _ in range(CONNECTIONS):
            both.dial(PORT)
            for _ in range(3):
                both.collect(0)
                far.run_once()
            connection = opened.enter_context(listener.accept()[0])
            connection.setblocking(False)
            poller.register(connection, select.EPOLLIN)
            connections[connection.fileno()] = connection
        yield turns(both, echo_many(poller.recv_many, far.send_many) if many else echo(poller.poll, connections))


@contextlib.contextmanager
def dialled(port, check):
    client = building.module("loopback").Joined(CONNECTIONS, 0, check)
    try:
        for _ in range(CONNECTIONS):
            client.dial(port)
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def kernel_epoll(check=False):
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as poller, contextlib.ExitStack() as opened:
        client = opened.enter_context(dialled(listener.getsockname()[1], check))
        connections = accepted(listener, poller)
        for connection in connections.values():
            opened.enter_context(connection)
        yield turns(client, echo(poller.poll, connections))


def accepted(listener, poller):
    connections = {}
    for _ in range(CONNECTIONS):
        connection, _ = listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.register(connection, select.EPOLLIN)
        connections[connection.fileno()] = connection
    return connections


# Servers in a process of their own

def serve_epoll(listener):
    poller = select.epoll()
    connections = accepted(listener, poller)
    while True:
        for fd, _ in poller.poll():
            data = connections[fd].recv(ROOM)
            if not data:
                return
            connections[fd].send(data)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def serve_protocol(listener):
    server = await asyncio.get_running_loop().create_server(Echo, sock=listener)
    await server.serve_forever()


def serve_asyncio(listener):
    asyncio.run(serve_protocol(listener))


def serve_uvloop(listener):
    import uvloop

    uvloop.run(serve_protocol(listener))


def missing_uvloop():
    return loopback.missing() or (None if importlib.util.find_spec("uvloop") else "uvloop (PyPI)")


@contextlib.contextmanager
def own_process(serve, check=False):
    """The work of a server that has a process to itself."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as listener:
        process = FORK.Process(target=serve, args=(listener,), daemon=True)
        process.start()
        try:
            with dialled(listener.getsockname()[1], check) as client:
                yield lambda units: waiting(client, process.pid, units)
        finally:
            process.terminate()
            process.join()


def waiting(client, pid, units):
    rounds = max(1, units // CONNECTIONS)
    to_ask, left, wrong = (rounds - 1) * CONNECTIONS, rounds * CONNECTIONS, 0
    began = ran(pid)
    client.ask_all()
    while left:
        answered, more_wrong = client.collect(to_ask, PATIENCE)
        to_ask, left, wrong = max(0, to_ask - answered), left - answered, wrong + more_wrong
        if not answered:
            break
    return tally(ran(pid) - began, rounds * CONNECTIONS, wrong + left)


def ran(pid):
    """ns that a process ran, kernel included."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0])
