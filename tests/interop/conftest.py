import random

import pytest

from tests.interop.machine import Machine


@pytest.fixture
def machine(tmp_path):
    """A namespace of its own for a test; gone, with all its processes, at its end."""
    with Machine(tmp_path) as made:
        yield made


@pytest.fixture
def noise():
    """noise(n): n bytes without a pattern, the same ones each time."""
    return lambda n: random.Random(n).randbytes(n)
