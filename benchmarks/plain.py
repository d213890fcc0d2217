"""Cases whose work is done from beginning to end by one function, which returns what a unit of it cost."""

from benchmarks import callgrind, kernel, memory, rings, tap
from benchmarks.rows import row

WALL_AND_PROCESSOR = ("ns/KiB", "ns of CPU/KiB")
THROUGH_FORWARDER = "kernel, forwarder, kernel"
KERNEL = "kernel loopback, in Python"


def over_tap(work, offload):
    """ours and peer of a case of "tap"."""
    return (lambda: tap.run(tap.usnet_end, work, offload)), (lambda: tap.run(tap.forwarder_end, work, offload))


# NAME -> (case, unit, peer's name, ours, peer): both functions return the cost of one unit of work, in ns of CPU time or in instructions; or
# costs in several units, where `unit` is a tuple.
CASES = {
    "bulk": [("64 KiB calls, in Python", "ns/KiB", KERNEL, memory.bulk, kernel.bulk)],
    "echo": [
        ("60 bytes, 1 connection, in Python", "ns/request", KERNEL, lambda: memory.echo(1), lambda: kernel.echo(1)),
        ("60 bytes, 64 connections, in Python", "ns/request", KERNEL, lambda: memory.echo(64), lambda: kernel.echo(64)),
    ],
    "connect": [("connect, accept, close, in Python", "ns/connection", KERNEL, memory.connect, kernel.connect)],
    "rings": [
        ("60-byte echo, netmap pipe", "instructions", "simulator's link", lambda: rings.native("pipe"), lambda: rings.native("sim")),
        ("60-byte echo, pair in memory", "instructions", "simulator's link", lambda: rings.native("pair"), lambda: rings.native("sim")),
    ],
    "tap": [
        (f"{case}, offload {'on' if offload else 'off'}", WALL_AND_PROCESSOR, THROUGH_FORWARDER, *over_tap(work, offload))
        for offload in (True, False) for case, work in (("kernel to usnet", tap.receive), ("usnet to kernel", tap.send))
    ],
}

WANTS = {
    "rings": lambda: None if callgrind.available() else "valgrind, which counts (apt install valgrind)",
    "tap": tap.missing,
}


def missing(name):
    return WANTS[name]() if name in WANTS else None


def costs(function):
    """What it returns, as a tuple of costs."""
    cost = function()
    return cost if isinstance(cost, tuple) else (cost,)


def measure(name, runs, only=""):
    """Rows of each case of `name` with `only` in its name, one a unit: usnet and the peer in turn, `runs` times."""
    for case, unit, peer_name, ours, peer in CASES.get(name, []):
        mine, theirs = [], []
        if only not in case:
            continue
        for _ in range(runs):
            mine.append(costs(ours))
            if peer:
                theirs.append(costs(peer))
        for i, of in enumerate(unit if isinstance(unit, tuple) else (unit,)):
            yield row(name, case, of, [cost[i] for cost in mine], peer_name, [cost[i] for cost in theirs])
