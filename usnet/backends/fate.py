"""Rules for what befalls frames, as users and scenario files write them.

    Fate("drop", at="b->a", flag="data", nth="3..5", bytes="0..999")
    Fate.from_dict({"at": "b->a", "match": {"flag": "data", "nth": "3..5"}, "do": "delay(20ms)"})

A range `first..last` includes both; either may be left out. Of a time window the last nanosecond is left out. Times
are ints in ns, or text with a unit.
"""
from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}
FLAGS = ("syn", "synack", "ack", "data", "fin", "rst", "arp", "icmp", "udp", "tcp")
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
TCP_LETTERS = "FSRPAUEC"
MAX_NTH = 8
FOREVER = 2**63 - 1
WAYS = {"a->b": 1, "b->a": 2, "both": 3}
# (first, last) where nothing is asked for
ALL_TIMES = 0, FOREVER
ALL_BYTES = 0, 2**32 - 1
ALL_SIZES = 0, 2**31
ALL_PORTS = 0, 65535
# action -> its arguments with their defaults (... : must be given)
ACTIONS: dict[str, dict[str, object]] = {
    "drop": {},
    "dup": {"n": 1, "gap": 0},
    "delay": {"t": ...},
    "corrupt": {"bit": "random"},
    "reorder": {"later": ..., "within": "1s"},
    "strip": {"what": ...},
    "rewrite": {"what": ..., "value": ...},
    "clamp": {"what": ..., "value": ...},
}
# what middleboxes rewrite -> the number that usnet.wire.mangle has for it, and the largest value (0: it has none)
MANGLED = {"mss": (1, 65535), "wscale": (2, 255), "sack": (3, 0), "timestamps": (4, 0), "window": (5, 65535), "ecn": (6, 3)}
# flag -> letters that are set, and that are clear
_IMPLIED = {"syn": ("S", "A"), "synack": ("SA", ""), "fin": ("F", ""), "rst": ("R", "")}
_OF_TCP = ("syn", "synack", "ack", "data", "fin", "rst", "tcp")
_FRAME_KINDS = {"data": 1, "ack": 2, "arp": 3, "icmp": 4}
MATCH_KEYS = ("flag", "ip", "protocol", "flags", "not_flags", "size", "src_port", "dst_port", "bytes", "time", "nth",
              "every", "p")

Range = int | str | Sequence[int] | None


def nanoseconds(value: int | str, key: str = "time") -> int:
    """An int as it is; "20ms", "1.5s" and the like as ns. ValueError names `key`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|min)\s*", value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{key}: {value!r} is no time (an int in ns, or a number with one of {', '.join(UNITS)})")
    return int(Fraction(found[1]) * UNITS[found[2]])


def span(value: Range, key: str, low: int, high: int, number: Callable[[Any], int] = int) -> tuple[int, int]:
    """(first, last) of a number, a pair, or "first..last". ValueError names `key`."""
    parts: Sequence[object]
    if value is None:
        return low, high
    if type(value) is int and low <= value <= high:
        return value, value
    if isinstance(value, str) and ".." in value:
        parts = value.split("..", 1)
    elif isinstance(value, (list, tuple)) and len(value) == 2:
        parts = value
    else:
        parts = (value, value)
    try:
        first, last = (edge if part in ("", None) else number(part)
                       for part, edge in zip(parts, (low, high), strict=True))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: {value!r} is no number, pair or range: {error}") from None
    if not low <= first <= last <= high:
        raise ValueError(f"{key}: {value!r} does not lie in order between {low} and {high}")
    return first, last


def ordinals(value: Range) -> list[tuple[int, int]]:
    """The (first, last) ranges of `nth`; an empty list for all."""
    if value in (None, "all"):
        return []
    if type(value) is int and 1 <= value <= FOREVER:
        return [(value, value)]
    items: Sequence[Range] = [value] if not isinstance(value, (str, list, tuple)) else value
    if isinstance(value, str):
        items = value.split(",")
    if len(items) > MAX_NTH:
        raise ValueError(f"nth: at most {MAX_NTH} numbers or ranges, not {len(items)}")
    if any("last" in item for item in items if isinstance(item, str)):
        raise ValueError(f"nth: {value!r}: frames are judged as they come, so the last one is not known; "
                         "name it with bytes=")
    return [span(item.strip() if isinstance(item, str) else item, "nth", 1, FOREVER) for item in items]


def parse_action(text: object) -> tuple[str, dict[str, int]]:
    """ "dup(2, gap=1ms)" -> ("dup", {"n": 2, "gap": 1000000}). ValueError names what is wrong."""
    if not isinstance(text, str):
        raise ValueError(f"do: {text!r} is none of {', '.join(ACTIONS)}")
    name, arguments = _parse_action(text)
    return name, dict(arguments)


@functools.lru_cache(4096)
def _parse_action(text: str) -> tuple[str, dict[str, int]]:
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    if not found or found[1] not in ACTIONS:
        raise ValueError(f"do: {text!r} is none of {', '.join(ACTIONS)}")
    name, known = found[1], ACTIONS[found[1]]
    given: dict[str, object] = {}
    for i, part in enumerate(p.strip() for p in (found[2] or "").split(",") if p.strip()):
        key, _, value = part.rpartition("=")
        key = key.strip() or (list(known)[i] if i < len(known) else f"argument {i + 1}")
        if key not in known or key in given:
            raise ValueError(f"do: {name} does not take {key!r} (it takes: {', '.join(known) or 'nothing'})")
        given[key] = value.strip()
    missing = [key for key, default in known.items() if default is ... and key not in given]
    if missing:
        raise ValueError(f"do: {name} needs {', '.join(missing)}")
    if "what" in known:
        return name, _mangling(name, str(given["what"]), given.get("value"))
    return name, {key: _argument(f"do: {name}: {key}", key, given.get(key, default)) for key, default in known.items()}


def _mangling(name: str, what: str, value: object) -> dict[str, int]:
    """The arguments of strip, rewrite and clamp in numbers."""
    barred = {"strip": ("window", "ecn"), "clamp": ("ecn",)}.get(name, ())
    fields = [key for key, (_, most) in MANGLED.items() if key not in barred and (most or name == "strip")]
    if what not in fields:
        raise ValueError(f"do: {name}: {what!r} is none of {', '.join(fields)}")
    number, most = MANGLED[what]
    return {"what": number, "value": 0 if value is None else span(str(value), f"do: {name}: value", 0, most)[0]}


def _time(value: Any, key: str = "time") -> int:
    return nanoseconds(int(value) if str(value).isdigit() else value, key)


def _argument(label: str, key: str, value: Any) -> int:
    if key in ("gap", "t", "within"):
        return _time(value, label)
    if key == "bit" and value == "random":
        return -1
    return span(value, label, 0 if key == "bit" else 1, 2**20)[0]


def _tcp_mask(value: str | None, key: str) -> int:
    if not value:
        return 0
    if any(letter not in TCP_LETTERS for letter in value):
        raise ValueError(f"{key}: {value!r} has letters other than {TCP_LETTERS}")
    return sum(1 << TCP_LETTERS.index(letter) for letter in set(value))


@dataclass(frozen=True)
class Fate:
    """One rule. Raises ValueError, naming the key, for what cannot be.

    do: "drop", "dup(n=1, gap=0)", "delay(t)", "corrupt(bit=random)" (counted from the network header on),
    "reorder(later, within=1s)"; what middleboxes do to TCP: "strip(what)" an option (mss, wscale, sack, timestamps),
    "rewrite(what, value)" of mss, wscale, window or ecn (the IP header's field; 3, CE, only where it is ECN-capable), "clamp(what, value)" to at
    most that. at: "a->b", "b->a", or "both".
    flag: one of `FLAGS`; "ack" is a pure acknowledgement, "data" has payload, "syn" has no ACK. ip: 4 or 6. protocol: a
    name or number. flags, not_flags: letters of FSRPAUEC that must all be set, or clear. size: bytes of the frame.
    src_port, dst_port. bytes: stream bytes, 0 being the first behind the SYN: of those frames nth counts the
    transmissions. time: ns or text. nth: of the frames that match, 1 being the first: a number, range, list of up to 8,
    or "all". every: each so many-th of those that match. p: probability, 0 to 1.
    """
    do: str
    at: str = "both"
    flag: str | None = None
    ip: int | None = None
    protocol: str | int | None = None
    flags: str | None = None
    not_flags: str | None = None
    size: Range = None
    src_port: Range = None
    dst_port: Range = None
    bytes: Range = None
    time: Range = None
    nth: Range = None
    every: int = 1
    p: float | str = 1

    def __post_init__(self):
        object.__setattr__(self, "_rule", self._compiled())

    @classmethod
    def from_dict(cls, table: Mapping, ends: tuple[str, str] = ("a", "b")) -> Fate:
        """From a scenario's table: `{at, match, do}`. `ends`: the names of the link's two ends, which `at` may use."""
        if not isinstance(table, Mapping):
            raise ValueError(f"a fate is a table with at, match, do, not {table!r}")
        _only(table, ("at", "match", "do"), "")
        match = table.get("match", {})
        if not isinstance(match, Mapping):
            raise ValueError(f"match: {match!r} is no table")
        _only(match, MATCH_KEYS, "match.")
        if "do" not in table:
            raise ValueError("do: is missing")
        at = str(table.get("at", "both")).replace(" ", "")
        names = {f"{ends[0]}->{ends[1]}": "a->b", f"{ends[1]}->{ends[0]}": "b->a", "both": "both"}
        if at not in names:
            raise ValueError(f"at: {at!r} is none of {', '.join(names)}")
        rest: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in match.items()}
        return cls(do=table["do"], at=names[at], **rest)

    def to_dict(self) -> dict:
        """The table that from_dict() reads."""
        match = {key: value for key in MATCH_KEYS if (value := getattr(self, key)) != _DEFAULTS[key]}
        return {"at": self.at, "do": self.do, **({"match": match} if match else {})}

    def key(self, occurrence: int = 0) -> int:
        """Names the rule's draws: of 64 bits, the same for rules that differ only in probability or amount."""
        mine = vars(self)
        match = [(key, mine[key]) for key in _NAMING if mine[key] != _DEFAULTS[key]]
        text = repr((self.at, self._rule["action"], match, occurrence))  # type: ignore[attr-defined]
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") | 1 << 63

    def compiled(self) -> dict:
        """The rule in numbers: what `fate_rule` holds."""
        return dict(self._rule)  # type: ignore[attr-defined]

    def _compiled(self) -> dict:
        if self.at not in WAYS:
            raise ValueError(f"at: {self.at!r} is none of {', '.join(WAYS)}")
        if self.ip not in (None, 4, 6):
            raise ValueError(f"ip: {self.ip!r} is neither 4 nor 6")
        action, arguments = parse_action(self.do)
        nth = ordinals(self.nth)
        until = ALL_TIMES if self.time is None else span(self.time, "time", *ALL_TIMES, _time)
        if until[0] == until[1]:
            raise ValueError(f"time: {self.time!r} is no window (from..until)")
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"every: {self.every!r} is no number from 1 on")
        first, last = ALL_BYTES if self.bytes is None else span(self.bytes, "bytes", *ALL_BYTES)
        return {
            "dirs": WAYS[self.at], "ip": self.ip or 0, **self._kind(), "action": action, "arguments": arguments,
            "size": ALL_SIZES if self.size is None else span(self.size, "size", *ALL_SIZES),
            "src_port": ALL_PORTS if self.src_port is None else span(self.src_port, "src_port", *ALL_PORTS),
            "dst_port": ALL_PORTS if self.dst_port is None else span(self.dst_port, "dst_port", *ALL_PORTS),
            "has_bytes": self.bytes is not None, "bytes": (first, last + 1),
            "time": until, "nth": nth, "every": self.every, "chance": self._chance(),
        }

    def _kind(self) -> dict:
        protocol = PROTOCOLS.get(self.protocol, self.protocol) if isinstance(self.protocol, str) else self.protocol
        if protocol is not None and (not isinstance(protocol, int) or not 0 <= protocol <= 255):
            raise ValueError(f"protocol: {self.protocol!r} is neither 0 to 255 nor one of {', '.join(PROTOCOLS)}")
        if self.flag is not None and self.flag not in FLAGS:
            raise ValueError(f"flag: {self.flag!r} is none of {', '.join(FLAGS)}")
        implied, clear = _IMPLIED.get(self.flag or "", ("", ""))
        tcp = bool(self.flags or self.not_flags) or self.flag in _OF_TCP or self.bytes is not None
        if tcp and protocol not in (None, 6):
            raise ValueError(f"protocol: {self.protocol!r} does not go with conditions on TCP")
        if self.flag == "udp":
            protocol = 17
        return {
            "kind": _FRAME_KINDS.get(self.flag or "", 0),
            "protocol": 6 if tcp else -1 if protocol is None else protocol,
            "flags_set": _tcp_mask(self.flags, "flags") | _tcp_mask(implied, ""),
            "flags_clear": _tcp_mask(self.not_flags, "not_flags") | _tcp_mask(clear, ""),
        }

    def _chance(self) -> int:
        """Of 2^64."""
        if self.p == 1:
            return 1 << 64
        try:
            p = Fraction(str(self.p))
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"p: {self.p!r} is no number") from None
        if not 0 <= p <= 1:
            raise ValueError(f"p: {self.p!r} does not lie between 0 and 1")
        return int(p * 2**64)


_NAMING = sorted(set(MATCH_KEYS) - {"p"})
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Fate)}


def _only(table: Mapping, known: Sequence[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{prefix}{key}: no such key (known: {', '.join(known)})")
