"""usnet replay --seeds: scenarios with many seeds, which of them fail, and how long the others take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from usnet.cli.commands import Failed
from usnet.cli.screen import console

if TYPE_CHECKING:
    from usnet.lab.sweep import Sweep

MOST_SEEDS = 20
"""So many seeds of failures are named; --json names all."""


class Seeds(click.ParamType):
    """FIRST..LAST, both included, or one seed."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        try:
            low, high = int(first), int(last if dots else first)
        except ValueError:
            self.fail(f"{value!r} is no range of seeds, such as 0..999", param, ctx)
        if not 0 <= low <= high < 2**64:
            self.fail(f"{value!r}: seeds are from 0 to 2**64 - 1, the first not behind the last", param, ctx)
        return range(low, high + 1)


def sweep_all(scenarios: list[Any], seeds: range, jobs: int, rings: str, twice: bool, as_json: bool) -> int:
    """Runs each scenario with all seeds, prints what came of it, and returns the exit code."""
    from concurrent.futures.process import BrokenProcessPool

    from usnet.lab.sweep import run_seeds

    def told(outcome: Any) -> None:
        if as_json:
            click.echo(json.dumps(outcome.summary()))

    sweeps = []
    for scenario in scenarios:
        try:
            sweep = run_seeds(scenario, seeds, jobs, told=told, rings=rings, twice=twice)
        except BrokenProcessPool:
            raise Failed(f"{scenario.name}: a process that ran it was killed") from None
        sweeps.append(sweep)
        if as_json:
            click.echo(json.dumps(sweep.summary()))
    if not as_json:
        _table(sweeps)
    for sweep in sweeps:
        _reasons(sweep)
    return 0 if all(sweep.ok for sweep in sweeps) else 1


def _table(sweeps: list[Sweep]) -> None:
    from rich.table import Table

    table = Table()
    for name in ("scenario", "result"):
        table.add_column(name, no_wrap=True)
    for name in ("runs", "held", "wanted", "50 %", "95 %", "100 %", "CPU s"):
        table.add_column(name, justify="right", no_wrap=True)
    for sweep in sweeps:
        took = (sweep.took(percent) for percent in (50, 95, 100))
        table.add_row(
            sweep.scenario,
            "[green]ok[/]" if sweep.ok else "[red]FAILED[/]",
            str(len(sweep.outcomes)),
            f"{float(sweep.share):.2%}",
            f"{float(sweep.wanted):.0%}",
            *("-" if t is None else f"{t:.3f}" for t in took),
            f"{sum(outcome.cpu_seconds for outcome in sweep.outcomes):.2f}",
        )
    console().print(table)
    click.echo("50 %, 95 %, 100 %: virtual seconds that so many of the runs that held took at most")


def _reasons(sweep: Sweep) -> None:
    """Failures by reason, with the seeds that show them."""
    for reason, seeds in sweep.reasons().items():
        named = ", ".join(map(str, seeds[:MOST_SEEDS])) + (", ..." if len(seeds) > MOST_SEEDS else "")
        click.echo(f"{sweep.scenario}: {len(seeds)} of {len(sweep.outcomes)}: {reason} (--seed {named})", err=True)
