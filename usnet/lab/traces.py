"""Recorded rates of our own making, in mahimahi's format: `python -m usnet.lab.traces KIND SECONDS [SEED] > FILE`.

A line is a time in ms at which a link may carry 1500 bytes; a time that occurs twice, twice as many. KIND: a rate ("12Mbit": evenly spread), "lte" (a
mobile link: a rate that wanders between 1 and 40 Mbit/s by the tenth of a second, with a stop now and then), "umts" (slower, with longer stops).
Integers only: the same words give the same file.
"""

import sys
from collections.abc import Iterator

from usnet.backends.fates import draw
from usnet.backends.sim import units
from usnet.backends.sim.models import OCTETS

STEP = 100
"""ms for which a rate holds."""
WANDERS = {"lte": (1_000_000, 40_000_000, 12_000_000, 60, 3), "umts": (100_000, 6_000_000, 2_000_000, 25, 12)}
"""Kind -> least and largest bits a second, the one it begins with, one stop in so many steps on average, longest stop in steps."""


def rates(kind: str, steps: int, seed: int) -> Iterator[int]:
    """Bits a second of each step."""
    low, high, rate, rare, longest = WANDERS[kind]
    stop = 0
    for i in range(steps):
        number = draw(seed, 0, 1, i)
        rate = min(max(rate * (83 + number % 36) // 100, low), high)       # up to 17 % down, or 18 % up
        if stop == 0 and draw(seed, 0, 2, i) % rare == 0:
            stop = 1 + draw(seed, 0, 3, i) % longest
        yield 0 if stop else rate
        stop = max(0, stop - 1)


def make(kind: str, seconds: int, seed: int = 1) -> list[int]:
    """The times in ms, in order."""
    steps = seconds * 1000 // STEP
    made, bits = [], 0
    each = rates(kind, steps, seed) if kind in WANDERS else [units.rate(kind)] * steps
    for i, rate in enumerate(each):
        for ms in range(i * STEP + 1, (i + 1) * STEP + 1):
            bits += rate
            while bits >= OCTETS * 8 * 1000:
                made.append(ms)
                bits -= OCTETS * 8 * 1000
    return made


def main(words: list[str]) -> int:
    if len(words) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    print("\n".join(map(str, make(words[0], int(words[1]), int(words[2]) if len(words) == 3 else 1))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
