"""Scenarios: a TOML file becomes a world, runs, and is judged.

    outcome = run(load("sim_scenarios/fin-loss.toml"))
    if not outcome.ok:
        print("\\n".join(outcome.failures))

docs/scenarios.md explains the files. Their words are in scenario_format and scenario_words, the programs in
workloads, the rules in observe and expect.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usnet.backends.sim.digest import Digest
from usnet.lab.captures import Captures
from usnet.lab.expect import Run
from usnet.lab.expect_wire import Flight
from usnet.lab.observe import Observer
from usnet.lab.reuse import Worlds
from usnet.lab.scenario_check import Scenario, from_tables
from usnet.lab.scenario_events import plan
from usnet.lab.scenario_format import ScenarioError, read, table, variants
from usnet.lab.scenario_ledger import Did, Ledger
from usnet.lab.scenario_play import Sampler, play
from usnet.lab.watch import Watch
from usnet.lab.world import World

__all__ = ["Outcome", "Scenario", "ScenarioError", "from_tables", "items", "load", "run"]


@dataclass
class Outcome:
    """What became of a run. `packets`: frames sent on all links; `cases`: outcomes of a file's cases, summed up; `calls`: of programs of steps."""

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
    calls: list[Did] = field(default_factory=list)

    def compare(self, again: "Outcome") -> None:
        """The same run once more: another digest is a failure of this one."""
        if again.digest != self.digest:
            self.ok = False
            self.failures.append(f"not deterministic: the digest was {self.digest}, and {again.digest} when run again")

    def summary(self) -> dict[str, Any]:
        """What `usnet replay --json` prints."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "ok": bool(self.ok),
            "digest": self.digest,
            "failures": [str(failure) for failure in self.failures],
            "packets": self.packets,
            "virtual_seconds": self.virtual_seconds,
            "cpu_seconds": round(self.cpu_seconds, 6),
        }


def load(path: str | Path) -> Scenario:
    """The scenario of a file. ScenarioError, naming file and key, when something in it cannot be."""
    path = Path(path)
    raw = read(path)
    made = [from_tables(path, tables, name) for name, tables in variants(raw, str(path))]
    if len(made) == 1 and made[0].name == path.stem:
        return made[0]
    return Scenario(path.stem, path, table(raw, str(path)), cases=tuple(made))


def run(
    scenario: Scenario,
    seed: int | None = None,
    pcap_dir: str | Path | None = None,
    *,
    rings: str = "own",
    spares: int = 64,
    progress: Callable[[World], None] | None = None,
    worlds: Worlds | None = None,
) -> Outcome:
    """Runs a scenario (all cases of it) and judges it.

    seed: instead of the file's. pcap_dir: a pcapng of each end of each link goes there. rings, spares: of all ports, as World() takes them.
    progress: called with each world before it runs. worlds: where its worlds come from and go to, to be used again; None: each is new.
    """
    if scenario.cases:
        done = [run(case, seed, pcap_dir, rings=rings, spares=spares, progress=progress, worlds=worlds) for case in scenario.cases]
        return _sum_up(scenario, seed, done)
    used = scenario.table.seed if seed is None else seed
    began = time.process_time()
    with ExitStack() as stack:
        world, made = (worlds or Worlds(0)).take(scenario, used, rings, spares)
        observer = Observer(world, frozenset(host for host, spec in scenario.apps if spec.options.get("nodelay")))
        judged = Run(scenario, world, Ledger(world), observer, Watch(world))
        plan(judged, made)
        if pcap_dir is not None:
            stack.callback(_capture(scenario, world, Path(pcap_dir)))
        world.network.tap(observer)
        if scenario.table.expect.window is not None:
            observer.watchers.append(Sampler(judged))
            if scenario.table.expect.window.pipe:
                judged.flight = Flight(judged, scenario.table.expect.window.host)
                world.network.tap(judged.flight)
        if progress is not None:
            progress(world)
        play(scenario, judged)
        failures = judged.failures()
        outcome = Outcome(
            scenario.name,
            used,
            not failures,
            world.digest(),
            failures,
            observer.packets,
            (judged.completed_at if judged.completed_at is not None else world.now) / 1e9,
            0.0,
            statistics=judged.statistics | {"watch": {"looks": judged.watch.looks, "largest_gap": judged.watch.largest_gap}},
            calls=judged.ledger.calls,
        )
        if worlds is not None:
            worlds.give(world, made)
        else:
            world.close()
    outcome.cpu_seconds = time.process_time() - began
    return outcome


def _sum_up(scenario: Scenario, seed: int | None, cases: list[Outcome]) -> Outcome:
    digest = Digest(0)
    for case in cases:
        digest.update(case.digest.encode())
    return Outcome(
        scenario.name,
        scenario.table.seed if seed is None else seed,
        all(case.ok for case in cases),
        digest.hexdigest(),
        [f"{case.scenario.partition('/')[2]}: {failure}" for case in cases for failure in case.failures],
        sum(case.packets for case in cases),
        sum(case.virtual_seconds for case in cases),
        sum(case.cpu_seconds for case in cases),
        cases,
    )


def _capture(scenario: Scenario, world: World, directory: Path) -> Callable[[], None]:
    """Writes SCENARIO.LINK.HOST.pcapng of each end of each link; returns what closes them."""
    captures = Captures(directory, scenario.name)
    world.network.tap(captures)

    def close() -> None:
        world.network.untap(captures)
        captures.close()

    return close


def items(path: str | Path) -> Iterator[Scenario]:
    """The scenarios of a file one by one: itself, or each of its cases."""
    scenario = load(path)
    yield from scenario.cases or (scenario,)
