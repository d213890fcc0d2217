"""Writes quantiles.h, the tables of delays by chance: `python -m tests.sim.quantiles > usnet/backends/sim/quantiles.h`.

Quantiles of distributions with mean 0 and standard deviation 1, at each 1024th, in 2^-16. The first and the last stand at 1/4096 from the end, so
that no delay is without limit; then mean and deviation are brought back to 0 and 1, as they are when lines are drawn between the quantiles.
"""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from statistics import NormalDist

STEPS = 1024
END = 1 / 4096
POINT = 1 << 16


def normal(u: float) -> float:
    return NormalDist().inv_cdf(u)


def pareto(u: float) -> float:
    """Of shape 3 and scale 1."""
    return (1 - u) ** (-1 / 3)


def paretonormal(u: float) -> float:
    """A quarter normal and three quarters Pareto, each with deviation 1."""
    return 0.25 * normal(u) + 0.75 * (pareto(u) - 1.5) / sqrt(0.75)


DISTRIBUTIONS: dict[str, Callable[[float], float]] = {"normal": normal, "pareto": pareto, "paretonormal": paretonormal}


def moments(table: list[float]) -> tuple[float, float]:
    """Mean and standard deviation of what lines between the quantiles give."""
    pairs = list(pairwise(table))
    mean = sum((a + b) / 2 for a, b in pairs) / len(pairs)
    square = sum((a * a + a * b + b * b) / 3 for a, b in pairs) / len(pairs)
    return mean, sqrt(square - mean * mean)


def table(name: str) -> list[int]:
    raw = [DISTRIBUTIONS[name](min(max(i / STEPS, END), 1 - END)) for i in range(STEPS + 1)]
    mean, deviation = moments(raw)
    return [round((value - mean) / deviation * POINT) for value in raw]


def main() -> None:
    print("/* Quantiles of delays by chance, in 2^-16: written by tests/sim/quantiles.py. */")
    print("#ifndef USNET_SIM_QUANTILES_H\n#define USNET_SIM_QUANTILES_H\n\n#include <stdint.h>")
    for name in DISTRIBUTIONS:
        values = table(name)
        print(f"\nstatic const int32_t usnet_quantiles_{name}[{len(values)}] = {{")
        for i in range(0, len(values), 16):
            print("    " + " ".join(f"{value}," for value in values[i : i + 16]))
        print("};")
    print("\n#endif")


if __name__ == "__main__":
    main()
