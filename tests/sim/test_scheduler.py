"""Virtual time: the order of events, alarms, hosts, clocks."""
import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usnet.backends.sim.host import Alarm, SimClock
from usnet.backends.sim.network import Network
from usnet.backends.sim.scheduler import Scheduler


def run(scheduler):
    while scheduler.run_before():
        pass


@given(st.lists(st.integers(0, 20), max_size=200))
def test_events_run_by_time_and_then_in_the_order_of_insertion(times):
    scheduler, seen = Scheduler(), []
    for i, t in enumerate(times):
        scheduler.call_at(t, lambda t=t, i=i: seen.append((t, i, scheduler.now)))
    run(scheduler)
    assert seen == [(t, i, t) for t, i in sorted((t, i) for i, t in enumerate(times))]


def test_an_event_in_the_past_is_refused():
    scheduler = Scheduler()
    scheduler.call_at(5, lambda: None)
    run(scheduler)
    with pytest.raises(ValueError, match="has passed"):
        scheduler.call_at(4, lambda: None)


def test_a_cancelled_call_does_not_run_and_lets_no_time_pass():
    scheduler, seen = Scheduler(), []
    scheduler.call_at(5, seen.append, 1)
    late = scheduler.call_at(9, seen.append, 2)
    late.cancel()
    run(scheduler)
    assert (seen, scheduler.now, scheduler.pending, late.pending) == ([1], 5, 0, False)


def test_an_exception_of_a_callback_comes_out_and_the_rest_still_runs():
    scheduler, seen = Scheduler(), []
    scheduler.call_at(1, lambda: 1 // 0)
    scheduler.call_at(1, seen.append, 1)
    with pytest.raises(ZeroDivisionError):
        run(scheduler)
    run(scheduler)
    assert seen == [1]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.none() | st.integers(0, 30)), max_size=60))
def test_an_alarm_goes_off_as_if_it_were_cancelled_and_inserted_anew(script):
    """(when it is set, which alarm, to what time or off): against calls that are cancelled and made again."""
    def play(lazy):
        scheduler, seen = Scheduler(), []
        alarms = [Alarm(scheduler, lambda now, i=i: seen.append((now, i))) for i in range(4)]
        calls = [None] * 4

        def set_alarm(i, t):
            if lazy:
                alarms[i].clear() if t is None else alarms[i].set(t)
                return
            t = t if t is None else max(t, scheduler.now)
            if calls[i] is not None and calls[i].pending:
                if calls[i].t == t:
                    return
                calls[i].cancel()
            if t is not None:
                calls[i] = scheduler.call_at(t, lambda: seen.append((scheduler.now, i)))

        for at, i, t in script:
            scheduler.call_at(at, set_alarm, i, t)
        run(scheduler)
        return seen, scheduler.now

    assert play(True) == play(False)


def test_an_alarm_set_ever_later_keeps_one_event_in_the_heap():
    scheduler, seen = Scheduler(), []
    alarm = Alarm(scheduler, seen.append)
    for t in range(1000, 2000):
        alarm.set(t)
    assert scheduler.pending == 1
    run(scheduler)
    assert seen == [1999]


def test_a_dropped_alarm_does_not_go_off():
    scheduler = Scheduler()
    alarm = Alarm(scheduler, lambda now: 1 // 0)
    alarm.set(5)
    del alarm
    gc.collect()
    run(scheduler)
    assert scheduler.now == 0


@given(st.integers(1, 16_000_000), st.integers(0, 10**12))
def test_a_coarse_clock_reads_multiples_of_its_granularity_and_never_ahead(granularity, t):
    scheduler = Scheduler()
    clock = SimClock(scheduler, granularity)
    scheduler.advance(t)
    assert clock.now() % granularity == 0
    assert t - granularity < clock.now() <= t


@given(st.integers(1, 16_000_000), st.integers(1, 10**12))
def test_a_host_with_a_coarse_clock_wakes_at_the_first_instant_that_reads_its_deadline(granularity, deadline):
    net = Network()
    host = net.host("h", granularity)
    seen = []
    host.callback = seen.append
    host.wake_at(deadline)
    net.run()
    assert len(seen) == 1
    assert host.clock.now() >= deadline
    assert seen[0] - deadline < granularity
    assert (seen[0] - 1) // granularity * granularity < deadline


def test_due_hosts_run_after_the_events_of_the_instant_in_the_order_in_which_they_became_due():
    net, seen = Network(), []
    hosts = [net.host(name) for name in "abc"]
    for host in hosts:
        host.callback = lambda now, name=host.name: seen.append(name)
    net.call_at(5, hosts[2].touch)
    net.call_at(5, hosts[0].touch)
    net.call_at(5, hosts[2].touch)
    net.call_at(5, seen.append, "event")
    net.run()
    assert seen == ["event", "c", "a"]


def test_a_host_that_never_lets_time_pass_is_an_error_that_names_it():
    net = Network()
    net.scheduler.instant_limit = 1000
    host = net.host("restless")
    host.callback = lambda now: host.touch()
    net.call_at(7, host.touch)
    net.call_at(9, host.touch)
    with pytest.raises(RuntimeError, match=r"1000 things happened at 7 ns .*'restless'"):
        net.run()
    host.callback = None
    net.run()
    assert net.now == 9


def test_time_does_not_advance_past_what_is_left_to_do():
    scheduler = Scheduler()
    scheduler.call_at(5, lambda: None)
    with pytest.raises(RuntimeError):
        scheduler.advance(6)
    scheduler.advance(5)
