"""What can be measured in turn: a case is some work of usnet's, and the same of its peers; works are as in benchmarks/native.py."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from benchmarks import anchor, counted
from benchmarks.rows import row


@dataclasses.dataclass(frozen=True)
class Peer:
    """Somebody else who does the work. missing: says what is not here that it takes, or None. counts: callgrind sees all of it."""

    name: str
    work: Callable[[], Any]
    missing: Callable[[], str | None] = lambda: None
    counts: bool = False


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Figures of a peer that no package registry has, as they were measured on another day: ns are scaled by how fast this machine is now."""

    name: str
    ns: float
    instructions: float | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """units: of work in a run; warm: before it; counted: under callgrind (0: not at all). facts: what else is told, {unit: function of a tally}.
    per: what a unit is called. missing: as a peer's. step_work: usnet's work where its clock goes on by steps, which repeats to the instruction."""

    name: str
    per: str
    work: Callable[[], Any]
    peers: tuple = ()
    units: int = 100_000
    warm: int = 20_000
    counted: int = 0
    step_work: Callable[[], Any] | None = None
    facts: dict = dataclasses.field(default_factory=dict)
    missing: Callable[[], str | None] = lambda: None


def rows(bench, number, case, options):
    """All rows of a case, of which `number` is the place among those of `bench`."""
    said, lacking = {}, case.missing()
    if lacking:
        yield row(bench, case.name, f"ns/{case.per}", [], why=lacking)
        return
    if options.times:
        for made, tallies in timed(bench, case, options):
            said = tallies
            yield made
    if options.instructions and case.counted:
        yield from instructions(bench, number, case, options)
    for unit, fact in case.facts.items():
        if said:
            mine = [fact(said["usnet"])]
            others = [(name, [fact(tally)]) for name, tally in said.items() if name != "usnet" and tally["acks"]]
            for name, theirs in others or [(None, [])]:
                yield row(bench, case.name, unit, mine, name, theirs)


def timed(bench, case, options):
    """(row, {who: the last tally}) of each peer: all in turn, in one process."""
    lacking = {peer.name: peer.missing() for peer in case.peers if isinstance(peer, Peer)}
    here = [peer for peer in case.peers if isinstance(peer, Peer) and not lacking[peer.name]]
    ns = {"usnet": [], **{peer.name: [] for peer in case.peers}}
    tallies = {}
    with contextlib.ExitStack() as opened:
        runs = {"usnet": opened.enter_context(case.work()), **{peer.name: opened.enter_context(peer.work()) for peer in here}}
        for run in runs.values():
            run(amount(case.warm, options))
        for _ in range(options.runs):
            for name, run in runs.items():
                rest(run)
                tallies[name] = right(run(amount(case.units, options)), bench, case, name)
                ns[name].append(tallies[name]["ns"] / tallies[name]["units"])
            scale = anchor.scale() if any(isinstance(peer, Recorded) for peer in case.peers) else 1
            for peer in case.peers:
                if isinstance(peer, Recorded):
                    ns[peer.name].append(peer.ns * scale)
    unit = f"ns/{case.per}"
    for peer in case.peers:
        yield row(bench, case.name, unit, ns["usnet"], label(peer), ns[peer.name], why=lacking.get(peer.name)), tallies
    if not case.peers:
        yield row(bench, case.name, unit, ns["usnet"]), tallies


def rest(run):
    """Lets a work do what it has to between two runs."""
    getattr(run, "rest", lambda: None)()


def amount(units, options):
    return max(1, int(units * options.share))


def label(peer):
    return f"{peer.name} (recorded)" if isinstance(peer, Recorded) else peer.name


def right(tally, bench, case, name):
    """The tally, unless something went wrong in that work."""
    if tally["wrong"]:
        raise RuntimeError(f"{bench}, {case.name}: {name} got {tally['wrong']} wrong")
    return tally


def instructions(bench, number, case, options):
    lacking = counted.missing()
    unit = f"instructions/{case.per}"
    here = [peer for peer in case.peers if isinstance(peer, Peer) and peer.counts]
    if lacking:
        yield row(bench, case.name, unit, [], why=lacking)
        return
    units = amount(case.counted, options)
    works = ["usnet"] + [peer.name for peer in here if not peer.missing()]
    found = counted.count([(bench, number, name, units) for name in works])
    mine = [found[bench, number, "usnet"]]
    for peer in here:
        theirs = found.get((bench, number, peer.name))
        yield row(bench, case.name, unit, mine, peer.name, [theirs] if theirs else [], why=peer.missing())
    recorded = [peer for peer in case.peers if isinstance(peer, Recorded) and peer.instructions]
    for peer in recorded:
        yield row(bench, case.name, unit, mine, label(peer), [peer.instructions])
    if not here and not recorded:
        yield row(bench, case.name, unit, mine)
