"""python -m benchmarks [NAME ...] [--json] [--runs N]: usnet and a peer in turn, in one process and one run; medians and ratios (less is better)."""

import argparse
import json
import statistics
import sys

from benchmarks import callgrind, kernel, memory, rings, sim, tap

WALL_AND_PROCESSOR = ("ns/KiB", "ns of CPU/KiB")
THROUGH_FORWARDER = "kernel, forwarder, kernel"


def over_tap(work, offload):
    """ours and peer of a case of "tap"."""
    return (lambda: tap.run(tap.usnet_end, work, offload)), (lambda: tap.run(tap.forwarder_end, work, offload))


# NAME -> (case, unit, peer's name, ours, peer): both functions return the cost of one unit of work, in ns of CPU time or in instructions; or
# costs in several units, where `unit` is a tuple.
CASES = {
    "bulk": [("one connection, 64 KiB calls", "ns/KiB", "kernel loopback", memory.bulk, kernel.bulk)],
    "echo": [
        ("60 bytes, 1 connection", "ns/request", "kernel loopback", lambda: memory.echo(1), lambda: kernel.echo(1)),
        ("60 bytes, 64 connections", "ns/request", "kernel loopback", lambda: memory.echo(64), lambda: kernel.echo(64)),
    ],
    "connect": [("connect, accept, close", "ns/connection", "kernel loopback", memory.connect, kernel.connect)],
    "rings": [
        ("60-byte echo, netmap pipe", "instructions", "simulator's link", lambda: rings.native("pipe"), lambda: rings.native("sim")),
        ("60-byte echo, pair in memory", "instructions", "simulator's link", lambda: rings.native("pair"), lambda: rings.native("sim")),
    ],
    "tap": [
        (f"{case}, offload {'on' if offload else 'off'}", WALL_AND_PROCESSOR, THROUGH_FORWARDER, *over_tap(work, offload))
        for offload in (True, False) for case, work in (("kernel to usnet", tap.receive), ("usnet to kernel", tap.send))
    ],
    "sim": [("bulk TCP over a switch", "ns/link-packet", "", sim.bulk, None)],
}


WANTS = {
    "rings": lambda: None if callgrind.available() else "valgrind, which counts (apt install valgrind)",
    "tap": tap.missing,
}


def costs(function):
    """What it returns, as a tuple of costs."""
    cost = function()
    return cost if isinstance(cost, tuple) else (cost,)


def measure(name, runs):
    """Rows of each case of `name`, one a unit: usnet and the peer in turn, `runs` times."""
    for case, unit, peer_name, ours, peer in CASES[name]:
        mine, theirs = [], []
        for _ in range(runs):
            mine.append(costs(ours))
            if peer:
                theirs.append(costs(peer))
        for i, of in enumerate(unit if isinstance(unit, tuple) else (unit,)):
            yield row(name, case, of, peer_name, [cost[i] for cost in mine], [cost[i] for cost in theirs])


def row(name, case, unit, peer_name, mine, theirs):
    ours, peer = statistics.median(mine), statistics.median(theirs) if theirs else None
    return {
        "bench": name,
        "case": case,
        "ours": round(ours, 1),
        "peer": round(peer, 1) if theirs else None,
        "peer_name": peer_name,
        "unit": unit,
        "ratio": round(ours / peer, 3) if theirs else None,
        "spread": [round(min(mine), 1), round(max(mine), 1)],
        "peer_spread": [round(min(theirs), 1), round(max(theirs), 1)] if theirs else None,
    }


def line(found):
    beside = f"   {found['peer_name']} {found['peer']:>10}   ratio {found['ratio']}" if found["peer"] else ""
    return f"{found['bench']:8} {found['case']:30} {found['ours']:>10} {found['unit']:14}{beside}"


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}; all when none is given")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in CASES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(CASES)}")
    for name in options.names or CASES:
        missing = WANTS[name]() if name in WANTS else None
        if missing:
            print(f"{name}: missing: {missing}", file=sys.stderr)
            continue
        for found in measure(name, options.runs):
            print(json.dumps(found) if options.json else line(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
