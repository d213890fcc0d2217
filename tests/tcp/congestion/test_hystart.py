"""HyStart++ against the pseudocode of RFC 9406, section 4.2, written down here once more."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.tcp.congestion.ops import Controller

MS = 10**6
LIMIT = 1 << 30
INFINITY = 1 << 62
CUBIC, ALL = 1, 2


@dataclass
class Rfc9406:
    """One connection's slow start; times in ns, windows in quarters of a byte, so that a quarter is exact."""

    cwnd: int
    step: int
    end: int = -1
    last: int = INFINITY
    this: int = INFINITY
    samples: int = 0
    baseline: int = INFINITY
    css: bool = False
    rounds: int = 0
    done: bool = False

    def ack(self, n, rtt, una, nxt):
        if self.end < 0:
            self.end = nxt
        self.cwnd += min(n, self.step) * (1 if self.css else 4)
        if rtt:
            self.this = min(self.this, rtt)
            self.samples += 1
            if self.samples >= 8 and self.css and self.this < self.baseline:
                self.baseline, self.css, self.rounds = INFINITY, False, 0
            elif self.samples >= 8 and not self.css and self.last != INFINITY:
                if self.this >= self.last + max(4 * MS, min(self.last // 8, 16 * MS)):
                    self.baseline, self.css, self.rounds = self.this, True, 0
        if una >= self.end:
            self.last, self.this, self.samples, self.end = self.this, INFINITY, 0, nxt
            if self.css:
                self.rounds += 1
                self.done = self.rounds == 5


def round_trips(rtts, acks=20, name="cubic", hystart=CUBIC):
    """A slow start whose rounds have these round trips, `acks` ACKs of two segments in each: the controller, and cwnd behind each round."""
    controller = Controller(name, hystart=hystart)
    controller.start(1000)
    una, told = 0, []
    for rtt in rtts:
        end = una + acks * 2000
        while una < end:
            una += 2000
            controller.ack(2000, una, rtt=rtt, srtt=rtt, una=una, nxt=end if una < end else end + acks * 2000)
        told.append(controller.state["cwnd"])
    return controller, told


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 10, 20, 30, 40, 100]), st.integers(0, 30)), max_size=300),
       st.sampled_from([20, 50, 100, 300]))
def test_is_the_rfc_s_pseudocode(acks, base):
    controller = Controller("cubic", step=8, hystart=CUBIC)
    controller.start(1000)
    model = Rfc9406(controller.state["cwnd"] * 4, 8000)
    una = 0
    for segments, more, ahead in acks:
        n = segments * 1000
        una += n
        rtt = (base + more) * MS if more else 0
        controller.ack(n, una, rtt=rtt, srtt=rtt, una=una, nxt=una + ahead * 1000)
        model.ack(n, rtt, una, una + ahead * 1000)
        assert abs(controller.state["cwnd"] - model.cwnd / 4) < 10
        assert (controller.state["hs"]["baseline"] != 0) == model.css
        assert (controller.state["ssthresh"] != LIMIT) == model.done
        if model.done:
            break


def test_steady_round_trips_end_nothing():
    controller, told = round_trips([50 * MS] * 12)
    assert told[-1] == 10_000 + 12 * 40_000
    assert controller.state["ssthresh"] == LIMIT


@pytest.mark.parametrize(("base", "least"), [(8, 4), (30, 4), (64, 8), (100, 12.5), (200, 16), (1000, 16)])
def test_the_threshold_is_an_eighth_within_4_and_16_ms(base, least):
    """RttThresh."""
    below, _ = round_trips([base * MS, base * MS, int((base + least) * MS) - 1])
    above, _ = round_trips([base * MS, base * MS, int((base + least) * MS)])
    assert below.state["hs"]["baseline"] == 0
    assert above.state["hs"]["baseline"] == int((base + least) * MS)


def test_conservative_slow_start_grows_by_a_quarter_for_five_rounds():
    controller, told = round_trips([50 * MS] * 3 + [70 * MS] * 8)
    assert told[2] == 130_000
    assert told[3] == 130_000 + 8 * 2000 + 12 * 500, "it begins with the eighth sample"
    assert [told[i + 1] - told[i] for i in range(3, 7)] == [10_000] * 4
    assert controller.state["ssthresh"] == told[7]


def test_what_was_only_jitter_is_taken_back():
    controller, told = round_trips([50 * MS] * 3 + [70 * MS] * 2 + [52 * MS] * 6)
    assert controller.state["hs"]["baseline"] == 0
    assert told[-1] - told[-2] == 40_000
    assert controller.state["ssthresh"] == LIMIT


def test_fewer_than_eight_samples_say_nothing():
    controller, _ = round_trips([50 * MS] * 3 + [500 * MS] * 5, acks=7)
    assert controller.state["hs"]["baseline"] == 0


def test_only_the_first_slow_start_is_looked_at():
    """RFC 9406, section 4.3."""
    controller, _ = round_trips([50 * MS] * 3)
    controller.rto(100_000)
    controller.set(ssthresh=10**6)
    before = controller.state["hs"]
    controller.ack(2000, rtt=500 * MS, una=10**6)
    assert controller.state["hs"] == before


@pytest.mark.parametrize(("name", "hystart", "runs"), [
    ("newreno", ALL, True), ("newreno", CUBIC, False), ("cubic", 0, False), ("cubic", CUBIC, True),
])
def test_who_has_it(name, hystart, runs):
    controller, told = round_trips([50 * MS] * 3 + [70 * MS] * 8, name=name, hystart=hystart)
    assert (controller.state["ssthresh"] != LIMIT) is runs
    assert (told[-1] == 10_000 + 11 * 40_000) is not runs
