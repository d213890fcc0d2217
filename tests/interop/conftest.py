import random

import pytest

from tests.interop.links import LINKS
from tests.interop.machine import Machine, drive

KEPT = ("neighbours",)
MSL = 100_000_000
"""ns: TIME-WAIT is over before a test's patience is."""


@pytest.fixture
def machine(tmp_path):
    """A namespace of its own for a test; gone, with all its processes, at its end."""
    with Machine(tmp_path) as made:
        yield made


@pytest.fixture
def stack(machine, request):
    """A stack of this process, with its frames captured; nothing is left in its memory of what was sent or received, nor
    of any connection, descriptor or timer. On a link of LINKS when the test is parametrized with one.
    """
    made = machine.stack(capture=True, faults=LINKS[getattr(request, "param", "good")], config={"msl": MSL})
    yield made
    if not made.closed:
        drive(made, lambda: left_in_memory(made) == {}, lambda: str(left_in_memory(made)))


def left_in_memory(stack) -> dict[str, int]:
    return {name: held for name, held in stack.statistics()["memory"].items() if held and name not in KEPT}


@pytest.fixture
def noise():
    """noise(n): n bytes without a pattern, the same ones each time."""
    return lambda n: random.Random(n).randbytes(n)
