"""The direction of dependencies: each room imports only from what stands before it (docs/architecture.md)."""
import re
from pathlib import Path

import pytest

from tests.sources import PACKAGE, ROOT, logical_lines, module_name, package_files

# Modules of usnet/backends that are the contract, or what all who fulfil it share.
CONTRACT = {"ring", "ring_memory", "vnet", "clock", "poller", "bell", "fates", "fate", "keyed", "errors", "settings", "timerfd", "eventfd",
            "interface", "findings", "control"}
# What opens a backend by its name, through entry points: this, and what usnet.backends itself offers.
REGISTRY = {"registry"}
MODULES = {path.stem for path in (PACKAGE / "backends").iterdir()}

CORE = {"wire", "memory", "contract", "ip", "tcp", "stack"}
# Room: the rooms that it may import from, beside itself.
MAY_IMPORT = {
    "wire": set(),
    "memory": set(),
    "contract": {"wire", "memory"},
    "registry": {"wire", "memory", "contract"},
    "backend": {"wire", "memory", "contract", "registry"},
    "ip": {"wire", "memory", "contract"},
    "tcp": {"wire", "memory", "contract", "ip"},
    "stack": CORE,
    "sockets": CORE | {"registry"},
    "process": CORE | {"registry", "sockets"},
    "lab": CORE | {"registry", "sockets", "backend sim", "backend netmap", "backend wrappers"},
    "usnet": CORE | {"registry", "sockets", "process", "lab"},
    "testing": CORE | {"registry", "sockets", "process", "lab", "usnet", "backend"},
    "cli": CORE | {"registry", "sockets", "process", "lab", "usnet", "testing", "backend"},
}

FROM = re.compile(r"\s*from\s+([\w.]+)\s+c?import\s+(.+)")
PLAIN = re.compile(r"\s*c?import\s+(.+)")
INLINE = re.compile(r"[:;]\s*(?=(?:from\s+[\w.]+\s+)?c?import\s)")


def room(module: str) -> tuple[str, str]:
    """(room, the backend's name where it is one) of a dotted module name that begins with usnet."""
    parts = module.split(".")
    if len(parts) == 1:
        return "usnet", ""
    if parts[1] == "__main__":
        return "cli", ""                    # python -m usnet
    if parts[1] != "backends":
        return (parts[1] if parts[1] in MAY_IMPORT else "usnet"), ""
    if len(parts) == 2 or parts[2] in REGISTRY or (len(parts) == 3 and parts[2] not in MODULES | CONTRACT):
        return "registry", ""
    return ("contract", "") if parts[2] in CONTRACT else ("backend", parts[2])


def imports(text: str, package: str) -> list[tuple[int, str]]:
    """(line, dotted name) of all that a source of `package` imports or cimports, relative names resolved.

    Of `from a import b` this gives a.b, which is right whether b is a module or a name in one.
    """
    found = []
    for number, line in logical_lines(text):
        for statement in INLINE.split(line):
            if match := FROM.match(statement):
                source, names = match.groups()
                dots = len(source) - len(source.lstrip("."))
                if dots:
                    base = package.split(".")
                    base = base[:len(base) - dots + 1]
                    source = ".".join([*base, source.lstrip(".")]).rstrip(".")
                for name in re.findall(r"(?:^|,)\s*([\w*]+)", names.strip("() ")):
                    found.append((number, f"{source}.{name}"))
            elif match := PLAIN.match(statement):
                found += [(number, name.split()[0]) for name in match[1].split(",") if name.strip()]
    return found


def allowed(importer: str, imported: str) -> bool:
    here, my_backend = room(importer)
    there, its_backend = room(imported)
    if here == there:
        return my_backend == its_backend
    may = MAY_IMPORT[here]
    return there in may or f"{there} {its_backend}" in may


def violations(sources: dict[str, str]) -> list[str]:
    """What breaks the rule in {path relative to the repository: text}."""
    found = []
    for path, text in sources.items():
        module = module_name(Path(path), Path())
        package = module if Path(path).stem == "__init__" else module.rpartition(".")[0]
        for number, name in imports(text, package):
            if (name == "usnet" or name.startswith("usnet.")) and not allowed(module, name):
                found.append(f"{path}:{number}: {' '.join(room(module)).strip()} must not import {name}")
    return found


def test_every_room_imports_only_from_what_stands_before_it():
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in package_files()}
    assert len(sources) > 40, "the sources were not found"
    assert violations(sources) == []


def test_every_folder_of_the_package_has_a_place_in_the_order():
    folders = {path.relative_to(ROOT / "usnet").parts[0] for path in package_files() if path.parent != ROOT / "usnet"}
    assert folders - {"backends"} <= set(MAY_IMPORT)


@pytest.mark.parametrize(("path", "line"), [
    ("usnet/wire/tcp.pxd", "from usnet.memory.arena cimport arena"),
    ("usnet/memory/arena.pyx", "from usnet.wire.seq cimport seq_lt"),
    ("usnet/backends/ring.pxd", "from usnet.ip.state cimport ip_state"),
    ("usnet/ip/input.pyx", "from usnet.tcp.state cimport tcp_state"),
    ("usnet/ip/input.pyx", "cimport usnet.tcp.state as t"),
    ("usnet/ip/input.pyx", "cimport libc.stdint, usnet.stack"),
    ("usnet/ip/input.pyx", "from ..tcp.state cimport (\n    tcp_state,\n)"),
    ("usnet/ip/input.pyx", "from .. cimport stack"),
    ("usnet/ip/input.pyx", "from usnet cimport stack"),
    ("usnet/ip/input.pyx", "from usnet.backends.tap.port cimport TapPort"),
    ("usnet/ip/__init__.py", "from ..sockets import socket"),
    ("usnet/ip/names.py", "def f():\n    import usnet.sockets"),
    ("usnet/ip/names.py", "def f(): import usnet.sockets"),
    ("usnet/ip/names.py", "import usnet"),
    ("usnet/tcp/input.pyx", "from usnet.backends import sim"),
    ("usnet/tcp/input.pyx", "from usnet.backends.registry import open_port"),
    ("usnet/tcp/input.pyx", "from usnet.backends import open_port"),
    ("usnet/stack.pyx", "from usnet.sockets.table cimport Table"),
    ("usnet/stack.pyx", "from usnet.backends.sim.port cimport SimPort"),
    ("usnet/backends/tap/port.pyx", "from usnet.backends.sim.port cimport SimPort"),
    ("usnet/backends/tap/port.pyx", "from ..sim cimport port"),
    ("usnet/backends/tap/port.pyx", "from usnet.ip.state cimport ip_state"),
    ("usnet/backends/sim/port.pyx", "from usnet.lab.world import World"),
    ("usnet/sockets/stack.pyi", "from usnet.backends.tap.port import TapPort"),
    ("usnet/sockets/stack.py", "from usnet.lab import World"),
    ("usnet/lab/world.py", "from usnet.backends.tap.port import TapPort"),
    ("usnet/lab/world.py", "from usnet.process import supervise"),
    ("usnet/testing/plugin.py", "from usnet.cli.main import main"),
])
def test_a_planted_violation_is_found(path, line):
    source = f'"""Planted."""\nfrom libc.stdint cimport uint8_t\n\n{line}\n'
    (found,) = violations({path: source})
    assert found.startswith(f"{path}:")


@pytest.mark.parametrize(("path", "line"), [
    ("usnet/wire/tcp.pyx", "from usnet.wire.addr cimport ip_addr"),
    ("usnet/wire/tcp.pyx", "# from usnet.stack cimport stack"),
    ("usnet/wire/tcp.pyx", '"""\nfrom usnet.stack cimport stack\n"""'),
    ("usnet/wire/tcp.pyx", 'cdef extern from "tcp.h" nogil:\n    int f()'),
    ("usnet/ip/state.pxd", "from usnet.backends.ring cimport port, ring_next"),
    ("usnet/ip/state.pxd", "from usnet.backends cimport ring"),
    ("usnet/ip/state.pxd", "from .neighbour cimport neighbour_use"),
    ("usnet/stack.pyx", "from usnet.tcp cimport input as tcp_input"),
    ("usnet/backends/sim/port.pyx", "from usnet.backends.keyed cimport draw"),
    ("usnet/backends/capture/port.pyx", "from usnet.backends.registry import open_port"),
    ("usnet/sockets/stack.py", "from usnet.backends.registry import open_port"),
    ("usnet/sockets/stack.py", "from usnet.backends import open_port"),
    ("usnet/lab/world.py", "from usnet.backends.sim.network import Network"),
    ("usnet/__init__.py", "from usnet.lab.world import World"),
    ("usnet/cli/main.py", "from usnet import World"),
])
def test_what_the_order_allows_is_not_complained_about(path, line):
    assert violations({path: line + "\n"}) == []
