"""From the tables of a scenario file to a scenario that can run: what can be known to be wrong before is told here."""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from usnet.backends.fate import Fate
from usnet.backends.sim import models, units
from usnet.backends.sim.pair import MODEL
from usnet.lab.expect import INVARIANTS
from usnet.lab.scenario_format import (
    PROFILES,
    EventTable,
    HostTable,
    LinkModel,
    LinkTable,
    MiddleboxTable,
    QueueTable,
    ScenarioError,
    ScenarioTable,
    directions,
    find_link,
    table,
)
from usnet.lab.scenario_words import Spec, check_hook, find_script, parse


@dataclass(frozen=True)
class Scenario:
    """A scenario that can be run: checked tables, or for a file with cases those."""

    name: str
    path: Path
    table: ScenarioTable
    cases: tuple["Scenario", ...] = ()
    apps: tuple[tuple[str, Spec], ...] = ()
    stacks: dict[str, dict[str, int]] = field(default_factory=dict)
    links: tuple[dict[str, Any], ...] = ()
    fates: tuple[tuple[Fate, ...], ...] = ()

    @property
    def options(self) -> set[str]:
        """All options that its workloads use."""
        return {option for _host, spec in self.apps for option in spec.options}


def from_tables(path: Path, raw: dict[str, Any], case: str = "") -> Scenario:
    """The scenario of a file's tables, of which `case` names the variant. ScenarioError when it cannot be."""
    where = f"{path}: case {case}" if case else str(path)
    t = expand(table(raw, where), where)

    def checked(key: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except ScenarioError:
            raise
        except (ValueError, TypeError) as error:
            raise ScenarioError(f"{where}: {key}: {error}") from None

    t = checked("links", with_traces, t, path.parent)
    if t.name != path.stem:
        raise ScenarioError(f"{where}: name: it is {t.name!r}, but the file is {path.name}")
    checked("duration", units.time, t.duration)
    names = [*t.hosts, *t.routers, *t.switches, *t.middleboxes]
    for name in {n for n in names if names.count(n) > 1}:
        raise ScenarioError(f"{where}: hosts: the name {name!r} occurs twice")
    apps, stacks = [], {}
    for name, host in t.hosts.items():
        texts = [host.app] if isinstance(host.app, str) else host.app or []
        for text in texts:
            spec = checked(f"hosts.{name}.app", find_script, checked(f"hosts.{name}.app", parse, text), path.parent)
            checked(f"hosts.{name}.app", check_hook, spec)
            checked(f"hosts.{name}.app", _check_peer, t, name, spec)
            apps.append((name, spec))
        stacks[name] = checked(f"hosts.{name}.stack", settings, {**PROFILES[t.profile], **t.stack, **host.stack})
        if host.clock is not None:
            checked(f"hosts.{name}.clock.start", units.time, host.clock.start)
            checked(f"hosts.{name}.clock", drift_of, host.clock.drift)
    for name, router in t.routers.items():
        stacks[name] = checked(f"routers.{name}.stack", settings, {**PROFILES[t.profile], **t.stack, **router.stack})
    if not t.links:
        raise ScenarioError(f"{where}: links: there is none")
    links = [checked(f"links[{i}]", _link, link, names, {*t.switches, *t.middleboxes}) for i, link in enumerate(t.links)]
    for name, box in t.middleboxes.items():
        checked(f"middleboxes.{name}", box_options, box)
        checked(f"middleboxes.{name}", _check_ends, name, t.links)
    fates: list[list[Fate]] = [[] for _ in t.links]
    for i, action in enumerate(t.actions):
        number = checked(f"actions[{i}].link", find_link, t.links, action.link)
        ends = (t.links[number].a, t.links[number].b)
        fates[number].append(
            checked(f"actions[{i}]", Fate.from_dict, {"at": action.at, "match": action.match, "do": action.do}, ends)
        )
    for i, event in enumerate(t.events):
        checked(f"events[{i}]", _check_event, t, event)
    if t.heal is not None:
        checked("heal.t", units.time, t.heal.t)
        checked("heal.within", units.time, t.heal.within)
    checked("expect", _check_expect, t)
    return Scenario(
        f"{t.name}/{case}" if case else t.name, path, t, (), tuple(apps), stacks, tuple(links), tuple(map(tuple, fates))
    )


def expand(t: ScenarioTable, where: str) -> ScenarioTable:
    """Hosts with `copies` become so many, NAME-1 and on; so do the links at them."""
    copied = {name: [f"{name}-{i}" for i in range(1, host.copies + 1)] for name, host in t.hosts.items() if host.copies > 1}
    if not copied:
        return t
    hosts: dict[str, HostTable] = {}
    for name, host in t.hosts.items():
        if name in copied and host.address is not None:
            raise ScenarioError(f"{where}: hosts.{name}.address: copies get addresses of their own")
        hosts |= dict.fromkeys(copied.get(name, [name]), host)
    links = []
    for i, link in enumerate(t.links):
        if link.a in copied and link.b in copied:
            raise ScenarioError(f"{where}: links[{i}]: one end at most has copies")
        if link.name is not None and (link.a in copied or link.b in copied):
            raise ScenarioError(f"{where}: links[{i}].name: a link of copies has no name of its own")
        links += [msgspec.structs.replace(link, a=a, b=b) for a in copied.get(link.a, [link.a]) for b in copied.get(link.b, [link.b])]
    return msgspec.structs.replace(t, hosts=hosts, links=links)


MOST_DRIFT = 500_000
"""Parts in a million that a clock may be wrong by."""


@cache
def _known() -> frozenset[str]:
    """The names of all settings."""
    from usnet.stack import StackCore

    return frozenset(StackCore(0, 16, 16, 16).configuration())


def settings(table: dict[str, Any]) -> dict[str, int]:
    """Settings of a stack in numbers: times as ns, sizes as bytes. ValueError for a name that no stack knows."""
    from usnet.tcp.limits import numbers

    known = _known()
    made = {}
    for key, value in numbers(table).items():
        if key not in known:
            raise ValueError(f"{key}: a stack has no such setting (but {', '.join(sorted(known))})")
        if isinstance(value, str):
            try:
                value = units.time(value)
            except ValueError:
                value = units.size(value)
        made[key] = int(value)
    return made


def _check_peer(t: ScenarioTable, host: str, spec: Spec) -> None:
    to = spec.options.get("to")
    if to is not None and (to not in t.hosts or to == host):
        raise ValueError(f"to: {to!r} is no other host")
    if len(t.hosts) < 2:
        raise ValueError("there is no other host to talk to")


CHECKS: dict[str, Callable[[Any], Any]] = {
    "rate": units.rate, "delay": units.time, "jitter": models.jitter, "loss": models.loss, "duplicate": units.probability,
    "corrupt": units.probability, "trace": models.trace,
}
"""How the numbers of a link are read."""


def link_model(link: LinkModel) -> dict[str, Any]:
    """What a table says of a link, as Network.link() takes it; the size of the queue in "bdp" is left."""
    raw: dict[str, Any] = msgspec.structs.asdict(link)
    model = {key: raw[key] for key in MODEL if raw[key] is not None}
    for key in ("loss", "jitter"):
        if isinstance(model.get(key), msgspec.Struct):
            model[key] = given(model[key])
    for key, check in CHECKS.items():
        if key in model:
            try:
                model[key] = check(model[key])
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
    return model


def given(table: msgspec.Struct) -> dict[str, Any]:
    """The keys that a table has."""
    return {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}


def queue_limits(queue: QueueTable, rate: int, delay: int) -> dict[str, Any]:
    """A queue as a link takes it; "1bdp" is the bandwidth times the round trip of the link."""
    made = given(queue)
    for key in models.SIZES:
        size = made.get(key)
        if isinstance(size, str) and size.endswith("bdp"):
            if not rate or not delay:
                raise ValueError(f"queue.{key}: {size!r} of a link without a rate and a delay")
            octets = int(Fraction(size.removesuffix("bdp").strip() or "1") * rate * 2 * delay / (8 * 10**9))
            made[key] = f"{octets}B"
    try:
        models.queue(made)
    except ValueError as error:
        raise ValueError(f"queue.{error}") from None
    return made


def with_traces(t: ScenarioTable, folder: Path) -> ScenarioTable:
    """Traces that are files, seen from the scenario's folder, are read."""

    def read(model: Any) -> Any:
        if model is None or not isinstance(model.trace, str):
            return model
        path = folder / model.trace
        try:
            return msgspec.structs.replace(model, trace=models.trace(path.read_text(encoding="ascii")))
        except (OSError, ValueError) as error:
            raise ValueError(f"trace: {path}: {getattr(error, 'strerror', None) or error}") from None

    links = [msgspec.structs.replace(read(link), up=read(link.up), down=read(link.down)) for link in t.links]
    return msgspec.structs.replace(t, links=links, events=[msgspec.structs.replace(event, set=read(event.set)) for event in t.events])


def _link(link: LinkTable, names: list[str], switches: Iterable[str]) -> dict[str, Any]:
    for end in (link.a, link.b):
        if end not in names:
            raise ValueError(f"there is no host {end!r}")
    if link.neighbours == "known" and {link.a, link.b} & set(switches):
        raise ValueError('neighbours: "known" is for links between hosts')
    model = link_model(link)
    ways = {
        way: {**model, **(link_model(table) if table is not None else {})}
        for way, table in (("up", link.up), ("down", link.down))
    }
    for way in ways.values():
        if way.get("trace") and way.get("rate"):
            raise ValueError("trace: it stands for a rate, and there is one")
        if "queue" in way:
            way["queue"] = queue_limits(way["queue"], way.get("rate", 0) or models.capacity(way.get("trace") or []), way.get("delay", 0))
    return ways


BOXES = {"nat": ("address", "ports", "timeout", "loose"), "resegment": ("merge", "split", "hold")}
"""Keys of middleboxes by kind."""


def box_options(box: MiddleboxTable) -> dict[str, Any]:
    """What a table says of a middlebox, as Network.middlebox() takes it. ValueError for keys of another kind."""
    made = {key: value for key, value in given(box).items() if key != "kind"}
    for key in made:
        if key not in BOXES[box.kind]:
            raise ValueError(f"{key}: a middlebox of kind {box.kind} has no such key (but {', '.join(BOXES[box.kind])})")
    if box.kind == "nat":
        if "address" not in made:
            raise ValueError("address: is missing")
        ipaddress.IPv4Address(made["address"])
    for key, check in (("timeout", units.time), ("hold", units.time), ("merge", units.size), ("split", units.size)):
        if key in made:
            check(made[key])
    if "ports" in made:
        first, _, last = str(made["ports"]).partition("..")
        made["ports"] = int(first), int(last or first)
    return made


def _check_ends(name: str, links: list[LinkTable]) -> None:
    ends = sum((link.a == name) + (link.b == name) for link in links)
    if ends != 2:
        raise ValueError(f"it stands between two links, inside and outside, and not at {ends}")


def signed_time(text: Any) -> int:
    """ns of "1h" or "-1h"."""
    return -units.time(text[1:]) if isinstance(text, str) and text.startswith("-") else units.time(text) if isinstance(text, str) else int(text)


def drift_of(number: Any) -> float:
    """Parts in a million. ValueError for what no clock has."""
    drift = float(number)
    if not -MOST_DRIFT <= drift <= MOST_DRIFT:
        raise ValueError(f"drift: {number!r} parts in a million: from -{MOST_DRIFT} to {MOST_DRIFT}")
    return drift


def _check_event(t: ScenarioTable, event: EventTable) -> None:
    units.time(event.t)
    if event.for_ is not None:
        units.time(event.for_)
    if event.times > 1 and event.every is None:
        raise ValueError("every: how far apart? It happens several times")
    if event.every is not None and units.time(event.every) <= units.time(event.for_ or 0):
        raise ValueError("every: it would begin again before it has ended")
    clock_keys = (event.jump, event.drift, event.wall)
    if (event.do == "clock") != any(key is not None for key in clock_keys):
        raise ValueError('jump, drift, wall: belong to do = "clock", which has at least one of them')
    if event.jump is not None and (event.for_ is not None or units.time(event.jump) < 0):
        raise ValueError("jump: a monotonic clock does not go back")
    if event.wall is not None:
        signed_time(event.wall)
    if event.drift is not None:
        drift_of(event.drift)
    if (event.do == "rebind") != (event.middlebox is not None):
        raise ValueError('middlebox: belongs to do = "rebind", which has one')
    if event.middlebox is not None:
        if event.middlebox not in t.middleboxes or t.middleboxes[event.middlebox].kind != "nat" or event.for_ is not None:
            raise ValueError(f"middlebox: {event.middlebox!r} is no translator, or there is a `for`: what is forgotten does not come back")
        return
    if event.do in ("partition", "crash", "stall", "clock"):
        unknown = [name for name in event.hosts if name not in t.hosts]
        if unknown or not event.hosts:
            raise ValueError(f"hosts: {', '.join(unknown) or 'none'}: no such host")
        return
    link = t.links[find_link(t.links, event.link)]
    directions(event.at, link)
    if (event.do == "change") != (event.set is not None):
        raise ValueError('set: belongs to do = "change", and to nothing else')
    if event.set is not None:
        link_model(event.set)


def _check_expect(t: ScenarioTable) -> None:
    e = t.expect
    for rule, reason in e.invariants.items() if isinstance(e.invariants, dict) else ():
        if rule not in INVARIANTS:
            raise ValueError(f"invariants.{rule}: there is no such rule (but {', '.join(INVARIANTS)})")
        if not reason.strip():
            raise ValueError(f"invariants.{rule}: a rule is switched off with a reason")
    for key in [
        *e.errors,
        *e.wraps,
        *e.conn_end,
        *e.agreed,
        *([e.backoff.at] if e.backoff else []),
        *([e.window.host] if e.window else []),
        *(key.split(".")[0] for key in e.frames),
    ]:
        if key not in t.hosts:
            raise ValueError(f"there is no host {key!r}")
    times = {"completion_min": e.completion_min, "completion_max": e.completion_max, "conn_end_after": e.conn_end_after, "resume_max": e.resume_max}
    units.probability(e.share)
    if e.jain is not None:
        units.probability(e.jain)
    for name in e.shares:
        if name not in t.hosts:
            raise ValueError(f"shares: there is no host {name!r}")
    for i, queue in enumerate(e.queues):
        link = t.links[find_link(t.links, queue.link)]
        if len(directions(queue.at, link)) != 1:
            raise ValueError(f"queues[{i}].at: which direction is meant?")
        if queue.busy is not None:
            units.probability(queue.busy)
    if e.measure is not None and units.time(e.measure.from_) >= units.time(e.measure.until):
        raise ValueError("measure: it ends before it begins")
    if e.measure is None and any(queue.busy is not None for queue in e.queues):
        raise ValueError("queues: busy is a share of the time that `measure` says")
    for value in times.values():
        if value is not None:
            units.time(value)
