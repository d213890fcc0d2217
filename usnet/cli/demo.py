"""usnet demo: the demonstration of usnet.lab.demo, with progress, a table, a capture and a picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Chance, Failed, Seed, one_line
from usnet.cli.screen import console

CAPTURE = "usnet-demo.pcapng"
PICTURE = "usnet-demo.png"
INBOUND, OUTBOUND = 1, 2  # of pcapng


@click.command("demo")
@click.option(
    "--seed", type=Seed(), default=1, show_default=True, help="Of everything that is left to chance."
)
@click.option("--clients", type=click.IntRange(1, 256), default=64, show_default=True, help="How many.")
@click.option(
    "--loss",
    type=Chance(0.3),
    default=0.02,
    show_default=True,
    help="Chance that a client's link loses a frame, each way.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="demo-out",
    show_default=True,
    metavar="DIR",
    help="Where the capture and the picture go.",
)
def command(seed: int, clients: int, loss: float, out: Path) -> None:
    """Run an echo server and many clients over lossy links, in virtual time."""
    from usnet.lab.demo import Demo
    from usnet.lab.picture import draw

    screen = console()
    try:
        out.mkdir(parents=True, exist_ok=True)
        demo = Demo(clients=clients, seed=seed, loss=loss)
        click.echo(
            f"An echo server and {clients} clients at a switch; each sends {demo.size // 1024} KiB "
            "and checks what comes back."
        )
        click.echo(f"Their links lose {100 * loss:g} % of the frames, each way. Time is virtual; the seed is {seed}.")
        with capture(demo, out / CAPTURE) as tap, progress(screen) as show:
            result = demo.run(show, tap)
        print_result(screen, result)
        draw(
            result.trace,
            out / PICTURE,
            f"{result.pictured.name}: its echo over {result.pictured.group.rate}, "
            f"{result.pictured.group.delay} one way, {100 * loss:g} % loss (seed {seed})",
        )
    except OSError as error:
        raise Failed(one_line(error)) from None
    click.echo(f"capture: {out / CAPTURE} (all frames at the server's port)")
    click.echo(f"picture: {out / PICTURE} (time and sequence numbers of {result.pictured.name})")
    default = {p.name: p.default for p in command.params}
    same = (seed, clients, loss) == (default["seed"], default["clients"], default["loss"])
    remark = "compare with the README" if same else "the same for the same options, on any machine"
    click.echo(f"digest:  {result.digest} ({remark})")


@contextmanager
def capture(demo: Any, path: Path) -> Iterator[Any]:
    """A tap that writes what the server's port sends and receives; closed, and complete, at the end."""
    from usnet.backends.wrappers.pcapng import PcapngWriter

    with PcapngWriter(path) as writer:
        interface = writer.add_interface("sim:server")
        link = demo.server_link

        def tap(happening: Any) -> None:
            # The server is the link's end a: direction 0 leads away from it
            if happening.link is link and happening.what == ("delivered" if happening.direction else "sent"):
                writer.write(happening.frame, happening.time, interface, INBOUND if happening.direction else OUTBOUND)

        yield tap


@contextmanager
def progress(screen: Any) -> Iterator[Any]:
    """A function to be told the progress: a bar on a terminal, else a line for every quarter."""
    if not screen.is_terminal:
        yield Lines()
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.fields[now]:6.3f} s virtual"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[done]} clients done"),
        console=screen,
    ) as bar:
        task = bar.add_task("", total=None, now=0.0, done=0)
        yield lambda at: bar.update(task, total=at.total, completed=at.echoed, now=at.now / 1e9, done=at.done)


class Lines:
    """Progress where no cursor moves."""

    def __init__(self) -> None:
        self.quarter = 0

    def __call__(self, at: Any) -> None:
        quarter = 4 * at.echoed // at.total
        if quarter > self.quarter:
            self.quarter = quarter
            click.echo(
                f"  {at.now / 1e9:6.3f} s: {at.echoed / 2**20:5.1f} of {at.total / 2**20:.1f} MiB are back, "
                f"{at.done} of {at.clients} clients are done"
            )
            sys.stdout.flush()


def print_result(screen: Any, result: Any) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("clients", no_wrap=True)
    table.add_column("link", no_wrap=True)
    for name in ("MiB", "median s", "slowest s", "Mbit/s", "sent again", "RTOs"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(
            f"{row.clients} {row.group}",
            row.link,
            f"{row.bytes / 2**20:.2f}",
            f"{row.median_seconds:.3f}",
            f"{row.slowest_seconds:.3f}",
            f"{row.goodput / 1e6:.2f}",
            str(row.retransmits),
            str(row.rtos),
        )
    table.add_row(
        "the server",
        "1Gbit, 50us",
        f"{result.bytes / 2**20:.2f}",
        "",
        "",
        "",
        str(result.server_retransmits),
        str(result.server_rtos),
    )
    screen.print(table)
    ratio = result.virtual_seconds / result.cpu_seconds if result.cpu_seconds else 0.0
    click.echo(
        f"{result.frames} frames on the links, {result.lost} of them lost; {result.virtual_seconds:.3f} virtual "
        f"seconds in {result.cpu_seconds:.2f} CPU seconds: {ratio:.1f} times as fast as real time"
    )
