"""Every workload through every kind of fault, with several seeds and stacks: all bytes arrive, and no rule is broken on the way."""

import pytest

from tests.sources import ROOT
from usnet.lab import scenario

PATH = ROOT / "sim_scenarios" / "lossy-5.toml"
SEEDS = range(4)
APPS = {
    "both ways": ("bulk:60000", "respond:40000"),
    "rounds": ("rpc:20*300@5ms(writes=2)", "echo(unit=300)"),
    "half-closed": ("half_close:20000", "respond:60000(after=eof)"),
    "slow reader": ("bulk:60000", "sink(read=700, every=3ms, rcvbuf=8192)"),
    "small buffers": ("bulk:20000(chunk=100, sndbuf=4096)", "sink(rcvbuf=3000)"),
    "crossing": ("cross:9000(bind=5001, port=5001)", "cross:7000(bind=5001, port=5001)"),
    "many": ("bulk:3000(bind=4001), bulk:4000(bind=4002), rpc:5*100@1ms(bind=4003)", "echo(count=3)"),
}
FAULTS = {
    "loss": ({"loss": 0.05}, []),
    "heavy loss": ({}, [{"match": {"flag": "tcp", "p": 0.2}, "do": "drop"}]),
    "duplicates": ({"duplicate": 0.3, "loss": 0.02}, []),
    "reordering": ({"jitter": "40ms", "reorder": True, "loss": 0.02}, []),
    "corruption": ({}, [{"match": {"ip": 4, "p": 0.03}, "do": "corrupt"}]),
    "short queue": ({"queue": {"packets": 4}}, []),
    "all": ({"loss": 0.05, "duplicate": 0.1, "jitter": "20ms", "reorder": True}, [{"match": {"ip": 4, "p": 0.02}, "do": "corrupt"}]),
}
# A closed connection is given up after fewer retries than an open one; a fifth of all frames lost would use them up now and then.
PATIENT = {"orphan_retries": 15}
STACKS = {
    "default": PATIENT,
    "without options": {**PATIENT, "timestamps": 0, "window_scaling": 0},
    "small segments": {**PATIENT, "mss": 200},
}


def build(apps, faults, stack, **host):
    client, server = apps
    link, actions = faults
    texts = [text.strip() for text in client.replace("), ", ")|").split("|")]
    return scenario.from_tables(
        PATH,
        {
            "schema": 1,
            "name": "lossy-5",
            "about": "faults",
            "source": [],
            "duration": "3000s",
            "stack": stack,
            "actions": actions,
            "hosts": {"client": {"app": texts, **host}, "server": {"app": server, **host}},
            "links": [{"a": "client", "b": "server", "rate": "10Mbit", "delay": "15ms", **link}],
            "expect": {"amplification": 30},
        },
    )


@pytest.mark.parametrize("stack", STACKS.values(), ids=list(STACKS))
@pytest.mark.parametrize("faults", FAULTS.values(), ids=list(FAULTS))
@pytest.mark.parametrize("apps", APPS.values(), ids=list(APPS))
def test_all_arrives_whatever_happens(apps, faults, stack):
    case = build(apps, faults, stack)
    found = {seed: failures for seed in SEEDS if (failures := scenario.run(case, seed=seed).failures)}
    assert found == {}


@pytest.mark.parametrize("granularity", ["1us", "1ms", "16ms"])
@pytest.mark.parametrize("faults", FAULTS.values(), ids=list(FAULTS))
def test_coarse_clocks_break_nothing(faults, granularity):
    case = build(APPS["both ways"], faults, {}, granularity=granularity)
    assert scenario.run(case, seed=5).failures == []
