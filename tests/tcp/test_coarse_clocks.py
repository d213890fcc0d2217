"""Clocks that tick every so many milliseconds (setting `granularity`; G of RFC 6298): no timer fires early by what they hide."""

import pytest

from tests.tcp.recovering import flying, sent
from tests.tcp.test_trial import timed_out
from usnet.lab.world import World

TICK = 50_000_000


def first_again(**kwargs):
    """ms until a lone segment is sent again behind a round trip of 100 ms."""
    tcp = flying(1, probes=0, **kwargs)
    return round(tcp.watch(s=2)[0][0] - 100)


def test_timeouts_come_a_tick_later():
    assert first_again() == 300
    assert first_again(granularity=1_000_000) == 300
    assert first_again(granularity=TICK) == 350
    assert first_again(granularity=TICK, rto_spread=1) == first_again(rto_spread=1) + 50


def test_probes_two_ticks():
    for tick, at in ((1, 202), (50, 300)):
        tcp = flying(4, rto_min=1_000_000_000, granularity=tick * 1_000_000)
        tcp.after(ms=at - 1)
        tcp.expect_nothing()
        tcp.after(ms=1)
        assert sent(tcp) == [3001]


def test_racks_window_is_a_tick_at_least():
    for tick, at in ((1, 25), (50, 50)):
        tcp = flying(granularity=tick * 1_000_000)
        tcp.after(ms=100)
        tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>")
        tcp.after(ms=at - 1)
        tcp.expect_nothing()
        tcp.after(ms=1)
        assert sent(tcp)[0] == 1


def test_timestamps_of_one_millisecond_measure_one():
    """And not nothing, which no path takes."""
    tcp = timed_out(more=0, timestamps=True, undo=0)
    tcp.rx(". 1:1(0) ack 1001 <TS val 9000 ecr 400>")
    assert tcp.snapshot()["min_rtt"] == 1_000_000


@pytest.mark.parametrize(("granularity", "told"), [("1ns", 1_000_000), ("1ms", 1_000_000), ("16ms", 16_000_000)])
def test_a_simulated_host_tells_its_stack_of_its_clock(granularity, told):
    world = World()
    host = world.host("a", "10.0.0.1/24", granularity=granularity)
    assert host.stack.core.configuration()["granularity"] == told
    host.configure({"ttl": 9})
    assert host.stack.core.configuration()["granularity"] == told
    host.configure({"granularity": 5})
    assert host.stack.core.configuration()["granularity"] == 5
