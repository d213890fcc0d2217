"""Worlds that are used again: those of scenarios of the same shape (hosts, addresses, ports, links), one after another, with other seeds, settings,
models and fates. A run in one is the same as in a new one, to the byte.

    worlds = Worlds()
    for scenario in many:
        outcome = run(scenario, worlds=worlds)
"""

import threading
from typing import Any
from weakref import WeakKeyDictionary

from usnet.backends.sim.pair import MODEL
from usnet.lab.scenario_check import Scenario
from usnet.lab.scenario_play import build, link_ends, set_clocks
from usnet.lab.world import World


class Worlds:
    """Keeps up to `most` worlds that nobody uses, those used last. For one thread; another that asks gets worlds of its own."""

    def __init__(self, most: int = 8):
        self.most = most
        self.reused = 0
        self._kept: dict[Any, tuple[World, list[Any]]] = {}
        self._shapes: WeakKeyDictionary[World, Any] = WeakKeyDictionary()

    def take(self, scenario: Scenario, seed: int, rings: str, spares: int) -> tuple[World, list[Any]]:
        """A world as the scenario wants it, and its links in the scenario's order: one that was given back, or a new one."""
        shape = _shape(scenario, rings, spares)
        kept = self._kept.pop(shape, None)
        if kept is not None:
            world, links = kept
            if world.reset(seed):
                _fit(scenario, world, links)
                self.reused += 1
                return kept
        world = World(seed, rings, spares)
        self._shapes[world] = shape
        return world, build(scenario, world)

    def give(self, world: World, links: list[Any]) -> None:
        """A world whose run is over, and of which nothing is needed any more."""
        world.network.forget_taps()
        while len(self._kept) >= self.most:
            old, _ = self._kept.pop(next(iter(self._kept)))
            old.close()
        self._kept[self._shapes[world]] = world, links


def _shape(scenario: Scenario, rings: str, spares: int) -> Any:
    """What of a world cannot be changed. Hosts' programs and settings, links' models and fates can."""
    t = scenario.table
    hosts = [(name, host.address, host.gateway, host.routes, host.granularity) for name, host in t.hosts.items()]
    routers = [(name, router.address, router.gateway, router.routes) for name, router in t.routers.items()]
    switches = [(name, switch.ageing, switch.table) for name, switch in t.switches.items()]
    boxes = [(name, repr(box)) for name, box in t.middleboxes.items()]
    links = [(link.a, link.b, link.name, link.ports.mtu, link.ports.tx_slots, link.ports.rx_slots, link.ports.fifo) for link in t.links]
    return repr((threading.get_ident(), rings, spares, hosts, routers, switches, boxes, links))


def _fit(scenario: Scenario, world: World, links: list[Any]) -> None:
    """What build() would have made of the scenario."""
    for name in world.hosts:
        forwards = {"forward": 1} if name in scenario.table.routers else {}
        world.hosts[name].configure(scenario.stacks[name] | forwards)
    set_clocks(scenario, world)
    for link, table, ways, fates in zip(links, scenario.table.links, scenario.links, scenario.fates, strict=True):
        for way, model in ((link.up, ways["up"]), (link.down, ways["down"])):
            now, wanted = way.settings, MODEL | model
            if now != wanted:
                way.change(**{key: value for key, value in wanted.items() if value != now[key]})
        link.set_fates(fates, world.seed)
        link_ends(world, table)
