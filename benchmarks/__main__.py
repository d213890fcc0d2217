"""python -m benchmarks [NAME ...] [--json] [--runs N]: usnet and a peer in turn, in one process and one run; medians and ratios (less is better)."""

import argparse
import json
import statistics
import sys

from benchmarks import callgrind, kernel, memory, rings, sim

# NAME -> (case, unit, peer's name, ours, peer): both functions return the cost of one unit of work, in ns of CPU time or in instructions.
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
    "sim": [("bulk TCP over a switch", "ns/link-packet", "", sim.bulk, None)],
}


def measure(name, runs):
    """One row for each case of `name`: usnet and the peer in turn, `runs` times."""
    for case, unit, peer_name, ours, peer in CASES[name]:
        mine, theirs = [], []
        for _ in range(runs):
            mine.append(ours())
            if peer:
                theirs.append(peer())
        row = {
            "bench": name,
            "case": case,
            "ours": round(statistics.median(mine), 1),
            "peer": round(statistics.median(theirs), 1) if peer else None,
            "peer_name": peer_name,
            "unit": unit,
            "ratio": round(statistics.median(mine) / statistics.median(theirs), 3) if peer else None,
            "spread": [round(min(mine), 1), round(max(mine), 1)],
        }
        yield row


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
        if name == "rings" and not callgrind.available():
            print("rings: counted by valgrind, which is missing (apt install valgrind)", file=sys.stderr)
            continue
        for row in measure(name, options.runs):
            if options.json:
                print(json.dumps(row), flush=True)
            else:
                beside = f"   {row['peer_name']} {row['peer']:>10}   ratio {row['ratio']}" if row["peer"] else ""
                print(f"{row['bench']:8} {row['case']:30} {row['ours']:>10} {row['unit']:14}{beside}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
