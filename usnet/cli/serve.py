"""usnet serve: echo, discard and HTTP servers on a device."""

from __future__ import annotations

import functools
import ipaddress
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import click

from usnet.backends.fate import Fate
from usnet.cli.commands import Failed, Seed, one_line
from usnet.cli.config import config_options, effective
from usnet.cli.faults import parse_faults

LOG = logging.getLogger("usnet.serve")


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

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_faults(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


@dataclass
class Where:
    """What all of the servers are told: the settings in effect, and what follows from them."""

    settings: Any
    port: int
    faults: list[Fate]

    @property
    def backend(self) -> str:
        return self.settings.interface.backend

    @property
    def address(self) -> str:
        return self.settings.interface.address[0]

    @property
    def peer_address(self) -> str | None:
        return self.settings.interface.peer_address


def check_addresses(settings: Any) -> None:
    """BadParameter when an address is none of a host's, or the gateway or the kernel's end cannot be a neighbour."""
    where = settings.interface
    if not where.address:
        raise click.MissingParameter(param_hint="'--address'", param_type="option")
    owned = [ipaddress.IPv4Interface(address) for address in where.address]
    for own in owned:
        if not is_one_host(own):
            raise click.BadParameter(f"'{own}' is no address that a host can have", param_hint="'--address'")
    peer = where.peer_address and ipaddress.IPv4Interface(where.peer_address).ip
    for hint, ip in (("'--gateway'", where.gateway and ipaddress.IPv4Address(where.gateway)), ("'--peer-address'", peer)):
        if ip and not any(ip in own.network for own in owned):
            raise click.BadParameter(f"{ip} does not lie in {where.address[0]}'s network", param_hint=hint)
        if ip and any(ip == own.ip for own in owned):
            raise click.BadParameter(f"{ip} is the server's own address", param_hint=hint)


# Option: the setting that it is.
KEYS = {
    "backend": "interface.backend", "address": "interface.address", "peer_address": "interface.peer_address", "gateway": "interface.gateway",
    "port": "serve.port", "pcap": "serve.pcap", "faults": "serve.faults", "seed": "serve.seed", "root": "serve.root",
    "control": "control.path", "log": "log.file",
}


def where_from(values: dict[str, Any], own_port: int) -> Where:
    """The settings of the file, with --set, with the options that were given: each wins over those before it."""
    given = {key: values[name] for name, key in KEYS.items() if values.get(name) is not None}
    settings = effective(values["config"], {**values["changes"], **given})
    check_addresses(settings)
    try:
        faults = parse_faults(settings.serve.faults)
    except ValueError as error:
        raise click.BadParameter(f"serve.faults: {error}", param_hint="'--config'") from None
    return Where(settings, settings.serve.port or own_port, faults)


def where_options(port: int) -> Callable:
    """The options of all servers; those that are not given are left to the settings."""
    options = [
        config_options,
        click.option("--backend", metavar="NAME", help="The device: tap:NAME, netmap:PORT.  [default: tap:usnet0]"),
        click.option("--address", type=InterfaceAddress(), help="The server's own address."),
        click.option(
            "--peer-address",
            type=InterfaceAddress(),
            help="Gives the kernel's end of a TAP device this address, and brings it up.",
        ),
        click.option("--gateway", type=Address(), help="Where packets for other networks go."),
        click.option("--port", type=click.IntRange(1, 65535), help=f"Where it listens.  [default: {port}]"),
        click.option("--pcap", type=click.Path(dir_okay=False), metavar="FILE", help="Writes what crosses the device to a pcapng file."),
        click.option(
            "--faults",
            type=Faults(),
            help="Harms frames of both directions: loss=0.02,reorder=0.01,duplicate=0.01,corrupt=0.001,delay=5ms.",
        ),
        click.option("--seed", type=Seed(), help="Of the faults' chances.  [default: 1]"),
        click.option("--control", type=click.Path(dir_okay=False), metavar="PATH", help="The control socket, if not in the runtime directory."),
        click.option("--log", type=click.Path(dir_okay=False), metavar="FILE", help="Writes down who connects."),
    ]

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(**values: Any) -> Any:
            return function(where_from(values, port))

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
        port = open_port(where.backend, **where.settings.interface.options)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--backend'") from None
    try:
        advise(where.backend)
        if where.peer_address is not None:
            give_peer_address(port, where)
        if where.settings.serve.pcap is not None:
            from usnet.backends.wrappers.capture import CapturePort

            port = CapturePort(port, where.settings.serve.pcap)
        if where.faults:
            from usnet.backends.wrappers.faults import FaultPort

            port = FaultPort(port, where.faults, where.settings.serve.seed)
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


def open_control(stack: Any, settings: Any) -> None:
    """The control socket, unless it is turned off. One that was asked for by its path must be had."""
    if not settings.control.enabled:
        return
    try:
        stack.open_control(settings.control.path)
    except OSError as error:
        if settings.control.path is not None:
            raise
        click.echo(f"usnet ss and usnet stat will not see this server: {one_line(error)}", err=True)


def open_log(settings: Any) -> logging.Handler:
    """Has the log written to its file, if it has one."""
    handler = logging.NullHandler() if settings.log.file is None else WatchedFileHandler(settings.log.file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.propagate = False
    LOG.setLevel(logging.CRITICAL if settings.log.file is None else settings.log.level.upper())
    return handler


def run(what: str, where: Where, start: Callable[[Any, tuple[str, int]], None]) -> None:
    """Opens the device, starts the server, and serves until SIGINT or SIGTERM."""
    from usnet.sockets.host import Stack

    try:
        handler = open_log(where.settings)
        try:
            stack = Stack.from_settings(where.settings, open_device(where), control=None)
            with stack:
                open_control(stack, where.settings)
                serve(what, where, stack, start)
        finally:
            LOG.removeHandler(handler)
            handler.close()
    except OSError as error:
        raise Failed(one_line(error)) from None


def serve(what: str, where: Where, stack: Any, start: Callable[[Any, tuple[str, int]], None]) -> None:
    from usnet.cli.loop import Loop

    begun = time.monotonic()
    loop = Loop(stack)
    handlers = {number: signal.signal(number, lambda *_: loop.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        start(loop, ("", where.port))
        text = f"listening on {where.address.partition('/')[0]} port {where.port} ({what}, {where.backend})"
        click.echo(text)
        LOG.info(text)
        loop.run()
    except OSError as error:
        LOG.error("%s: %s", where.backend, one_line(error))
        raise Failed(f"{where.backend}: {one_line(error)}") from None
    finally:
        loop.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    text = f"stopped after {time.monotonic() - begun:.1f} s: {loop.statistics.line()}, {network_line(stack)}"
    LOG.info(text)
    click.echo(text)


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
@click.option("--root", type=click.Path(exists=True, file_okay=False), metavar="DIR", help="What is served.  [default: .]")
def http(where: Where) -> None:
    """Serve the files of a directory over HTTP/1.1."""
    from usnet.cli.files import Files
    from usnet.cli.http import serve_http

    root = Path(where.settings.serve.root)
    if not root.is_dir():
        raise click.BadParameter(f"serve.root: {root} is no directory", param_hint="'--config'")
    files = Files(root)
    run("http", where, lambda loop, address: serve_http(loop, address, files))
