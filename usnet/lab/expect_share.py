"""What must hold of several streams that share a link, and of the queue in front of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from usnet.backends.sim import models, units
from usnet.lab.limits import SECOND, outside, seconds
from usnet.lab.scenario_format import GoodputTable, QueueLimitsTable, directions, find_link
from usnet.lab.scenario_ledger import Transfer


@dataclass
class Mark:
    """What there was at one end of the part of a run that is measured."""

    t: int
    read: dict[int, int]  # by the id of a Transfer
    links: dict[str, dict[str, Any]]


def mark(run: Any, begin: bool = False) -> Mark:
    """Of now; queues begin to count anew when it is the first."""
    if begin:
        for link in run.world.network.links.values():
            link.up.forget_queue_statistics()
            link.down.forget_queue_statistics()
    links = {name: link.statistics() for name, link in run.world.network.links.items()}
    return Mark(run.world.now, {id(transfer): transfer.read for _, transfer in run.ledger.all()}, links)


def main_streams(run: Any) -> list[tuple[str, Transfer, Fraction]]:
    """Of each connection the stream with the most bytes: the host that sent it, itself, and its bits a second: in the part that is measured, or else
    from the call of connect to the last read."""
    hosts = {address.split("/")[0]: name for name, host in run.world.hosts.items() for address in host.addresses}
    best: dict[Any, tuple[Any, Transfer]] = {}
    for (src, dst), transfer in run.ledger.all():
        key = min(src, dst), max(src, dst)
        if key not in best or transfer.read > best[key][1].read:
            best[key] = src, transfer
    return [(hosts.get(src[0], src[0]), transfer, rate(run, transfer)) for src, transfer in best.values() if transfer.read]


def rate(run: Any, transfer: Transfer) -> Fraction:
    if len(run.marks) < 2:
        return Fraction(transfer.read * 8 * SECOND, max(1, transfer.ended - transfer.began))
    first, last = run.marks
    return Fraction((last.read.get(id(transfer), 0) - first.read.get(id(transfer), 0)) * 8 * SECOND, last.t - first.t)


def jain(rates: list[Fraction]) -> Fraction:
    """Jain's index: 1 when all are equal, 1/n when one has all."""
    squares = sum((r * r for r in rates), Fraction(0))
    return sum(rates, Fraction(0)) ** 2 / (len(rates) * squares) if squares else Fraction(0)


def link_rates(run: Any) -> list[int]:
    """Bits a second of each direction of each link that has a rate or a trace."""
    ways = [way for link in run.world.network.links.values() for way in (link.up, link.down)]
    return [found for way in ways if (found := way.rate or models.capacity(way.trace or []))]


def check_shares(run: Any, rate_of: Any) -> Iterator[str]:
    expect = run.expect
    if expect.jain is None and expect.total is None and not expect.shares:
        return
    streams = main_streams(run)
    rates = [r for _, _, r in streams]
    if expect.jain is not None and (len(rates) < 2 or jain(rates) < Fraction(str(expect.jain))):
        told = ", ".join(f"{name} {float(r) / 1e6:.4g}" for name, _, r in streams)
        yield f"jain: expected at least {expect.jain}, saw {float(jain(rates)):.4f} of {told} Mbit/s"
    if expect.total is not None and streams:
        yield from between("total", sum_of(run, streams), expect.total, lambda text: rate_of(run, text), "Mbit/s")
    whole = sum(rates, Fraction(0))
    for host, wanted in expect.shares.items():
        mine = sum((r for name, _, r in streams if name == host), Fraction(0))
        part = mine / whole if whole else Fraction(0)
        yield from between(f"shares.{host}", part, wanted, lambda text: units.probability(text) * 10**6, "of all", 10**6)


def sum_of(run: Any, streams: list[tuple[str, Transfer, Fraction]]) -> Fraction:
    """Bits a second of all: without a part that is measured, from the first call of connect to the last read."""
    if len(run.marks) == 2:
        return sum((r for _, _, r in streams), Fraction(0))
    took = max(t.ended for _, t, _ in streams) - min(t.began for _, t, _ in streams)
    return Fraction(sum(t.read for _, t, _ in streams) * 8 * SECOND, max(1, took))


def between(name: str, seen: Fraction, wanted: GoodputTable, read: Any, unit: str, scale: int = 1) -> Iterator[str]:
    for word, text, sign in (("at least", wanted.min, 1), ("at most", wanted.max, -1)):
        if text is not None and sign * seen * scale < sign * read(text):
            yield f"{name}: expected {word} {text}, saw {float(seen * scale) / 1e6:.4g} {unit}"


def check_queues(run: Any) -> Iterator[str]:
    t = run.scenario.table
    for wanted in run.expect.queues:
        number = find_link(t.links, wanted.link)
        way = directions(wanted.at, t.links[number])[0]
        name = list(run.world.network.links)[number]
        links = run.marks[1].links if len(run.marks) == 2 else run.statistics["links"]
        seen = links[name][way].get("queue")
        if wanted.busy is not None and len(run.marks) == 2:
            first, last = run.marks
            share = Fraction(last.links[name][way]["busy_ns"] - first.links[name][way]["busy_ns"], last.t - first.t)
            if share < units.probability(wanted.busy):
                yield f"queues: {name}, {way}: busy: expected at least {wanted.busy} of the time, saw {float(share):.4f}"
        if seen is None:
            yield f"queues: {name}: the queue of a link without one of its own is not looked at: give it a kind"
        else:
            yield from (f"queues: {name}, {way}: {text}" for text in check_queue(wanted, seen))


def check_queue(wanted: QueueLimitsTable, seen: dict[str, Any]) -> Iterator[str]:
    for key in ("p50", "p99", "max"):
        most = getattr(wanted, f"stay_{key}")
        if most is not None and seen["stay"][key] > units.time(most):
            yield f"stay_{key}: expected at most {most}, saw {seconds(seen['stay'][key])}"
    if wanted.stay_p50_min is not None and seen["stay"]["p50"] < units.time(wanted.stay_p50_min):
        yield f"stay_p50_min: expected at least {wanted.stay_p50_min}, saw {seconds(seen['stay']['p50'])}"
    for key in ("drops", "marks"):
        limits = getattr(wanted, key)
        text = outside(sum(seen[key].values()), limits, key) if limits is not None else None
        if text:
            yield text
