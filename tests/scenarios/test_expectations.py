"""Each expectation fails when it is wrong, or when what it is about is broken, and says what it expected and saw."""

import re

import pytest

from tests.sources import ROOT
from usnet.lab import expect, scenario
from usnet.lab.expect_wire import check_conservation
from usnet.lab.scenario_format import overlay, variants


def changed(name, changes, expect_only=None):
    """The scenario `name` (or "name/case") with tables laid over it. `expect_only`: instead of all that it expects."""
    file, _, case = name.partition("/")
    path = ROOT / "sim_scenarios" / f"{file}.toml"
    raw = dict(variants(scenario.read(path), str(path)))[case]
    if expect_only is not None:
        raw["expect"] = expect_only
    return scenario.from_tables(path, overlay(raw, changes), case)


def failures(*args, **kwargs):
    return "\n".join(scenario.run(changed(*args, **kwargs)).failures)


def drop(at, **match):
    return {"at": at, "match": match, "do": "drop"}


TO_SERVER, TO_CLIENT = "client->server", "server->client"
QUEUE = {"link": "narrow", "at": "middle->server"}
BROKEN = {
    "equality of what is not equal": ("rtt-unfair", {"expect": {"jain": 0.95}}, r"jain: expected at least 0.95, saw 0\.\d+ of near"),
    "more than the link": ("cross-traffic-udp", {"expect": {"total": {"min": "9Mbit"}}}, "total: expected at least 9Mbit, saw 4"),
    "less than there is": ("cross-traffic-udp", {"expect": {"total": {"max": "1Mbit"}}}, "total: expected at most 1Mbit, saw 4"),
    "a share too large": ("rtt-unfair", {"expect": {"shares": {"far": {"min": 0.6}}}}, "shares.far: expected at least 0.6, saw 0"),
    "a queue that nobody watches": (
        "bufferbloat/fifo", {"expect": {"queues": [{**QUEUE, "stay_p99": "30ms"}]}}, "queues: narrow, up: stay_p99: expected at most 30ms",
    ),
    "a queue too short": ("bufferbloat/codel", {"expect": {"queues": [{**QUEUE, "stay_p50_min": "1s"}]}}, "stay_p50_min: expected at least 1s, saw"),
    "marks where nobody asks for them": ("bufferbloat/codel", {"expect": {"queues": [{**QUEUE, "marks": {"min": 1}}]}}, "marks: expected"),
    "no drops": ("bufferbloat/codel", {"expect": {"queues": [{**QUEUE, "drops": 0}]}}, "drops: expected 0, saw"),
    "a link that has nothing to do": (
        "cross-traffic-udp", {"expect": {"queues": [{**QUEUE, "at": "server->middle", "busy": 0.9}]}}, "busy: expected at least 0.9 .*, saw 0.0",
    ),
    "a queue that nobody looks at": (
        "bufferbloat/codel", {"expect": {"queues": [{"link": "client-1-middle", "at": "client-1->middle", "drops": 0}]}}, "give it a kind",
    ),
    "one loss more": (
        "single-loss-mid",
        {"actions": [drop(TO_CLIENT, flag="data", nth=[8, 21])]},
        "retransmits: expected 1, saw 2",
    ),
    "no loss": ("single-loss-mid", {"actions": []}, "window.after_loss: server: the window was never reduced"),
    "loss at the end": (
        "single-loss-mid",
        {"actions": [drop(TO_CLIENT, flag="data", nth=20)]},
        "rto_count: expected 0, saw 1",
    ),
    "another factor": (
        "single-loss-mid",
        {"expect": {"window": {"after_loss": "0.9"}}},
        r"window.after_loss: server: with \d+ bytes in flight expected",
    ),
    "the retransmission is lost too": (
        "multi-loss-no-sack",
        {"actions": [drop(TO_SERVER, flag="data", bytes="86880..86881", nth="1..2")]},
        "rto_count: expected 0, saw 1",
    ),
    "completion": (
        "single-loss-mid",
        {"expect": {"completion_max": "100ms"}},
        "completion_max: expected to take at most 100ms, took 225.4",
    ),
    "too early": (
        "single-loss-mid",
        {"expect": {"completion_min": "1s"}},
        "completion_min: expected to take at least 1s, took 225.4",
    ),
    "one SYN more": (
        "handshake-loss/syn-1",
        {"actions": [drop(TO_SERVER, flag="syn", nth="1..2")]},
        r"connect: expected 1.02 s \(within 1 ms\), saw 3.02012 s",
    ),
    "first flight": (
        "handshake-loss/syn-1",
        {"actions": []},
        "window.first_flight: client: expected 1 data segments before the first ACK of data, saw 10",
    ),
    "another timer": (
        "handshake-loss/syn-1",
        {"stack": {"rto_initial": "3s"}},
        "connect: expected 1.02 s .* saw 3.02012 s",
    ),
    "no RST": (
        "rst-on-syn",
        {"actions": [drop(TO_CLIENT, flag="rst")], "duration": "200s"},
        "errors: client: expected ECONNREFUSED, saw ETIMEDOUT from connect",
    ),
    "not an error": ("syn-blackhole", {"actions": []}, "errors: client: expected ETIMEDOUT, saw none"),
    "an error": (
        "syn-blackhole",
        {"expect": {"errors": {"client": []}}},
        r"errors: client: expected none, saw ETIMEDOUT from connect\(\) at 183 s",
    ),
    "fewer retries": (
        "syn-blackhole",
        {"stack": {"syn_retries": 3}},
        "backoff: client: expected at least 6 gaps between retransmissions, saw gaps of 2 s, 4 s",
    ),
    "time is up": (
        "syn-blackhole",
        {"duration": "100s"},
        r"liveness: not done within 100 s; these wait: client:bulk \(in ",
    ),
    "a cap": (
        "syn-blackhole",
        {"stack": {"rto_max": "5s"}},
        "backoff: client: expected gaps of 2 s, 4 s, 8 s, 16 s, 32 s, 60 s, saw gaps of 2 s, 4 s, 5 s, 5 s, 5 s, 5 s",
    ),
    "no backoff": ("rto-backoff", {"stack": {"rto_max": "400ms"}}, "backoff: client: expected gaps of "),
    "not dead": ("rto-backoff", {"actions": []}, "completion_min: expected to take at least 61s, took"),
    "goodput": (
        "clean-lan",
        {
            "hosts": {"client": {"app": "bulk:1MB"}},
            "links": [{"a": "client", "b": "server", "rate": "1Gbit", "delay": "20ms"}],
        },
        r"goodput: expected at least 0.94\*link \(940 Mbit/s\), saw",
    ),
    "loss on the LAN": (
        "clean-lan",
        {"hosts": {"client": {"app": "bulk:1MB"}}, "actions": [drop(TO_SERVER, flag="data", nth=100)]},
        "retransmits: expected 0, saw",
    ),
    "no delay of the ACK": (
        "nagle-delack/nagle",
        {"stack": {"delack": "10ms"}},
        "call.rpc: expected 80 ms, 80 ms, 80 ms .* saw 50 ms, 50 ms, 50 ms",
    ),
    "no Nagle": (
        "nagle-delack/nodelay",
        {"hosts": {"client": {"app": "rpc:3*200@1s(writes=2)"}}},
        "call.rpc: expected 20 ms, .* saw 80 ms",
    ),
    "FIN not lost": ("fin-loss/fin-1", {"actions": []}, "frames.client.fin: expected 2, saw 1"),
    "no TIME-WAIT": (
        "fin-loss/fin-1",
        {"stack": {"msl": "100ms"}},
        "conn_end: client: 1 s after the programs ended expected TIME_WAIT, saw none",
    ),
    "2 MSL not begun anew": (
        "fin-loss/last-ack",
        {"actions": []},
        "conn_end: client: 60.1 s after the programs ended expected TIME_WAIT, saw none",
    ),
    "no crossing": (
        "simultaneous-close",
        {"hosts": {"server": {"app": "sink(limit=1000, close_at=2100ms)"}}},
        "conn_end: server: .* expected TIME_WAIT, saw no",
    ),
    "no crossing SYNs": (
        "simultaneous-open",
        {"hosts": {"server": {"app": "cross:7000(bind=5001, port=5001, start=100ms)"}}},
        "errors: client: expected none, saw ECONNREFUSED",
    ),
    "nothing unread": (
        "close-with-unread",
        {"hosts": {"server": {"app": "sink"}}},
        "errors: client: expected ECONNRESET, saw none",
    ),
    "not all read": (
        "close-with-unread",
        {"expect": {"delivered": "exact"}},
        "delivered: .*: expected all 100000 bytes, saw 1000",
    ),
    "something read": (
        "close-with-unread",
        {"expect": {"delivered": "nothing"}},
        "delivered: .*: expected nothing, saw 1000 bytes",
    ),
    "no stop": (
        "zero-window-deadlock",
        {"hosts": {"server": {"app": "sink(rcvbuf=32KiB)"}}},
        "probes: expected 7 to 12, saw 0",
    ),
    "no corruption": ("corruption", {"actions": []}, "corrupted_dropped: no frame was altered"),
    "corruption goes unnoticed": (
        "corruption",
        {"hosts": {"server": {"stack": {"verify_checksums": 0}}}},
        "corrupted_dropped: .* altered frames arrived|delivered: .* is not what was sent",
    ),
    "a counter": (
        "rst-on-syn",
        {"expect": {"counters": {"client:tcp.segments_out": 2}}},
        "counters.client:tcp.segments_out: expected 2, saw 1",
    ),
    "no such counter": (
        "rst-on-syn",
        {"expect": {"counters": {"tcp.segments": 2}}},
        "counters.tcp.segments: there is no such counter",
    ),
    "the first duplicate ACK": (
        "reorder-1/no-sack",
        {"actions": [{"at": TO_SERVER, "match": {"flag": "data", "every": 40}, "do": "delay(8ms)"}]},
        r"(?s)retransmits: expected 0, saw \d+.*spurious: expected 0, saw",
    ),
    "nothing out of order": ("reorder-2/sack", {"actions": []}, "counters.client:tcp.dupacks_in: expected at least 300, saw 0"),
    "no recovery": ("burst-loss-slow-start/sack", {"actions": []}, "window.pipe: client was never in recovery"),
    "another scale": (
        "wscale-boundary/65536",
        {"hosts": {"client": {"app": "request:1@0s(rcvbuf=131072)"}}},
        "agreed: server .*: wscale: expected 1, saw 2",
    ),
    "another window": (
        "wscale-boundary/65535",
        {"hosts": {"client": {"app": "request:1@0s(rcvbuf=60000)"}}},
        "agreed: server .*: window: expected 65535, saw 60000",
    ),
    "scaling after all": (
        "wscale-boundary/not-agreed",
        {"hosts": {"client": {"stack": {"window_scaling": 1}}}},
        "agreed: client .*: wscale: expected none, saw 9",
    ),
    "late after the outage": (
        "link-flap/0.2s",
        {"stack": {"rto_min": "3s"}},
        "resume_max: expected data at most 700 ms after the end of the event at 1.2 s, saw",
    ),
    "over before the outage": (
        "link-flap/2s",
        {"hosts": {"client": {"app": "bulk:100kB"}}},
        "resume_max: all had ended at .* before the event's end",
    ),
    "a long queue": (
        "incast-32/rto-min-10ms",
        {"links": [{"a": "sender", "b": "middle", "rate": "1Gbit"}, {"a": "middle", "b": "client", "rate": "1Gbit"}]},
        "dropped.queue: expected at least 1, saw 0",
    ),
    "a large least timeout": ("incast-32/rto-min-10ms", {"stack": {"rto_min": "200ms"}}, "completion_max: expected to take at most 100ms"),
    "no stall": ("rx-ring-overrun/receiver", {"events": []}, "dropped.overrun: expected at least 30, saw 0"),
    "a slow sender": (
        "lossy-1pct",
        {"hosts": {"server": {"app": "sink(rcvbuf=4096)"}}},
        r"goodput: expected at least 0.5\*mathis \(1.773 Mbit/s\), saw",
    ),
    "no loss at all": ("lossy-30", {"links": [{"a": "client", "b": "server"}]}, "dropped.loss: expected at least 1, saw 0"),
    "a hasty timeout": (
        "satellite-600ms/sack",
        {"stack": {"rto_initial": "500ms"}, "expect": {"rto_count": {"max": 1}}},
        "frames.client.syn: expected 1, saw 2",
    ),
    "a timeout without need": (
        "satellite-600ms/sack",
        {"links": [{"a": "client", "b": "server", "rate": "25Mbit", "delay": "300ms"}], "expect": {"rto_count": 0},
         "events": [{"t": "3s", "do": "change", "set": {"delay": "1500ms"}}]},
        r"(?s)rto_count: expected 0, saw .*spurious: expected 0, saw",
    ),
    "no clamp": ("mss-clamp/both", {"actions": []}, r"(?s)mss: expected 1000, saw 1460.*dropped.mtu: expected 0, saw 18"),
    "an MSS raised": (
        "mss-clamp/small-already",
        {"actions": [{"match": {"flags": "S"}, "do": "rewrite(mss, 1000)"}]},
        "agreed: client .*: mss: expected 500, saw 1000",
    ),
    "options that are there": ("strip-options/all", {"actions": []}, "agreed: client .*: wscale: expected none, saw"),
    "no crash": ("host-crash-restart/server", {"events": []}, "errors: client: expected ECONNRESET, saw none"),
    "a host that stays away": (
        "host-crash-restart/server",
        {"events": [{"t": "1s", "do": "crash", "hosts": ["server"]}]},
        r"errors: client: expected ECONNRESET, saw EHOSTUNREACH from",
    ),
    "few packets": (
        "duplicates/all",
        {"expect": {"amplification": 0}},
        r"packets: \d+ were sent; \d+ would do, and 0 are allowed",
    ),
}


@pytest.mark.parametrize(("name", "changes", "message"), BROKEN.values(), ids=list(BROKEN))
def test_an_expectation_fails_when_it_should(name, changes, message):
    assert re.search(message, failures(name, changes)), failures(name, changes)


def test_more_in_the_network_than_the_window_is_found(monkeypatch):
    whole = expect.Run.connections

    def smaller(self, host):
        for k in whole(self, host):
            yield {**k, "cc": {**k["cc"], "cwnd": k["cc"]["cwnd"] - 3 * k["mss"]}}

    monkeypatch.setattr(expect.Run, "connections", smaller)
    text = failures("burst-loss-slow-start/sack", {})
    assert re.search(r"window.pipe: at \S+ ms client in recovery has \d+ bytes in the network, its window is \d+", text), text


LEAKS = {
    "on a link": (("links", "client-server", "up", "delivered"), "link client-server, up: 2 frames were sent and 1 delivered or dropped"),
    "in a ring": (("ports", "server", "rx_frames"), "port server: 2 frames were delivered to it, 1 went through its ring"),
    "in a stack": (("hosts", "server", "stack", "rx_frames"), "host server: 2 frames went through its rings, its stack saw 1"),
}


@pytest.mark.parametrize(("path", "message"), LEAKS.values(), ids=list(LEAKS))
def test_a_frame_that_vanishes_is_found(monkeypatch, path, message):
    def leaks(run):
        place = run.statistics
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] -= 1
        return check_conservation(run)

    monkeypatch.setitem(expect.AT_REST, "conservation", leaks)
    assert "conservation: " + message in failures("rst-on-syn", {})


def test_late_acks_of_a_stack_are_found():
    assert "delayed_ack: at " in failures("nagle-delack/nagle", {"stack": {"delack": "600ms", "rto_min": "1s"}}, expect_only={})


def test_a_rule_is_switched_off_with_a_reason():
    late = {"stack": {"delack": "600ms", "rto_min": "1s"}}
    assert (
        failures(
            "nagle-delack/nagle",
            late,
            expect_only={"invariants": {"delayed_ack": "the timer is what is being looked at"}},
        )
        == ""
    )


def test_what_is_left_at_rest_is_found():
    """Keepalive with a peer that is gone: a connection that nobody closes."""
    hook = {"hosts": {"client": {"app": "python:tests.scenarios.hooks:connects_and_leaves"}, "server": {"app": "sink"}}}
    text = failures("half-close", hook, expect_only={"delivered": "prefix"})
    assert "buffers: client: nothing should be left at rest, but there are {'connections': 1}" in text


def test_segments_at_rest_are_found():
    hook = {
        "hosts": {
            "client": {"app": "python:tests.scenarios.hooks:connects_and_keeps_alive"},
            "server": {"app": "python:tests.scenarios.hooks:accepts_and_leaves"},
        }
    }
    assert re.search(
        r"quiescence: \d+ TCP segments were sent at rest, the first at ",
        failures("half-close", hook, expect_only={"delivered": "prefix"}),
    )


def test_wrong_bytes_are_found():
    hook = {"hosts": {"client": {"app": "python:tests.scenarios.hooks:sends_wrong_bytes"}, "server": {"app": "sink"}}}
    text = failures("half-close", hook, expect_only={"delivered": "prefix"})
    assert "byte 700 of the stream is not what was sent (of 1000 read at 0)" in text


def test_heal_ends_all_faults_and_demands_the_end():
    faults = {"actions": [{"do": "drop", "match": {"flag": "tcp"}}], "heal": {"t": "20s", "within": "40s"}}
    assert failures("lossy-5", faults, expect_only={}) == ""
    faults["heal"]["within"] = "10s"
    assert "liveness: not done within 30 s" in failures("lossy-5", faults, expect_only={})


EVENTS = {
    "down": ({"t": "100ms", "do": "down", "for": "3s"}, (3.1, 9)),
    "one way": ({"t": "100ms", "do": "down", "at": "server->client", "for": "3s"}, (3.1, 9)),
    "partition": ({"t": "100ms", "do": "partition", "hosts": ["client"], "for": "3s"}, (3.1, 9)),
    "slower": ({"t": "100ms", "do": "change", "set": {"rate": "1Mbit"}}, (3.5, 9)),
    "slower for a while": ({"t": "100ms", "do": "change", "set": {"rate": "1Mbit"}, "for": "1s"}, (1.3, 2)),
    "none": ({"t": "100s", "do": "up"}, (0.4, 0.6)),
}


@pytest.mark.parametrize(("event", "seconds"), EVENTS.values(), ids=list(EVENTS))
def test_events_change_links_and_end(event, seconds):
    """500,000 bytes at 10 Mbit/s take 0.45 s when nothing happens."""
    hosts = {"client": {"app": "bulk:500000"}, "server": {"app": "sink(rcvbuf=64KiB)"}}
    quiet = [{"a": "client", "b": "server", "rate": "10Mbit", "delay": "10ms"}]
    outcome = scenario.run(changed("lossy-5", {"hosts": hosts, "links": quiet, "events": [event]}, expect_only={}))
    assert outcome.failures == []
    assert seconds[0] <= outcome.virtual_seconds <= seconds[1]
