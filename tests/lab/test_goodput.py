"""Goodput in the simulator: beside ns-3's, and as it is kept in tests/snapshots/goodput.txt."""

from statistics import fmean

import pytest

from benchmarks import goodput

# Mbit/s that ns-3 gives: 100 Mbit/s, a round trip of 40.4 ms, a queue of 345 packets, SACK, 10 s, so many of the data packets lost
NS_3 = {
    "newreno": {"0": 93.1, "0.01%": 43.9, "0.1%": 11.3, "1%": 2.04, "5%": 0.90},
    "cubic": {"0": 94.1, "0.01%": 67.6, "0.1%": 15.8, "1%": 2.47, "5%": 0.87},
}
SEEDS = {"0": 1, "0.01%": 3, "0.1%": 5, "1%": 5, "5%": 5}
SAMPLE = goodput.rows()[::7]


@pytest.mark.parametrize("loss", SEEDS)
@pytest.mark.parametrize("controller", NS_3)
def test_goodput_lies_between_half_and_twice_of_ns_3(controller, loss):
    runs = [
        goodput.measure(controller, 40.4, loss, rate=100, most=1 << 40, queue=345, seed=seed)
        for seed in range(1, SEEDS[loss] + 1)
    ]
    assert NS_3[controller][loss] / 2 <= fmean(runs) <= NS_3[controller][loss] * 2, runs


def test_a_link_without_losses_is_filled():
    assert goodput.measure("newreno", 1, "0") > 0.9 * goodput.RATE


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: "-".join(map(str, row)))
def test_goodput_is_as_it_is_kept(row):
    """When it is meant to be other: python -m benchmarks.goodput --update"""
    assert goodput.line(*row) == goodput.kept()[row]
