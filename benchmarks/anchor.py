"""How fast this machine is now beside the day when the peers were measured that are not here: a checksum and a copy of 1,460 bytes, in the
same minutes as usnet's figures (drivers/anchor.pyx)."""

import statistics

from benchmarks import building

CHECKSUM, COPY = 123.5, 24.5  # ns on that day: the middles of what was found
ROUNDS = 20_000


def measure():
    """(ns of the checksum, ns of the copy), medians of a few runs."""
    run = building.module("anchor").run
    found = [run(ROUNDS) for _ in range(5)]
    return tuple(statistics.median(ns) for ns in zip(*found, strict=True))


def scale():
    """What a time of that day is to be multiplied with: the geometric mean of both ratios."""
    checksum, copy = measure()
    return (checksum / CHECKSUM * copy / COPY) ** 0.5
