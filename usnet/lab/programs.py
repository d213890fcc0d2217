"""Blocking programs in virtual time: each runs on a greenlet of its own, and a call that would block lets the world go
on instead.

    def client(env): ...        # ordinary blocking code
    spawn(env, client, env)
    env.run()

While a program computes no time passes. Programs wake in the order in which what they wait for happened; at one instant
after the network has settled, in line with SimPy's events.
"""
import contextvars
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped, unused-ignore]
from simpy.events import NORMAL, Event

from usnet.backends.poller import Poller
from usnet.backends.sim import units
from usnet.backends.sim.host import Alarm
from usnet.lab.environment import EmptySchedule
from usnet.lab.turns import set_aside, take_up

FOREVER = 2**63 - 1
NO_PROGRESS_LIMIT = 1_000_000
"""So many waits of one program at one instant are a loop that will never end."""


class NoProgress(RuntimeError):  # noqa: N818
    """A program waits over and over, and no virtual time passes."""


class Program(greenlet):
    """A running program; made by spawn().

    `value`: what its function returned; `alive`; `waits_for`: what it is blocked in, as text; `daemon`: it may be left
    waiting at the end.
    """

    def __init__(self, env, name, daemon, function, args):
        super().__init__()
        self.env = env
        self.name = name
        self.daemon = daemon
        self.value = None
        self._reason = "start"
        self._function, self._args = function, args
        self._blocked = True
        self._ready = False
        self._done = None
        self._instant, self._waits = -1, 0
        self._alarm = Alarm(env.network.scheduler, self._wake)
        self._resumption = Event(env)
        self._resumption._ok, self._resumption._value = True, None

    def run(self):
        try:
            self.value = self._function(*self._args)
        except GreenletExit:
            pass
        except BaseException as error:
            error.add_note(f"in program {self.name!r} at {self.env.now} ns")
            self._end()
            if self._done is None or not self._done.callbacks:
                raise
            self._done.fail(error)
            return
        self._end()
        if self._done is not None:
            self._done.succeed(self.value)

    def _end(self):
        self._alarm.clear()
        self.env.programs.pop(self.name, None)

    @property
    def alive(self):
        return self.name in self.env.programs and self.env.programs[self.name] is self

    @property
    def waits_for(self):
        return self._reason() if callable(self._reason) else self._reason

    @property
    def done(self):
        """A SimPy event that happens when the program ends, with what it returned; whoever waits for it also gets its
        exception."""
        if self._done is None:
            self._done = Event(self.env)
            if not self.alive:
                self._done.succeed(self.value)
        return self._done

    def join(self):
        """Waits, in another program, for this one to end: what it returned, or its exception."""
        return wait_for(self.done)

    def kill(self):
        """Ends the program where it waits: `finally` clauses run, at this instant. Nothing happens when it has
        ended."""
        if not self.alive:
            return
        if getcurrent() is self:
            raise GreenletExit
        self._blocked = False
        self.parent = getcurrent()
        aside = set_aside()
        try:
            self.throw(GreenletExit)
        finally:
            take_up(aside)
        self._end()             # a program that was never started runs nothing

    # Between the program and the environment

    def _wake(self, now=None):
        """Has it resumed at this instant, once."""
        if self._blocked and not self._ready:
            self._ready = True
            self._resumption.callbacks = [self._resume]
            self.env.schedule(self._resumption, NORMAL, 0)

    def _resume(self, event):
        self._ready = False
        if self._blocked:       # not killed in the meantime
            self._blocked = False
            self.parent = getcurrent()
            aside = set_aside()
            try:
                self.switch()
            finally:
                take_up(aside)

    def _happened(self, event):
        """Callback of an event that the program waits for."""
        if self._blocked:
            if not event.ok:
                event.defused = True
            self._wake()

    def _count_wait(self):
        if self._instant != self.env.now:
            self._instant, self._waits = self.env.now, 0
        self._waits += 1
        if self._waits > NO_PROGRESS_LIMIT:
            raise NoProgress(f"program {self.name!r} has waited {NO_PROGRESS_LIMIT} times at {self.env.now} ns, "
                             "and no time passes")

    def _block(self, reason, until):
        """Lets the world go on until _wake() or the time `until` (ns). reason: text, or what gives it."""
        self._count_wait()
        if until <= self.env.now:
            self._blocked = True
            self._wake()
        elif until != FOREVER:
            self._alarm.set(until)
        self._blocked = True
        self._reason = reason
        aside = set_aside()
        try:
            self.parent.switch()
        finally:
            take_up(aside)
            self._blocked = False
            self._reason = "nothing"
            self._alarm.clear()


def spawn(env, function, *args, name=None, daemon=False, kind=Program):
    """Runs function(*args) as a program of the environment, from this instant on. Returns the Program.

    Its name (the function's when None) is made different from those of running programs. An exception that it does not
    handle comes out of env.run(), with a note of its name, unless somebody waits for its end. A `daemon` may still be
    waiting when nothing is left to happen. `kind`: its class.
    """
    wanted = name or getattr(function, "__name__", "program")
    name, n = wanted, 1
    while name in env.programs:
        n += 1
        name = f"{wanted}#{n}"
    program = env.programs[name] = kind(env, name, daemon, function, args)
    program._wake()
    return program


def current():
    """The program that runs, or None."""
    program = getcurrent()
    return program if isinstance(program, Program) else None


def _require(what):
    program = current()
    if program is None:
        raise RuntimeError(f"{what} only in a program (see spawn)")
    return program


def sleep(duration):
    """Lets virtual time pass in a program: ns, or text such as "20ms". 0 lets everything else at this instant go
    first."""
    program = _require("sleep()")
    program._block("sleep", program.env.now + units.time(duration))


def wait_for(event):
    """Waits in a program for a SimPy event: its value, or its exception."""
    program = _require("wait_for()")
    if event.callbacks is not None:
        event.callbacks.append(program._happened)
        while event.callbacks is not None:
            program._block(f"wait_for {event!r}", FOREVER)
    if not event.ok:
        raise event.value
    return event.value


class SimPoller(Poller):
    """The poller of one host's programs: wait() lets the world go on until a port's host has news, the doorbell rings,
    or the time comes.

    Any number of programs may wait at once; each is woken. A time that has passed does not block, but everything else
    at this instant goes first. Outside of any program, wait() runs the environment (SimulationStalled when nothing is
    left to happen); inside a SimPy process it raises RuntimeError.
    """

    def __init__(self, env, host=None):
        self.env = env
        self.ports = []
        self._own = host                # the one that they run on, with ports or without
        self._hosts = []
        self.is_woken: Any = None       # of the stack: whether the program whose wait has that token should look again
        self.wait_text: Any = None      # of the stack: what the program whose wait has that token waits for
        self._waiters = {}              # program -> its token or None, in the order in which they began to wait
        self._news = 0                  # so many times there was something
        self._seen = {}                 # program (None: the main one) -> news that it was woken for
        self._alarm = Alarm(env.network.scheduler, self._time_came)
        self._deadline = FOREVER        # of the main program's wait, in its host's time
        self._timed_out = False
        if host is not None:
            self._listen(host)

    def reset(self, env):
        """As new, in another environment of the same network: nobody waits."""
        self.env = env
        self._waiters, self._seen, self._news, self._timed_out = {}, {}, 0, False
        self._alarm.clear()

    def _listen(self, host):
        self._hosts.append(host)
        host.add_listener(self._host_news)
        host.add_clock_listener(self._clock_set)

    def _unlisten(self, host):
        self._hosts.remove(host)
        host.remove_listener(self._host_news)
        host.remove_clock_listener(self._clock_set)

    def add_port(self, port):
        if port.network is not self.env.network:
            raise ValueError(f"{port.name} belongs to another network")
        self.ports.append(port)
        if port.host not in self._hosts:
            self._listen(port.host)

    def remove_port(self, port):
        if port not in self.ports:
            raise KeyError(port)
        self.ports.remove(port)
        if port.host is not self._own and not any(known.host is port.host for known in self.ports):
            self._unlisten(port.host)

    def _host_news(self, now):
        self.ring_doorbell()

    def ring_doorbell(self):
        """Wakes all who wait, or the next wait of each program. From the thread of the environment only."""
        self._news += 1
        for program, token in self._waiters.items():
            if token is None or self.is_woken(token):
                program._wake()

    def _clock_set(self):
        """A host's clock is another: whoever waits for a time of it looks again."""
        for program in list(self._waiters):
            program._wake()
        if self._alarm.time is not None and self._hosts:
            self._alarm.set(self._hosts[0].instant(self._deadline))

    def give_way(self):
        """Counts a call that would not wait as a wait at this instant: a loop of such calls is NoProgress in the end."""
        program = current()
        if program is not None:
            program._count_wait()

    def start_program(self, function, name):
        """Runs function() as a program of its own, in the context of the caller. It is not waited for at the end."""
        spawn(self.env, contextvars.copy_context().run, function, name=name, daemon=True)

    def _time_came(self, now):
        self._timed_out = True

    def wait(self, deadline_ns):
        return self._wait(deadline_ns, None)

    def wait_for(self, deadline_ns, token):
        """As wait(), but woken only by what is_woken(token) confirms: many programs on one host do not wake each other."""
        return self._wait(deadline_ns, None if self.is_woken is None else token)

    def _wait(self, deadline_ns, token):
        program = current()
        for host in self._hosts:
            if host.native:             # calls may have left it something to do, or another deadline
                host.touch()
        if program is None:
            self._deadline = deadline_ns
        if self._hosts:
            deadline_ns = self._hosts[0].instant(deadline_ns)
        if program is None:
            return self._drive(deadline_ns, token)
        if deadline_ns > self.env.now and (self._take_news(program) if token is None else self.is_woken(token)):
            program._count_wait()
            return True
        self._waiters[program] = token
        try:
            program._block(lambda: self._waits_for(token), deadline_ns)
        finally:
            del self._waiters[program]
        return token is not None or self._take_news(program)

    def _waits_for(self, token):
        return "a wait for " + ("its host" if token is None else self.wait_text(token))

    def _take_news(self, program):
        """Whether there was something that this program was not woken for yet."""
        if self._seen.get(program, 0) == self._news:
            return False
        self._forget_dead()
        self._seen[program] = self._news
        return True

    def _forget_dead(self):
        if len(self._seen) > 2 * len(self.env.programs) + 8:
            self._seen = {p: n for p, n in self._seen.items() if p is None or p.alive}

    def _drive(self, deadline_ns, token):
        """The main program waits: it is what runs the environment."""
        if self.env.running:
            raise RuntimeError("this would block inside a SimPy process or a callback: make it a program (see spawn)")
        self._timed_out = False
        self._alarm.set(deadline_ns)
        try:
            while not (self._timed_out and self.env.network.peek() != self.env.now):
                if self._take_news(None):
                    return True
                self.env.go_on()
        except EmptySchedule:
            raise self.env.stalled(f"the main program (in {self._waits_for(token)})") from None
        finally:
            self._alarm.clear()
        return self._take_news(None)

    def close(self):
        for port in list(self.ports):
            self.remove_port(port)
        for host in list(self._hosts):
            self._unlisten(host)
        self._alarm.clear()
