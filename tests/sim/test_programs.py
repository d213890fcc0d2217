"""Blocking programs in virtual time."""
import pytest

from tests.sim.worlds import frame, number
from usnet.lab import programs
from usnet.lab.environment import Environment, SimulationStalled
from usnet.lab.programs import NoProgress, SimPoller, current, sleep, spawn, wait_for

FOREVER = 2**63 - 1


class Station:
    """A port with a blocking receive, as a socket would have one."""

    def __init__(self, env, name, granularity="1ns"):
        self.port = env.network.port(name, granularity=granularity)
        self.poller = SimPoller(env)
        self.poller.add_port(self.port)
        self.frames = []

    def receive(self, timeout=None):
        clock = self.port.clock
        deadline = FOREVER if timeout is None else clock.now() + timeout
        while not self.frames:
            self.frames += [data for data, _ in self.port.receive()]
            if not self.frames:
                if clock.now() >= deadline:
                    raise TimeoutError
                self.poller.wait(deadline)
        return self.frames.pop(0)


def world(**link):
    env = Environment()
    a, b = Station(env, "a"), Station(env, "b")
    env.network.link(a.port, b.port, **link)
    return env, a, b


def test_two_blocking_programs_talk_in_virtual_time():
    env, a, b = world(delay="10ms")
    log = []

    def client():
        for n in range(3):
            a.port.send(frame(n))
            log.append((number(a.receive()), env.now))
        return "done"

    def server():
        for _ in range(3):
            data = b.receive()
            sleep("5ms")
            b.port.send(data)

    spawn(env, server)
    program = spawn(env, client)
    env.run()
    assert log == [(0, 25_000_000), (1, 50_000_000), (2, 75_000_000)]
    assert (program.value, program.alive, env.now, env.programs) == ("done", False, 75_000_000, {})


def test_sleep_takes_exactly_as_long():
    env, woken = Environment(), []

    def program(duration):
        sleep(duration)
        woken.append((env.now, duration))

    for duration in (3, "2us", 0, 1):
        spawn(env, program, duration)
    env.run()
    assert woken == [(0, 0), (1, 1), (3, 3), (2000, "2us")]


def test_a_wait_ends_at_its_deadline():
    env, a, _ = world()
    caught = []

    def program():
        sleep(1)
        with pytest.raises(TimeoutError):
            a.receive(timeout=1_000_000)
        caught.append(env.now)

    spawn(env, program)
    env.run()
    assert caught == [1_000_001]


def test_a_wait_never_ends_early_on_a_coarse_clock():
    env = Environment()
    station = Station(env, "s", granularity="4ms")
    seen = []

    def program():
        sleep("3ms")
        with pytest.raises(TimeoutError):
            station.receive(timeout=5_000_000)
        seen.append(env.now)

    spawn(env, program)
    env.run()
    assert seen == [8_000_000]


def test_an_early_wake_up_leaves_no_later_event_behind():
    env, a, b = world(delay="1ms")

    def program():
        a.receive(timeout=10**12)

    spawn(env, program)
    b.port.send(frame())
    env.run()
    assert env.now == 1_000_000


def test_all_who_wait_for_one_host_are_woken_in_the_order_of_their_waiting():
    env, a, b = world(delay="1ms")
    order = []

    def program(name):
        a.poller.wait(FOREVER)          # what came before
        a.poller.wait(FOREVER)
        order.append((env.now, name))

    env.run(until=1)
    for name in "cab":
        spawn(env, program, name)
    b.port.send(frame())
    env.run()
    assert order == [(1_000_001, name) for name in "cab"]


def test_the_doorbell_wakes_the_wait_or_the_next_one():
    env, a, _ = world()
    env.run(until=10)
    woken = []

    def program():
        for deadline in (FOREVER, FOREVER, 500):
            woken.append((a.poller.wait(deadline), env.now))

    a.poller.ring_doorbell()
    spawn(env, program)
    env.network.call_at(100, a.poller.ring_doorbell)
    env.run()
    assert woken == [(True, 10), (True, 100), (False, 500)]


def test_an_exception_surfaces_with_the_name_of_its_program():
    env = Environment()

    class OddError(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    def failing():
        sleep(7)
        raise OddError(1, 2)

    spawn(env, failing, name="the unlucky one")
    with pytest.raises(OddError) as error:
        env.run()
    assert error.value.__notes__ == ["in program 'the unlucky one' at 7 ns"]
    assert env.now == 7


def test_programs_that_wait_for_ever_are_named():
    env, a, b = world()
    spawn(env, a.receive, name="client")
    spawn(env, b.receive, name="server")
    spawn(env, b.receive, name="logger", daemon=True)
    with pytest.raises(SimulationStalled, match=r"client \(.*server") as error:
        env.run()
    assert "logger" not in str(error.value)


def test_daemons_may_wait_at_the_end():
    env, a, _ = world()
    spawn(env, a.receive, daemon=True)
    env.run()
    assert list(env.programs) == ["receive"]


def test_a_run_up_to_a_time_does_not_mind_waiting_programs():
    env, a, _ = world()
    spawn(env, a.receive)
    env.run(until=1000)
    assert env.now == 1000


@pytest.mark.parametrize("wait", [lambda env, poller: poller.wait(0), lambda env, poller: sleep(0),
                                  lambda env, poller: (poller.ring_doorbell(), poller.wait(FOREVER))])
def test_a_loop_without_progress_is_an_error_that_names_the_program(monkeypatch, wait):
    monkeypatch.setattr(programs, "NO_PROGRESS_LIMIT", 1000)
    env, a, _ = world()

    def spinner():
        sleep(5)
        while True:
            wait(env, a.poller)

    spawn(env, spinner)
    with pytest.raises(NoProgress, match=r"'spinner' has waited 1000 times at 5 ns"):
        env.run()


def test_a_loop_that_polls_and_sleeps_makes_progress(monkeypatch):
    monkeypatch.setattr(programs, "NO_PROGRESS_LIMIT", 10)
    env = Environment()

    def poller():
        for _ in range(100):
            sleep(0)
            sleep(1)

    spawn(env, poller)
    env.run()
    assert env.now == 100


def test_a_poll_that_does_not_block_lets_the_rest_of_the_instant_happen():
    env, a, b = world()

    def program():
        sleep(5)
        b.port.send(frame(3))
        assert a.port.receive() == []
        assert a.poller.wait(0) is True
        return number(a.port.receive()[0][0])

    program = spawn(env, program)
    env.run()
    assert (program.value, env.now) == (3, 5)


def test_a_program_waits_for_others_and_for_simpys_events():
    env = Environment()

    def worker(n):
        sleep(n)
        return n * 10

    def failing():
        sleep(1)
        raise KeyError("broken")

    def process():
        yield env.timeout(50)
        return "from simpy"

    def main():
        assert [spawn(env, worker, n).join() for n in (3, 1)] == [30, 10]
        with pytest.raises(KeyError, match="broken"):
            spawn(env, failing).join()
        timeout = env.timeout(5, "late")
        sleep(20)
        assert wait_for(timeout) == "late"
        event = env.event()
        env.network.call_in(1, event.fail, ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            wait_for(event)
        return wait_for(env.process(process()))

    assert env.run(until=spawn(env, main).done) == "from simpy"
    assert env.now == 3 + 1 + 1 + 20 + 1 + 50


def test_a_simpy_process_waits_for_a_program():
    env = Environment()

    def program():
        sleep(9)
        return "value"

    def process():
        value = yield spawn(env, program).done
        return value, env.now

    assert env.run(until=env.process(process())) == ("value", 9)


def test_a_killed_program_cleans_up_and_is_not_resumed():
    env, a, _ = world()
    cleaned = []

    def victim():
        try:
            sleep(100)
        finally:
            cleaned.append(env.now)

    sleeping, waiting, unborn = spawn(env, victim), spawn(env, a.receive), spawn(env, cleaned.append, "never")
    env.network.call_at(0, unborn.kill)
    env.network.call_at(30, sleeping.kill)
    env.network.call_at(30, waiting.kill)
    env.run()
    assert (cleaned, env.now, env.programs) == ([30], 30, {})


def test_names_are_made_different():
    env = Environment()
    assert [spawn(env, sleep, 1).name for _ in range(3)] == ["sleep", "sleep#2", "sleep#3"]
    env.run()


def test_the_main_program_drives_the_world_when_it_waits():
    env, a, b = world(delay="2ms")

    def echo():
        while True:
            b.port.send(b.receive())

    spawn(env, echo, daemon=True)
    assert current() is None
    a.port.send(frame(4))
    assert number(a.receive()) == 4
    assert env.now == 4_000_000
    with pytest.raises(TimeoutError):
        a.receive(timeout=1000)
    assert env.now == 4_001_000
    spawn(env, b.receive, name="another")
    with pytest.raises(SimulationStalled, match=r"the main program \(in a wait for its host\), another \(in a wait for its host\)"):
        a.receive()


def test_blocking_in_a_simpy_process_is_refused():
    env, a, _ = world()

    def process():
        yield env.timeout(1)
        a.receive()

    env.process(process())
    with pytest.raises(RuntimeError, match="spawn"):
        env.run()
    with pytest.raises(RuntimeError, match="only in a program"):
        sleep(1)


def test_many_programs_run_in_a_deterministic_order():
    def order():
        env, seen = Environment(), []

        def program(n):
            for i in range(5):
                sleep((n * 7919 + i * 31) % 13)
                seen.append((env.now, n))

        for n in range(200):
            spawn(env, program, n)
        env.run()
        return seen

    assert order() == order()
