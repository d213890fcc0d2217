"""The end of a test's world: programs run to their end, connections come to rest, and all that must hold is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from usnet.lab.observe import Observer
from usnet.lab.script import Script
from usnet.lab.script_run import unfinished

SECOND = 10**9
QUIET_STEP = SECOND // 10
QUIET_LIMIT = 300 * SECOND  # virtual: so long the last bytes may take to arrive when all programs but daemons have ended
REACTION = SECOND // 2  # virtual: what daemons get to answer the last bytes
NOT_JUDGED = {"nagle"}
"""Rules of the observer that depend on what programs ask of their sockets."""
MACHINERY = ("usnet", "simpy", "asyncio")
UNSAID = ("SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "CLOSING", "LAST_ACK")
HELD = ("connections", "chunks", "pieces", "kept_buffers", "out_of_order", "scoreboards", "trials", "reassemblies", "listeners", "udp")


class CheckFailed(AssertionError):  # noqa: N818
    """Something that must hold in every network does not: a program never ended, a rule of TCP was broken, or a host
    without an open socket still holds memory."""


def trimmed(error: BaseException) -> Any:
    """The traceback of an exception that came out of a world, without the lines that led to the program's own."""
    mine = error.__traceback__
    while mine is not None and mine.tb_frame.f_globals.get("__name__", "").partition(".")[0] in MACHINERY:
        mine = mine.tb_next
    return mine or error.__traceback__


def still_waiting(world: Any, *more: Any) -> CheckFailed:
    """What to raise when programs, and `more` of them that are scripts, have not ended in time."""
    places = [f"{name} at {place}" for script in more if isinstance(script, Script) for name, place in script.places()]
    left = ", ".join([*world.env.waiting(), *places])
    return CheckFailed(f"at {world.now / 1e9:g} s of virtual time, the limit, these programs still wait: {left}")


def run_programs(world: Any, limit: int) -> None:
    """Runs until all programs other than daemons have ended, those too that were begun meanwhile. CheckFailed, or of
    scripts Deadlock, when virtual time reaches `limit` (ns) before; SimulationStalled when nothing is left to happen."""
    while world.env.waiting() or unfinished(world):
        if world.now >= limit:
            raise still_waiting(world)
        if world.scripts:
            world.run(limit=limit - world.now)
        elif not world.run_programs(limit=limit):
            raise still_waiting(world)


def unsaid(host: Any) -> bool:
    """Whether a host has bytes, a SYN or a FIN that a peer has not acknowledged."""
    return any(c.state in UNSAID or (c.send_queue and c.protocol == "tcp" and c.state != "LISTEN") for c in host.stack.connections())


def run_to_rest(world: Any, limit: int) -> None:
    """Runs to the end: programs, then the last bytes, then daemons are ended where they wait, then what connections
    still wait for (2 MSL, and the patience with a peer that is gone)."""
    run_programs(world, limit)
    until = world.now + QUIET_LIMIT
    while world.now < until and any(unsaid(host) for host in world.hosts.values()):
        world.run(until=world.now + QUIET_STEP)
    world.run(until=world.now + REACTION)
    run_programs(world, limit)
    for program in list(world.env.programs.values()):
        program.kill()
    patience = REACTION
    for host in world.hosts.values():
        c = host.stack.core.configuration()
        patience = max(patience, 2 * c["msl"] + c["fin_wait_2"] + 4 * c["rto_max"])
    world.run(until=world.now + patience)


def leftovers(world: Any) -> Iterator[str]:
    """What hosts hold though no socket of theirs is open."""
    for name, host in world.hosts.items():
        memory = host.stack.statistics()["memory"]
        if memory["descriptors"]:
            continue
        held = {key: memory[key] for key in HELD if memory[key]}
        if memory["timers"] > memory["neighbours"]:
            held["timers"] = memory["timers"] - memory["neighbours"]
        if held:
            yield f"{name} has no open socket, and still holds {', '.join(f'{n} {key}' for key, n in held.items())}"


def broken_rules(observer: Observer, unjudged: Set[str]) -> Iterator[str]:
    for rule, texts in observer.violations.items():
        if rule not in NOT_JUDGED | unjudged:
            yield from (f"{rule}: {text}" for text in texts)
            if more := observer.found[rule] - len(texts):
                yield f"{rule}: and {more} more times"


def judge(world: Any, observer: Observer, unjudged: Set[str] = frozenset()) -> None:
    """CheckFailed, with all that was found, when something that must hold does not. The world is at rest."""
    observer.finish(world.now)
    found = [*broken_rules(observer, unjudged), *leftovers(world)]
    if found:
        raise CheckFailed("\n".join(found))
