"""How rates, times, sizes and chances are written."""
from fractions import Fraction

import pytest

from usnet.backends.sim import units


@pytest.mark.parametrize(("text", "value"), [
    ("10Mbit", 10**7), ("1.5Gbit/s", 1_500_000_000), ("64kbps", 64_000), ("100 bit", 100), (9600, 9600),
    (None, 0), (0, 0)])
def test_rates(text, value):
    assert units.rate(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("20ms", 20_000_000), ("1.5us", 1500), ("2s", 2 * 10**9), ("3µs", 3000), ("1min", 60 * 10**9), ("7ns", 7),
    (5, 5), ("0.1s", 10**8)])
def test_times(text, value):
    assert units.time(text) == value


@pytest.mark.parametrize(("text", "value"), [("64KiB", 65536), ("1500B", 1500), ("1.5kB", 1500), (3, 3)])
def test_sizes(text, value):
    assert units.size(text) == value


@pytest.mark.parametrize(("given", "value"), [
    ("0.1%", Fraction(1, 1000)), (0.01, Fraction(1, 100)), (1, 1), (0, 0), ("0.5", Fraction(1, 2)),
    (Fraction(1, 3), Fraction(1, 3)), (1e-4, Fraction(1, 10000))])
def test_probabilities(given, value):
    assert units.probability(given) == value


@pytest.mark.parametrize(("parse", "wrong"), [
    (units.rate, "10"), (units.rate, "10Mb"), (units.rate, "fast"), (units.rate, -1), (units.rate, 1.5),
    (units.rate, "0.5bit"),
    (units.time, "20"), (units.time, "20 parsecs"), (units.time, 0.1), (units.time, "-1ms"),
    (units.time, "0.5ns"), (units.time, None),
    (units.size, "64KB"), (units.size, "x"), (units.probability, 1.1), (units.probability, -0.1),
    (units.probability, "1ms"),
    (units.probability, float("nan")), (units.probability, None), (units.queue, {"frames": 1}), (units.queue, -1),
    (units.queue, 1.5),
    (units.mac, "zz:00:00:00:00:00"), (units.mac, b"12345")])
def test_what_is_wrong_is_refused_with_a_reason(parse, wrong):
    with pytest.raises(ValueError, match=r"\w"):
        parse(wrong)


def test_queues():
    assert units.queue(50) == (50, None)
    assert units.queue("64KiB") == (None, 65536)
    assert units.queue({"packets": 5, "bytes": "1kB"}) == (5, 1000)
    assert units.queue(None) == (None, None)
