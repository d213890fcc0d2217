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


def examine_port(name: str) -> dict[str, Any]:
    """What is printed about one port, as --json does."""
    from usnet.backends.findings import PROBLEM
    from usnet.backends.registry import examine as examine_one

    try:
        findings = examine_one(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'[PORT]'") from None
    except OSError as error:
        raise Failed(one_line(error)) from None
    return {
        "port": name,
        "usable": all(finding.level != PROBLEM for finding in findings),
        "findings": [{"level": finding.level, "text": finding.text} for finding in findings],
    }


def show_port(report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    colours = {"good": "green", "advice": "yellow", "problem": "red"}
    table = Table("", "found", title=report["port"], title_justify="left", show_lines=True)
    for finding in report["findings"]:
        table.add_row(Text(finding["level"], style=colours[finding["level"]]), Text(finding["text"]))
    console().print(table)


@click.command("doctor")
@click.argument("port", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(port: str | None, as_json: bool) -> None:
    """Say which backends can run here, and what is missing for the others.

    With a PORT (netmap:em0), examine that one, without opening it: exit status 1 when something has to be mended first.
    """
    check_build()
    if port is not None:
        about = examine_port(port)
        if as_json:
            click.echo(json.dumps(about))
        else:
            show_port(about)
        if not about["usable"]:
            raise SystemExit(1)
        return
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
