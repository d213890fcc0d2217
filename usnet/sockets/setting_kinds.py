"""The kinds of settings: how each is written, checked and shown. See usnet.sockets.settings."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from usnet.tcp.congestion.registry import ALIASES, BUILT_IN, available

TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
SHOWN = {"time": ("h", "min", "s", "ms", "us", "ns"), "size": ("GiB", "MiB", "KiB", "B")}
NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


class SettingsError(ValueError):
    """A setting that cannot be. `key` is its name, "tcp.rto_min"; `path` the file that says it, if any."""

    def __init__(self, key: str, reason: str, path: str | Path | None = None) -> None:
        super().__init__(": ".join(filter(None, (None if path is None else str(path), f"{key} {reason}".strip()))))
        self.key, self.reason, self.path = key, reason, path


def setting(kind: str, default: Any, doc: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"kind": kind, "doc": doc, **more})


def count(default: int, least: int, most: int, doc: str) -> Any:
    return setting("count", default, doc, least=least, most=most)


def time(default: int, least: int, most: int, doc: str) -> Any:
    return setting("time", default, doc, least=least, most=most)


def size(default: int, least: int, most: int, doc: str) -> Any:
    return setting("size", default, doc, least=least, most=most)


def switch(default: bool, doc: str) -> Any:
    return setting("switch", default, doc)


def text(default: str, doc: str) -> Any:
    return setting("text", default, doc)


def optional_text(doc: str) -> Any:
    return setting("text", None, doc)


def choice(default: str, choices: tuple[str, ...], doc: str) -> Any:
    return setting("choice", default, doc, choices=choices)


def controller(default: str, doc: str) -> Any:
    return setting("controller", default, doc)


def one_address(doc: str, *, prefix: bool = False) -> Any:
    return setting("address", None, doc, prefix=prefix)


def addresses(doc: str) -> Any:
    return setting("addresses", (), doc)


def routes(doc: str) -> Any:
    return setting("routes", (), doc)


def _table(kind: str, doc: str) -> Any:
    return dataclasses.field(default_factory=dict, metadata={"kind": kind, "doc": doc})


def table(doc: str) -> Any:
    return _table("table", doc)


def neighbours(doc: str) -> Any:
    return _table("neighbours", doc)


def number_of(key: str, kind: str, value: Any) -> int:
    """An int as it is; text with a unit as ns or bytes."""
    units = {"time": TIMES, "size": SIZES}.get(kind, {})
    wanted = {"time": "a time (200ms, 1.5s, or ns)", "size": "a size (64KiB, or bytes)"}.get(kind, "a whole number")
    found = NUMBER.fullmatch(value) if isinstance(value, str) and units else None
    if found and found[2] in units:
        exact = Fraction(found[1]) * units[found[2]]
        if exact.denominator == 1:
            return int(exact)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(key, f"must be {wanted}, not {value!r}")
    return value


def shown(value: int, kind: str) -> str:
    """A number as a person writes it: 200ms, 64KiB."""
    units = {"time": TIMES, "size": SIZES}.get(kind, {})
    for unit in SHOWN.get(kind, ()):
        if value and value % units[unit] == 0:
            return f"{value // units[unit]}{unit}"
    return str(value)


class Table:
    """A section of the settings: each of its fields is checked, and brought into one form, when it is made."""

    def __init_subclass__(cls) -> None:
        cls.section = cls.__name__.lower()

    section = ""

    @classmethod
    def fields(cls) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(cls)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for f in self.fields():
            value = getattr(self, f.name)
            if value is not None or f.default is not None:
                checked = getattr(self, "_" + f.metadata["kind"])(f"{self.section}.{f.name}", value, f.metadata)
                object.__setattr__(self, f.name, checked)
        self.check()

    def check(self) -> None:
        """What several fields must keep to together."""

    def _number(self, key: str, value: Any, about: Any) -> int:
        number = number_of(key, about["kind"], value)
        least, most = about["least"], about["most"]
        if not least <= number <= most:
            low, high = shown(least, about["kind"]), shown(most, about["kind"])
            raise SettingsError(key, f"must lie between {low} and {high}, not be {value}")
        return number

    _count = _time = _size = _number

    def _switch(self, key: str, value: Any, about: Any) -> bool:
        if not isinstance(value, bool):
            raise SettingsError(key, f"must be true or false, not {value!r}")
        return value

    def _text(self, key: str, value: Any, about: Any) -> str:
        if not isinstance(value, str | Path) or "\0" in str(value):
            raise SettingsError(key, f"must be text, not {value!r}")
        return str(value)

    def _choice(self, key: str, value: Any, about: Any) -> str:
        if value not in about["choices"]:
            raise SettingsError(key, f"must be one of {', '.join(about['choices'])}, not {value!r}")
        return value

    def _controller(self, key: str, value: Any, about: Any) -> str:
        found = available()
        if value not in found and value not in ALIASES:
            raise SettingsError(key, f"must be one of {', '.join(found)}, not {value!r}")
        return value

    @staticmethod
    def check_address(key: str, value: Any, prefix: bool) -> str:
        try:
            if not isinstance(value, str) or prefix != ("/" in value):
                raise ValueError
            return str(ipaddress.IPv4Interface(value) if prefix else ipaddress.IPv4Address(value))
        except ValueError:
            like = "10.9.0.2/24" if prefix else "10.9.0.1"
            raise SettingsError(key, f"must be an IPv4 address {'with' if prefix else 'without'} a prefix ({like}), not {value!r}") from None

    def _address(self, key: str, value: Any, about: Any) -> str:
        return self.check_address(key, value, about["prefix"])

    def _addresses(self, key: str, value: Any, about: Any) -> tuple[str, ...]:
        if not isinstance(value, str | list | tuple):
            raise SettingsError(key, f"must be an address or a list of them, not {value!r}")
        return tuple(self.check_address(key, one, True) for one in ([value] if isinstance(value, str) else value))

    def _routes(self, key: str, value: Any, about: Any) -> tuple[tuple[str, str], ...]:
        found = []
        for pair in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise SettingsError(key, f'must be a list of ["network", "gateway"] pairs, not {value!r}')
            try:
                network = str(ipaddress.IPv4Network(pair[0]))
            except ValueError:
                raise SettingsError(key, f"must be routes to IPv4 networks (10.8.0.0/16), not to {pair[0]!r}") from None
            found.append((network, self.check_address(key, pair[1], False) if pair[1] else ""))
        return tuple(found)

    def _table(self, key: str, value: Any, about: Any) -> dict:
        if not isinstance(value, dict):
            raise SettingsError(key, f"must be a table, not {value!r}")
        return dict(value)

    def _neighbours(self, key: str, value: Any, about: Any) -> dict[str, str]:
        found = {}
        for ip, mac in self._table(key, value, about).items():
            plain = mac.replace("-", ":").lower() if isinstance(mac, str) else ""
            if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", plain):
                raise SettingsError(f"{key}.{ip}", f"must be an Ethernet address (02:00:00:00:00:01), not {mac!r}")
            found[self.check_address(f"{key}.{ip}", ip, False)] = plain
        return found


def toml_value(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        found = shown(value, kind)
        return found if found.isdecimal() else f'"{found}"'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(str(k), 'text')} = {toml_value(v, 'text')}" for k, v in value.items()) + "}"
    if isinstance(value, Iterable):
        return "[" + ", ".join(toml_value(v, "text") for v in value) + "]"
    return str(value)


def limits_of(about: Any) -> str:
    """What a setting may be, in words."""
    if about["kind"] == "controller":
        return " or ".join(BUILT_IN) + ", or one that a package brings along (`usnet config --controllers`)"
    if "choices" in about:
        return " or ".join(about["choices"])
    if "least" in about:
        return f"{shown(about['least'], about['kind'])} to {shown(about['most'], about['kind'])}"
    return ""
