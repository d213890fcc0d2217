"""usnet config: the settings in effect; and the options by which other commands take settings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Unreadable, one_line


def config_options(function: Callable) -> Callable:
    """--config FILE and --set KEY=VALUE, as `config` and `changes`."""
    function = click.option(
        "--set", "changes", multiple=True, metavar="KEY=VALUE", callback=parse_changes,
        help="A setting by its name, tcp.rcvbuf=64KiB; wins over the file. May be given again.",
    )(function)
    return click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Settings from a TOML file (docs/settings.md)."
    )(function)


def parse_changes(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    changes = {}
    for given in texts:
        key, equals, value = given.partition("=")
        if not equals:
            raise click.BadParameter(f"{given!r} is not KEY=VALUE", ctx, param)
        try:
            changes[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = value.strip()  # text needs no quotes here
    return changes


def effective(config: Path | None, changes: dict[str, Any]) -> Any:
    """The settings of a file, or the defaults, with changes. What the file says wrong is Unreadable; a change, a BadParameter."""
    from usnet.sockets.settings import Settings, SettingsError

    try:
        settings = Settings() if config is None else Settings.load(config)
    except (SettingsError, OSError) as error:
        raise Unreadable(one_line(error)) from None
    try:
        return settings.with_changes(changes)
    except SettingsError as error:
        raise click.BadParameter(str(error), param_hint="'--set'") from None


def described() -> str:
    """docs/settings.md: every setting with its kind, default, limits and meaning."""
    from usnet.sockets.setting_kinds import limits_of, toml_value
    from usnet.sockets.settings import SECTIONS, Settings

    lines = [
        "# Settings", "",
        "`usnet.Settings` in Python, and a TOML file of the same sections and keys for `usnet serve --config FILE` and",
        "`usnet.Settings.load(path)`. Times are text with a unit (ns, us, ms, s, min, h) or nanoseconds; sizes are text (B, KiB, MiB, GiB,",
        "kB, MB, GB) or bytes. Options on the command line win over the file, `--set tcp.rcvbuf=64KiB` sets any key.",
        "`usnet config --show` prints what is in effect, `usnet config --describe` this page.",
    ]
    for name, section in SECTIONS.items():
        lines += ["", f"## [{name}]", "", (section.__doc__ or "").partition("\n")[0], ""]
        lines += ["| key | kind | default | may be | what it is |", "|---|---|---|---|---|"]
        for f in section.fields():
            default = getattr(getattr(Settings(), name), f.name)
            shown = "" if default is None else f"`{toml_value(default, f.metadata['kind'])}`"
            lines.append(f"| `{f.name}` | {f.metadata['kind']} | {shown} | {limits_of(f.metadata)} | {f.metadata['doc']} |")
    lines += ["", "## [hosts]", "", 'Names and their IPv4 addresses: `server = "10.9.0.2"`, or a list of them.']
    return "\n".join(lines) + "\n"


@click.command("config")
@config_options
@click.option("--show", is_flag=True, help="Print the settings in effect as TOML (the default).")
@click.option("--describe", is_flag=True, help="Explain every setting (docs/settings.md).")
@click.option("--controllers", is_flag=True, help="List the congestion controllers that there are, those of installed packages included.")
def command(config: Path | None, changes: dict[str, Any], show: bool, describe: bool, controllers: bool) -> None:
    """Show the settings in effect, with FILE and changes, or explain them."""
    from usnet.tcp.congestion.registry import origins

    settings = effective(config, changes)
    if controllers:
        used = settings.tcp.congestion
        for name, origin in origins().items():
            click.echo(f"{name:16}{origin}{', in use' if name == used else ''}")
        if not (show or describe):
            return
    if describe:
        click.echo(described(), nl=False)
    if show or not describe:
        click.echo(settings.to_toml(), nl=False)
