"""The echo examples in simulation; on a real device: tests/interop/test_echo.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, *args):
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *args], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


@pytest.mark.parametrize(("name", "more"), [("echo.py", []), ("aio_echo.py", ["and good-bye"] * 5)])
def test_the_echo_example_answers_every_client_and_repeats_to_the_byte(name, more):
    first = run(name, "sim:", "--clients", "5")
    assert sorted(re.findall(r"came back: (.*)", first)) == sorted([f"hello from client {n}" for n in range(5)] + more)
    assert run(name, "sim:", "--clients", "5") == first
