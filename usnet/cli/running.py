"""The stacks that run on this machine, as `usnet ss` and `usnet stat` find and ask them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from usnet.backends import control as door
from usnet.backends.control import ControlError, ask
from usnet.cli.commands import Failed, one_line


def stack_options(function: Callable) -> Callable:
    """[STACK] and --control PATH: which of the running stacks."""
    function = click.argument("stack", required=False)(function)
    return click.option(
        "--control", type=click.Path(path_type=Path), metavar="PATH", help="The control socket of a stack that has it elsewhere."
    )(function)


def label(about: dict[str, Any]) -> str:
    return f"{about['program']}[{about['pid']}]"


def matches(about: dict[str, Any], stack: str | None) -> bool:
    """Whether it is meant by a pid, a program's name or a port's."""
    return stack is None or stack in (str(about["pid"]), about["program"], *about["ports"])


def ask_all(question: str, stack: str | None, control: Path | None) -> tuple[list[dict[str, Any]], list[str]]:
    """The answers of the stacks that are meant, and what kept others from answering. Failed when none is there."""
    paths = [control] if control is not None else door.running()
    if not paths:
        looked = " and ".join(str(folder) for folder in door.runtime_directories())
        raise Failed(f"no stack runs here with a control socket (looked in {looked})")
    answers, silent, others = [], [], []
    for path in paths:
        try:
            about = ask(path, "about")
            if matches(about, stack):
                answers.append(ask(path, question))
            else:
                others.append(f"{label(about)} on {', '.join(about['ports'])}")
        except ControlError as error:
            silent.append(one_line(error))
    if not answers and not silent:
        raise Failed(f"no stack {stack!r} runs here; there are: {'; '.join(others)}")
    if not answers:
        raise Failed("; ".join(silent))
    return answers, silent
