"""Running a scenario: its world is built, its programs run, its end is waited for; then all must be at rest."""

from typing import Any

from usnet.backends.sim import models, units
from usnet.lab.expect import Run
from usnet.lab.observe_side import Side
from usnet.lab.scenario_check import Scenario, box_options
from usnet.lab.scenario_events import start_programs
from usnet.lab.scenario_format import LinkTable, ScenarioTable
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


def build(scenario: Scenario, world: World) -> list[Any]:
    """The hosts, switches and links of a scenario; returns the links in its order."""
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
    set_clocks(scenario, world)
    for name, router in t.routers.items():
        routes = [tuple(route) for route in router.routes]
        world.router(
            name, *router.address, gateway=router.gateway, routes=routes, config=scenario.stacks[name], **SMALL
        )
    ends: dict[str, Any] = dict(world.hosts)
    for name, switch in t.switches.items():
        ends[name] = world.switch(name, ageing=switch.ageing, table=switch.table)
    for name, box in t.middleboxes.items():
        ends[name] = world.middlebox(name, box.kind, **box_options(box))
    made = []
    for link, ways, fates in zip(t.links, scenario.links, scenario.fates, strict=True):
        rings = {"mtu": link.ports.mtu, "slots": (link.ports.tx_slots, link.ports.rx_slots), "fifo": link.ports.fifo}
        made.append(world.link(ends[link.a], ends[link.b], ports=rings, name=link.name, fates=fates, **ways))
        link_ends(world, link)
    return made


def set_clocks(scenario: Scenario, world: World) -> None:
    """Hosts whose clocks are not the world's from the start."""
    for name, host in scenario.table.hosts.items():
        if host.clock is not None:
            world.hosts[name].set_clock(host.clock.start, float(host.clock.drift))


def link_ends(world: World, link: LinkTable) -> None:
    """What the hosts at a link's ends know of each other from the start."""
    if link.neighbours == "known":
        a, b = world.hosts[link.a], world.hosts[link.b]
        a.learn(b)
        b.learn(a)


def play(scenario: Scenario, judged: Run) -> None:
    """Programs, until all have ended or time is up; then rest."""
    t, world = scenario.table, judged.world
    judged.deadline = judged.duration
    if t.heal is not None:
        judged.deadline = min(judged.duration, units.time(t.heal.t) + units.time(t.heal.within))
    start_programs(judged, scenario.table.hosts)
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


def _run_until(judged: Run, deadline: int) -> None:
    """Servers make programs while others run, so ends are looked at again, once more after a moment without any."""
    world = judged.world
    patience = 2
    while world.now < deadline and patience:
        if not world.run_programs(limit=deadline):
            return
        boot = min((t for t in judged.boots if t >= world.now), default=deadline)
        if boot < deadline and all(program.daemon for program in world.env.programs.values()):
            world.run(until=boot + 1)
            continue
        patience = patience if any(not program.daemon for program in world.env.programs.values()) else patience - 1
        if patience == 1 and world.now < deadline:
            world.run(until=min(deadline, world.now + _round_trip(world)))


def _round_trip(world: World) -> int:
    """Longer than a segment and its answer take on the slowest way."""
    return (
        2
        * sum(
            max(link.up.delay, link.down.delay) + max(models.most_jitter(link.up.jitter), models.most_jitter(link.down.jitter))
            for link in world.network.links.values()
        )
        + 100_000_000
    )


def _states(host: Any) -> list[str]:
    """Of the host's connections, listeners left out."""
    core = host.stack.core
    found = [core.state_of(number) for number in core.connections()]
    return [state for state in found if state != "LISTEN"]


def _rest(judged: Run) -> None:
    """Lets 2 MSL and all patience with orphans pass; from then on nothing may be sent."""
    world = judged.world
    settle = 0
    for host in world.hosts.values():
        c = judged.settings(host.name)
        settle = max(settle, 2 * c["msl"] + c["fin_wait_2"] + 4 * c["rto_max"])
    world.run(until=world.now + settle)

    def sent_at_rest(seen: Any) -> None:
        segment = parse_tcp(seen.frame) if seen.what == "sent" else None
        if segment is not None:
            judged.frames_at_rest.append(f"at {seen.time / 1e9:.9f} s on {seen.link.name} (flags {segment.flags:#x})")

    world.network.tap(sent_at_rest)
    world.run(until=world.now + REST)
    world.network.untap(sent_at_rest)
    judged.statistics = {"hosts": {name: host.statistics() for name, host in world.hosts.items()}, **world.network.statistics()}
    for name, statistics in judged.statistics["hosts"].items():
        memory = statistics["memory"]
        judged.at_rest[name] = {
            key: memory[key] for key in ("connections", "chunks", "out_of_order", "scoreboards", "validators", "trials", "reassemblies", "listeners")
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
        for k in self.judged.connections(self.host):
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
