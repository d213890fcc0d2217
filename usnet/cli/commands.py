"""The `usnet` program: its commands, and what all of them share.

Exit codes: 0 when all is well; 1 when something that was tried did not work, with one line that says why; 2 for wrong
arguments and files that cannot be read, with one line too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
import signal
import sys
from typing import Any

import click

from usnet.cli.main import missing_extra

EPILOG = """\b
Examples:
  usnet demo
  usnet run --loss 0.02 --delay 20ms server.py : client.py
  usnet replay sim_scenarios/single-loss-mid.toml
  usnet serve http --backend tap:tap0 --address 10.9.0.2/24 --peer-address 10.9.0.1/24 --root .
  usnet doctor
"""
# Command: its module. They are imported when they are used, so that each needs only its own libraries.
COMMANDS = {
    "demo": "usnet.cli.demo",
    "replay": "usnet.cli.replay",
    "packetdrill": "usnet.cli.packetdrill",
    "run": "usnet.cli.run",
    "serve": "usnet.cli.serve",
    "ss": "usnet.cli.ss",
    "stat": "usnet.cli.stat",
    "config": "usnet.cli.config",
    "doctor": "usnet.cli.doctor",
}


def one_line(error: BaseException) -> str:
    """What an exception says, on one line, without the errno's number."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(text.split()) or type(error).__name__


class Seed(click.IntRange):
    """A seed: 64 bits."""

    def __init__(self) -> None:
        super().__init__(0, 2**64 - 1)


class Chance(click.FloatRange):
    """A number from 0 to `most`; "nan" is none."""

    def __init__(self, most: float = 1.0) -> None:
        super().__init__(0, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


class Failed(click.ClickException):
    """What was tried did not work: one line, exit 1."""


class Unreadable(click.ClickException):
    """A file that cannot be read or understood: one line, exit 2."""

    exit_code = 2


class Program(click.Group):
    """The group of all commands; whatever goes wrong is one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(COMMANDS[cmd_name]).command

    def main(self, args: Any = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Runs a command and ends the process with its exit code."""
        extra["standalone_mode"] = False
        sys.exit(self._run(args, prog_name or "usnet", extra))

    def _run(self, args: Any, name: str, extra: dict[str, Any]) -> int:
        try:
            status = super().main(args, name, **extra)
            sys.stdout.flush()
            return status if isinstance(status, int) else 0
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else name
            return say(where, f"{error.format_message().rstrip('.')} (see {where} --help)", 2)
        except click.ClickException as error:
            return say(name, error.format_message(), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            return 128 + signal.SIGINT
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # nobody reads on; the interpreter's own flush must not complain
            return 1
        except ModuleNotFoundError as error:
            text = missing_extra(error)
            if text is None:
                raise
            return say(name, text, 1)


def say(name: str, text: str, status: int) -> int:
    click.echo(f"{name}: {' '.join(text.split())}", err=True)
    return status


def installed_version() -> str:
    return importlib.metadata.version("usnet")


@click.group(
    cls=Program,
    epilog=EPILOG,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(installed_version(), prog_name="usnet")
def root() -> None:
    """A TCP/IP stack in user space: simulated first, the same on real devices."""
