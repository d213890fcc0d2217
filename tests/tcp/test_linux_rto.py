"""Linux's retransmission timeout (tcp_rtt_estimator and tcp_set_rto), the setting `rto_spread`: against the same in floating point."""

from itertools import pairwise

from usnet.testing.peer import established

FLOOR = 200.0


class Estimator:
    """As the kernel has it: mdev and rttvar are four times the mean deviation, ms."""

    def __init__(self):
        self.srtt = None

    def take(self, rtt, una, nxt):
        if self.srtt is None:
            self.srtt, self.mdev = rtt, 2 * rtt
            self.rttvar = self.mdev_max = max(self.mdev, FLOOR)
            self.round = nxt
            return
        error = rtt - self.srtt
        self.srtt += error / 8
        change = abs(error) - self.mdev / 4
        self.mdev += change / 8 if error < 0 and change > 0 else change
        if self.mdev > self.mdev_max:
            self.mdev_max = self.mdev
            self.rttvar = max(self.rttvar, self.mdev_max)
        if una > self.round:
            self.rttvar -= max(0, self.rttvar - self.mdev_max) / 4
            self.round, self.mdev_max = nxt, FLOOR

    @property
    def rto(self):
        return self.srtt + self.rttvar


def measured(rtts, each=1, **kwargs):
    """The RTO behind each ACK, ms, and what Linux's would be; `each` segments a round trip, acknowledged one by one."""
    tcp = established(mss=1000, **{"rto_spread": 1, **kwargs})
    model, una = Estimator(), 1
    model.take(max(tcp.snapshot()["srtt"] / 1e6, 1e-6), 1, 1)       # the handshake
    seen, want = [], []
    for rtt in rtts:
        tcp.send(1000 * each)
        tcp.take()
        nxt = una + 1000 * each
        tcp.after(ms=rtt)
        for _ in range(each):
            una += 1000
            tcp.rx(f". 1:1(0) ack {una}")
            if _ == 0:
                model.take(rtt, una, nxt)
        seen.append(tcp.snapshot()["rto"] / 1e6)
        want.append(model.rto)
    return seen, want


def close(seen, want):
    return all(abs(a - b) < 0.001 for a, b in zip(seen, want, strict=True))


def test_it_exceeds_what_never_varies_by_the_floor():
    seen, want = measured([150.0] * 60)
    assert close(seen, want)
    assert abs(seen[-1] - 350) < 1


def test_a_longer_round_trip_counts_at_once_and_is_forgotten_a_quarter_a_round():
    seen, want = measured([100.0] * 20 + [290.0] + [100.0] * 30)
    assert close(seen, want)
    assert seen[20] > seen[19] + 20
    assert all(b < a for a, b in pairwise(seen[21:31]))
    assert abs(seen[-1] - 300) < 5


def test_a_shorter_one_moves_the_deviation_by_an_eighth_as_much():
    seen, want = measured([150.0] * 5 + [300.0] * 10 + [450.0] * 40 + [100.0] * 5 + [250.0, 50.0, 200.0] * 5)
    assert close(seen, want)


def test_rounds_of_several_segments():
    seen, want = measured([100.0, 180.0, 20.0, 50.0, 50.0, 250.0, 80.0, 80.0, 80.0], each=5)
    assert close(seen, want)


def test_the_floor_is_rto_min_and_the_ceiling_rto_max():
    seen, _ = measured([50.0] * 60, rto_min=100_000_000)
    assert abs(seen[-1] - 150) < 1
    seen, _ = measured([190.0] * 9, rto_initial=250_000_000, rto_max=250_000_000)
    assert seen[-1] == 250


def test_it_survives_rest():
    awake, _ = measured([100.0, 190.0, 100.0, 220.0, 90.0])
    rested, _ = measured([100.0, 190.0, 100.0, 220.0, 90.0], working_set=0)
    assert rested == awake
