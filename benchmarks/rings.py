"""What a ring costs: instructions per 60-byte echo between two stacks over a pair of ports, the simulator's link, and a netmap pipe (stand-in)."""

import functools

from benchmarks import callgrind, memory
from usnet.backends.clock import MonotonicClock
from usnet.backends.pair import make_pair
from usnet.backends.poller import Poller
from usnet.backends.sim.network import Network

FEW, MANY = 2_000, 6_000
SLOTS = 512


class ByHand(Poller):
    """Waits for nothing: the benchmark drives the stacks."""

    def add_port(self, port):
        pass


class Ring:
    """Two joined ports, what their stacks need, and who carries frames between them."""

    def __init__(self, ports, clock, carry=lambda: None, **stack):
        self.ports, self.clock, self.carry, self.stack = ports, clock, carry, {"clock": clock, **stack}


def pair():
    clock = MonotonicClock()
    return Ring(make_pair(clock=clock, slots=SLOTS), clock)


def sim():
    net = Network()
    ports = [net.port(name, slots=SLOTS) for name in "ab"]
    net.link(*ports)
    return Ring(ports, net.clock, net.run, poller=ByHand())


def pipe():
    from usnet.backends.netmap.opening import open_port
    from usnet.backends.netmap.standin.kernel import StandIn

    clock, device = MonotonicClock(), StandIn()
    return Ring([open_port(f"vale0:x{end}1", device=device, slots=SLOTS, clock=clock) for end in "{}"], clock, poller=ByHand())


RINGS = {"pair": pair, "sim": sim, "pipe": pipe}


class Carried(memory.Joined):
    def __init__(self, ring):
        self.carry = ring.carry
        super().__init__(ring.ports, **ring.stack)

    def turn(self):
        for stack in (self.near, self.far, self.near):
            stack.run_once()
            self.carry()


def echo(name, requests):
    """ns of CPU per echo over one connection on the ring of that name."""
    joined = Carried(RINGS[name]())
    try:
        client, server = joined.pair()
        return memory.work.echo([client], [server], joined.turn, requests)
    finally:
        joined.close()


@functools.cache
def instructions(name):
    """Instructions per echo, by who executed them: see callgrind.count()."""
    return callgrind.count(f"from benchmarks import rings; rings.echo({name!r}, {{n}})", FEW, MANY)


def native(name):
    """Instructions per echo but for Python's own."""
    spent = instructions(name)
    return spent["usnet"] + spent["libc"]
