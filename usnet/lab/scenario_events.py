"""What happens to links and hosts at given times of a scenario, and who starts the programs of a host: at first, and after a crash."""

from collections.abc import Callable, Iterable
from typing import Any

from usnet.backends.sim import units
from usnet.lab.expect import Run
from usnet.lab.expect_share import mark
from usnet.lab.scenario_check import Scenario, link_model, queue_limits, signed_time
from usnet.lab.scenario_format import EventTable, ScenarioTable, directions, find_link
from usnet.lab.scenario_words import Spec
from usnet.lab.workloads import App, start
from usnet.lab.world import World

Effect = Callable[[], Any]


def start_programs(judged: Run, names: Iterable[str]) -> None:
    """Starts the programs of these hosts."""
    scenario, world = judged.scenario, judged.world
    for name, spec in scenario.apps:
        if name in names:
            start(App(world, world.hosts[name], spec, judged.ledger, _peer(scenario, world, name, spec)))


def plan(judged: Run, made: list[Any]) -> None:
    """Has all events of the scenario happen, each so often, and end after its time; and its healing."""
    t, world = judged.scenario.table, judged.world
    for event in t.events:
        begin, end = _effects(judged, made, event)
        first, every = units.time(event.t), units.time(event.every or 0)
        for i in range(event.times):
            at = first + i * every
            _at(world, at, begin)
            if event.for_ is not None:
                _at(world, at + units.time(event.for_), end)
                judged.ends.append(at + units.time(event.for_))
                if event.do == "crash":
                    judged.boots.append(judged.ends[-1])
    measure = t.expect.measure
    if measure is not None:
        _at(world, units.time(measure.from_), lambda: judged.marks.append(mark(judged, begin=True)))
        _at(world, units.time(measure.until), lambda: judged.marks.append(mark(judged)))
    if t.heal is not None:
        _at(world, units.time(t.heal.t), lambda: _heal(judged, made))


def _at(world: World, t: int, function: Effect) -> None:
    """Has it called when the network has settled at that time: it may start and kill programs."""
    event = world.env.timeout(t - world.now)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: function())


def _effects(judged: Run, made: list[Any], event: EventTable) -> tuple[Effect, Effect]:
    """What an event does, and what undoes it."""
    t = judged.scenario.table
    hosts = [judged.world.hosts[name] for name in event.hosts]
    if event.do == "crash":
        return _for_each(judged, hosts, _crash), _for_each(judged, hosts, _boot)
    if event.do == "stall":
        return _for_each(judged, hosts, _stall), _for_each(judged, hosts, _resume)
    if event.do == "rebind":
        return judged.world.network.middleboxes[event.middlebox].rebind, lambda: None
    if event.do == "clock":
        return _effects_on_clocks(hosts, event)
    return _effects_on_links(t, made, event)


def _effects_on_clocks(hosts: list[Any], event: EventTable) -> tuple[Effect, Effect]:
    before: list[tuple[Any, float, int]] = []

    def begin() -> None:
        for host in hosts:
            before.append((host, host.simulated.clock.drift / 1000, host.wall))
            if event.jump is not None or event.drift is not None:
                host.set_clock(event.jump or 0, None if event.drift is None else float(event.drift))
            if event.wall is not None:
                host.set_wall_clock(signed_time(event.wall))

    def end() -> None:
        while before:
            host, drift, wall = before.pop()
            if event.drift is not None:
                host.set_clock(drift=drift)
            host.set_wall_clock(wall)

    return begin, end


def _for_each(judged: Run, hosts: list[Any], function: Callable[[Run, Any], None]) -> Effect:
    def happen() -> None:
        for host in hosts:
            function(judged, host)

    return happen


def _crash(judged: Run, host: Any) -> None:
    judged.ledger.cut({address.split("/")[0] for address in host.addresses})
    host.crash()
    judged.observer.crashed(host.name, judged.world.now)


def _stall(judged: Run, host: Any) -> None:
    judged.observer.stalled(host.name)
    host.stall()


def _resume(judged: Run, host: Any) -> None:
    judged.observer.resumed(host.name, judged.world.now)
    host.resume()


def _boot(judged: Run, host: Any) -> None:
    host.boot()
    start_programs(judged, [host.name])


def _effects_on_links(t: ScenarioTable, made: list[Any], event: EventTable) -> tuple[Effect, Effect]:
    if event.do == "partition":
        cut = [
            link
            for table, link in zip(t.links, made, strict=True)
            if (table.a in event.hosts) != (table.b in event.hosts)
        ]
        return lambda: [link.unplug() for link in cut], lambda: [link.plug() for link in cut]
    number = find_link(t.links, event.link)
    link, names = made[number], directions(event.at, t.links[number])
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


def _heal(judged: Run, links: list[Any]) -> None:
    for host in judged.world.hosts.values():
        if host.is_off:
            _boot(judged, host)
        _resume(judged, host)
    for link in links:
        link.plug()
        link.set_fates(())
        link.change(loss=0, duplicate=0, corrupt=0, jitter=0)


def _peer(scenario: Scenario, world: World, name: str, spec: Spec) -> Any:
    """The host that a workload talks to: the one it names, or the first other that serves, or the first other."""
    to = spec.options.get("to") or next((host for host, other in scenario.apps if other.serves and host != name), None)
    return world.hosts[to or next(host for host in scenario.table.hosts if host != name)]
