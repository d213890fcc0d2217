"""When the run of a world with scripts is over, and what it says when it cannot go on."""

import contextlib
import gc

from simpy.events import Event

from usnet.backends.sim import units
from usnet.backends.sim.host import Alarm
from usnet.lab.environment import SimulationStalled

RESTING = ("LISTEN", "TIME_WAIT", "CLOSED")
STEP = 100_000_000  # ns between two looks at whether the connections have come to rest
PATIENCE = 60 * 10**9  # ns that they may take
QUIET = 600 * 10**9  # ns: longer than TCP ever pauses
LINGER = 10**9  # ns that servers have when nothing is open any more


class Deadlock(SimulationStalled):
    """Every script waits and nothing is left to happen, or time is up; the text says where each of them is."""


def unfinished(world):
    """The scripts that must end for the run to be over."""
    some_ended = world.programs_ended or any(script.status is not None for script in world.scripts)

    def may_be_left(script):
        return script.daemon if script.daemon is not None else script.serves and some_ended

    return [script for script in world.scripts if script.status is None and not may_be_left(script)]


def others(world):
    """Programs that are not scripts' and must end."""
    return [program for program in world.env.programs.values() if not program.daemon]


@contextlib.contextmanager
def collecting(world):
    """Inside, cycles of garbage are looked for after so many turns of scripts, not after so many objects of the whole process: what closes a
    socket that was forgotten in one comes at the same instant in each run."""
    if not world.virtual or not gc.isenabled():
        yield
        return
    gc.disable()
    gc.freeze()
    world.watch.collects = True
    try:
        yield
    finally:
        world.watch.collects = False
        gc.unfreeze()
        gc.enable()


def run(world, limit):
    """Runs until the scripts have ended: all of them; or, once those that never listened have, until the connections have come to rest.

    Raises what scripts raise; Deadlock when nothing is left to happen or virtual time has reached `limit` (ns or text; None: none).
    """
    times_up = Event(world.env)
    alarm = Alarm(world.network.scheduler, lambda now: times_up.succeed())
    if limit is not None:
        alarm.set(world.now + units.time(limit))
    try:
        while _go_on(world, times_up):
            pass
    finally:
        alarm.clear()
    if any(script.status is None for script in world.scripts):
        settle(world)


def _go_on(world, times_up):
    """Runs until something that matters has changed: whether there is more to run."""
    must, plain = unfinished(world), others(world)
    if not must and not plain:
        return False
    world.change = Event(world.env)
    running = [script for script in world.scripts if script.status is None]
    events = [script.main.done for script in running] + [program.done for program in plain] + [world.change, times_up]
    stalled = False
    try:
        world.env.run(world.env.any_of(events))
    except SimulationStalled:
        stalled = True
    raise_failures(world)
    world.programs_ended = world.programs_ended or len(others(world)) < len(plain)
    if not unfinished(world) and not others(world):
        return False
    if stalled:
        raise Deadlock(f"at {world.now / 1e9:g} s nothing is left to happen, but these wait:{places(world)}")
    if times_up.triggered:
        if is_over(world):
            raise Deadlock(f"since {world.last_turn / 1e9:g} s nothing is left to happen, but these wait:{places(world)}")
        raise Deadlock(f"at {world.now / 1e9:g} s, the limit, these have not ended:{places(world)}")
    return True


def is_over(world):
    """Whether nothing but frames and timers of TCP has happened for long, and nobody waits for a time."""
    programs = world.env.programs.values()
    return world.now - world.last_turn > QUIET and all(program._alarm.time is None for program in programs)


def raise_failures(world):
    """Raises the exception that ended a script, once."""
    if world.failures:
        raise world.failures.pop(0).error


def settle(world):
    """Lets servers finish what their clients left them."""
    end = world.now + PATIENCE
    while busy(world) and world.now < end:
        world.env.run(world.now + STEP)
    world.env.run(world.now + LINGER)
    raise_failures(world)


def busy(world):
    """Whether some connection is still open, or being closed."""
    for host in world.hosts.values():
        core = host.stack.core
        if any(core.snapshot(number)["state"] not in RESTING for number in core.connections()):
            return True
    return False


def places(world):
    """Lines that say where each program waits."""
    lines = [f"\n  {name} at {place}" for script in world.scripts if script.status is None for name, place in script.places()]
    lines += [f"\n  {program.name} ({program.waits_for})" for program in others(world)]
    return "".join(lines)
