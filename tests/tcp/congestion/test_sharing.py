"""What controllers make of a bottleneck, alone and together, in simulation."""

import pytest

from tests.tcp.congestion.worlds import dumbbell, jain

MBIT = 125_000
# ns-3's figures for 100 Mb/s, 40.4 ms, 345 packets of buffer, 10 s, by the share of data that is lost: Mbit/s of NewReno and CUBIC.
NS3 = {0: (93.1, 94.1), 1e-4: (43.9, 67.6), 1e-3: (11.3, 15.8), 1e-2: (2.04, 2.47), 5e-2: (0.90, 0.87)}


@pytest.mark.parametrize("flows", [2, 8])
@pytest.mark.parametrize("name", ["newreno", "cubic", "bbr"])
def test_equal_flows_share_equally(name, flows):
    shares = dumbbell([name] * flows, seconds=60, begin=15)
    assert sum(shares) > 17 * MBIT
    assert jain(shares) >= 0.95


def test_cubic_leaves_newreno_its_part():
    """On a short way CUBIC is no more than Reno (RFC 9438, 4.3)."""
    shares = dumbbell(["cubic", "newreno"], seconds=60, begin=15)
    assert 0.4 <= shares[0] / shares[1] <= 2.5


@pytest.mark.parametrize("name", ["newreno", "cubic", "dctcp", "bbr"])
def test_one_flow_fills_the_way(name):
    assert dumbbell([name], seconds=20)[0] >= 18 * MBIT


@pytest.mark.parametrize("name", ["newreno", "cubic", "bbr"])
def test_a_short_queue_is_enough(name):
    assert dumbbell([name], queue=15, seconds=30)[0] >= (15 if name == "bbr" else 12) * MBIT


@pytest.mark.parametrize("loss", NS3)
@pytest.mark.parametrize("name", ["newreno", "cubic"])
def test_goodput_is_within_the_band_of_ns_3(name, loss):
    config = {"rcvbuf": 8 << 20, "sndbuf": 8 << 20}
    way = {"rate": "100Mbit", "delay": "20ms", "queue": 345, "seconds": 10, "begin": 0, "config": config, "loss": loss}
    seeds = range(1, 4 if loss else 2)
    got = sum(dumbbell([name], **way, seed=seed)[0] for seed in seeds) / len(seeds) / MBIT
    expected = NS3[loss][name == "cubic"]
    assert expected / 2 <= got <= expected * 2


def test_bbr_goes_on_where_a_percent_is_lost():
    bbr, newreno = (dumbbell([name], seconds=20, loss=0.01)[0] for name in ("bbr", "newreno"))
    assert bbr > 10 * MBIT
    assert bbr > 1.4 * newreno


def test_bbr_starts_again_from_the_same_numbers_alike():
    assert dumbbell(["bbr", "bbr"], seconds=8, seed=5) == dumbbell(["bbr", "bbr"], seconds=8, seed=5)
