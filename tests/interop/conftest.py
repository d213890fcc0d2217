import random

import pytest

from tests.interop.machine import Machine, drive


@pytest.fixture
def machine(tmp_path):
    """A namespace of its own for a test; gone, with all its processes, at its end."""
    with Machine(tmp_path) as made:
        yield made


@pytest.fixture
def stack(machine):
    """A stack of this process, with its frames captured; nothing of what was sent or received is left in its memory."""
    made = machine.stack(capture=True)
    yield made
    if not made.closed:
        drive(made, lambda: left_in_memory(made) == {})


def left_in_memory(stack) -> dict[str, int]:
    held = stack.statistics()["memory"]
    return {name: held[name] for name in ("chunks", "out_of_order", "scoreboards", "reassemblies", "listeners", "udp") if held[name]}


@pytest.fixture
def noise():
    """noise(n): n bytes without a pattern, the same ones each time."""
    return lambda n: random.Random(n).randbytes(n)
