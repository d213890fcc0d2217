"""Scripts on a device, in real time: the same programs and threads as in a world, whose events happen when the clock says so.

    make = functools.partial(Stack, "tap:tap0", "10.9.0.2/24")
    with LiveWorld(make) as world:
        script = world.machine.run_script("server.py")
        world.run()
"""

import contextlib
import signal
import socket as std
import threading

from usnet.backends.clock import MonotonicClock
from usnet.backends.poller import OSPoller
from usnet.lab.attach import attach_live
from usnet.lab.environment import Environment
from usnet.lab.programs import FOREVER, SimPoller, current
from usnet.lab.world import Host, World

LOOK = 50_000
"""ns: while programs compute and wait in turns, the rings are looked at this often."""
POLL = 1_000_000
"""ns: ports without a descriptor are looked at this often while everybody waits."""
LINGER = 10 * 10**9
"""ns that what was sent and closed has to arrive when the script has ended."""


class LiveEnvironment(Environment):
    """An Environment whose time is the clock's: what is due happens then, and between that it waits for the ports. Its events' time may lag behind
    `now` while a program computes."""

    def __init__(self, network):
        super().__init__(network)
        self.clock = MonotonicClock()
        self.poller = OSPoller(self.clock)
        self.must_poll = False
        self.hosts = []
        self.scripts = []
        self._next_look = 0
        self._now = self.clock.now()

    @property
    def now(self):
        return self.clock.now()

    def _run(self):
        while True:
            self.go_on()

    def go_on(self):
        was, self._running = self._running, True
        try:
            for script in self.scripts:
                script.deliver()
            self._look()
            if self.peek() <= self.clock.now():
                self.step()
        finally:
            self._running = was

    def _look(self):
        """Waits for the ports until the next event is due; not at all when it is."""
        now, due = self.clock.now(), self.peek()
        if due <= now < self._next_look:
            return
        if due > now:
            self._now = now
        until = min(due, FOREVER, now + POLL if self.must_poll else FOREVER)
        if self.poller.wait(int(until) if due > now else now) or self.must_poll:
            for host in self.hosts:
                host.touch()
        self._next_look = self.clock.now() + LOOK


class LivePoller(SimPoller):
    """What the stack of a LiveWorld waits with: its ports wake the environment."""

    def __init__(self, env, simulated):
        super().__init__(env, simulated)
        self.os_poller = env.poller

    def add_port(self, port):
        self.ports.append(port)
        try:
            self.env.poller.add_port(port)
        except ValueError:
            self.env.must_poll = True   # it has no descriptor

    def remove_port(self, port):
        self.ports.remove(port)
        if not self.env.must_poll:
            self.env.poller.remove_port(port)

    def give_way(self):
        """A call found nothing and will not wait: the others, and the ports, have a turn."""
        program = current()
        if program is not None:
            program._block("its turn", self.env.now)


class LiveHost:
    """The machine, as its scripts see it: they run on one stack."""

    run_script = Host.run_script

    def __init__(self, world, make):
        self.world = world
        self.name = std.gethostname()
        self.simulated = world.network.host("live")
        poller = LivePoller(world.env, self.simulated)
        self.stack = make(clock=world.env.clock, poller=poller)
        poller.is_woken, poller.wait_text = self.stack.is_woken, self.stack.wait_text
        attach_live(self.stack, self.simulated)
        world.env.hosts.append(self.simulated)


class LiveWorld(World):
    """LiveWorld(make): a world of one `machine`, whose stack make(clock=..., poller=...) returns, in real time."""

    virtual = False

    def __init__(self, make):
        super().__init__(patience=None)
        self.machine = LiveHost(self, make)
        self.hosts["live"] = self.machine
        self.env.scripts = self.scripts

    def _environment(self):
        return LiveEnvironment(self.network)

    def interrupted(self):
        self.env.poller.ring_doorbell()

    def run(self, until=None, limit=None):
        with self._ctrl_c():
            super().run(until, limit)
        end = self.env.now + LINGER
        while self.machine.stack.has_unsaid() and self.env.now < end:
            self.env.go_on()

    @contextlib.contextmanager
    def _ctrl_c(self):
        """Inside, Ctrl-C is raised in the scripts' main threads, wherever it meets the process."""

        def caught(number, frame):
            for script in self.scripts:
                if script.status is None:
                    script.interrupt(lambda: signal.default_int_handler(number, frame))

        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, caught)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def close(self):
        super().close()
        self.env.poller.close()
