"""Clocks of hosts that begin elsewhere, are too fast or too slow, or jump."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.backends.sim.network import Network

DRIFTS = st.integers(-500_000, 500_000)
STARTS = st.integers(0, 10**17)


def at(net, t):
    net.call_at(t, lambda: None)
    net.run(t)


def host_of(granularity=1):
    net = Network()
    return net, net.host("h", granularity)


def test_a_clock_is_virtual_time_until_it_is_set():
    net, host = host_of()
    at(net, 5_000)
    assert host.clock.now() == 5_000
    host.set_clock("1h")
    assert host.clock.now() == 3600 * 10**9 + 5_000


@pytest.mark.parametrize(("drift", "gained"), [(200, 200_000), (-200, -200_000), (500_000, 5 * 10**8), (0.001, 1)])
def test_a_drift_is_in_parts_of_a_million(drift, gained):
    net, host = host_of()
    host.set_clock(drift=drift)
    at(net, 10**9)
    assert host.clock.now() == 10**9 + gained
    assert host.clock.drift == gained


def test_a_drift_goes_on_from_what_the_clock_read():
    net, host = host_of()
    host.set_clock(drift=1000)
    at(net, 10**9)
    host.set_clock(drift=-1000)
    at(net, 2 * 10**9)
    assert host.clock.now() == 2 * 10**9
    host.set_clock("1s", drift=0)
    at(net, 3 * 10**9)
    assert host.clock.now() == 4 * 10**9


@given(DRIFTS, STARTS, st.integers(1, 16_000_000), st.integers(0, 10**13), st.integers(0, 10**9))
def test_a_clock_never_goes_back_and_wakes_at_the_first_instant_that_reads_the_deadline(drift, start, granularity, past, wait):
    net, host = host_of(granularity)
    at(net, past)
    host.set_clock(start, drift)
    before = host.clock.now()
    woken = []
    host.callback = woken.append
    host.wake_at(before + wait)
    net.run(past + 4 * 10**9)
    assert before == (past + start) // granularity * granularity
    if wait:
        assert len(woken) == 1
        early, late = Network(), Network()
        readings = []
        for other, t in ((early, woken[0] - 1), (late, woken[0])):
            again = other.host("h", granularity)
            at(other, past)
            again.set_clock(start, drift)
            at(other, t)
            readings.append(again.clock.now())
        assert readings[0] < before + wait <= readings[1]


def test_a_jump_brings_deadlines_nearer_and_a_drift_moves_them():
    net, host = host_of()
    woken = []
    host.callback = woken.append
    host.wake_at(10**10)
    at(net, 10**9)
    host.set_clock("1s")
    assert host.instant(10**10) == 9 * 10**9
    host.set_clock(drift=-500_000)
    net.run()
    assert woken == [10**9 + 16 * 10**9]
    host.wake_at(host.clock.now() + 5)
    host.set_clock("1h")
    net.run()
    assert woken[1] == woken[0]


def test_nothing_is_due_for_ever_after_a_jump():
    net, host = host_of()
    host.wake_at(2**63 - 1)
    host.set_clock("1h", 100)
    assert net.peek() is None


def test_a_monotonic_clock_does_not_go_back():
    _, host = host_of()
    with pytest.raises(ValueError, match="at least 0"):
        host.set_clock(-1)
    with pytest.raises(ValueError, match="73 years"):
        host.set_clock(2**62)
    for drift in (500_001, -500_001):
        with pytest.raises(ValueError, match="parts in a million"):
            host.set_clock(drift=drift)
    assert host.clock.now() == 0


def test_a_network_that_is_used_again_has_clocks_as_new():
    net, host = host_of("1ms")
    host.set_clock("1h", 100)
    assert net.reset(2)
    at(net, 5_500_000)
    assert (host.clock.now(), host.clock.drift, host.clock.granularity) == (5_000_000, 0, 1_000_000)


def test_who_waits_by_a_clock_that_jumps_is_woken_when_its_time_has_come():
    from usnet.backends.sim.poller import NetworkPoller

    net, host = host_of()
    poller = NetworkPoller(net)
    poller.add_port(net.port("p", host=host))
    net.call_at(10**9, host.set_clock, "10s")
    assert not poller.wait(20 * 10**9)
    assert net.now == 10 * 10**9
    poller.close()
