"""usnet serve: echo, discard and HTTP servers on a device."""

from __future__ import annotations

import functools
import ipaddress
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from usnet.backends.fate import Fate
from usnet.cli.commands import Failed, Seed, one_line
from usnet.cli.faults import parse_faults


def is_one_host(interface: ipaddress.IPv4Interface) -> bool:
    """Neither 0.0.0.0, nor a group, nor a loopback or broadcast address, nor the name of its network."""
    ip, network = interface.ip, interface.network
    if ip.is_unspecified or ip.is_multicast or ip.is_loopback or ip.is_reserved:
        return False
    return network.prefixlen >= 31 or ip not in (network.network_address, network.broadcast_address)


class InterfaceAddress(click.ParamType):
    """An IPv4 address with the length of its network's prefix."""

    name = "A.B.C.D/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            interface = ipaddress.IPv4Interface(value)
        except ValueError:
            self.fail(f"{value!r} is no address with a prefix, such as 10.9.0.2/24", param, ctx)
        if "/" not in str(value):
            self.fail(f"{value!r} has no prefix: /24, say", param, ctx)
        if not is_one_host(interface):
            self.fail(f"{value!r} is no address that a host can have", param, ctx)
        return str(interface)


class Address(click.ParamType):
    name = "A.B.C.D"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            self.fail(f"{value!r} is no IPv4 address", param, ctx)


class Faults(click.ParamType):
    name = "RULES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Fate]:
        if isinstance(value, list):
            return value
        try:
            return parse_faults(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass
class Where:
    """What all of the servers are told."""

    backend: str
    address: str
    peer_address: str | None
    gateway: str | None
    port: int
    pcap: Path | None
    faults: list[Fate]
    seed: int


def check_neighbours(where: Where) -> None:
    """BadParameter when the gateway, or the kernel's end, cannot be a neighbour of the server's address."""
    own = ipaddress.IPv4Interface(where.address)
    peer = where.peer_address and ipaddress.IPv4Interface(where.peer_address).ip
    for hint, ip in (("'--gateway'", where.gateway and ipaddress.IPv4Address(where.gateway)), ("'--peer-address'", peer)):
        if ip and ip not in own.network:
            raise click.BadParameter(f"{ip} does not lie in {where.address}'s network", param_hint=hint)
        if ip and ip == own.ip:
            raise click.BadParameter(f"{ip} is the server's own address", param_hint=hint)


def where_options(port: int) -> Callable:
    options = [
        click.option(
            "--backend", default="tap:usnet0", show_default=True, metavar="NAME", help="The device: tap:NAME, netmap:PORT."
        ),
        click.option("--address", type=InterfaceAddress(), required=True, help="The server's own address."),
        click.option(
            "--peer-address",
            type=InterfaceAddress(),
            help="Gives the kernel's end of a TAP device this address, and brings it up.",
        ),
        click.option("--gateway", type=Address(), help="Where packets for other networks go."),
        click.option(
            "--port", type=click.IntRange(1, 65535), default=port, show_default=True, help="Where it listens."
        ),
        click.option(
            "--pcap",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Writes what crosses the device to a pcapng file.",
        ),
        click.option(
            "--faults",
            type=Faults(),
            default="",
            help="Harms frames of both directions: loss=0.02,reorder=0.01,duplicate=0.01,corrupt=0.001,delay=5ms.",
        ),
        click.option(
            "--seed", type=Seed(), default=1, show_default=True, help="Of the faults' chances."
        ),
    ]

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(**values: Any) -> Any:
            where = Where(**{name: values.pop(name) for name in Where.__dataclass_fields__})
            check_neighbours(where)
            return function(where, **values)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def open_device(where: Where) -> Any:
    """The port with its wrappers: what is captured is what crosses the device, so faults stand between it and the
    stack.
    """
    from usnet.backends.registry import open_port

    if where.peer_address is not None and not where.backend.startswith("tap:"):
        raise click.BadParameter(f"only tap: devices have a kernel's end, not {where.backend}", param_hint="'--peer-address'")
    try:
        port = open_port(where.backend)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--backend'") from None
    try:
        advise(where.backend)
        if where.peer_address is not None:
            give_peer_address(port, where)
        if where.pcap is not None:
            from usnet.backends.wrappers.capture import CapturePort

            port = CapturePort(port, where.pcap)
        if where.faults:
            from usnet.backends.wrappers.faults import FaultPort

            port = FaultPort(port, where.faults, where.seed)
    except BaseException:
        port.close()
        raise
    return port


def advise(backend: str) -> None:
    """Says on stderr what may go wrong with a port that could be opened."""
    from usnet.backends.findings import GOOD
    from usnet.backends.registry import examine

    for finding in examine(backend):
        if finding.level != GOOD:
            click.echo(f"{backend}: {finding.text}", err=True)


def give_peer_address(port: Any, where: Where) -> None:
    from usnet.backends.tap.peer import configure_peer

    assert where.peer_address is not None
    configure_peer(port.device, where.peer_address)


def run(what: str, where: Where, start: Callable[[Any, tuple[str, int]], None]) -> None:
    """Opens the device, starts the server, and serves until SIGINT or SIGTERM."""
    from usnet.cli.loop import Loop
    from usnet.sockets.host import Stack

    try:
        stack = Stack(open_device(where), where.address, where.gateway)
    except OSError as error:
        raise Failed(one_line(error)) from None
    begun = time.monotonic()
    with stack:
        loop = Loop(stack)
        handlers = {number: signal.signal(number, lambda *_: loop.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            start(loop, ("", where.port))
            click.echo(f"listening on {where.address.partition('/')[0]} port {where.port} ({what}, {where.backend})")
            loop.run()
        except OSError as error:
            raise Failed(f"{where.backend}: {one_line(error)}") from None
        finally:
            loop.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)
    click.echo(f"stopped after {time.monotonic() - begun:.1f} s: {loop.statistics.line()}, {network_line(stack)}")


def network_line(stack: Any) -> str:
    counted = stack.statistics()["tcp"]
    text = f"{counted['segments_in']} segments in, {counted['segments_out']} out, {counted['retransmits']} sent again"
    harmed = [sum(port.fault_counts()["dropped"]) for port in stack.ports if hasattr(port, "fault_counts")]
    return f"{text}, {sum(harmed)} frames dropped on purpose" if harmed else text


@click.group("serve", no_args_is_help=False)
def command() -> None:
    """Serve echo, http or discard on a device, until Ctrl-C or SIGTERM."""


@command.command("echo")
@where_options(7)
def echo(where: Where) -> None:
    """Send back what arrives (RFC 862), over TCP and UDP."""
    from usnet.cli.services import serve_echo

    run("echo", where, serve_echo)


@command.command("discard")
@where_options(9)
def discard(where: Where) -> None:
    """Read and forget (RFC 863), over TCP and UDP."""
    from usnet.cli.services import serve_discard

    run("discard", where, serve_discard)


@command.command("http")
@where_options(8080)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    metavar="DIR",
    help="What is served.",
)
def http(where: Where, root: Path) -> None:
    """Serve the files of a directory over HTTP/1.1."""
    from usnet.cli.files import Files
    from usnet.cli.http import serve_http

    files = Files(root)
    run("http", where, lambda loop, address: serve_http(loop, address, files))
