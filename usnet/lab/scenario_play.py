"""Running a scenario: its world is built, its programs run, its end is waited for; then all must be at rest."""

from collections.abc import Callable
from typing import Any

from usnet.backends.sim import units
from usnet.lab.expect import Run
from usnet.lab.observe_side import Side
from usnet.lab.scenario_check import Scenario, directions, find_link, link_model, queue_limits
from usnet.lab.scenario_format import EventTable, ScenarioTable
from usnet.lab.scenario_words import Spec
from usnet.lab.workloads import App, start
from usnet.lab.world import World
from usnet.wire.observe import parse_tcp

SMALL = {"max_connections": 64, "max_chunks": 1 << 14, "max_sockets": 64}
"""Limits of a scenario's stacks: a world is cheap."""
REST = 600 * 10**9
"""Virtual time, ns, in which nothing may be sent any more."""


def _addresses(t: ScenarioTable) -> dict[str, list[str]]:
    """Those given, and 10.0.0.1/24 and so on in the order of the hosts for the others."""
    given = {name: [host.address] if isinstance(host.address, str) else host.address for name, host in t.hosts.items()}
    return {name: address or [f"10.0.0.{i}/24"] for i, (name, address) in enumerate(given.items(), 1)}


def build(scenario: Scenario, world: World) -> None:
    t = scenario.table
    addresses = _addresses(t)
    for name, host in t.hosts.items():
        routes = [tuple(route) for route in host.routes]
        world.host(
            name,
            *addresses[name],
            gateway=host.gateway,
            routes=routes,
            config=scenario.stacks[name],
            granularity=host.granularity,
            **SMALL,
        )
    for name, router in t.routers.items():
        routes = [tuple(route) for route in router.routes]
        world.router(
            name, *router.address, gateway=router.gateway, routes=routes, config=scenario.stacks[name], **SMALL
        )
    ends: dict[str, Any] = dict(world.hosts)
    for name, switch in t.switches.items():
        ends[name] = world.switch(name, ageing=switch.ageing, table=switch.table)
    made = []
    for link, ways, fates in zip(t.links, scenario.links, scenario.fates, strict=True):
        rings = {"mtu": link.ports.mtu, "slots": (link.ports.tx_slots, link.ports.rx_slots)}
        made.append(world.link(ends[link.a], ends[link.b], ports=rings, name=link.name, fates=fates, **ways))
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
        cut = [
            link
            for table, link in zip(t.links, made, strict=True)
            if (table.a in event.hosts) != (table.b in event.hosts)
        ]
        return lambda: [link.unplug() for link in cut], lambda: [link.plug() for link in cut]  # type: ignore[return-value]
    number = find_link(t.links, event.link)
    link, names = made[number], directions(event, t.links[number])
    if event.do != "change" and len(names) == 2:
        return (link.plug, link.unplug) if event.do == "up" else (link.unplug, link.plug)
    changes = link_model(event.set) if event.set is not None else {"loss": 1 if event.do == "down" else 0}
    before: list[tuple[Any, dict[str, Any]]] = []

    def begin() -> None:
        for name in names:
            way = getattr(link, name)
            new = dict(changes)
            if "queue" in new:
                new["queue"] = queue_limits(new["queue"], new.get("rate", way.rate), new.get("delay", way.delay))
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


def play(scenario: Scenario, judged: Run) -> None:
    """Programs, until all have ended or time is up; then rest."""
    t, world = scenario.table, judged.world
    judged.deadline = judged.duration
    if t.heal is not None:
        judged.deadline = min(judged.duration, units.time(t.heal.t) + units.time(t.heal.within))
    for name, spec in scenario.apps:
        start(App(world, world.hosts[name], spec, judged.ledger, _peer(scenario, world, name, spec)))
    _run_until(judged, judged.deadline)
    judged.waiting = world.env.waiting()
    if not judged.waiting:
        judged.completed_at = max(judged.ledger.ended.values(), default=world.now)
        world.run(until=max(judged.completed_at + units.time(t.expect.conn_end_after), world.now + 1))
        judged.states = {name: _states(host) for name, host in world.hosts.items()}
    for program in list(world.env.programs.values()):
        program.kill()
    _rest(judged)
    judged.observer.finish(world.now)
    judged.statistics = {
        "hosts": {name: host.statistics() for name, host in world.hosts.items()},
        **world.network.statistics(),
    }


def _run_until(judged: Run, deadline: int) -> None:
    """Servers make programs while others run, so ends are looked at again, once more after a moment without any."""
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
    return (
        2
        * sum(
            max(link.up.delay, link.down.delay) + max(link.up.jitter, link.down.jitter)
            for link in world.network.links.values()
        )
        + 100_000_000
    )


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
        judged.at_rest[name] = {
            key: memory[key] for key in ("connections", "chunks", "out_of_order", "scoreboards", "reassemblies", "listeners")
        }
        judged.at_rest[name]["timers"] = max(0, memory["timers"] - memory["neighbours"])


class Sampler:
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
                self.judged.samples.setdefault(self.host, []).append(
                    {
                        "t": t,
                        "cwnd": k["cc"]["cwnd"],
                        "ssthresh": k["cc"]["ssthresh"],
                        "mss": k["mss"],
                        "una": (k["snd_una"] - k["iss"]) & 0xFFFFFFFF,
                        "flight": (k["snd_max"] - k["snd_una"]) & 0xFFFFFFFF,
                        "recovering": int(bool(k["flags"] & 0x400)),
                    }
                )
                return
