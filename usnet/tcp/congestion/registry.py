"""Congestion controllers by name: those that are built in, those that programs registered, and those that installed packages bring along.

A package names its controller in the entry point group usnet.congestion: the entry point's name is the controller's, and
what it leads to is a module that registers the controller when it is imported (cc_register, usnet/tcp/congestion/ops.pxd).
"""

from importlib.metadata import entry_points

from usnet.tcp.congestion.ops import names

GROUP = "usnet.congestion"
ALIASES = {"reno": "newreno"}
BUILT_IN = names()
"""Those that nobody had to register."""


def available() -> tuple[str, ...]:
    """Names of all controllers, those of packages that were not asked for yet included."""
    return tuple(dict.fromkeys([*names(), *sorted(point.name for point in entry_points(group=GROUP))]))


def origins() -> dict[str, str]:
    """Where each of them comes from: "built in", "of this program", or the package and module that brings it along."""
    found = {name: "built in" if name in BUILT_IN else "of this program" for name in names()}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = getattr(getattr(point, "dist", None), "name", None)
        found.setdefault(point.name, f"of {point.value}" + (f" ({package})" if package else ""))
    return found


def number_of(name: str) -> int:
    """The number by which connections know it (CC_*). ValueError when nobody does."""
    name = ALIASES.get(name, name)
    if name not in names():
        for point in entry_points(group=GROUP, name=name):
            point.load()
            if name not in names():
                raise ValueError(f"{point.value} registers no congestion controller {name!r}")
    if name not in names():
        raise ValueError(f"there is no congestion controller {name!r}, but {', '.join(available())}")
    return names().index(name)


def name_of(number: int) -> str:
    return names()[number]
