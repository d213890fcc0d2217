"""Hypothesis strategies of plans (usnet.testing.plans). They shrink towards nothing: fewer fates, fewer steps, smaller numbers.

    @given(plans())
    def test_my_plans(plan):
        check_plan(plan)

hypothesis is imported here and nowhere else in usnet.
"""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from usnet.lab.steps import Step
from usnet.testing.plans import MS, SECOND, End, Link, Mishap, Outage, Plan, Talk

Strategy = st.SearchStrategy

# Drawn from once and again: making a strategy takes longer than drawing from it. Of each the first is what it shrinks to.
_BOOL = st.booleans()
_DOING = st.sampled_from(["write", "read", "pause", "slow write", "slow read", "shut"])
_PAUSES = st.sampled_from([0, MS, 30 * MS, 100 * MS, 300 * MS, 2 * SECOND])
_CALLS = st.sampled_from([1, 100, 700, 1448, 5000])
_DEEDS = st.sampled_from(["drop", "dup", "delay", "reorder", "corrupt"])
_DELAYS = st.sampled_from([MS, 15 * MS, 100 * MS, 300 * MS])
_KINDS = st.sampled_from(["data", "data", "data", "ack", "fin", "syn", "synack", "rst"])
_WAYS = st.sampled_from(["up", "down"])
_EDGES = (1, 535, 536, 1447, 1448, 1449, 1460, 2896, 4096, 10_000, 14_480, 20_000)
_ENDS = st.sampled_from(
    [
        (Step("close"),),
        (Step("drain"), Step("close")),
        (Step("shut"), Step("drain"), Step("close")),
        (Step("shut"), Step("pause", 300 * MS), Step("drain", 0, 5000, 30 * MS), Step("close")),
        (Step("drain", 0, 1448, 5 * MS), Step("close")),
        (Step("reset"),),
    ]
)
_SMALL = {n: st.integers(0 if n > 8 else 1, n) for n in (3, 4, 5, 8, 319)}


@cache
def sizes(most: int = 20_000) -> Strategy[int]:
    """Bytes: small ones, those around segments and buffers, any."""
    edges = [n for n in _EDGES if n <= most]
    return st.one_of(st.integers(1, min(most, 100)), st.sampled_from(edges), st.integers(1, most))


@st.composite
def _step(draw: Any, size: Strategy[int]) -> Step:
    do = draw(_DOING)
    if do == "pause":
        return Step(do, draw(_PAUSES))
    if do == "shut":
        return Step(do)
    n = draw(size)
    if do in ("write", "read"):
        return Step(do, n)
    by, every = draw(_CALLS), draw(_PAUSES)
    return Step(do.removeprefix("slow "), min(n, 40 * by), by, every)


@cache
def programs(most: int = 20_000, steps: int = 4) -> Strategy[tuple[Step, ...]]:
    """What the program at one end does: up to so many steps, then one of the ways to end."""
    return st.tuples(st.lists(_step(sizes(most)), max_size=steps), _ENDS).map(lambda made: (*made[0], *made[1]))


@cache
def talks(most: int = 20_000, steps: int = 4) -> Strategy[Talk]:
    """A connection with a program at each end."""
    program = programs(most, steps)
    start = st.sampled_from([0, MS, 50 * MS])
    return st.tuples(program, program, start).map(lambda made: Talk(*made))


@st.composite
def _fate(draw: Any, size: Strategy[int], talk: Strategy[int]) -> Mishap:
    do, at, kind, number = draw(_DEEDS), draw(_WAYS), draw(_KINDS), draw(talk)
    byte, nth = (draw(size) - 1, draw(_SMALL[3])) if kind == "data" else (0, draw(_SMALL[5]))
    times, step = 1, 1
    if kind == "data" and draw(_BOOL):
        byte, times, step = -1, draw(_SMALL[4]), draw(_SMALL[3])
    amounts: dict[str, Strategy[int]] = {"dup": _SMALL[4], "delay": _DELAYS, "reorder": _SMALL[8], "corrupt": _SMALL[319]}
    return Mishap(do, at, kind, byte, nth, number, draw(amounts[do]) if do in amounts else 1, times, step)


@cache
def fates(talk: int = 1, most: int = 20_000) -> Strategy[Mishap]:
    """What befalls one segment of one of so many connections."""
    return _fate(sizes(most), st.integers(0, talk - 1))


@cache
def links() -> Strategy[Link]:
    """A link."""
    rate, delay = st.sampled_from([0, 10**9, 10**7, 10**6, 200_000]), st.sampled_from([10 * MS, 0, MS, 100 * MS])
    return st.tuples(rate, delay, st.sampled_from([0, 20, 5, 2]), st.sampled_from([1500, 576, 200, 9000])).map(lambda made: Link(*made))


@cache
def ends() -> Strategy[End]:
    """A host's settings."""
    on = st.sampled_from([True, False])
    buffers = st.sampled_from([1 << 16, 1 << 20, 16_384, 5000, 2048])
    clocks, most = st.sampled_from([1, MS, 16 * MS, 1000]), st.sampled_from([0, 0, 1 << 18])
    return st.builds(End, on, on, on, _BOOL, buffers, buffers, clocks, most=most)


@cache
def outages() -> Strategy[Outage]:
    """A time in which nothing gets through."""
    return st.tuples(st.sampled_from([0, 5 * MS, 25 * MS, 500 * MS]), st.sampled_from([MS, 50 * MS, 700 * MS, 3 * SECOND])).map(
        lambda made: Outage(*made)
    )


@cache
def plans(most: int = 20_000, steps: int = 4, connections: int = 2, mishaps: int = 6) -> Strategy[Plan]:
    """Whole plans: sizes up to `most` bytes, `steps` steps a program, so many connections and fates."""
    return st.tuples(
        st.lists(talks(most, steps), max_size=connections), st.lists(fates(connections, most), max_size=mishaps),
        st.lists(outages(), max_size=1), links(), ends(), ends(), st.integers(1, 3),
    ).map(_plan)  # fmt: skip


def _plan(made: Any) -> Plan:
    talks, fates, outages, *rest = made
    return Plan(tuple(talks) or (Talk(),), tuple(fates), tuple(outages), *rest)
