"""usnet doctor: which backends can run here, and what is missing."""

from __future__ import annotations

import importlib
import json
import platform
import sys
from typing import Any

import click

from usnet.cli.commands import Failed, installed_version, one_line
from usnet.cli.screen import console

BUILD = ("usnet.stack", "usnet.sockets.socket", "usnet.sockets.epoll", "usnet.backends.sim.network", "usnet.lab.world")


def check_build() -> None:
    """Raises Failed when the compiled core cannot be imported."""
    for name in BUILD:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Failed(
                f"this build is broken: {name} cannot be imported: {one_line(error)} (build it again: make build)"
            ) from None


def examine() -> dict[str, Any]:
    """What the command prints, as --json does."""
    from usnet.backends.registry import backends, probe

    found = {}
    for scheme in backends():
        usable, why = probe(scheme)
        found[scheme] = {"usable": bool(usable), "why": " ".join(str(why).split())}
    return {
        "usnet": installed_version(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "executable": sys.executable,
        "backends": found,
    }


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Say which backends can run here, and what is missing for the others."""
    check_build()
    report = examine()
    if as_json:
        click.echo(json.dumps(report))
        return
    from rich.table import Table

    table = Table(
        "backend",
        "can run here",
        "what was found or is missing",
        title_justify="left",
        title=f"usnet {report['usnet']}, {report['python']}, {report['platform']}",
    )
    for scheme, state in report["backends"].items():
        table.add_row(f"{scheme}:", "[green]yes[/]" if state["usable"] else "[red]no[/]", state["why"])
    console().print(table)
