"""usnet packetdrill: runs packetdrill's scripts against the stack in virtual time."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Failed, Unreadable

PROFILES = ("rfc", "linux", "freebsd")


def script_files(given: tuple[Path, ...]) -> list[tuple[Path, Path]]:
    """(file, its name below what was given), with directories replaced by all *.pkt below them, in order of name. Unreadable when there is none."""
    files: list[tuple[Path, Path]] = []
    for path in given:
        found = sorted(one for one in path.rglob("*.pkt") if not one.is_dir()) if path.is_dir() else [path]
        if not found:
            raise Unreadable(f"{path}: no *.pkt in this directory")
        files += [(one, one.relative_to(path) if path.is_dir() else Path(one.name)) for one in found]
    return files


def definitions(given: tuple[str, ...]) -> dict[str, str]:
    for item in given:
        if "=" not in item or not item.partition("=")[0].isidentifier():
            raise click.BadParameter(f"NAME=VALUE is expected, not {item!r}")
    return dict(item.split("=", 1) for item in given)


@contextlib.contextmanager
def captured(directory: Path | None, name: Path) -> Iterator[Any]:
    """A function that writes frames into a capture named as the script, in folders as the scripts are, or None."""
    if directory is None:
        yield None
        return
    from usnet.backends.wrappers.pcapng import PcapngWriter

    target = (directory / name).with_suffix(".pcapng")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writer = PcapngWriter(target)
    except OSError as error:
        raise Failed(f"{target}: {error.strerror}") from None
    writer.add_interface(name.stem, None)
    try:
        yield lambda time, frame: writer.write(frame, time, 0)
    finally:
        writer.close()


@click.command("packetdrill")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("--profile", type=click.Choice(PROFILES), default="rfc", show_default=True, help="The system that the scripts were written for.")
@click.option("--strict", is_flag=True, help="Times to 1 ms, TSecr too, and no packet that no line expects.")
@click.option("-D", "--define", multiple=True, metavar="NAME=VALUE", help="What a word of the scripts stands for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--pcap", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a capture of each script there.")
@click.option("-q", "--quiet", is_flag=True, help="The last line alone.")
def command(
    paths: tuple[Path, ...], profile: str, strict: bool, define: tuple[str, ...], as_json: bool, pcap: Path | None, quiet: bool,
) -> int:
    """Run packetdrill scripts (files, or all *.pkt below directories) in virtual time, without privileges."""
    from usnet.testing.packetdrill.runner import run_script

    defines = definitions(define)
    outcomes: Counter[str] = Counter()
    for path, name in script_files(paths):
        with captured(pcap, name) as capture:
            result = run_script(path, profile, strict, defines, capture)
        outcomes[result.outcome] += 1
        if as_json:
            click.echo(json.dumps(vars(result)))
        elif not quiet and result.outcome != "passed":
            click.echo(f"{result.outcome.upper() if result.outcome == 'failed' else result.outcome}  {result.path}: {result.text}")
    total = sum(outcomes.values())
    click.echo(f"passed {outcomes['passed']}, failed {outcomes['failed']}, skipped {outcomes['skipped']} of {total}", err=as_json)
    return 1 if outcomes["failed"] else 0
