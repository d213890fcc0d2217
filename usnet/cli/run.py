"""usnet run: ordinary programs, unedited, in one simulated world or on a device."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from usnet.cli.commands import Chance, Failed, Seed, Unreadable, one_line
from usnet.cli.config import config_options
from usnet.cli.serve import Address, Faults, InterfaceAddress, where_from

HELP = """Run ordinary Python programs over usnet: what they import as socket, select, selectors, time, threading and all that builds on these is
usnet's; they need no change (docs/scripts.md).

By default in a simulated world: each SCRIPT is a host named as its file, 10.0.0.1/24 the first; `:` stands between them; -m MODULE instead of
a file. Two hosts have one link, more have one each to a switch. Hosts know each other by name. The run ends when all scripts have ended, or only
servers are left. With --backend, one script runs on a device in real time.

\b
  usnet run --loss 0.02 --delay 20ms server.py 8080 : client.py server 8080
  usnet run -m http.server 80 : fetch.py http://http.server/
  usnet run --backend tap:tap0 --address 10.9.0.2/24 --peer-address 10.9.0.1/24 server.py 8080
"""


@dataclass
class Program:
    """One SCRIPT of the command line."""

    path: str
    is_module: bool
    args: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path if self.is_module else Path(self.path).stem


def parse_words(words: tuple[str, ...]) -> list[Program]:
    """The scripts, with their arguments. UsageError when there is none where one should be."""
    programs = []
    rest = list(words)
    while True:
        end = rest.index(":") if ":" in rest else len(rest)
        part = rest[:end]
        is_module = part[:1] == ["-m"]
        part = part[1:] if is_module else part
        if not part:
            raise click.UsageError("a SCRIPT is missing")
        if part[0].startswith("-"):
            raise click.UsageError(f"no such option: {part[0]}")
        if not is_module and not Path(part[0]).is_file():
            raise Unreadable(f"{part[0]}: no such file")
        programs.append(Program(part[0], is_module, tuple(part[1:])))
        if end == len(rest):
            return programs
        rest = rest[end + 1:]


class Quantity(click.ParamType):
    """A time or a rate, as usnet.backends.sim.units reads it."""

    def __init__(self, kind: str) -> None:
        self.name = kind.upper()
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from usnet.backends.sim import units

        try:
            return getattr(units, self.kind)(value)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)


def report(script: Any, error: BaseException) -> None:
    """Shows the exception that ended a script, as the interpreter does."""
    from usnet.lab.script_report import show

    heading = f"{script.name}: at {script.world.now / 1e9:g} s:" if script.virtual else None
    sys.stdout.flush()
    show(error, heading)


def build(programs: list[Program], seed: int, patience: float, model: dict[str, Any]) -> Any:
    """A world with a host for each script."""
    from usnet.lab.world import World

    world = World(seed, patience=patience or None)
    hosts = []
    for i, program in enumerate(programs, 1):
        name, n = program.name, 1
        while name in world.hosts:
            n += 1
            name = f"{program.name}{n}"
        hosts.append(world.host(name, f"10.0.0.{i}/24"))
    if len(hosts) == 2:
        world.link(*hosts, **model)
    elif len(hosts) > 2:
        hub = world.switch("switch")
        for host in hosts:
            world.link(host, hub, **model)
    return world


def start(world: Any, programs: list[Program]) -> None:
    for host, program in zip(world.hosts.values(), programs, strict=True):
        try:
            host.run_script(program.path, *program.args, is_module=program.is_module, report=report)
        except ModuleNotFoundError as error:
            raise Unreadable(str(error)) from None


def status_of(world: Any) -> int:
    """The first status that is not 0, in the order in which the scripts ended."""
    ended = sorted((s for s in world.scripts if s.status), key=lambda script: script.ended_at)
    return ended[0].status if ended else 0


def simulate(world: Any, limit: int, digest: bool) -> int:
    from usnet.lab.environment import SimulationStalled
    from usnet.lab.programs import NoProgress

    status = 0
    with world:
        try:
            world.run(limit=limit)
        except (SimulationStalled, NoProgress) as error:
            sys.stdout.flush()
            click.echo(f"usnet run: {error}", err=True)
            status = 1
        if digest:
            click.echo(f"digest: {world.digest()}")
        return status_of(world) or status


def run_live(programs: list[Program], where: Any) -> int:
    """One script on a device, until it ends."""
    from usnet.cli.serve import open_device
    from usnet.lab.script_live import LiveWorld
    from usnet.sockets.host import Stack

    if len(programs) > 1:
        raise click.UsageError("on a device one SCRIPT runs")

    def make(**how: Any) -> Any:
        return Stack.from_settings(where.settings, open_device(where), control=None, **how)

    try:
        with LiveWorld(make) as world:
            start(world, programs)
            world.run()
            return status_of(world)
    except OSError as error:
        raise Failed(f"{where.backend}: {one_line(error)}") from None


LINK = ("loss", "duplicate", "delay", "jitter", "rate", "limit", "patience", "digest")
DEVICE = ("address", "peer_address", "gateway", "faults", "pcap", "config", "changes")


def device(ctx: click.Context, values: dict[str, Any]) -> Any:
    """What --backend and the options that go with it say; None for a simulated world. UsageError for options of the other kind."""
    given = {name for name in (*LINK, *DEVICE) if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE}
    simulated = values["backend"] == "sim"
    wrong = [option.opts[0] for option in ctx.command.params if option.name in given & set(DEVICE if simulated else LINK)]
    if wrong:
        raise click.UsageError(f"{wrong[0]} is for {'a device' if simulated else 'simulated worlds'}")
    return None if simulated else where_from(values, 1)


@click.command(
    "run",
    help=HELP,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="SCRIPT [ARGS]... [: SCRIPT [ARGS]...]...")
@click.option("--loss", type=Chance(), default=0.0, help="Chance of each frame to be lost.")
@click.option("--duplicate", type=Chance(), default=0.0, help="Chance of each frame to arrive twice.")
@click.option("--delay", type=Quantity("time"), default="1ms", show_default=True, help="One way, of each link.")
@click.option("--jitter", type=Quantity("time"), default="0ms", help="Up to so much more, so that frames overtake each other.")
@click.option("--rate", type=Quantity("rate"), default="100Mbit", show_default=True, help="Of each link.")
@click.option("--seed", type=Seed(), default=1, show_default=True, help="Of all chances, and of the scripts' random numbers.")
@click.option("--limit", type=Quantity("time"), default="24h", show_default=True, help="Virtual time after which the run is given up.")
@click.option("--patience", type=click.FloatRange(0), default=10.0, show_default=True,
              help="Seconds that a script may compute without waiting; 0: no end.")  # fmt: skip
@click.option("--digest", is_flag=True, help="Print the digest of the run: the same for the same seed.")
@click.option("--backend", metavar="NAME", default="sim", show_default=True, help="A device instead of a simulated world: tap:NAME, netmap:PORT.")
@click.option("--address", type=InterfaceAddress(), help="The script's own, on a device.")
@click.option("--peer-address", type=InterfaceAddress(), help="Gives the kernel's end of a TAP device this address, and brings it up.")
@click.option("--gateway", type=Address(), help="Where packets for other networks go, on a device.")
@click.option("--faults", type=Faults(), help="Harms frames of the device: loss=0.02,delay=5ms.")
@click.option("--pcap", type=click.Path(dir_okay=False), metavar="FILE", help="Writes what crosses the device to a pcapng file.")
@config_options
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], **values: Any) -> int:
    programs = parse_words(words)
    where = device(ctx, values)
    if where is not None:
        return run_live(programs, where)
    model = {name: values[name] for name in ("loss", "duplicate", "delay", "jitter", "rate")}
    try:
        world = build(programs, values["seed"], values["patience"], model)
        start(world, programs)
    except ValueError as error:
        raise Failed(one_line(error)) from None
    return simulate(world, values["limit"], values["digest"])
