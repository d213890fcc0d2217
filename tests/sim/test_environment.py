"""SimPy's face: one order for SimPy's events and the network's."""
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy.events import NORMAL, URGENT, Event

from tests.sim.worlds import collect, frame, number, pair
from usnet.backends.sim.network import Network
from usnet.lab.environment import Environment, SimulationStalled

BETWEEN = 0.5       # the network's events stand between SimPy's urgent and normal ones
NETWORK = "network"

# (whose child it is among those before, kind, delay after it)
kinds = st.sampled_from([URGENT, NORMAL, NETWORK])
plans = st.lists(st.tuples(st.integers(0, 30), kinds, st.integers(0, 4)), max_size=30)


def play(env, plan, put, until):
    """Each part of the plan happens after its delay, is noted, and puts its children in."""
    seen = []
    children = {n: [] for n in range(-1, len(plan))}
    for n, (parent, kind, delay) in enumerate(plan):
        children[parent % (n + 1) - 1].append((n, kind, delay))

    def happen(n):
        seen.append((env.now, n))
        for child, kind, delay in children[n]:
            put(env, kind, delay, lambda _=None, child=child: happen(child))

    happen(-1)
    for t in until:
        env.run(until=t)
        seen.append(("until", env.now))
    env.run()
    return seen, env.now


def put_event(env, priority, delay, function):
    event = Event(env)
    event._ok, event._value = True, None
    event.callbacks.append(function)
    env.schedule(event, priority, delay)


def put_pure(env, kind, delay, function):
    put_event(env, BETWEEN if kind == NETWORK else kind, delay, function)


def put_merged(env, kind, delay, function):
    if kind == NETWORK:
        env.network.call_in(delay, function)
    else:
        put_event(env, kind, delay, function)


@settings(max_examples=300)
@given(plans, st.lists(st.integers(1, 12), unique=True).map(sorted))
def test_the_merged_order_is_that_of_one_simpy_heap(plan, until):
    assert play(Environment(), plan, put_merged, until) == play(simpy.Environment(), plan, put_pure, until)


@settings(max_examples=100)
@given(plans)
def test_stepping_gives_the_same_order_and_peek_is_right(plan):
    class Stepped(Environment):
        def run(self, until=None):
            while (t := self.peek()) != simpy.core.Infinity:
                self.step()
                assert self.now == t

    assert play(Stepped(), plan, put_merged, []) == play(simpy.Environment(), plan, put_pure, [])


def test_simpy_processes_and_frames_share_one_time():
    env = Environment()
    net = env.network
    a, b = net.port("a"), net.port("b")
    net.link(a, b, delay="10ms")
    arrivals = collect(b)

    def sender():
        for n in range(3):
            a.send(frame(n))
            yield env.timeout(15_000_000)
        return "sent"

    assert env.run(until=env.process(sender())) == "sent"
    assert env.now == 45_000_000
    assert [(t, number(data)) for t, data in arrivals] == [(10_000_000, 0), (25_000_000, 1), (40_000_000, 2)]


def test_at_one_instant_processes_see_a_network_that_has_settled():
    env = Environment()
    net = env.network
    a, b = net.port("a"), net.port("b")
    net.link(a, b, delay=5)
    arrivals = collect(b)
    seen = []

    def look():
        yield env.timeout(5)
        seen.append(len(arrivals))

    env.process(look())
    env.process(iter_send(env, a))
    env.run()
    assert seen == [1]


def iter_send(env, port):
    port.send(frame())
    yield env.timeout(0)


def test_run_until_leaves_what_is_due_at_that_time():
    env, seen = Environment(), []
    env.network.call_at(10, seen.append, "network")
    env.process(note_at(env, 10, seen))
    env.run(until=10)
    assert (env.now, env.network.now, seen) == (10, 10, [])
    env.run(until=11)
    assert seen == ["network", "simpy"]
    env.run(until="1us")
    assert env.now == 1000
    with pytest.raises(ValueError, match="later than now"):
        env.run(until=1000)


def note_at(env, t, seen):
    yield env.timeout(t - env.now)
    seen.append("simpy")


def test_time_is_whole_nanoseconds():
    env = Environment()
    with pytest.raises(TypeError, match="int nanoseconds"):
        env.timeout(0.5)
    with pytest.raises(TypeError):
        env.run(until=1.5)
    env.run(until=10**15 + 1)
    assert env.now == 10**15 + 1 and type(env.now) is int


def test_a_failing_process_ends_the_run_and_a_handled_one_does_not():
    env = Environment()

    def failing():
        yield env.timeout(5)
        raise KeyError("lost")

    def handling():
        try:
            yield env.process(failing())
        except KeyError:
            return "handled"

    assert env.run(until=env.process(handling())) == "handled"
    env.process(failing())
    with pytest.raises(KeyError, match="lost"):
        env.run()
    assert env.now == 10


def test_an_exception_in_the_network_comes_out_of_run_and_it_can_go_on():
    env, seen = Environment(), []
    env.network.call_at(3, lambda: 1 // 0)
    env.network.call_at(4, seen.append, 4)
    with pytest.raises(ZeroDivisionError):
        env.run(until=10)
    env.run(until=20)
    assert seen == [4]


def test_interrupts_and_conditions_work_as_in_simpy():
    env, seen = Environment(), []

    def sleeper():
        try:
            yield env.timeout(100)
        except simpy.Interrupt as interrupt:
            seen.append((env.now, interrupt.cause))

    def waker(process):
        yield env.timeout(7) | env.timeout(50)
        process.interrupt("wake")

    env.process(waker(env.process(sleeper())))
    env.run(until=60)
    assert seen == [(7, "wake")]


def test_an_event_that_can_not_happen_any_more_ends_the_run_with_an_error():
    env = Environment()
    with pytest.raises(SimulationStalled, match="nothing is left"):
        env.run(until=env.event())


def test_a_network_has_one_driver():
    net = Network()
    env = Environment(net)
    with pytest.raises(RuntimeError, match="environment"):
        net.run()
    with pytest.raises(ValueError, match="another environment"):
        Environment(net)
    env.run(until=5)
    assert net.now == 5


def test_packets_do_not_pass_through_simpy():
    from usnet.backends.sim.traffic import Reflector, Source
    net, a, b, _, _ = pair(delay="1ms")
    env = Environment(net)
    Source(a, 1000, 100, "1us")
    b.host.callback = None
    Reflector(b)
    before = env._eid.__reduce__()[1][0]
    env.run()
    assert env._eid.__reduce__()[1][0] == before
    assert net.scheduler.executed > 3000
