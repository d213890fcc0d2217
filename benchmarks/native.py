"""usnet without Python in the loop: two stacks joined by a pair of ports in memory, in one thread, checksums in software (drivers/joined.pyx)."""

import contextlib

import usnet
from benchmarks import building
from usnet.backends.clock import MonotonicClock
from usnet.backends.pair import make_pair

BUFFER = 256 << 10
SLOTS = 512
SPARES = 512  # for the calls without a copy


def missing():
    return building.missing()


@contextlib.contextmanager
def joined(connections, *, step=0, check=False, spares=0, most=None, limits=None, **config):
    """Two stacks and `connections` between them, as an object of drivers/joined.pyx, which says what step and check are. most: connections that there
    may be; limits: more arguments of both stacks; config: settings of both."""
    driver = building.module("joined")
    ports = make_pair(clock=MonotonicClock(), slots=SLOTS, spares=spares)
    fixed = {"sndbuf": BUFFER, "rcvbuf": BUFFER, "sndbuf_most": 0, "rcvbuf_most": 0}       # as those of the peers are
    config = {"msl": 1_000_000, **fixed, **config}
    most = most or connections + 128
    limits = {"max_connections": most + 4096, "max_sockets": most + 1024, **(limits or {})}
    near = usnet.Stack(ports[0], "10.0.0.1/24", seed=1, config=config, **limits)
    far = usnet.Stack(ports[1], "10.0.0.2/24", seed=2, config=config, **limits)
    try:
        both = driver.Joined(near, far, most, step, check)
        both.open_and_close(1, 1)  # each knows the other's station from now on
        both.connect(connections)
        yield both
    finally:
        near.close(linger=0)
        far.close(linger=0)


# Works: context managers that give a function, which does some units of work and says what they cost (`tally` of drivers/common.pxd). What there is
# to do between two calls, uncounted, is its attribute `rest`.

@contextlib.contextmanager
def bulk(lent=False, mss=1448, **how):
    """Units are segments of `mss` bytes."""
    with joined(1, spares=SPARES if lent else 0, **how) as both:
        yield lambda units: both.bulk(units * mss, lent)


@contextlib.contextmanager
def echo(connections, **how):
    with joined(connections, **how) as both:
        yield lambda units: both.echo(max(1, units // connections))


@contextlib.contextmanager
def chosen(connections, **how):
    """64 under way over so many connections, chosen at random, as a server is set up for it: all connections stay awake (while no timer fires, none
    could rest anyway), and their memory was touched before. Where no timer may fire, what is not acknowledged piles up until the run is over."""
    most = connections + 128
    with joined(connections, limits={"max_chunks": 1 << 16, "huge_pages": True, "touched": most}, working_set=most, **how) as both:
        def run(units):
            return both.chosen(max(1, units // 64))

        run.rest = both.settle
        yield run


@contextlib.contextmanager
def connect(batch, **how):
    with joined(0, most=batch + 64, limits={"max_connections": 65536}, **how) as both:
        yield lambda units: both.open_and_close(max(1, units // batch), batch)
