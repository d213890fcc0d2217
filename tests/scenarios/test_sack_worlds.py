"""Worlds with loss at both ends of every kind: all arrives, no rule is broken, nothing is left in memory, with SACK and without."""

import pytest

from tests.scenarios.test_expectations import changed
from usnet.lab import scenario
from usnet.lab.scenario_format import overlay

SIZES = {"mss": {"mss": 300}, "plain": {"timestamps": 0}, "small": {"rcvbuf": 20_000, "sndbuf": 30_000}, "all": {}}


def outcome(seed, **changes):
    lossy = {"expect": {"invariants": "all"}, "duration": "600s"}
    return scenario.run(changed("lossy-5", overlay(lossy, changes), expect_only={}), seed=seed)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(100, 104))
def test_loss_reordering_and_duplicates_at_both_ends(seed, sizes):
    bad = {"a": "client", "b": "server", "rate": "20Mbit", "delay": "10ms", "loss": 0.05, "duplicate": 0.02,
           "jitter": "8ms", "reorder": True}
    hosts = {"server": {"app": "sink"}} if sizes == "small" else {}
    assert outcome(seed, stack=SIZES[sizes], links=[bad], hosts=hosts).failures == []


@pytest.mark.parametrize("seed", range(200, 203))
@pytest.mark.parametrize("loss", [0.1, 0.15])
def test_heavy_loss(seed, loss):
    bad = {"a": "client", "b": "server", "rate": "20Mbit", "delay": "5ms", "loss": loss}
    assert outcome(seed, links=[bad], hosts={"client": {"app": "bulk:100000"}, "server": {"app": "respond:60000"}}).failures == []


@pytest.mark.parametrize("without", ["client", "server"])
def test_an_end_that_does_not_offer_it_gets_none(without):
    """And then neither end reports: what the observer's rule about options checks."""
    switched = {"hosts": {without: {"stack": {"sack": 0}}}}
    assert outcome(300, **switched).failures == []
