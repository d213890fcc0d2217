"""The traces of the real module, played on the stand-in: each answer and each ring must come out as they were recorded.

`make record-netmap` records them anew; world.py and scenarios_*.py are the programs. Buffer indices, offsets in memory and numbers of
memory regions are compared as they are: the stand-in allocates as the module does.
"""
import copy
import json

import pytest

from tests.backends.netmap import scenarios
from tests.backends.netmap.world import SMALL, TRACES, StandInLinks
from usnet.backends.netmap import trace
from usnet.backends.netmap.replay import Player
from usnet.backends.netmap.standin.kernel import StandIn

NAMES = sorted(path.name for path in TRACES.iterdir() if ".jsonl" in path.name)
# Parameters of the module that mean nothing to the stand-in, which emulates no NIC of another driver.
OF_EMULATION = ("generic_", "admode")


def stand_in(header):
    return StandIn(**{k: v for k, v in header["parameters"].items() if not k.startswith(OF_EMULATION)})


def play(header, entries):
    device = stand_in(header)
    return Player(device, StandInLinks(device)).play(entries)


@pytest.mark.parametrize("name", NAMES)
def test_the_stand_in_does_what_the_module_did(name):
    header, entries = trace.load(TRACES / name)
    found = play(header, entries)
    assert not found, "\n".join(found)


def test_each_scenario_has_its_trace():
    assert {name.partition(".")[0] for name in NAMES} == set(scenarios.ALL)


def test_traces_were_recorded_with_the_parameters_of_their_scenarios():
    for name in NAMES:
        header, _ = trace.load(TRACES / name)
        assert header["parameters"] == SMALL | scenarios.ALL[header["scenario"]][1]


def spoilt(entry, key, value):
    """A line with another value at a path of keys."""
    entry = copy.deepcopy(entry)
    at = entry
    for k in key[:-1]:
        at = at[k]
    at[key[-1]] = value
    return entry


@pytest.mark.parametrize(("which", "key", "value"), [
    (lambda e: e.get("request") == "REGISTER", ("result",), "EBUSY"),
    (lambda e: e.get("request") == "REGISTER", ("answered", "body", "nr_memsize"), 4096),
    (lambda e: e.get("request") == "TXSYNC" and "rings" in e, ("rings", "1.rx0"), {}),
    (lambda e: e.get("call") == "map", ("rings", "0.tx0", "slots"), [[0, 4, 7, 2048]]),
    (lambda e: e.get("request") == "RXSYNC" and "rings" in e, ("rings", "1.rx0", "tail"), 1),
])
def test_a_difference_is_found_and_its_line_told(which, key, value):
    header, entries = trace.load(TRACES / "pipe-full-and-back-pressure.jsonl")
    at = next(i for i, e in enumerate(entries) if which(e))
    entries[at] = spoilt(entries[at], key, value)
    found = play(header, entries)
    assert found and all(f"line {at + 2}," in d for d in found)


def test_a_recording_of_the_stand_in_is_the_recording_of_the_module():
    """The scenario programs themselves on the stand-in: the same lines, so that what the player does is what the user did."""
    from tests.backends.netmap.world import World
    for name in ("pipe-full-and-back-pressure", "broken-tx-head-outside", "vale-unknown-known-and-broadcast", "extra-buffers-come-back"):
        header, entries = trace.load(TRACES / f"{name}.jsonl")
        device = stand_in(header)
        world = World(device, StandInLinks(device))
        scenarios.ALL[name][0](world)
        world.close()
        assert json.loads(json.dumps(world.entries)) == entries, name
