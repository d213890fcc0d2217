"""One scenario with many seeds, on several processes: which of them fail, and how long the others take.

    sweep = run_seeds("sim_scenarios/lossy-30.toml", range(1000), jobs=2)
    print(sweep.summary())
"""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from usnet.lab.scenario import Outcome, Scenario, load, run

QUANTILES = (50, 90, 95, 97, 99, 100)
"""Per cent of the runs that held, of which summary() says how long they took at most."""


@dataclass
class Sweep:
    """Outcomes by seed, in the order of the seeds; without statistics."""

    scenario: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.ok]

    @property
    def share(self) -> Fraction:
        """Of the runs, those that held: 0 to 1."""
        return Fraction(len(self.outcomes) - len(self.failed), max(1, len(self.outcomes)))

    def took(self, percent: int) -> float | None:
        """Virtual seconds in which so many per cent of the runs that held had ended; None when none held."""
        times = sorted(outcome.virtual_seconds for outcome in self.outcomes if outcome.ok)
        return times[max(0, -(-len(times) * percent // 100) - 1)] if times else None

    def reasons(self) -> Counter[str]:
        """First failures by how often they occurred, numbers and times left out."""
        return Counter(reason(outcome) for outcome in self.failed)

    def summary(self) -> dict[str, Any]:
        """What `usnet replay --seeds --json` prints at the end."""
        return {
            "scenario": self.scenario,
            "runs": len(self.outcomes),
            "held": len(self.outcomes) - len(self.failed),
            "share": round(float(self.share), 6),
            "failed_seeds": [outcome.seed for outcome in self.failed],
            "reasons": dict(self.reasons().most_common()),
            "virtual_seconds": {f"p{percent}": self.took(percent) for percent in QUANTILES},
            "cpu_seconds": round(sum(outcome.cpu_seconds for outcome in self.outcomes), 3),
        }


def reason(outcome: Outcome) -> str:
    """The first failure of a run up to its first number: for counting runs that fail alike."""
    text = outcome.failures[0] if outcome.failures else "failed"
    cut = next((i for i, letter in enumerate(text) if letter.isdigit()), len(text))
    return text[:cut].rstrip(" (,:at")


def run_seeds(scenario: Scenario | str | Path, seeds: Iterable[int], jobs: int = 1, *, told: Callable[[Outcome], None] | None = None,
              rings: str = "own") -> Sweep:
    """Runs a scenario once with each seed.

    jobs: processes; the results are the same with any number. told: called with each outcome, in the order of the seeds.
    ValueError for fewer than one job.
    """
    if jobs < 1:
        raise ValueError(f"{jobs} jobs: at least one")
    if not isinstance(scenario, Scenario):
        scenario = load(scenario)
    made = Sweep(scenario.name)
    for outcome in _outcomes(scenario, seeds, jobs, rings):
        made.outcomes.append(outcome)
        if told is not None:
            told(outcome)
    return made


def _outcomes(scenario: Scenario, seeds: Iterable[int], jobs: int, rings: str) -> Iterator[Outcome]:
    if jobs == 1:
        for seed in seeds:
            yield _one(scenario, seed, rings)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy stacks and their state
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_keep, initargs=(scenario, rings)) as pool:
        yield from pool.map(_kept, seeds, chunksize=4)


_at_hand: list[tuple[Scenario, str]] = []


def _keep(scenario: Scenario, rings: str) -> None:
    _at_hand.append((scenario, rings))


def _kept(seed: int) -> Outcome:
    scenario, rings = _at_hand[-1]
    return _one(scenario, seed, rings)


def _one(scenario: Scenario, seed: int, rings: str) -> Outcome:
    outcome = run(scenario, seed=seed, rings=rings)
    outcome.statistics, outcome.cases = {}, []
    return outcome
