"""SimPy's face of the simulator: one virtual time for SimPy processes, programs and packets.

    env = Environment(seed=7)
    net = env.network
    net.link(net.port("a"), net.port("b"), rate="10Mbit", delay="20ms")
    env.process(...)
    env.run(until="30s")

Times are int nanoseconds. At one instant the order is: SimPy's urgent events (processes that start, interrupts, the end
of run()); then the network, until nothing is left at this instant: its events in the order in which they were put in,
then the hosts that have become due; then SimPy's other events, by (priority, order of scheduling) as ever, the network
going first again after each. So whoever looks sees a network that has settled.
"""
import operator

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import URGENT, Event

from usnet.backends.sim import units
from usnet.backends.sim.network import Network
from usnet.lab.drive import drive, network_limit, schedule


class SimulationStalled(RuntimeError):  # noqa: N818
    """Nothing is left to happen, and programs still wait."""


class Environment(simpy.Environment):
    """Environment(network=None, seed=0): a simpy.Environment whose time is that of a Network (a new one with that seed
    when None).

    `now`, delays and `until` are int nanoseconds (TypeError for floats; `until` may be text such as "2s"). run(until=t)
    stops before what is due at t, as SimPy does. Failed events that nobody handles end the run with their exception,
    and so does a program's exception.
    """

    def __init__(self, network=None, *, seed=0):
        if network is None:
            network = Network(seed)
        if network.environment is not None:
            raise ValueError("the network belongs to another environment")
        self.network = network
        self.programs = {}              # name -> Program, those that have not ended, in the order of their start
        self._scheduler = network.scheduler
        self._running = False
        super().__init__(network.now)
        network.environment = self

    @property
    def now(self):
        """Virtual time, ns."""
        return self._scheduler.now

    @property
    def _now(self):
        return self._scheduler.now

    @_now.setter
    def _now(self, t):
        self._scheduler.advance(t)

    @property
    def running(self):
        """Whether run() or step() is under way: whoever asks is called from it."""
        return self._running

    schedule = schedule

    def peek(self):
        """Time of the next event of either kind in ns; SimPy's Infinity when there is none."""
        mine, its = self._scheduler.peek(), super().peek()
        return its if mine is None else min(mine, its)

    def step(self):
        """Processes the next event of either kind. EmptySchedule when none is left."""
        was, self._running = self._running, True
        try:
            if not self._scheduler.step(network_limit(self._queue)):
                super().step()
        finally:
            self._running = was

    def run(self, until=None):
        """Runs until no event is left, up to a time (ns, or text with a unit), or until an event has happened, whose
        value is returned.

        Raises what events and programs raise; SimulationStalled when nothing is left to happen but programs wait (other
        than daemons), or when `until` is an event that did not happen; ValueError for a time that is not in the future.
        """
        if self._running:
            raise RuntimeError("the environment is running already")
        if until is not None:
            until = self._stop_at(until)
            if until.callbacks is None:
                return until.value
            until.callbacks.append(StopSimulation.callback)
        self._running = True
        try:
            self._run()
        except StopSimulation as stop:
            return stop.args[0]
        except EmptySchedule:
            self._check_stalled(until)
        finally:
            self._running = False
            if until is not None and until.callbacks and StopSimulation.callback in until.callbacks:
                until.callbacks.remove(StopSimulation.callback)
        return None

    def _stop_at(self, until):
        """The event that ends a run."""
        if isinstance(until, Event):
            return until
        t = units.time(until) if isinstance(until, str) else operator.index(until)
        if t <= self.now:
            raise ValueError(f"until ({until}) must be later than now ({self.now} ns)")
        event = Event(self)
        event._ok, event._value = True, None
        self.schedule(event, URGENT, t - self.now)
        return event

    def _run(self):
        drive(self._scheduler, self._queue, super().step)

    def go_on(self):
        """Lets the network run until Python is called, or processes SimPy's next event. EmptySchedule when nothing is
        left."""
        was, self._running = self._running, True
        try:
            if not self._scheduler.run_before(network_limit(self._queue)):
                super().step()
        finally:
            self._running = was

    def waiting(self):
        """Which programs, other than daemons, wait, and what for: a list of texts."""
        return [f"{p.name} (in {p.waits_for})" for p in self.programs.values() if not p.daemon]

    def stalled(self, *more):
        """The error that names who waits: `more` (texts) and the programs."""
        return SimulationStalled(f"at {self.now} ns nothing is left to happen, but these wait: {', '.join([*more, *self.waiting()])}")

    def _check_stalled(self, until):
        if self.waiting():
            raise self.stalled() from None
        if until is not None:
            raise SimulationStalled(f"at {self.now} ns nothing is left to happen, but {until} has not") from None
