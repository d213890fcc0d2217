"""What a packet of a script says: read once, then built (inbound) or compared with what left (outbound)."""

import re
import struct
from dataclasses import dataclass
from typing import Any

from usnet.testing.packetdrill.language import ScriptError
from usnet.wire.raw import Option, pack_option

BITS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40, "W": 0x80, "A": 0x100}
ACE_SHIFT = 6  # of the ACE field: AE, CWR, ECE as a number (RFC 9768)
MASK = 0xFFFFFFFF

IP_INFO = re.compile(r"\s*(?:\[([^\]]*)\]|\(([^)]*)\))\s*(?=[a-zA-Z0-9.\-])")
PORTS = re.compile(r"(\d+)\s*>\s*(\d+)\s+")
TCP = re.compile(
    r"""(?P<flags>[FSRPUEWA]+\ +\.|[FSRP.UEWA]+\d?|\d|-)\s*
    (?P<seq>\d+|\.\.\.)(?::(?P<end>\d+))?\((?P<length>\d+)\)(?P<absolute>!)?
    (?:\s+ack\s+(?P<ack>\d+))?
    (?:\s+win\s+(?P<win>\d+))?
    (?:\s+urg\s+(?P<urg>\d+))?
    (?:\s*<(?P<options>[^>]*)>)?
    (?:\s*/\s*udp\s*\((?P<encap>[^)]*)\))?\s*""",
    re.VERBOSE,
)
UDP = re.compile(r"udp\s*\((\d+)\)\s*")
ICMP = re.compile(
    r"""icmp\s+(?P<type>\w+)(?:\s+(?P<code>\w+))?(?:\s+mtu\s+(?P<mtu>\d+))?(?:\s+id\s+\d+)?\s*
    (?:\[(?:(?P<seq>\d+):(?P<end>\d+)\((?P<length>\d+)\)|udp\s*\((?P<udp>\d+)\))(?P<encap>/udp[^\]]*)?\])?\s*""",
    re.VERBOSE,
)
INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0|[1-9]\d*")
MOST = {"length": 65495, "seq": MASK, "ack": MASK, "win": 65535, "urg": 65535, "tos": 255, "ttl": 255, "type": 255, "code": 255, "mtu": 65535}
"""Fields of a packet, and the most that they hold."""
ECN = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
ACCECN = {174: ("e1b", "ceb", "e0b"), 172: ("e0b", "ceb", "e1b")}
"""Kinds of AccECN options, and the order of what they count."""
ICMP_TYPES = {"echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8, "time_exceeded": 11, "parameter_problem": 12}
ICMP_CODES = {
    3: ["net_unreachable", "host_unreachable", "protocol_unreachable", "port_unreachable", "frag_needed", "source_route_failed", "net_unknown",
        "host_unknown", "source_host_isolated", "net_prohibited", "host_prohibited", "net_unreachable_for_tos", "host_unreachable_for_tos",
        "packet_filtered", "precedence_violation", "precedence_cutoff"],
    11: ["ttl_exceeded_in_transit", "fragment_reassembly_exceeded"],
}  # fmt: skip
ALIASES = {"admin_prohibited": "packet_filtered", "frag_reass_exceeded": "fragment_reassembly_exceeded"}


class Unsupported(Exception):  # noqa: N818
    """The script needs what usnet has not: it is skipped, with this reason."""


@dataclass(frozen=True)
class Written:
    """A packet as a script has it. None: not said."""

    kind: str                               # tcp, udp or icmp
    text: str
    length: int = 0
    ports: tuple[int, int] | None = None
    tos: int | None = None
    ecn: tuple[int, ...] | None = None      # of these the IP header's ECN field is one
    ttl: int | None = None
    flags: int = 0
    seq: int | None = 0
    absolute: bool = False
    ack: int | None = None
    win: int | None = None
    urg: int = 0
    options: tuple[Option, ...] | None = ()
    type: int = 0
    code: int = 0
    mtu: int = 0
    quoted: str = ""


def read_packet(text: str, defines: dict[str, str]) -> Written:
    """ScriptError for what is no packet, Unsupported for what usnet does not know."""
    whole = text
    for name, value in defines.items():
        text = re.sub(rf"\b{re.escape(name)}\b", value, text)
    info: dict[str, Any] = {}
    while match := IP_INFO.match(text):
        info |= read_ip(match[1] if match[1] is not None else match[2], whole)
        text = text[match.end() :]
    text = text.strip()
    if match := PORTS.match(text):
        info["ports"] = (int(match[1]), int(match[2]))
        text = text[match.end() :]
    if text.startswith(("ipv4", "ipv6", "gre", "mpls", "encap")):
        raise Unsupported(f"packets in packets ({text.split()[0]})")
    for pattern, reader in ((TCP, read_tcp), (UDP, read_udp), (ICMP, read_icmp)):
        if match := pattern.fullmatch(text):
            return checked(reader(match, whole, info))
    raise ScriptError(f"not a packet: {whole}")


def checked(written: Written) -> Written:
    """ScriptError for a number that its field has no room for."""
    for name, most in MOST.items():
        value = getattr(written, name)
        if isinstance(value, int) and value > most:
            raise ScriptError(f"{name} {value} is more than {most}: {written.text}")
    if written.ports is not None and max(written.ports) > MOST["win"]:
        raise ScriptError(f"port {max(written.ports)} is more than {MOST['win']}: {written.text}")
    for option in written.options or ():
        try:
            pack_option(option)
        except (ValueError, struct.error) as error:
            raise ScriptError(f"not an option, {options_text([option])!r}: {written.text}") from error
    return written


def read_ip(text: str, whole: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in text.split(","):
        words = part.split()
        if len(words) == 1 and words[0] in ECN:
            found["ecn"] = (ECN[words[0]],)
        elif words == ["ect01"]:
            found["ecn"] = (1, 2)
        elif len(words) == 2 and words[0] in ("tos", "ttl") and INTEGER.fullmatch(words[1]):
            found[words[0]] = int(words[1], 0)
        elif words and words[0] in ("hlim", "class", "flowlabel"):
            raise Unsupported("IPv6")
        else:
            raise ScriptError(f"not an IP header: {whole}")
    return found


def read_tcp(match: re.Match[str], whole: str, info: dict[str, Any]) -> Written:
    if match["encap"] is not None:
        raise Unsupported("TCP in UDP (RFC 6951's way)")
    seq, length = match["seq"], int(match["length"])
    if match["end"] is not None and seq != "..." and int(match["end"]) != int(seq) + length:
        raise ScriptError(f"{seq}:{match['end']} is not {length} bytes: {whole}")
    flags = match["flags"]
    bits = sum(BITS.get(letter, 0) for letter in flags if not letter.isdigit())
    if flags[-1].isdigit():
        bits |= int(flags[-1]) << ACE_SHIFT
    options = None if match["options"] == "..." else tuple(read_options(match["options"] or "", whole))
    return Written(
        "tcp", whole, length, flags=bits, seq=None if seq == "..." else int(seq), absolute=match["absolute"] is not None,
        ack=None if match["ack"] is None else int(match["ack"]), win=None if match["win"] is None else int(match["win"]),
        urg=int(match["urg"] or 0), options=options, **info,
    )  # fmt: skip


def read_options(text: str, whole: str) -> list[Option]:
    found: list[Option] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, *words = part.replace("fast_open", "FO").split()
        try:
            found.append(read_option(name, words))
        except (ValueError, IndexError, KeyError) as error:
            raise ScriptError(f"not an option, {part!r}: {whole}") from error
    return found


def read_option(name: str, words: list[str]) -> Option:
    if name in ("nop", "eol", "sackOK") and not words:
        return (name,)
    if name in ("mss", "wscale"):
        return (name, int(words[0]))
    if name == "TS":
        values = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return (name, values["val"], values["ecr"])
    if name == "sack":
        return (name, *(tuple(int(n) for n in block.split(":")) for block in words))
    if name in ("FO", "FOEXP"):
        if "TFO_COOKIE" in words:
            raise Unsupported("TFO_COOKIE, which no -D says")
        return (name, bytes.fromhex("".join(words)))
    if name in ("raw", "md5"):
        return (name, bytes.fromhex("".join(words)))
    if name == "ECN":
        return read_accecn(words)
    raise ValueError(name)


def read_accecn(words: list[str]) -> Option:
    """An AccECN option (RFC 9768): `e1b N ceb N e0b N`, or the other way round, or the first of them."""
    names, values = tuple(words[::2]), [int(word) for word in words[1::2]]
    for kind, order in ACCECN.items():
        if names == order[: len(names)]:
            return ("option", kind, b"".join(value.to_bytes(3, "big") for value in values))
    raise ValueError(names)


def read_udp(match: re.Match[str], whole: str, info: dict[str, Any]) -> Written:
    return Written("udp", whole, int(match[1]), **info)


def read_icmp(match: re.Match[str], whole: str, info: dict[str, Any]) -> Written:
    if match["encap"]:
        raise Unsupported("TCP in UDP (RFC 6951's way)")
    if match["type"] in ("packet_too_big", "address_unreachable"):
        raise Unsupported("IPv6")
    kind = ICMP_TYPES.get(match["type"])
    if kind is None:
        raise ScriptError(f"no such ICMP type: {whole}")
    code = ALIASES.get(match["code"], match["code"] or "")
    names = ICMP_CODES.get(kind, [])
    if code.removeprefix("code_").isdigit():
        number = int(code.removeprefix("code_"))
    elif code and code not in names:
        raise ScriptError(f"no such ICMP code: {whole}")
    else:
        number = names.index(code) if code else 0
    return Written(
        "icmp", whole, int(match["length"] or match["udp"] or 0), type=kind, code=number, mtu=int(match["mtu"] or 0),
        seq=int(match["seq"] or 0), quoted="udp" if match["udp"] else "tcp", **info,
    )  # fmt: skip


def flags_text(bits: int) -> str:
    return "".join(letter for letter, bit in BITS.items() if bits & bit) or "-"


def options_text(options: list[Option] | tuple[Option, ...]) -> str:
    """As a script writes them."""
    parts = []
    for name, *values in options:
        if name == "TS":
            parts.append(f"TS val {values[0]} ecr {values[1]}")
        elif name == "sack":
            parts.append("sack " + " ".join(f"{a}:{b}" for a, b in values))
        elif name == "option":
            parts.append(f"option {values[0]} {values[1].hex()}")
        else:
            parts.append(" ".join([name, *(v.hex() if isinstance(v, bytes) else str(v) for v in values)]))
    return ",".join(parts)
