"""Every scenario of sim_scenarios/, each case an item: its expectations hold, and the same seed gives the same run."""

import dataclasses
import json
import os
import subprocess
import sys

import msgspec
import pytest

from tests.sources import ROOT
from usnet.lab import scenario

FILES = sorted((ROOT / "sim_scenarios").glob("*.toml"))
ITEMS = [item for path in FILES for item in scenario.items(path)]
LONG = {
    "aqm-ecn", "bufferbloat", "cc", "cross-traffic-udp", "cubic-vs-reno", "fairness-2", "fairness-8", "lfn", "lte-trace", "parking-lot", "red-sync",
    "rtt-unfair", "shrew-pulses",
}
"""Several senders over many seconds: they show what streams do to each other. Of the ways to run them, their first second alone."""
SHORT = [item for item in ITEMS if item.name.partition("/")[0] not in LONG]
MOST_SLOTS = 2048
"""Of the rings that netmap's stand-in has memory for."""
BEGINNINGS = [next(scenario.items(path)) for path in FILES if path.stem in LONG]
FIRST = """
    clean-lan clean-wan handshake-loss syn-blackhole simultaneous-open rst-on-syn single-loss-mid multi-loss-no-sack
    rto-backoff ack-loss-50 duplicates corruption zero-window-deadlock silly-window nagle-delack fin-loss half-close
    simultaneous-close close-with-unread lossy-5 multi-loss-sack rexmit-loss ack-loss-sack
    burst-loss-slow-start reorder-1 reorder-2 wscale-boundary link-flap incast-32 rx-ring-overrun lossy-1pct lossy-30
    satellite-600ms mss-clamp strip-options host-crash-restart
    ack-compression duplicate-storm reorder-3 reorder-8 partition-heal bufferbloat red-sync lfn wifi-ge wifi-suspend lte-trace umts-drop asymmetric
    rate-step rtt-step fairness-2 fairness-8 rtt-unfair parking-lot cross-traffic-udp shrew-pulses hostile-receiver slow-timer
    smoltcp-1026 gvisor-1398 gvisor-6113 gvisor-9153 gvisor-10243 gvisor-10312
""".split()
ACROSS_PROCESSES = ("handshake-loss", "lossy-5", "duplicates", "simultaneous-open", "host-crash-restart", "strip-options")


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_scenario_holds_and_repeats(item):
    first = scenario.run(item)
    assert first.failures == []
    second = scenario.run(item)
    assert (second.digest, second.packets, second.virtual_seconds) == (
        first.digest,
        first.packets,
        first.virtual_seconds,
    )


@pytest.mark.parametrize("item", SHORT, ids=lambda item: item.name)
def test_scenario_is_the_same_on_the_rings_of_netmap(item):
    own, netmap = scenario.run(item), scenario.run(item, rings="netmap")
    assert netmap.failures == []
    assert (netmap.digest, netmap.packets, netmap.virtual_seconds) == (own.digest, own.packets, own.virtual_seconds)


@pytest.mark.parametrize("item", SHORT, ids=lambda item: item.name)
def test_scenario_is_the_same_with_any_number_of_spare_buffers(item):
    none, few, many = (scenario.run(item, spares=spares) for spares in (0, 9, 4000))
    assert many.failures == []
    assert (none.digest, none.packets) == (few.digest, few.packets) == (many.digest, many.packets)


@pytest.mark.parametrize("item", SHORT, ids=lambda item: item.name)
@pytest.mark.parametrize("setting", ["short_way", "working_set"])
def test_scenario_is_the_same_without_what_makes_it_fast_or_small(item, setting):
    """On the long way, and with every connection put to rest whenever nothing of it is under way."""

    def without(world):
        for host in world.hosts.values():
            host.stack.core.configure(**{setting: 0})

    usual, other = scenario.run(item), scenario.run(item, progress=without)
    assert (other.digest, other.packets, other.virtual_seconds) == (usual.digest, usual.packets, usual.virtual_seconds)


def beginning(item):
    """Its first second, and what comes of ending it there."""
    return dataclasses.replace(item, table=msgspec.structs.replace(item.table, duration="1s"))


@pytest.mark.parametrize("item", BEGINNINGS, ids=lambda item: item.name)
def test_long_scenarios_begin_the_same_in_every_way_to_run_them(item):
    def without(setting):
        return lambda world: [host.stack.core.configure(**{setting: 0}) for host in world.hosts.values()]

    card = all(max(link.ports.tx_slots, link.ports.rx_slots) <= MOST_SLOTS for link in item.table.links)
    ways = [{}, {"rings": "netmap"} if card else {}, {"spares": 0}, {"spares": 4000}]
    ways += [{"progress": without("short_way")}, {"progress": without("working_set")}]
    seen = [scenario.run(beginning(item), **way) for way in ways]
    assert seen[0].packets > 100
    assert {(outcome.digest, outcome.packets) for outcome in seen} == {(seen[0].digest, seen[0].packets)}


def test_the_first_set_is_complete():
    assert [name for name in FIRST if name not in {path.stem for path in FILES}] == []


def test_another_seed_gives_another_run_of_what_is_left_to_chance():
    lossy = scenario.load(ROOT / "sim_scenarios" / "lossy-5.toml")
    one, two = scenario.run(lossy, seed=1), scenario.run(lossy, seed=2)
    assert one.digest != two.digest
    assert (one.seed, two.seed) == (1, 2)


@pytest.mark.parametrize("seed", range(10, 15))
def test_loss_of_five_percent_is_survived_with_any_seed(seed):
    assert scenario.run(scenario.load(ROOT / "sim_scenarios" / "lossy-5.toml"), seed=seed).failures == []


@pytest.mark.parametrize("seed", range(20, 23))
def test_corruption_is_found_with_any_seed(seed):
    assert scenario.run(scenario.load(ROOT / "sim_scenarios" / "corruption.toml"), seed=seed).failures == []


def test_digests_agree_across_processes_and_hash_seeds():
    program = (
        "import json, sys\nfrom usnet.lab import scenario\n"
        "print(json.dumps({path: scenario.run(scenario.load(path)).digest for path in sys.argv[1:]}))"
    )
    paths = [str(ROOT / "sim_scenarios" / f"{name}.toml") for name in ACROSS_PROCESSES]
    here = {path: scenario.run(scenario.load(path)).digest for path in paths}
    for hash_seed in ("0", "4711"):
        command = [sys.executable, "-c", program, *paths]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=True)
        assert json.loads(done.stdout) == here


def test_a_file_with_cases_is_summed_up():
    whole = scenario.run(scenario.load(ROOT / "sim_scenarios" / "fin-loss.toml"))
    assert whole.ok and whole.scenario == "fin-loss"
    assert [case.scenario for case in whole.cases] == [
        "fin-loss/fin-1",
        "fin-loss/fin-3",
        "fin-loss/answer",
        "fin-loss/last-ack",
    ]
    assert whole.packets == sum(case.packets for case in whole.cases)
    assert len(whole.digest) == 32


def test_captures_hold_what_each_end_saw(tmp_path):
    lossy = scenario.load(ROOT / "sim_scenarios" / "lossy-5.toml")
    plain = scenario.run(lossy)
    outcome = scenario.run(lossy, pcap_dir=tmp_path)
    assert outcome.digest == plain.digest
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["lossy-5.client-server.client.pcapng", "lossy-5.client-server.server.pcapng"]

    from usnet.backends.pcap.reader import CaptureReader

    counts = {path.name: sum(1 for _ in CaptureReader(path)) for path in tmp_path.iterdir()}
    link = outcome.statistics["links"]["client-server"]
    assert counts[files[0]] == link["up"]["sent"] + link["down"]["delivered"]
    assert counts[files[1]] == link["down"]["sent"] + link["up"]["delivered"]
