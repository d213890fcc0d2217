"""The examples run, and do the same again."""

import re
import subprocess
import sys

import pytest

from tests.sources import ROOT


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_two_hosts_talk_over_a_lossy_link_and_repeat_to_the_byte():
    first = run("two_hosts.py")
    assert re.fullmatch(r"b'hello'\n[0-9a-f]{32}\n", first)
    assert run("two_hosts.py") == first


def test_a_request_that_goes_with_its_syn_is_answered_a_round_trip_later():
    assert run("fast_open.py") == "answer to request 1 after 240 ms\nanswer to request 2 after 80 ms\n"


def test_a_lossy_transfer_takes_longer_the_more_is_lost():
    rows = [line.split() for line in run("lossy_transfer.py").splitlines()[1:]]
    seconds = [float(row[2]) for row in rows]
    again = [int(row[4]) for row in rows]
    assert len(rows) == 4
    assert seconds == sorted(seconds) and seconds[-1] > 2 * seconds[0]
    assert again[0] == 0 and 0 < again[1] < again[2] < again[3]


def test_a_controller_in_python_keeps_a_queue_short_until_cubic_fills_it():
    out = run("python_controller.py", "--seconds", "8")
    rows = [line.split() for line in out.splitlines() if line.startswith("  ")][1:]
    assert [row[0] for row in rows] == ["calm", "cubic", "calm", "cubic"]
    rate, waits = [float(row[1]) for row in rows], [float(row[2]) for row in rows]
    assert min(rate[:2]) > 17 and waits[0] < 40 < 80 < waits[1]
    assert rate[2] < rate[3] / 2 and waits[2] > 80
    assert all(len(row[5]) == 64 for row in rows)
    assert run("python_controller.py", "--seconds", "8") == out


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_seed_decides_what_is_lost(seed):
    assert run("lossy_transfer.py", "--loss", "0.05", "--seed", seed) == run(
        "lossy_transfer.py", "--loss", "0.05", "--seed", seed
    )
    assert run("lossy_transfer.py", "--loss", "0.05", "--seed", seed) != run(
        "lossy_transfer.py", "--loss", "0.05", "--seed", "3"
    )
