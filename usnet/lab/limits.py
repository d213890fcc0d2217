"""Numbers and times of expectations, as people read them."""

from fractions import Fraction
from typing import Any

from usnet.lab.scenario_format import Bound

SECOND = 10**9


def seconds(ns: int | Fraction) -> str:
    """A time as people read it."""
    ns = int(ns)
    for unit, factor in (("s", SECOND), ("ms", 10**6), ("us", 1000)):
        if abs(ns) >= factor:
            return f"{ns / factor:.6g} {unit}"
    return f"{ns} ns"


def outside(seen: int | Fraction, limits: Any, name: str) -> str | None:
    """A text when a number does not lie within its limits: an int, or min and max."""
    low, high = (limits.min, limits.max) if isinstance(limits, Bound) else (limits, limits)
    if (low is None or seen >= low) and (high is None or seen <= high):
        return None
    wanted = (
        f"{low}"
        if low == high
        else f"at least {low}"
        if high is None
        else f"at most {high}"
        if low is None
        else f"{low} to {high}"
    )
    return f"{name}: expected {wanted}, saw {seen}"
