"""Ports of the simulator: their rings, hosts, and what vanishes."""
import errno

import pytest

from tests.sim.worlds import collect, frame, number, pair
from usnet.backends.sim.network import Network, default_network, reset_default_network
from usnet.backends.sim.poller import NetworkPoller
from usnet.backends.sim.port import open_port
from usnet.backends.sim.traffic import Reflector, Source


def test_frames_show_at_a_sync_and_not_before():
    net, a, b, _, _ = pair()
    b.host.callback = None
    a.send(frame(1))
    net.run()
    ring = b.rx_ring()
    assert ring.space == 0
    assert ring.sync() == 0
    assert (ring.space, ring.read(ring.head)) == (1, frame(1))


def test_a_full_receive_ring_drops_and_counts():
    net, a, b, link, _ = pair(rings={"slots": (64, 8)})
    b.host.callback = None
    for n in range(20):
        a.send(frame(n))
    net.run()
    assert [number(data) for data, _ in b.receive()] == list(range(7))
    assert b.statistics()["rx_overruns"] == 13
    assert link.up.statistics()["dropped"]["overrun"] == 13
    assert link.up.statistics()["delivered"] == 7
    b.sync()
    a.send(frame(99))
    net.run()
    assert [number(data) for data, _ in b.receive()] == [99]


def test_a_fifo_keeps_frames_until_there_is_room_and_no_more_than_it_holds():
    net, a, b, _, _ = pair(rings={"slots": (64, 8), "fifo": 5})
    b.host.callback = None
    for n in range(20):
        net.call_at(n, a.send, frame(n))
    net.run()
    got = b.receive() + b.receive()
    assert [(number(data), t) for data, t in got] == [(n, n) for n in range(12)]
    assert b.statistics()["rx_overruns"] == 8
    assert net.statistics()["frames_in_flight"] == 0


def test_the_ring_goes_round_and_keeps_every_frame():
    net, a, _, _, arrivals = pair(rings={"slots": (3, 5)})
    for n in range(100):
        net.call_at(n, a.send, frame(n))
    net.run()
    assert [number(data) for _, data in arrivals] == list(range(100))


def test_taking_frames_that_were_not_shown_resets_the_ring():
    net, a, b, _, _ = pair()
    b.host.callback = None
    for n in range(3):
        a.send(frame(n))
    net.run()
    ring = b.rx_ring()
    ring.advance(2)
    assert ring.sync() == -errno.EINVAL
    assert b.statistics()["ring_resets"] == 1
    a.send(frame(9))
    net.run()
    assert [number(data) for data, _ in b.receive()] == [9]


def test_a_user_who_scribbles_over_the_ports_slots_reaches_no_memory():
    net, a, b, _, _ = pair(rings={"slots": 4})
    b.host.callback = None
    ring = b.rx_ring()
    for i in range(4):
        ring.set_slot(i, buf_idx=0xffffffff)
    for n in range(3):
        a.send(frame(n))
    net.run()
    assert [number(data) for data, _ in b.receive()] == [0, 1, 2]


def test_a_frame_larger_than_a_buffer_spans_slots():
    net, a, _, _, arrivals = pair(rings={"buf_size": 512, "mtu": 1500})
    a.send(frame(7, 1500))
    net.run()
    assert arrivals == [(0, frame(7, 1500))]


def test_frames_that_arrive_together_are_one_run_of_the_host():
    net, a, b, _, arrivals = pair(delay="1ms")
    runs = []
    listen = b.host.callback
    b.host.callback = lambda now: (runs.append(now), listen(now))
    net.run("500us")
    runs.clear()
    for n in range(10):
        a.send(frame(n))
    net.run()
    assert len(arrivals) == 10
    assert runs == [1_500_000]


def test_the_arrival_time_is_read_from_the_hosts_clock():
    net = Network()
    a, b = net.port("a"), net.port("b", granularity="4ms")
    net.link(a, b, delay="10ms")
    a.send(frame())
    net.run()
    assert [t for _, t in b.receive()] == [8_000_000]


def test_a_port_that_vanishes_says_so_and_loses_what_comes():
    net, a, b, link, _ = pair(delay="1ms")
    seen = []
    b.host.callback = lambda now: seen.append((now, b.gone))
    a.send(frame())
    b.vanish()
    net.run()
    with pytest.raises(OSError, match="No such device") as error:
        b.receive()
    assert error.value.errno == errno.ENXIO
    assert seen == [(0, True)]
    assert link.up.statistics()["dropped"]["overrun"] == 1


def test_a_port_without_a_link_takes_frames_and_drops_them():
    port = Network().port("lonely")
    assert not port.link_up
    assert port.send(frame())
    assert port.statistics()["tx_errors"] == 1


def test_a_native_host_sends_back_what_a_native_source_sends():
    net = Network()
    a, b = net.port("a"), net.port("b")
    net.link(a, b, rate="1Gbit", delay="100us")
    source, reflector = Source(a, 1000, 200, "2us"), Reflector(b)
    net.run()
    assert (source.left, source.received, reflector.reflected, reflector.lost) == (0, 1000, 1000, 0)
    assert net.now == 999 * 2000 + 2 * (1600 + 100_000)


def test_ports_open_by_name_and_meet_on_the_switch_of_that_name():
    reset_default_network()
    a, b, c = open_port("sim:lan0"), open_port("sim:lan0"), open_port("sim:lan1")
    net = default_network()
    arrivals, elsewhere = collect(b), collect(c)
    a.send(frame(5))
    net.run()
    assert [number(data) for _, data in arrivals] == [5]
    assert elsewhere == []
    assert len({a.mac, b.mac, c.mac}) == 3
    with pytest.raises(ValueError):
        open_port("sim:")
    reset_default_network()


def test_a_poller_runs_the_network_until_a_frame_the_doorbell_or_the_time():
    net, a, b, _, _ = pair(delay="5ms")
    b.host.callback = None
    poller = NetworkPoller(net)
    poller.add_port(b)
    poller.wait(0)
    assert poller.wait(1_000_000) is False
    assert net.now == 1_000_000
    a.send(frame(3))
    assert poller.wait(2**63 - 1) is True
    assert (net.now, len(b.receive())) == (6_000_000, 1)
    poller.ring_doorbell()
    assert poller.wait(2**63 - 1) is True
    assert net.now == 6_000_000
    poller.wait(2**63 - 1)
    with pytest.raises(RuntimeError, match="nothing is left"):
        poller.wait(2**63 - 1)
    poller.close()
