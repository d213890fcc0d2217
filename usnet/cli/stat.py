"""usnet stat: the counters of running stacks, as a table, as JSON, or in Prometheus' text format."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Failed
from usnet.cli.running import ask_all, label, stack_options
from usnet.cli.screen import console

GAUGES = {"tcp.established"}  # and all of memory: what there is now, not what has been


def flat(answer: dict[str, Any]) -> dict[str, int]:
    """{"tcp.segments_in": 5, "port tap:tap0.rx_frames": 7, ...}"""
    found = {f"{layer}.{name}": value for layer, counters in answer["counters"].items() for name, value in counters.items()}
    for port, counters in answer["by_port"].items():
        found.update({f"port {port}.{name}": value for name, value in counters.items()})
    return found


def is_gauge(name: str) -> bool:
    return name in GAUGES or name.startswith("memory.")


# --- Prometheus' text format, version 0.0.4 ---


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def metric(name: str) -> tuple[str, str, dict[str, str]]:
    """(metric, what it counts, labels) of a counter's name."""
    layer, _, counter = name.rpartition(".")
    if layer.startswith("port "):
        return f"usnet_port_{counter}_total", f"{counter} of a port", {"port": layer.removeprefix("port ")}
    if layer.endswith("_drops"):
        return f"usnet_{layer}_total", f"what {layer.removesuffix('_drops')} discarded, by reason", {"reason": counter}
    return f"usnet_{layer}_{counter}" + ("" if is_gauge(name) else "_total"), f"{counter} of {layer}", {}


def prometheus(answers: list[dict[str, Any]]) -> str:
    """The exposition of all stacks: each metric once, with a sample for each stack."""
    families: dict[str, list[str]] = {}
    for answer in answers:
        who = {"pid": str(answer["pid"]), "program": answer["program"], "stack": ",".join(answer["ports"])}
        for name, value in flat(answer).items():
            family, text, labels = metric(name)
            kind = "gauge" if is_gauge(name) else "counter"
            inside = ",".join(f'{key}="{escape(given)}"' for key, given in {**who, **labels}.items())
            families.setdefault(family, [f"# HELP {family} {text}", f"# TYPE {family} {kind}"]).append(f"{family}{{{inside}}} {value}")
    return "".join(line + "\n" for family in families.values() for line in family)


# --- on the screen ---


def show(answers: list[dict[str, Any]], before: dict[int, dict[str, int]], seconds: float, every: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    for answer in answers:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title_justify="left", title=f"{label(answer)} on {', '.join(answer['ports'])}")
        table.add_column("counter")
        table.add_column("value", justify="right")
        earlier = before.get(id_of(answer))
        if earlier is not None:
            table.add_column("a second", justify="right")
        for name, value in flat(answer).items():
            if every or value:
                rate = [] if earlier is None else ["" if is_gauge(name) else f"{(value - earlier.get(name, 0)) / seconds:.1f}"]
                table.add_row(name, str(value), *rate)
        console().print(table)


def id_of(answer: dict[str, Any]) -> int:
    return hash((answer["pid"], tuple(answer["ports"])))


@click.command("stat")
@stack_options
@click.option("--all", "every", is_flag=True, help="Counters that are zero too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a stack.")
@click.option("--prometheus", "as_metrics", is_flag=True, help="Print Prometheus' text format.")
@click.option("--watch", type=click.FloatRange(0.1), metavar="SECONDS", help="Again after so many seconds, with the rates; until Ctrl-C.")
@click.option("--times", type=click.IntRange(1), metavar="N", help="With --watch: so many times.")
def command(
    stack: str | None, control: Path | None, every: bool, as_json: bool, as_metrics: bool, watch: float | None, times: int | None
) -> None:
    """Show the counters of running stacks: of all, or of STACK (a pid, a program's name, or a port's)."""
    if as_json and as_metrics:
        raise click.UsageError("--json and --prometheus are two forms: choose one")
    before: dict[int, dict[str, int]] = {}
    at, shown = time.monotonic(), 0
    while True:
        answers, silent = ask_all("statistics", stack, control)
        now = time.monotonic()
        if as_json:
            for answer in answers:
                click.echo(json.dumps(answer))
        elif as_metrics:
            click.echo(prometheus(answers), nl=False)
        else:
            show(answers, before, max(now - at, 1e-9), every)
        if silent:
            raise Failed("; ".join(silent))
        shown += 1
        if watch is None or shown == times:
            return
        before, at = {id_of(answer): flat(answer) for answer in answers}, now
        time.sleep(watch)
