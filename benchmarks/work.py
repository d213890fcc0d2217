"""The work itself, the same for every stack: written against what socket objects share. Sockets are non-blocking; `turn()` lets the stacks run."""

import time

MESSAGE = b"m" * 60


def bulk(sender, receiver, turn, total=32 << 20, piece=1 << 16):
    """ns of CPU per KiB moved from sender to receiver."""
    data, room = memoryview(bytes(piece)), bytearray(piece)
    sent = received = 0
    began = time.process_time_ns()
    while received < total:
        try:
            while sent < total:
                sent += sender.send(data)
        except BlockingIOError:
            pass
        turn()
        try:
            while received < total:
                received += receiver.recv_into(room)
        except BlockingIOError:
            pass
        turn()
    return (time.process_time_ns() - began) / (total >> 10)


def echo(clients, servers, turn, rounds):
    """ns of CPU per request: each client's message goes to its server and back, all in flight at once."""
    room = bytearray(256)
    began = time.process_time_ns()
    for _ in range(rounds):
        for client in clients:
            client.send(MESSAGE)
        turn()
        for server in servers:
            server.send(memoryview(room)[: server.recv_into(room)])
        turn()
        for client in clients:
            client.recv_into(room)
    return (time.process_time_ns() - began) / (rounds * len(clients))


def connect(pair, times):
    """ns of CPU per connection set up, accepted and closed by both ends. pair() makes and connects one: (client, server)."""
    began = time.process_time_ns()
    for _ in range(times):
        client, server = pair()
        client.close()
        server.close()
    return (time.process_time_ns() - began) / times
