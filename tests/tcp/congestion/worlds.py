"""Flows that share a bottleneck, or have one to themselves, in simulation: what each of them brought across."""

import contextlib
import socket

import usnet

PORT = 5001
CHUNK = bytes(65536)


def fill(address, name, until, clock):
    """Sends without end, by the controller of that name."""
    with contextlib.suppress(OSError), usnet.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        sock.connect(address)
        while clock() < until:
            sock.sendall(CHUNK)


def drain(taken, begin, clock):
    """Takes connections one after another; taken[peer] counts what came from each behind `begin`."""

    def read(sock, peer):
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(1 << 20):
                if clock() >= begin:
                    taken[peer] = taken.get(peer, 0) + len(data)

    return read


def serve(host, address, read):
    with usnet.create_server(address) as listener:
        while True:
            sock, peer = listener.accept()
            host.run(read, sock, peer[0], daemon=True)


def dumbbell(names, rate="20Mbit", delay="10ms", queue=50, seconds=30, begin=5, seed=1, config=None, loss=None):
    """One sender for each name, all to one receiver behind a bottleneck: bytes a second of each, in their order, from second `begin` on."""
    world = usnet.World(seed=seed)
    with world:
        def clock():
            return world.now / 1e9 if isinstance(world.now, int) else world.now
        receiver = world.host("receiver", "10.1.0.2/24", gateway="10.1.0.1", config=config)
        router = world.router("router", "10.1.0.1/24", "10.0.0.1/24")
        switch = world.switch("switch")
        model = {"rate": rate, "delay": delay, "queue": {"packets": queue}}
        world.link(router, receiver, **model, **({"loss": loss} if loss else {}))
        world.link(router, switch, rate="1Gbit", delay="10us")
        taken = {}
        senders = []
        for i, name in enumerate(names):
            sender = world.host(f"sender{i}", f"10.0.0.{i + 2}/24", gateway="10.0.0.1", config=config)
            world.link(sender, switch, rate="1Gbit", delay="10us")
            senders.append((sender, name))
        address = ("10.1.0.2", PORT)
        receiver.run(serve, receiver, address, drain(taken, begin, clock), daemon=True)
        for sender, name in senders:
            sender.run(fill, address, name, seconds + 1, clock, daemon=True)
        world.run(until=seconds * 10**9 if isinstance(world.now, int) else seconds)
        return [taken.get(f"10.0.0.{i + 2}", 0) / (seconds - begin) for i in range(len(names))]


def jain(shares):
    return sum(shares) ** 2 / (len(shares) * sum(x * x for x in shares))
