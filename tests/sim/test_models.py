"""Losses in bursts, delays by chance, recorded rates: against theory, and against themselves."""

from fractions import Fraction
from itertools import groupby, pairwise
from statistics import fmean, pstdev

import pytest

from tests.sim import quantiles
from tests.sim.worlds import frame, number, pair, send_each
from usnet.backends.sim import models
from usnet.backends.sim.network import Network

FRAMES = 20_000


def losses(model, seed=1, n=FRAMES):
    """Which of n frames are lost, as a list of bools."""
    net, a, _b, _link, got = pair(seed=seed, loss=model, rings={"slots": (16, 64)})
    send_each(net, a, range(1000, 1000 * (n + 1), 1000))
    net.run()
    arrived = {number(data) for _, data in got}
    return [n not in arrived for n in range(n)]


def bursts_of(lost):
    return [len(list(run)) for gone, run in groupby(lost) if gone]


@pytest.mark.parametrize("model", [
    {"kind": "gilbert-elliott", "p": 0.02, "r": 0.25},
    {"kind": "gilbert-elliott", "p": 0.01, "r": 0.25, "h": 0.3},
    {"kind": "gilbert-elliott", "p": 0.05, "r": 0.2, "h": 0.5, "k": 0.99},
    {"kind": "markov4", "p13": 0.02, "p31": 0.3},
    {"kind": "markov4", "p13": 0.02, "p31": 0.2, "p32": 0.3, "p23": 0.4, "p14": 0.01},
])
def test_loss_rate_and_bursts_are_those_of_theory(model):
    lost = losses(model)
    rate, burst = map(float, models.theory(models.loss(model)))
    seen = bursts_of(lost)
    assert sum(lost) / FRAMES == pytest.approx(rate, rel=0.12)
    assert fmean(seen) == pytest.approx(burst, rel=0.1)


def test_theory_is_that_of_the_papers():
    """Gilbert's model: p / (p + r) of the frames in bursts of 1 / r. Four states: Salsano et al., equations 9 and 10."""
    p, r = Fraction(1, 50), Fraction(1, 4)
    assert models.theory(models.loss({"kind": "gilbert-elliott", "p": "0.02", "r": "0.25"})) == (p / (p + r), 1 / r)
    p13, p31, p32, p23, p14 = map(Fraction, ("0.02", "0.2", "0.3", "0.4", "0.01"))
    rate, _ = models.theory(models.loss({"kind": "markov4", "p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}))
    assert rate == (p13 * p23 + p14 * p23 * p31) / (p13 * p23 + p23 * p31 + p14 * p23 * p31 + p13 * p32)
    assert models.theory(models.loss("5%")) == (Fraction(1, 20), Fraction(20, 19))


def test_the_state_of_a_chain_moves_with_each_frame_whatever_becomes_of_it():
    """Frames that a queue drops count too, so that a queue's length changes no other frame's luck."""
    def lost_of(queue):
        model = {"kind": "gilbert-elliott", "p": 0.1, "r": 0.3}
        net, a, _b, _link, _got = pair(seed=4, loss=model, rate="8Mbit", queue={"kind": "fifo", "packets": queue})
        net.logging = True
        send_each(net, a, range(1000, 600_001_000, 300_000), size=1000)
        net.run()
        log = net.event_log()
        return {int(row["index"]) for row in log if row["cause"] == 5}, {int(row["index"]) for row in log if row["cause"] == 4}

    (lost, no_room), (lost_more, _) = lost_of(3), lost_of(5000)
    assert no_room and lost <= lost_more and lost_more - lost <= no_room


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_loses_the_same_frames(seed):
    model = {"kind": "markov4", "p13": 0.05, "p31": 0.4}
    assert losses(model, seed, 2000) == losses(model, seed, 2000) != losses(model, seed + 10, 2000)


@pytest.mark.parametrize(("value", "told"), [
    ({"kind": "bernoulli"}, "kind: 'bernoulli' is none of"),
    ({"kind": "gilbert-elliott", "p": 0.1}, "r: is missing"),
    ({"kind": "gilbert-elliott", "p": 0.1, "r": 2}, "r: 2 is not a probability"),
    ({"kind": "markov4", "p13": 0.6, "p14": 0.6}, "p13, p14: together they are more than 1"),
    ({"kind": "markov4", "p13": 0.6, "q": 0.6}, "q: losses of kind markov4 have no such key"),
])
def test_losses_that_cannot_be_are_told_by_their_key(value, told):
    net = Network()
    with pytest.raises(ValueError, match=told):
        net.link(net.port("a"), net.port("b"), loss=value)


# Delays

def delays(jitter, n=4000):
    net, a, _b, _link, got = pair(seed=3, delay="100ms", jitter=jitter, reorder=True)
    send_each(net, a, range(0, 1000 * n, 1000))
    net.run()
    return [t - 1000 * number(data) - 100_000_000 for t, data in got]


@pytest.mark.parametrize(("kind", "low", "high"), [("uniform", -10, 10), ("normal", -37, 37), ("pareto", -7, 190), ("paretonormal", -15, 150)])
def test_delays_have_the_mean_and_the_spread_that_was_asked_for(kind, low, high):
    seen = [d / 1e6 for d in delays({"kind": kind, "spread": "10ms"})]
    deviation = 10 / 3**0.5 if kind == "uniform" else 10
    assert abs(fmean(seen)) < 0.6 and pstdev(seen) == pytest.approx(deviation, rel=0.12)
    assert low <= min(seen) < max(seen) <= high


def test_quantiles_are_those_of_the_distributions():
    """Half a million draws by the middle of their ranges: what the native code makes of a table is its quantile."""
    seen = sorted(delays({"kind": "normal", "spread": "10ms"}, 8000))
    table = quantiles.table("normal")
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert seen[int(share * len(seen))] / 1e7 == pytest.approx(table[int(share * 1024)] / 65536, abs=0.05)


def test_the_committed_tables_are_those_that_are_written():
    import pathlib
    import re

    text = (pathlib.Path(__file__).parents[2] / "usnet/backends/sim/quantiles.h").read_text()
    for name in quantiles.DISTRIBUTIONS:
        numbers = re.search(rf"usnet_quantiles_{name}\[1025\] = \{{([^}}]*)\}}", text)[1]
        made = [int(word) for word in numbers.replace(",", " ").split()]
        wanted = quantiles.table(name)
        assert len(made) == 1025 and max(abs(a - b) for a, b in zip(made, wanted, strict=True)) <= 1
        assert abs(fmean((a + b) / 2 for a, b in pairwise(made))) < 1


def test_a_delay_is_never_below_zero_and_keeps_the_order():
    net, a, _b, _link, got = pair(seed=3, delay="1ms", jitter={"kind": "normal", "spread": "5ms"})
    send_each(net, a, range(0, 100_000_000, 100_000))
    net.run()
    assert [number(data) for _, data in got] == list(range(1000))
    assert all(t >= 100_000 * number(data) for t, data in got)


def test_recorded_delays_come_one_a_frame_over_and_over():
    assert delays({"kind": "trace", "values": ["3ms", 0, "1ms"]}, 6) == [0, 0, 1_000_000, 1_000_000, 3_000_000, 3_000_000]


@pytest.mark.parametrize(("value", "told"), [
    ({"kind": "cauchy"}, "kind: 'cauchy' is none of"),
    ({"kind": "normal"}, "spread: is missing"),
    ({"kind": "normal", "spread": "5"}, "spread: '5'"),
    ({"kind": "trace", "values": []}, "values: there is none"),
])
def test_a_delay_that_cannot_be_is_told_by_its_key(value, told):
    net = Network()
    with pytest.raises(ValueError, match=told):
        net.link(net.port("a"), net.port("b"), jitter=value)


# Recorded rates

def arrivals_over(trace, times, size=1514, **model):
    net, a, _b, _link, got = pair(trace=trace, **model)
    send_each(net, a, times, size)
    net.run()
    return [(t / 1e6, number(data)) for t, data in got]


def test_a_frame_goes_at_each_opportunity():
    assert arrivals_over([2, 3, 3, 7], [0] * 6) == [(2, 0), (3, 1), (3, 2), (7, 3), (9, 4), (10, 5)]


def test_opportunities_that_nobody_uses_are_lost():
    assert arrivals_over([1, 2, 3, 4, 5], [2_500_000, 2_600_000, 21_000_000]) == [(3, 0), (4, 1), (21, 2)]


def test_small_frames_share_an_opportunity_and_large_ones_need_several():
    assert arrivals_over([1, 2, 3, 4], [0] * 5, size=514) == [(1, 0), (1, 1), (1, 2), (2, 3), (2, 4)]
    assert arrivals_over([1, 2, 3, 4], [0] * 3, size=2264, rings={"mtu": 4000}) == [(2, 0), (3, 1), (5, 2)]


def test_a_recorded_rate_carries_what_it_says():
    trace = "1\n1\n2\n4\n"
    got = arrivals_over(trace, [0] * 400, rings={"slots": (512, 512)})
    assert models.capacity(models.trace(trace)) == 12_000_000
    assert got[-1] == (400.0, 399)


def test_a_queue_stands_in_front_of_a_recorded_rate():
    got = arrivals_over([5, 10], [0] * 10, queue={"kind": "fifo", "packets": 3})
    assert got == [(5, 0), (10, 1), (15, 2)]


@pytest.mark.parametrize(("value", "told"), [
    ("1\nx\n", "'x' is no time in ms"), ("", "without a line"), ([3, 2], "do not go back"), ([0, 0], "ends later than at 0"),
    ([1.5], "numbers of ms"),
])
def test_a_trace_that_cannot_be_is_told(value, told):
    net = Network()
    with pytest.raises(ValueError, match=told):
        net.link(net.port("a"), net.port("b"), trace=value)


def test_the_long_way_gives_the_times_of_the_short_one():
    """All that a link does to frames by itself, with a queue of its own kind and without."""
    def run(queue):
        net, a, _b, link, got = pair(
            seed=9, rate="7Mbit", delay="3ms", jitter="2ms", reorder=True, queue=queue, loss=0.05, duplicate=0.1, corrupt=0.1,
            fates=[{"do": do, "match": {"every": n}} for do, n in (
                ("reorder(2)", 7), ("delay(1ms)", 5), ("dup(2, gap=100us)", 11), ("corrupt(bit=77)", 13), ("drop", 17))])
        for n, t in enumerate(range(0, 400_000_000, 777_777)):
            net.call_at(t, a.send, frame(n, 64 + n * 37 % 1400))
        net.run()
        return got, {key: value for key, value in link.up.statistics().items() if key not in ("queue", "queue_packets_max", "queue_bytes_max")}

    assert run({"packets": 9}) == run({"kind": "fifo", "packets": 9})
