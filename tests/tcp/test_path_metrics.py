"""What connections learn of a path, for those that come after them (setting `metrics`): what is kept, what it changes, and for how long."""

import pytest

from usnet.sockets.inspect import path_metrics
from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import established

MSS = 1000
SECOND = 10**9


def first(*, rtt=0, marks=False, **kwargs):
    """A connection that has sent ten segments, each round trip so many ms, slowed down by a mark if wanted, and is over."""
    tcp = established(mss=MSS, metrics=1, **kwargs)
    tcp.send(10 * MSS)
    tcp.take()
    if rtt:
        tcp.after(ms=rtt)
    if marks:
        for _ in range(3):
            tcp.rx(". 1:1(0) ack 1")
    tcp.rx(f". 1:1(0) ack {10 * MSS + 1}")
    tcp.close()
    tcp.take()
    tcp.rx(f". 1:1(0) ack {10 * MSS + 2}", f"F. 1:1(0) ack {10 * MSS + 2}")
    tcp.take()
    return tcp


def another(tcp, port=41000):
    other = tcp.another(port)
    other.handshake(f"S 0:0(0) <mss {MSS}>")
    return other


def test_ssthresh_is_where_slow_start_had_to_end():
    tcp = first(marks=True)
    kept = path_metrics(tcp.cable.stack)
    assert [(one["raddr"], one["ssthresh"]) for one in kept] == [("10.0.0.2", 5 * MSS)]
    assert another(tcp).snapshot()["cc"]["ssthresh"] == 5 * MSS
    assert tcp.counters()["metrics_hits"] == 1


def test_a_slow_start_that_never_ended_sets_nothing():
    tcp = first()
    assert another(tcp).snapshot()["cc"]["ssthresh"] == 1 << 30
    assert tcp.counters()["metrics_hits"] == 1


def test_a_longer_round_trip_makes_the_timeout_longer():
    tcp = first(rtt=150)
    kept = path_metrics(tcp.cable.stack)[0]
    assert kept["srtt"] == tcp.snapshot()["srtt"] if tcp.snapshot() else kept["srtt"] > 0
    fields = another(tcp).snapshot()
    assert fields["srtt"] < kept["srtt"]
    assert fields["rto"] == kept["srtt"] + max(2 * kept["srtt"], 200 * 10**6)


def test_a_smaller_path_mtu_counts_for_the_next():
    tcp = established(mss=1460, metrics=1, rto_min=SECOND, mtu_patience=0)
    tcp.send(3000)
    tcp.take()
    tcp.rx_icmp(3, 4, 1000, seq=1)
    tcp.take()
    assert tcp_info(tcp.sock)["pmtu"] == 1000
    tcp.rx(". 1:1(0) ack 3001")
    tcp.close()
    tcp.take()
    tcp.rx(". 1:1(0) ack 3002")
    other = tcp.another(41000)
    other.handshake("S 0:0(0) <mss 1460>")
    assert tcp_info(other.sock)["pmtu"] == 1000
    other.send(3000)
    assert [s.length for s in other.take()][:2] == [960, 960]


def test_it_is_believed_for_a_while():
    tcp = first(marks=True, metrics_timeout=60 * SECOND)
    tcp.watch(s=59)
    assert another(tcp).snapshot()["cc"]["ssthresh"] == 5 * MSS
    tcp.watch(s=2)
    assert another(tcp, 42000).snapshot()["cc"]["ssthresh"] == 1 << 30
    assert path_metrics(tcp.cable.stack) == []


@pytest.mark.parametrize("end", ["off", "reset"])
def test_nothing_is_kept_where_it_is_off_and_of_what_was_reset(end):
    tcp = established(mss=MSS, metrics=int(end != "off"))
    tcp.send(MSS)
    tcp.take()
    tcp.rx(f". 1:1(0) ack {MSS + 1}")
    if end == "reset":
        tcp.rx("R 1:1(0)")
    else:
        tcp.close()
        tcp.take()
        tcp.rx(f". 1:1(0) ack {MSS + 2}")
    assert path_metrics(tcp.cable.stack) == []
