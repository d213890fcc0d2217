"""The echo example in simulation; on a real device: tests/interop/test_echo.py."""

import re
import subprocess
import sys
from pathlib import Path

ECHO = Path(__file__).resolve().parents[2] / "examples" / "echo.py"


def run(*args):
    done = subprocess.run([sys.executable, str(ECHO), *args], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_the_echo_example_answers_every_client_and_repeats_to_the_byte():
    first = run("sim:", "--clients", "5")
    assert sorted(re.findall(r"came back: (.*)", first)) == [f"hello from client {n}" for n in range(5)]
    assert run("sim:", "--clients", "5") == first
