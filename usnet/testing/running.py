"""The test that runs: its seed, where its networks' evidence goes. Imports nothing of usnet, so that the plugin is light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SEEDS = 1 << 31


def seed_of(name: str) -> int:
    """A seed from a name: the same on every machine, 0 to 2**31 - 1."""
    digest = 0xCBF29CE484222325
    for byte in name.encode():
        digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return (digest ^ digest >> 32) % SEEDS


@dataclass
class Running:
    """A test that is under way. `seed`: what its networks have unless they are told; `given`: that one was asked for
    on the command line, and wins over marks; `unfinished`: networks that run to their end when its body has ended;
    `seen`: the one that failed last, or else was made last, of those made by world() and pair().
    """

    name: str
    seed: int
    given: bool = False
    unfinished: list[Any] = field(default_factory=list)
    seen: Any = None
    outer: Running | None = None  # a test that runs pytest itself


current: Running | None = None
"""The test that runs in this process; None outside of pytest."""


def begin(name: str, seed: int | None) -> Running:
    """A test begins. `seed`: the one that was asked for, None for that of its name."""
    global current
    current = Running(name, seed_of(name) if seed is None else seed, seed is not None, outer=current)
    return current


def end() -> None:
    """It is over: what it held can go."""
    global current
    current = current.outer if current is not None else None


def default_seed() -> int:
    """The seed of a network that was not given one."""
    return current.seed if current is not None else 0
