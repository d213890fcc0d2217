"""Scenarios: a TOML file becomes a world, runs, and is judged.

    outcome = run(load("sim_scenarios/fin-loss.toml"))
    if not outcome.ok:
        print("\\n".join(outcome.failures))

The words of the files are in scenario_format, the programs in workloads, the rules in observe and expect; docs/scenarios.md explains them.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from usnet.backends.fate import Fate
from usnet.backends.sim import units
from usnet.backends.sim.digest import Digest
from usnet.lab.expect import INVARIANTS, Run
from usnet.lab.observe import Observer, Side, parse_tcp
from usnet.lab.scenario_format import (
    EventTable,
    LinkModel,
    LinkTable,
    QueueTable,
    ScenarioError,
    ScenarioTable,
    read,
    table,
    variants,
)
from usnet.lab.workloads import App, Ledger, Spec, check_hook, parse, start
from usnet.lab.world import World

__all__ = ["Outcome", "Scenario", "ScenarioError", "load", "run"]

SMALL = {"max_connections": 64, "max_chunks": 1 << 14, "max_sockets": 64}
"""Limits of a scenario's stacks: a world is cheap."""
REST = 600 * 10**9
"""Virtual time, ns, in which nothing may be sent any more."""


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


@dataclass
class Outcome:
    """What became of a run. `packets`: frames that were sent on all links; `cases`: the outcomes of a file's cases, which this one sums up."""

    scenario: str
    seed: int
    ok: bool
    digest: str
    failures: list[str]
    packets: int
    virtual_seconds: float
    cpu_seconds: float
    cases: list["Outcome"] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)


# --- Loading ---


def load(path: str | Path) -> Scenario:
    """The scenario of a file. ScenarioError, naming file and key, when something in it cannot be."""
    path = Path(path)
    raw = read(path)
    made = [_check(path, name, tables) for name, tables in variants(raw, str(path))]
    if len(made) == 1 and made[0].name == path.stem:
        return made[0]
    return Scenario(path.stem, path, table(raw, str(path)), cases=tuple(made))


def _check(path: Path, case: str, raw: dict[str, Any]) -> Scenario:
    """All that can be known to be wrong before a run."""
    where = f"{path}: case {case}" if case else str(path)
    t = table(raw, where)

    def checked(key: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except ScenarioError:
            raise
        except (ValueError, TypeError) as error:
            raise ScenarioError(f"{where}: {key}: {error}") from None

    if t.name != path.stem:
        raise ScenarioError(f"{where}: name: it is {t.name!r}, but the file is {path.name}")
    checked("duration", units.time, t.duration)
    names = [*t.hosts, *t.routers, *t.switches]
    for name in {n for n in names if names.count(n) > 1}:
        raise ScenarioError(f"{where}: hosts: the name {name!r} occurs twice")
    apps, stacks = [], {}
    for name, host in t.hosts.items():
        texts = [host.app] if isinstance(host.app, str) else host.app or []
        for text in texts:
            spec = checked(f"hosts.{name}.app", parse, text)
            checked(f"hosts.{name}.app", check_hook, spec)
            checked(f"hosts.{name}.app", _check_peer, t, name, spec)
            apps.append((name, spec))
        stacks[name] = checked(f"hosts.{name}.stack", settings, {**t.stack, **host.stack})
    for name, router in t.routers.items():
        stacks[name] = checked(f"routers.{name}.stack", settings, {**t.stack, **router.stack})
    if not t.links:
        raise ScenarioError(f"{where}: links: there is none")
    links = [checked(f"links[{i}]", _link, link, names) for i, link in enumerate(t.links)]
    fates: list[list[Fate]] = [[] for _ in t.links]
    for i, action in enumerate(t.actions):
        number = checked(f"actions[{i}].link", _find_link, t.links, action.link)
        ends = (t.links[number].a, t.links[number].b)
        fates[number].append(checked(f"actions[{i}]", Fate.from_dict, {"at": action.at, "match": action.match, "do": action.do}, ends))
    for i, event in enumerate(t.events):
        checked(f"events[{i}]", _check_event, t, event)
    if t.heal is not None:
        checked("heal.t", units.time, t.heal.t)
        checked("heal.within", units.time, t.heal.within)
    checked("expect", _check_expect, t)
    return Scenario(f"{t.name}/{case}" if case else t.name, path, t, (), tuple(apps), stacks, tuple(links), tuple(map(tuple, fates)))


def settings(table: dict[str, Any]) -> dict[str, int]:
    """Settings of a stack in numbers: times as ns, sizes as bytes. ValueError for a name that no stack knows."""
    from usnet.stack import StackCore

    known = StackCore(0, 16, 16, 16).configuration()
    made = {}
    for key, value in table.items():
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


def _find_link(links: list[LinkTable], name: str | None) -> int:
    """The number of the link that is meant: by its name, "a-b", or the only one."""
    if name is None:
        if len(links) > 1:
            raise ValueError("which link is meant? There are several")
        return 0
    for i, link in enumerate(links):
        if name == (link.name or f"{link.a}-{link.b}"):
            return i
    raise ValueError(f"there is no link {name!r}")


def _model(link: LinkModel) -> dict[str, Any]:
    """What a table says of a link, as Network.link() takes it; the size of the queue in "bdp" is left."""
    raw = {key: value for key, value in msgspec.structs.asdict(link).items() if value is not None}
    model = {key: raw[key] for key in ("rate", "delay", "jitter", "reorder", "mtu", "overhead", "queue", "loss", "duplicate", "corrupt") if key in raw}
    for key, check in (("rate", units.rate), ("delay", units.time), ("jitter", units.time)):
        if key in model:
            model[key] = check(model[key])
    for key in ("loss", "duplicate", "corrupt"):
        if key in model:
            model[key] = units.probability(model[key])
    return model


def _queue(queue: QueueTable, rate: int, delay: int) -> dict[str, Any]:
    """Limits of a queue; "1bdp" is the bandwidth times the round trip of the link."""
    size = queue.bytes
    if isinstance(size, str) and size.endswith("bdp"):
        if not rate or not delay:
            raise ValueError(f"queue.bytes: {size!r} of a link without a rate and a delay")
        size = int(Fraction(size.removesuffix("bdp").strip() or "1") * rate * 2 * delay / (8 * 10**9))
    limits = {"packets": queue.packets, "bytes": size}
    units.queue(limits)
    return limits


def _link(link: LinkTable, names: list[str]) -> dict[str, Any]:
    for end in (link.a, link.b):
        if end not in names:
            raise ValueError(f"there is no host {end!r}")
    model = _model(link)
    ways = {way: {**model, **(_model(table) if table is not None else {})} for way, table in (("up", link.up), ("down", link.down))}
    for way in ways.values():
        if "queue" in way:
            way["queue"] = _queue(way["queue"], way.get("rate", 0), way.get("delay", 0))
    return ways


def _check_event(t: ScenarioTable, event: EventTable) -> None:
    units.time(event.t)
    if event.for_ is not None:
        units.time(event.for_)
    if event.do == "partition":
        unknown = [name for name in event.hosts if name not in t.hosts]
        if unknown or not event.hosts:
            raise ValueError(f"hosts: {', '.join(unknown) or 'none'}: no such host")
        return
    link = t.links[_find_link(t.links, event.link)]
    _directions(event, link)
    if (event.do == "change") != (event.set is not None):
        raise ValueError("set: belongs to do = \"change\", and to nothing else")
    if event.set is not None:
        _model(event.set)


def _directions(event: EventTable, link: LinkTable) -> tuple[str, ...]:
    at = (event.at or "both").replace(" ", "")
    ways = {"both": ("up", "down"), f"{link.a}->{link.b}": ("up",), f"{link.b}->{link.a}": ("down",)}
    if at not in ways:
        raise ValueError(f"at: {at!r} is none of {', '.join(ways)}")
    return ways[at]


def _check_expect(t: ScenarioTable) -> None:
    e = t.expect
    for rule, reason in (e.invariants.items() if isinstance(e.invariants, dict) else ()):
        if rule not in INVARIANTS:
            raise ValueError(f"invariants.{rule}: there is no such rule (but {', '.join(INVARIANTS)})")
        if not reason.strip():
            raise ValueError(f"invariants.{rule}: a rule is switched off with a reason")
    for key in [*e.errors, *e.conn_end, *([e.backoff.at] if e.backoff else []), *([e.window.host] if e.window else []),
                *(key.split(".")[0] for key in e.frames)]:
        if key not in t.hosts:
            raise ValueError(f"there is no host {key!r}")
    times = {"completion_min": e.completion_min, "completion_max": e.completion_max, "conn_end_after": e.conn_end_after}
    for name, value in times.items():
        if value is not None:
            units.time(value)


# --- Running ---


def run(
    scenario: Scenario, seed: int | None = None, pcap_dir: str | Path | None = None, *, progress: Callable[[World], None] | None = None
) -> Outcome:
    """Runs a scenario (all cases of it) and judges it. `seed`: instead of the file's. `pcap_dir`: a pcapng of each end of each link goes there."""
    if scenario.cases:
        return _sum_up(scenario, seed, [run(case, seed, pcap_dir, progress=progress) for case in scenario.cases])
    used = scenario.table.seed if seed is None else seed
    began = time.process_time()
    with ExitStack() as stack:
        world = World(used)
        _build(scenario, world)
        observer = Observer(world, frozenset(host for host, spec in scenario.apps if spec.options.get("nodelay")))
        judged = Run(scenario, world, Ledger(world), observer)
        if pcap_dir is not None:
            stack.callback(_capture(scenario, world, Path(pcap_dir)))
        world.network.tap(observer)
        if scenario.table.expect.window is not None:
            observer.watchers.append(_Sampler(judged))
        if progress is not None:
            progress(world)
        _play(scenario, judged)
        failures = judged.failures()
        outcome = Outcome(scenario.name, used, not failures, world.digest(), failures, observer.packets,
                          (judged.completed_at if judged.completed_at is not None else world.now) / 1e9, 0.0, statistics=judged.statistics)
        for host in world.hosts.values():
            host.stack.close(linger=0)
    outcome.cpu_seconds = time.process_time() - began
    return outcome


def _sum_up(scenario: Scenario, seed: int | None, cases: list[Outcome]) -> Outcome:
    digest = Digest(0)
    for case in cases:
        digest.update(case.digest.encode())
    return Outcome(
        scenario.name, scenario.table.seed if seed is None else seed, all(case.ok for case in cases), digest.hexdigest(),
        [f"{case.scenario.partition('/')[2]}: {failure}" for case in cases for failure in case.failures],
        sum(case.packets for case in cases), sum(case.virtual_seconds for case in cases), sum(case.cpu_seconds for case in cases), cases,
    )


def _addresses(t: ScenarioTable) -> dict[str, list[str]]:
    """Those given, and 10.0.0.1/24 and so on in the order of the hosts for the others."""
    given = {name: [host.address] if isinstance(host.address, str) else host.address for name, host in t.hosts.items()}
    return {name: address or [f"10.0.0.{i}/24"] for i, (name, address) in enumerate(given.items(), 1)}


def _build(scenario: Scenario, world: World) -> None:
    t = scenario.table
    addresses = _addresses(t)
    for name, host in t.hosts.items():
        routes = [tuple(route) for route in host.routes]
        world.host(name, *addresses[name], gateway=host.gateway, routes=routes, config=scenario.stacks[name], granularity=host.granularity, **SMALL)
    for name, router in t.routers.items():
        routes = [tuple(route) for route in router.routes]
        world.router(name, *router.address, gateway=router.gateway, routes=routes, config=scenario.stacks[name], **SMALL)
    ends: dict[str, Any] = dict(world.hosts)
    for name, switch in t.switches.items():
        ends[name] = world.switch(name, ageing=switch.ageing, table=switch.table)
    made = []
    for link, ways, fates in zip(t.links, scenario.links, scenario.fates, strict=True):
        made.append(world.link(ends[link.a], ends[link.b], ports=link.ports, name=link.name, fates=fates, **ways))
    for event in t.events:
        _plan(scenario, world, made, event)
    if t.heal is not None:
        world.network.call_at(t.heal.t, _heal, made)


def _plan(scenario: Scenario, world: World, made: list[Any], event: EventTable) -> None:
    """Has an event happen, and end after its time."""
    t = scenario.table
    begin, end = _effects(t, made, event)
    at = units.time(event.t)
    world.network.call_at(at, begin)
    if event.for_ is not None:
        world.network.call_at(at + units.time(event.for_), end)


def _effects(t: ScenarioTable, made: list[Any], event: EventTable) -> tuple[Callable[[], None], Callable[[], None]]:
    """What an event does, and what undoes it."""
    if event.do == "partition":
        cut = [link for table, link in zip(t.links, made, strict=True) if (table.a in event.hosts) != (table.b in event.hosts)]
        return lambda: [link.unplug() for link in cut], lambda: [link.plug() for link in cut]  # type: ignore[return-value]
    number = _find_link(t.links, event.link)
    link, names = made[number], _directions(event, t.links[number])
    if event.do != "change" and len(names) == 2:
        return (link.plug, link.unplug) if event.do == "up" else (link.unplug, link.plug)
    changes = _model(event.set) if event.set is not None else {"loss": 1 if event.do == "down" else 0}
    before: list[tuple[Any, dict[str, Any]]] = []

    def begin() -> None:
        for name in names:
            way = getattr(link, name)
            new = dict(changes)
            if "queue" in new:
                new["queue"] = _queue(new["queue"], new.get("rate", way.rate), new.get("delay", way.delay))
            before.append((way, {key: getattr(way, key) for key in new}))
            way.change(**new)

    def end() -> None:
        while before:
            way, old = before.pop()
            way.change(**old)

    return begin, end


def _heal(links: list[Any]) -> None:
    for link in links:
        link.plug()
        link.set_fates(())
        link.change(loss=0, duplicate=0, corrupt=0, jitter=0)


def _peer(scenario: Scenario, world: World, name: str, spec: Spec) -> Any:
    """The host that a workload talks to: the one it names, or the first other that serves, or the first other."""
    to = spec.options.get("to") or next((host for host, other in scenario.apps if other.serves and host != name), None)
    return world.hosts[to or next(host for host in scenario.table.hosts if host != name)]


def _play(scenario: Scenario, judged: Run) -> None:
    """Programs, until all have ended or time is up; then rest."""
    t, world = scenario.table, judged.world
    judged.deadline = judged.duration
    if t.heal is not None:
        judged.deadline = min(judged.duration, units.time(t.heal.t) + units.time(t.heal.within))
    for name, spec in scenario.apps:
        start(App(world, world.hosts[name], spec, judged.ledger, _peer(scenario, world, name, spec)))
    _run_until(judged, judged.deadline)
    judged.waiting = [f"{program.name} (in {program.waits_for})" for program in world.env.programs.values() if not program.daemon]
    if not judged.waiting:
        judged.completed_at = max(judged.ledger.ended.values(), default=world.now)
        world.run(until=max(judged.completed_at + units.time(t.expect.conn_end_after), world.now + 1))
        judged.states = {name: _states(host) for name, host in world.hosts.items()}
    for program in list(world.env.programs.values()):
        program.kill()
    _rest(judged)
    judged.observer.finish(world.now)
    judged.statistics = {"hosts": {name: host.statistics() for name, host in world.hosts.items()}, **world.network.statistics()}


def _run_until(judged: Run, deadline: int) -> None:
    """Servers make programs while others run, so ends are looked at again; a moment without any is waited out for the last of them."""
    world = judged.world
    patience = 2
    while world.now < deadline and patience:
        if not world.run_programs(limit=deadline):
            return
        patience = patience if any(not program.daemon for program in world.env.programs.values()) else patience - 1
        if patience == 1 and world.now < deadline:
            world.run(until=min(deadline, world.now + _round_trip(world)))


def _round_trip(world: World) -> int:
    """Longer than a segment and its answer take on the slowest way."""
    return 2 * sum(max(link.up.delay, link.down.delay) + max(link.up.jitter, link.down.jitter) for link in world.network.links.values()) + 100_000_000


def _states(host: Any) -> list[str]:
    """Of the host's connections, listeners left out."""
    core = host.stack.core
    found = [core.snapshot(number)["state"] for number in core.connections()]
    return [state for state in found if state != "LISTEN"]


def _rest(judged: Run) -> None:
    """Lets 2 MSL and all patience with orphans pass; from then on nothing may be sent."""
    world = judged.world
    settle = 0
    for host in world.hosts.values():
        c = host.stack.core.configuration()
        settle = max(settle, 2 * c["msl"] + c["fin_wait_2"] + 4 * c["rto_max"])
    world.run(until=world.now + settle)

    def sent_at_rest(seen: Any) -> None:
        segment = parse_tcp(seen.frame) if seen.what == "sent" else None
        if segment is not None:
            judged.frames_at_rest.append(f"at {seen.time / 1e9:.9f} s on {seen.link.name} (flags {segment.flags:#x})")

    world.network.tap(sent_at_rest)
    world.run(until=world.now + REST)
    world.network.untap(sent_at_rest)
    for name, host in world.hosts.items():
        memory = host.stack.statistics()["memory"]
        judged.at_rest[name] = {key: memory[key] for key in ("connections", "chunks", "out_of_order", "reassemblies", "listeners")}
        judged.at_rest[name]["timers"] = max(0, memory["timers"] - memory["neighbours"])


class _Sampler:
    """Looks at the congestion window of one host's connection at each segment that it sends."""

    def __init__(self, judged: Run):
        self.judged = judged
        self.host = judged.expect.window.host if judged.expect.window else ""

    def __call__(self, t: int, side: Side) -> None:
        if side.host != self.host:
            return
        core = self.judged.world.hosts[self.host].stack.core
        for number in core.connections():
            k = core.snapshot(number)
            if k["state"] not in ("LISTEN", "SYN_SENT", "SYN_RECEIVED", "CLOSED"):
                self.judged.samples.setdefault(self.host, []).append({
                    "t": t, "cwnd": k["cc"]["cwnd"], "ssthresh": k["cc"]["ssthresh"], "mss": k["mss"], "una": (k["snd_una"] - k["iss"]) & 0xFFFFFFFF,
                    "flight": (k["snd_max"] - k["snd_una"]) & 0xFFFFFFFF, "recovering": int(bool(k["flags"] & 0x400)),
                })
                return


def _capture(scenario: Scenario, world: World, directory: Path) -> Callable[[], None]:
    """Writes SCENARIO.LINK.HOST.pcapng of each end of each link; returns what closes them."""
    from usnet.backends.wrappers.pcapng import PcapngWriter

    directory.mkdir(parents=True, exist_ok=True)
    writers: dict[tuple[int, int], Any] = {}

    def writer(link: Any, end: int) -> Any:
        key = link.number, end
        if key not in writers:
            port = (link.a, link.b)[end]
            name = re.sub(r"[^\w.-]+", "-", f"{scenario.name}.{link.name}.{port.name.removeprefix('sim:')}.pcapng")
            writers[key] = PcapngWriter(directory / name)
            writers[key].add_interface(port.name, getattr(port, "mac", None))
        return writers[key]

    def tap(seen: Any) -> None:
        if seen.what == "sent":
            writer(seen.link, seen.direction).write(seen.frame, seen.time, 0, 2)
        elif seen.what == "delivered":
            writer(seen.link, 1 - seen.direction).write(seen.frame, seen.time, 0, 1)

    world.network.tap(tap)

    def close() -> None:
        world.network.untap(tap)
        for made in writers.values():
            made.close()

    return close


def items(path: str | Path) -> Iterator[Scenario]:
    """The scenarios of a file one by one: itself, or each of its cases."""
    scenario = load(path)
    yield from scenario.cases or (scenario,)

