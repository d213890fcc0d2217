"""Port names as netmap's own tools write them, and the requests that they stand for.

    name      := ["netmap:"] port [pipe] [rings] ["/" flags] ["@" mem_id] {"@" option}
    port      := an interface, "eth0", or a port of a VALE switch, "vale0:a"
    pipe      := ("{" | "}") id                 one end of a pipe that shares the port's memory
    rings     := "-" n   one NIC ring of each direction     "^"   the host rings     "^" n   one of those     "*"   NIC and host rings
    flags     := x exclusive, z zero-copy monitor, t monitor what is sent, r monitor what is received, T transmit rings only, R receive rings only
    mem_id    := number of the memory region to use
    option    := "conf:" key "=" n {"," key "=" n}      rings, host-rings, slots and each with tx- or rx- ("tx-slots", "host-rx-rings")
               | "share:port=" name | "share=" name     the memory region of another port
               | "offset:initial=" n [",bits=" n] | "offset=" n     where frames begin in their buffers
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Any

from usnet.backends.netmap.abi import CONSTANTS as ABI

NAME_MAX = ABI["NETMAP_REQ_IFNAMSIZ"] - 1
RING_MAX = 0xFFE
MEM_ID_MAX = 0xFFFF
FLAGS = {
    "x": ABI["NR_EXCLUSIVE"], "z": ABI["NR_ZCOPY_MON"], "t": ABI["NR_MONITOR_TX"], "r": ABI["NR_MONITOR_RX"],
    "T": ABI["NR_TX_RINGS_ONLY"], "R": ABI["NR_RX_RINGS_ONLY"],
}
MODES = {
    ABI["NR_REG_ALL_NIC"]: "", ABI["NR_REG_SW"]: "^", ABI["NR_REG_NIC_SW"]: "*", ABI["NR_REG_ONE_NIC"]: "-", ABI["NR_REG_ONE_SW"]: "^",
}
WITH_NUMBER = (ABI["NR_REG_ONE_NIC"], ABI["NR_REG_ONE_SW"])
# Keys of @conf and the fields that they set
CONF = {
    "rings": ("tx_rings", "rx_rings"), "host-rings": ("host_tx_rings", "host_rx_rings"), "slots": ("tx_slots", "rx_slots"),
    "tx-rings": ("tx_rings",), "rx-rings": ("rx_rings",), "host-tx-rings": ("host_tx_rings",), "host-rx-rings": ("host_rx_rings",),
    "tx-slots": ("tx_slots",), "rx-slots": ("rx_slots",),
}
CONF_MAX = {"tx_slots": 0xFFFFFFFF, "rx_slots": 0xFFFFFFFF}


@dataclass(frozen=True)
class PortRequest:
    """What to ask of netmap: the fields of struct nmreq_register, 0 where the port may decide.

    `name` is what netmap calls the port: interface or VALE port, and the end of a pipe. `offset` is the largest offset of a frame in its buffer that
    will be used, None for no offsets; `initial_offset` what all slots begin with; `offset_bits` how many bits of slot.ptr hold it (0: all).
    `share` names a port whose memory region is wanted.

    ValueError for what cannot be asked.
    """
    name: str
    mode: int = ABI["NR_REG_ALL_NIC"]
    ringid: int = 0
    flags: int = 0
    mem_id: int = 0
    tx_slots: int = 0
    rx_slots: int = 0
    tx_rings: int = 0
    rx_rings: int = 0
    host_tx_rings: int = 0
    host_rx_rings: int = 0
    extra_bufs: int = 0
    offset: int | None = None
    initial_offset: int = 0
    offset_bits: int = 0
    share: str = field(default="", kw_only=True)

    def __post_init__(self):
        check_name(self.name)
        limits = {"mode": 15, "ringid": RING_MAX, "flags": 2**64 - 1, "mem_id": MEM_ID_MAX, "extra_bufs": 0xFFFFFFFF, "offset_bits": 64,
                  "initial_offset": 0xFFFF, **{name: CONF_MAX.get(name, 0xFFFF) for names in CONF.values() for name in names}}
        for name, most in limits.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)} is out of range: 0 to {most}")
        if self.offset is not None and not 0 <= self.initial_offset <= self.offset <= 0xFFFF:
            raise ValueError(f"offset={self.offset} with initial_offset={self.initial_offset}: at least that, and less than 65536")

    @property
    def pipe(self) -> str:
        """ "{id" or "}id" where the port is an end of a pipe, else ""."""
        return "".join(re.split(r"([{}])", self.name, maxsplit=1)[1:])

    @property
    def parent(self) -> str:
        """The name without the pipe."""
        return re.split(r"[{}]", self.name, maxsplit=1)[0]

    @property
    def is_vale(self) -> bool:
        return self.name.startswith("vale") and ":" in self.name

    def __str__(self):
        """A name that parse() turns into this request again, but for extra_bufs and flags that no letter stands for."""
        rings = MODES.get(self.mode, "") + (str(self.ringid) if self.mode in WITH_NUMBER else "")
        letters = "".join(letter for letter, flag in FLAGS.items() if self.flags & flag)
        return (f"{self.name}{rings}" + (f"/{letters}" if letters else "") + (f"@{self.mem_id}" if self.mem_id else "")
                + (f"@share:port={self.share}" if self.share else "") + _conf(self)
                + (f"@offset:initial={self.initial_offset},bits={self.offset_bits}" if self.offset is not None else ""))


def _conf(request: PortRequest) -> str:
    keys = [f"{key}={getattr(request, names[0])}" for key, names in CONF.items() if len(names) == 1 and getattr(request, names[0])]
    return "@conf:" + ",".join(keys) if keys else ""


def check_name(name: str) -> None:
    """ValueError for what netmap cannot take as a port's name."""
    if not name:
        raise ValueError("a port needs a name")
    if re.search(r"[\s/@\0]", name):
        raise ValueError(f"{name!r} is no port name: it has a blank, a '/', a '@' or a zero byte in it")
    length = len(os.fsencode(name))
    if length > NAME_MAX:
        raise ValueError(f"{name!r} is too long: {length} bytes, netmap takes {NAME_MAX}")
    pipe = re.split(r"[{}]", name, maxsplit=1)[1:]
    if pipe and not re.fullmatch(r"[A-Za-z0-9_]+", pipe[0]):
        raise ValueError(f"{name!r}: {pipe[0]!r} is no name of a pipe: letters, digits and _ after the brace")
    if name[0] in "{}":
        raise ValueError(f"{name!r}: a pipe needs a port before the brace")
    if name.startswith("vale") and ":" in name:
        switch, _, port = name.partition(":")
        if not re.fullmatch(r"\w*", switch, re.ASCII):
            raise ValueError(f"{name!r}: a switch's name is vale and letters, digits or _")
        if not re.split(r"[{}]", port, maxsplit=1)[0]:
            raise ValueError(f"{name!r}: the port of the switch has no name")
    elif ":" in name:
        raise ValueError(f"{name!r}: only ports of a switch, valeNAME:PORT, have a colon in them")


def _number(text: str, what: str, whole: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"{whole!r}: {what} is a number, not {text!r}")
    if int(text) > most:
        raise ValueError(f"{whole!r}: {what} is at most {most}")
    return int(text)


def _rings(text: str, whole: str) -> tuple[int, int]:
    """(mode, ringid) of what follows the port's name."""
    if text == "":
        return ABI["NR_REG_ALL_NIC"], 0
    if text == "*":
        return ABI["NR_REG_NIC_SW"], 0
    if text == "^":
        return ABI["NR_REG_SW"], 0
    if text[0] in "-^":
        mode = ABI["NR_REG_ONE_NIC"] if text[0] == "-" else ABI["NR_REG_ONE_SW"]
        return mode, _number(text[1:], f"the ring after {text[0]!r}", whole, RING_MAX)
    raise ValueError(f"{whole!r}: nothing may follow '*' but '/' and '@'")


def _flags(text: str, whole: str) -> int:
    flags = 0
    for letter in text:
        if letter not in FLAGS:
            raise ValueError(f"{whole!r}: no flag {letter!r} (there are {', '.join(FLAGS)})")
        flags |= FLAGS[letter]
    return flags


def _option(text: str, whole: str) -> dict[str, Any]:
    """The fields that one @option sets."""
    kind, separator, body = re.split(r"([:=])", text, maxsplit=1) if re.search("[:=]", text) else (text, "", "")
    default = {"share": "port", "offset": "initial"}.get(kind)
    keys = {}
    if separator == "=" and default:
        keys[default] = body
    elif separator == ":":
        for item in body.split(","):
            key, _, value = item.partition("=")
            key = key.replace("_", "-")
            if key in keys:
                raise ValueError(f"{whole!r}: @{kind} has {key!r} twice")
            keys[key] = value
    known = {"conf": CONF, "share": ("port",), "offset": ("initial", "bits")}.get(kind)
    if known is None:
        more = " (netmap memory in the caller's own pages is not supported here)" if kind == "extmem" else ""
        raise ValueError(f"{whole!r}: no option @{kind}{more}; there are @conf, @share and @offset")
    if not keys or (default and default not in keys):
        raise ValueError(f"{whole!r}: @{kind} needs {f'{default}=' if default else 'a key, as rings=2'}")
    if unknown := sorted(set(keys) - set(known)):
        raise ValueError(f"{whole!r}: @{kind} has no key {unknown[0]!r} (it has {', '.join(known)})")
    if kind == "share":
        other = keys["port"].removeprefix("netmap:")
        check_name(other)
        return {"share": other}
    numbers = {key: _number(value, f"{key} of @{kind}", whole, 0xFFFFFFFF) for key, value in keys.items()}
    if kind == "offset":
        return {"offset": numbers["initial"], "initial_offset": numbers["initial"], "offset_bits": numbers.get("bits", 0)}
    both_first = sorted(numbers.items(), key=lambda item: -len(CONF[item[0]]))
    return {name: number for key, number in both_first for name in CONF[key]}


def parse(name: str, **settings: Any) -> PortRequest:
    """The request that a name stands for; `settings` are fields of it to set beside (flags are added). ValueError says what is wrong with a name."""
    text = name.removeprefix("netmap:")
    # Every part may be missing, so something matches always: what is left over is wrong
    port, rings, pipe, flags, options, rest = re.findall(r"^([^-*^/@]*)([-*^][^/@{}]*)?([{}][^-*^/@]*)?(/[^@]*)?(@.*)?(.*)", text, re.DOTALL)[0]
    if rest:
        raise ValueError(f"{name!r}: {rest!r} cannot stand there; the order is port, pipe, rings, /flags, @options")
    if not port:
        raise ValueError(f"{name!r}: a port needs a name")
    if flags == "/":
        raise ValueError(f"{name!r}: flags are missing behind '/'")
    mode, ringid = _rings(rings, name)
    fields: dict[str, Any] = {"mode": mode, "ringid": ringid, "flags": _flags(flags[1:], name)}
    for option in options.split("@")[1:]:
        if re.match(r"[0-9]|$", option):
            mem_id = _number(option, "the memory region after '@'", name, MEM_ID_MAX)
            if mem_id == 0 or fields.get("mem_id", mem_id) != mem_id:
                raise ValueError(f"{name!r}: one memory region, from 1 on")
            fields["mem_id"] = mem_id
        else:
            fields |= _option(option, name)
    return PortRequest(port + pipe, **(fields | settings | {"flags": fields["flags"] | settings.get("flags", 0)}))


def as_request(name: str | PortRequest, **settings: Any) -> PortRequest:
    """A name or a request as a request. `settings` that are None are left out."""
    settings = {key: value for key, value in settings.items() if value is not None}
    return replace(name, **settings) if isinstance(name, PortRequest) else parse(name, **settings)
