"""One scenario with many seeds, on several processes: which of them fail, and how long the others take.

    sweep = run_seeds("sim_scenarios/lossy-30.toml", range(1000), jobs=2)
    print(sweep.summary())
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from usnet.backends.sim import units
from usnet.lab.scenario import Outcome, Scenario, load, run

QUANTILES = (50, 90, 95, 97, 99, 100)
"""Per cent of the runs that held, of which summary() says how long they took at most."""


@dataclass
class Sweep:
    """Outcomes by seed, in the order of the seeds; without statistics. `wanted`: the share of them that must hold."""

    scenario: str
    wanted: Fraction = Fraction(1)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.ok]

    @property
    def share(self) -> Fraction:
        """Of the runs, those that held: 0 to 1."""
        return Fraction(len(self.outcomes) - len(self.failed), max(1, len(self.outcomes)))

    @property
    def ok(self) -> bool:
        return self.share >= self.wanted

    def took(self, percent: int) -> float | None:
        """Virtual seconds in which so many per cent of the runs that held had ended; None when none held."""
        times = sorted(outcome.virtual_seconds for outcome in self.outcomes if outcome.ok)
        return times[max(0, -(-len(times) * percent // 100) - 1)] if times else None

    def reasons(self) -> dict[str, list[int]]:
        """First failures, numbers and times left out, with the seeds that show them; the most frequent first."""
        found: dict[str, list[int]] = {}
        for outcome in self.failed:
            found.setdefault(reason(outcome), []).append(outcome.seed)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    def summary(self) -> dict[str, Any]:
        """What `usnet replay --seeds --json` prints at the end."""
        return {
            "scenario": self.scenario,
            "runs": len(self.outcomes),
            "held": len(self.outcomes) - len(self.failed),
            "share": round(float(self.share), 6),
            "ok": self.ok,
            "failures": self.reasons(),
            "virtual_seconds": {f"p{percent}": self.took(percent) for percent in QUANTILES},
            "cpu_seconds": round(sum(outcome.cpu_seconds for outcome in self.outcomes), 3),
        }


def reason(outcome: Outcome) -> str:
    """The first failure of a run up to its first number: for counting runs that fail alike."""
    text = outcome.failures[0] if outcome.failures else "failed"
    cut = next((i for i, letter in enumerate(text) if letter.isdigit()), len(text))
    return text[:cut].rstrip(" (,:").removesuffix(" at")


def run_seeds(scenario: Scenario | str | Path, seeds: Iterable[int], jobs: int = 1, *, told: Callable[[Outcome], None] | None = None,
              rings: str = "own", twice: bool = False) -> Sweep:
    """Runs a scenario once with each seed.

    jobs: processes; the results are the same with any number. told: called with each outcome, in the order of the seeds.
    twice: each seed is run again, and another digest is a failure. ValueError for fewer than one job.
    """
    if jobs < 1:
        raise ValueError(f"{jobs} jobs: at least one")
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    made = Sweep(scenario.name, units.probability(scenario.table.expect.share))
    for outcome in _outcomes(scenario, seeds, jobs, rings, twice):
        made.outcomes.append(outcome)
        if told is not None:
            told(outcome)
    return made


def _outcomes(scenario: Scenario, seeds: Iterable[int], jobs: int, rings: str, twice: bool) -> Iterator[Outcome]:
    if jobs == 1:
        for seed in seeds:
            yield _one(scenario, seed, rings, twice)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy stacks and their state
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_keep, initargs=(scenario, rings, twice)) as pool:
        yield from pool.map(_kept, seeds, chunksize=4)


_at_hand: list[tuple[Scenario, str, bool]] = []


def _keep(scenario: Scenario, rings: str, twice: bool) -> None:
    _at_hand.append((scenario, rings, twice))


def _kept(seed: int) -> Outcome:
    scenario, rings, twice = _at_hand[-1]
    return _one(scenario, seed, rings, twice)


def _one(scenario: Scenario, seed: int, rings: str, twice: bool) -> Outcome:
    outcome = run(scenario, seed=seed, rings=rings)
    if twice:
        outcome.compare(run(scenario, seed=seed, rings=rings))
    outcome.statistics, outcome.cases = {}, []
    return outcome
