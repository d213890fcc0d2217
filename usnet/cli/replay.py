"""usnet replay: runs scenario files and says whether what they expect holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Failed, Seed, Unreadable, one_line
from usnet.cli.screen import console
from usnet.cli.seeds import Seeds, sweep_all


def scenario_files(given: Iterable[Path]) -> list[Path]:
    """The files, with directories replaced by all *.toml in them, in order of name. Unreadable when there is none."""
    files: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(path.glob("*.toml"))
        if not inside:
            raise Unreadable(f"{path}: no *.toml in this directory")
        files += inside
    return files


def load_all(files: list[Path]) -> list[Any]:
    """Reads all before the first is run: a mistake in the last one costs nobody a wait."""
    from usnet.lab.scenario import load

    scenarios = []
    for path in files:
        try:
            scenarios.append(load(path))
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror or one_line(error)}") from None
        except ValueError as error:
            text = one_line(error)
            raise Unreadable(text if str(path) in text else f"{path}: {text}") from None
    return scenarios


def play(scenario: Any, seed: int | None, pcap: Path | None, twice: bool, rings: str) -> dict[str, Any]:
    """Runs a scenario, again if `twice`, and returns what --json prints."""
    from usnet.lab.scenario import run

    outcome = run(scenario, seed=seed, pcap_dir=pcap, rings=rings)
    if twice:
        outcome.compare(run(scenario, seed=seed, rings=rings))
    return outcome.summary()


class Report:
    """Prints results as they come: JSON lines, or rows of a table with the reasons of failures below."""

    def __init__(self, as_json: bool, count: int) -> None:
        self.as_json, self.count = as_json, count
        self.results: list[dict[str, Any]] = []

    def add(self, result: dict[str, Any]) -> None:
        self.results.append(result)
        if self.as_json:
            click.echo(json.dumps(result))

    @property
    def failed(self) -> list[dict[str, Any]]:
        return [result for result in self.results if not result["ok"]]

    def finish(self) -> None:
        if not self.as_json:
            self._table()
        for result in self.failed:
            for failure in result["failures"] or ["failed"]:
                click.echo(f"{result['scenario']} (seed {result['seed']}): {failure}", err=True)

    def _table(self) -> None:
        from rich.table import Table

        table = Table("scenario", "seed", "result", "packets", "virtual s", "CPU s", "digest")
        for name in ("seed", "packets", "virtual s", "CPU s"):
            next(column for column in table.columns if column.header == name).justify = "right"
        for column in table.columns:
            column.no_wrap = True
        table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"  # a narrow terminal breaks the digest, nothing else
        for r in self.results:
            table.add_row(
                r["scenario"],
                str(r["seed"]),
                "[green]ok[/]" if r["ok"] else "[red]FAILED[/]",
                str(r["packets"]),
                f"{r['virtual_seconds']:.3f}",
                f"{r['cpu_seconds']:.2f}",
                r["digest"],
            )
        console().print(table)
        click.echo(f"{len(self.results) - len(self.failed)} of {self.count} as expected")


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--seed", type=Seed(), help="In place of the scenario's own.")
@click.option("--seeds", type=Seeds(), metavar="FIRST..LAST", help="With each of these: which fail, and how long the others take.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that run --seeds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--pcap", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a capture of each run there."
)
@click.option("--check-determinism", is_flag=True, help="Run each twice, and compare digests.")
@click.option(
    "--rings",
    type=click.Choice(["own", "netmap"]),
    default="own",
    show_default=True,
    help="What stacks send through: the simulator's own rings, or netmap's as its stand-in keeps them. Digests are the same.",
)
def command(
    files: tuple[Path, ...],
    seed: int | None,
    seeds: range | None,
    jobs: int,
    as_json: bool,
    pcap: Path | None,
    check_determinism: bool,
    rings: str,
) -> int:
    """Run scenarios (files, or directories of *.toml), and say whether what they expect holds."""
    if seeds is not None and (seed is not None or pcap is not None):
        raise click.UsageError("--seeds goes with neither --seed nor --pcap: replay one seed for a capture of it")
    scenarios = load_all(scenario_files(files))
    if seeds is not None:
        return sweep_all(scenarios, seeds, jobs, rings, check_determinism, as_json)
    if pcap is not None:
        try:
            os.makedirs(pcap, exist_ok=True)
        except OSError as error:
            raise Unreadable(one_line(error)) from None
    report = Report(as_json, len(scenarios))
    for scenario in scenarios:
        try:
            report.add(play(scenario, seed, pcap, check_determinism, rings))
        except OSError as error:
            if pcap is None or error.filename is None:
                raise
            raise Failed(one_line(error)) from None  # a capture that cannot be written
    report.finish()
    return 1 if report.failed else 0
