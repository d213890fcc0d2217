"""Recorded rates of our own making: in mahimahi's format, the same each time, within their bounds."""

import subprocess
import sys
from itertools import groupby, pairwise

import pytest

from tests.sources import ROOT
from usnet.backends.sim import models
from usnet.lab import traces


def test_a_rate_is_spread_evenly():
    made = traces.make("12Mbit", 2)
    assert made == list(range(1, 2001))
    assert models.capacity(made) == 12_000_000
    assert traces.make("18Mbit", 1)[:6] == [1, 2, 2, 3, 4, 4]


@pytest.mark.parametrize("kind", traces.WANDERS)
def test_a_rate_that_wanders_keeps_its_bounds(kind):
    low, high, _, _, longest = traces.WANDERS[kind]
    made = traces.make(kind, 60, 5)
    assert made == models.trace("\n".join(map(str, made))) == traces.make(kind, 60, 5) != traces.make(kind, 60, 6)
    a_step = [len(list(run)) * models.OCTETS * 8 * 1000 // traces.STEP for _, run in groupby(made, lambda ms: (ms - 1) // traces.STEP)]
    slack = models.OCTETS * 8 * 1000 // traces.STEP
    a_step.sort()
    most, least = a_step[-1], a_step[len(a_step) // 20]     # the first and the last of a stop are parts of a step
    assert (most <= high + slack, most > 3 * least, least >= low - slack) == (True, True, True)
    gaps = [b - a for a, b in pairwise(made)]
    assert 2 * traces.STEP < max(gaps) <= (longest + 2) * traces.STEP


@pytest.mark.parametrize("name", ["lte", "umts", "wifi-suspend"])
def test_the_files_of_scenarios_are_traces(name):
    made = models.trace((ROOT / "sim_scenarios" / "traces" / f"{name}.mahi").read_text())
    wanted = {"lte": ("lte", 6, 7), "umts": ("umts", 15, 3)}.get(name)
    assert made == (traces.make(*wanted) if wanted else [*range(1, 301), 400])


def test_it_is_a_command():
    command = [sys.executable, "-m", "usnet.lab.traces"]
    done = subprocess.run([*command, "120kbit", "1"], capture_output=True, text=True, check=True)
    assert done.stdout == "100\n200\n300\n400\n500\n600\n700\n800\n900\n1000\n"
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
