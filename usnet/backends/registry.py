"""Finds backends by the scheme of a URL-like name: open_port("tap:tap0")."""
from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from usnet.backends.errors import BackendUnavailable
from usnet.backends.findings import GOOD, PROBLEM, Finding

GROUP = "usnet.backends"
# Those that are shipped, should the installation's metadata not name them
BUILT_IN = {
    "sim": "usnet.backends.sim.port:open_port",
    "tap": "usnet.backends.tap.port:open_port",
    "netmap": "usnet.backends.netmap.opening:open_port",
    "pcap": "usnet.backends.pcap.port:open_port",
    "pair": "usnet.backends.pair:open_port",
}


def backends() -> dict[str, str]:
    """All known schemes with where they open: {"tap": "usnet.backends.tap.port:open_port", ...}, in alphabetical
    order."""
    found = dict(BUILT_IN)
    found.update((entry.name, entry.value) for entry in entry_points(group=GROUP))
    return dict(sorted(found.items()))


def _function(scheme: str, name: str | None = None) -> Callable:
    where = backends().get(scheme)
    if where is None:
        raise ValueError(f"no backend {scheme!r} (known: {', '.join(backends())})")
    module, _, function = where.partition(":")
    try:
        return getattr(importlib.import_module(module), name or function)
    except ImportError as error:
        raise BackendUnavailable(f"the {scheme} backend is not part of this installation: {error}") from error


def _split(name: str) -> tuple[str, str]:
    scheme, colon, address = name.partition(":")
    if not colon:
        raise ValueError(f"{name!r} is no port: it begins with one of {', '.join(s + ':' for s in backends())}")
    return scheme, address


def open_port(name: str, **settings: Any) -> Any:
    """A port (usnet.backends.ring.Port): "tap:tap0", "pcap:trace.pcapng". `settings` are the backend's own.

    Raises ValueError for an unknown scheme or a bad setting, BackendUnavailable (an OSError) when something is
    missing, other OSErrors as the device gives them.
    """
    scheme, address = _split(name)
    return _function(scheme)(address, **settings)


def configure_peer(name: str, port: Any, address: str) -> None:
    """Gives the kernel's end of a port that has one (tap:) the address "10.9.0.1/24", and brings it up. ValueError for other backends."""
    scheme, _ = _split(name)
    try:
        peer = importlib.import_module(_function(scheme).__module__.rpartition(".")[0] + ".peer")
    except ModuleNotFoundError:
        raise ValueError(f"only tap: devices have a kernel's end, not {name}") from None
    peer.configure_peer(port.device, address)


def probe(scheme: str) -> tuple[bool, str]:
    """Whether a backend can work here, and what is missing or found."""
    try:
        return _function(scheme, "probe")()
    except (BackendUnavailable, AttributeError) as error:
        return False, str(error)


def examine(name: str) -> list[Finding]:
    """What can be said about one port, "netmap:em0", without opening it: at least one finding. ValueError for an unknown scheme or a bad name."""
    scheme, address = _split(name)
    module = sys.modules[_function(scheme).__module__]
    if hasattr(module, "examine"):
        return module.examine(address)
    usable, why = probe(scheme)
    return [Finding(GOOD if usable else PROBLEM, why)]
