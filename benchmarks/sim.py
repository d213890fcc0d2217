"""The simulator's own speed: bulk TCP over a dumbbell, everything in virtual time; applications are SimPy processes. The peer is ns-3 as Debian
packages it (drivers/dumbbell.cc), which was built with its logs and assertions."""

import contextlib
import json
import shutil
import subprocess
import time

import usnet
from benchmarks import building
from benchmarks.rows import tally

NS3 = "ns-3 (Debian)"
FLOWS = 4
EDGE = {"rate": "1Gbit", "delay": "1ms"}
MIDDLE = {"rate": "1Gbit", "delay": "5ms"}
QUEUE = 1000  # packets of each link
BUFFER = 512 << 10  # bytes: what all flows have under way fits into the queue, nothing is lost
SEGMENT = 1448
PORT = 7
PAUSE = 1_000_000  # ns until a process looks at its socket again
LIBRARIES = ("core", "network", "internet", "point-to-point", "applications")


def missing():
    lacking = building.missing("libns3-dev:/usr/include/ns3/core-module.h")
    return lacking or (None if shutil.which("c++") else "c++")


def sending(world, host, address, total):
    """A SimPy process: connects, sends, closes."""
    with host.stack.socket() as sock:
        sock.setblocking(False)
        data, sent, status = memoryview(bytes(1 << 16)), 0, sock.connect_ex((address, PORT))
        while sent < total:
            try:
                while sent < total:
                    sent += sock.send(data[: min(len(data), total - sent)])
            except (BlockingIOError, OSError) as error:
                if not isinstance(error, BlockingIOError) and status == 0:
                    raise
                status = sock.connect_ex((address, PORT)) if status else 0
            yield world.env.timeout(PAUSE)


def receiving(world, host, arrived):
    """A SimPy process: accepts one connection and reads to its end."""
    with host.stack.socket() as listener:
        listener.setblocking(False)
        listener.bind((host.address, PORT))
        listener.listen(1)
        while True:
            with contextlib.suppress(BlockingIOError):
                sock, _ = listener.accept()
                break
            yield world.env.timeout(PAUSE)
    room, got = bytearray(1 << 18), -1
    with sock:
        sock.setblocking(False)
        while got:
            try:
                while got := sock.recv_into(room):
                    arrived.append(got)
            except BlockingIOError:
                yield world.env.timeout(PAUSE)


def dumbbell(routed):
    """(world, senders, receivers). routed: the two in the middle are routers; else they are switches."""
    world, config = usnet.World(seed=1), {"sndbuf": BUFFER, "rcvbuf": BUFFER, "sndbuf_most": 0, "rcvbuf_most": 0}
    left, right, queue = [], [], {"queue": {"packets": QUEUE}}
    if routed:
        near = [f"10.1.{i}.254/24" for i in range(FLOWS)]
        far = [f"10.2.{i}.254/24" for i in range(FLOWS)]
        routers = (world.router("l", *near, "10.0.0.1/24", routes=[("10.2.0.0/16", "10.0.0.2")]),
                   world.router("r", *far, "10.0.0.2/24", routes=[("10.1.0.0/16", "10.0.0.1")]))
    else:
        routers = world.switch("l"), world.switch("r")
    for hosts, letter, middle, net in ((left, "a", routers[0], 1), (right, "b", routers[1], 2)):
        for i in range(FLOWS):
            where = {"gateway": f"10.{net}.{i}.254"} if routed else {}
            hosts.append(world.host(f"{letter}{i}", f"10.{net}.{i}.1/24" if routed else f"10.0.{net}.{i + 1}/16", config=config, **where))
            world.link(hosts[-1], middle, **EDGE, **queue)
    world.link(*routers, **MIDDLE, **queue)
    return world, left, right


@contextlib.contextmanager
def bulk(routed=False, step=0):
    """A work as in benchmarks/native.py: units are packets that crossed a link. Each run has a world of its own. step: nothing here, where time
    is virtual."""
    def run(units):
        total = bytes_for(units)
        world, left, right = dumbbell(routed)
        arrived = []
        with world:
            for sender, receiver in zip(left, right, strict=True):
                world.process(receiving(world, receiver, arrived))
                world.process(sending(world, sender, receiver.address, total))
            began = time.process_time_ns()
            world.run()
            ns = time.process_time_ns() - began
            links = world.network.statistics()["links"].values()
            packets = sum(way["delivered"] for link in links for way in (link["up"], link["down"]))
        return tally(ns, packets, abs(sum(arrived) - FLOWS * total), sum(arrived))

    yield run


def bytes_for(units):
    """Of one flow, so that about so many packets cross links: three links, and an ACK for two segments."""
    return max(1, int(units / FLOWS / 4.5)) * SEGMENT


@contextlib.contextmanager
def ns3(step=0):
    """The same in ns-3."""
    source = building.DRIVERS / "dumbbell.cc"
    command = ["c++", "-O2", "-std=c++17", str(source)]
    libraries = [f"-lns3-{name}" for name in LIBRARIES]
    program = building.kept("dumbbell", [source], command, lambda _, target: subprocess.run([*command, "-o", target, *libraries], check=True))

    def run(units):
        total = bytes_for(units)
        short = [end[way].replace("Gbit", "Gbps") for end in (EDGE, MIDDLE) for way in ("rate", "delay")]
        arguments = [program, *map(str, (FLOWS, total, *short, QUEUE, SEGMENT, BUFFER))]
        said = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
        wrong = abs(said["bytes"] - FLOWS * total)
        return tally(int(said["seconds"] * 1e9), said["packets"], wrong, said["bytes"])

    yield run
