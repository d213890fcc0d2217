"""TCP segments as text, in packetdrill's notation.

    S 0:0(0) win 65535 <mss 1460,nop,wscale 7>
    P. 1:101(100) ack 1 win 512
    R 1

Flags (F S R P . U E W A, where `.` is ACK; `-` for none), in front of them in brackets the IP header's ECN field
(noecn, ect0, ect1, ce), first and last sequence number and the length, acknowledgment,
window field as it stands in the header, urgent pointer, options. Sequence numbers are relative: the SYN of each side
has number 0. Options: mss N, wscale N, sackOK, TS val N ecr N, sack A:B,
ECN e1b N ceb N e0b N (or e0b first), nop.
"""

import re
from dataclasses import dataclass, field
from typing import Any

SEGMENT = re.compile(
    r"""(?:\[(?P<ecn>noecn|ect0|ect1|ce)\]\s+)?(?P<flags>[FSRP.UEWA]+|-)
    \s+(?P<seq>-?\d+)(?::(?P<end>-?\d+)\((?P<length>\d+)\))?
    (?:\s+ack\s+(?P<ack>-?\d+))?
    (?:\s+win\s+(?P<win>\d+))?
    (?:\s+urg\s+(?P<urg>\d+))?
    (?:\s*<(?P<options>[^>]*)>)?""",
    re.VERBOSE,
)
ORDER = "FSRPUEWA."
BITS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "A": 256}
ECN = ("noecn", "ect1", "ect0", "ce")
"""Names of the ECN field's values (RFC 3168, section 5)."""


@dataclass
class Segment:
    """One segment. Numbers are relative; None: not said."""

    flags: str
    seq: int
    length: int = 0
    ack: int | None = None
    win: int | None = None
    urg: int | None = None
    options: dict[str, Any] | None = None
    data: bytes | None = field(default=None, repr=False)
    ecn: int | None = None

    @property
    def end(self) -> int:
        return self.seq + self.length

    @property
    def bits(self) -> int:
        """The flags as in the header."""
        return sum(BITS[letter] for letter in self.flags)

    def __str__(self) -> str:
        text = f"[{ECN[self.ecn]}] " if self.ecn else ""
        text += f"{self.flags or '-'} {self.seq}:{self.end}({self.length})"
        for name in ("ack", "win", "urg"):
            if getattr(self, name) is not None:
                text += f" {name} {getattr(self, name)}"
        return text if self.options is None else f"{text} <{options_text(self.options)}>"

    def matches(self, expected: "Segment") -> bool:
        """Whether this segment is what was expected: flags, numbers and length always, the rest as far as said."""
        if (self.flags, self.seq, self.length) != (expected.flags, expected.seq, expected.length):
            return False
        if expected.ack != self.ack and (expected.ack is not None or "." in self.flags):
            return False
        if expected.win is not None and expected.win != self.win:
            return False
        if expected.ecn is not None and expected.ecn != self.ecn:
            return False
        return expected.options is None or options_match(self.options or {}, expected.options)


def sorted_flags(letters: str) -> str:
    return "".join(letter for letter in ORDER if letter in letters)


def flags_of(bits: int) -> str:
    return "".join(letter for letter in ORDER if bits & BITS[letter])


def parse_options(text: str) -> dict[str, Any]:
    """ "mss 1460,TS val 1 ecr 0" as a dict; of `TS` alone, the value is None: any."""
    options: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        words = part.split()
        if words[0] in ("mss", "wscale") and len(words) == 2:
            options[words[0]] = int(words[1])
        elif words == ["sackOK"]:
            options["sackOK"] = True
        elif words == ["TS"]:
            options["TS"] = None
        elif words[0] == "TS" and words[1::2] == ["val", "ecr"]:
            options["TS"] = (int(words[2]), int(words[4]))
        elif words[0] == "sack":
            options["sack"] = tuple(tuple(int(n) for n in block.split(":")) for block in words[1:])
        elif words[0] == "ECN":
            options["ECN"] = tuple((name, int(value)) for name, value in zip(words[1::2], words[2::2], strict=True))
        elif words not in (["nop"], ["eol"]):
            raise ValueError(f"no such option: {part!r}")
    return options


def options_text(options: dict[str, Any]) -> str:
    parts = []
    for name, value in options.items():
        if name == "TS":
            parts.append("TS" if value is None else f"TS val {value[0]} ecr {value[1]}")
        elif name == "sack":
            parts.append("sack " + " ".join(f"{a}:{b}" for a, b in value))
        elif name == "ECN":
            parts.append("ECN " + " ".join(f"{a} {b}" for a, b in value))
        else:
            parts.append(name if value is True else f"{name} {value}")
    return ",".join(parts)


def options_match(seen: dict[str, Any], expected: dict[str, Any]) -> bool:
    """The same options with the same values; their order and padding do not matter."""
    if seen.keys() != expected.keys():
        return False
    return all(expected[name] is None or expected[name] == seen[name] for name in expected)


def parse_segment(text: str) -> Segment:
    """ValueError if it is not in the notation, or its numbers contradict each other."""
    match = SEGMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a segment: {text!r}")
    seq = int(match["seq"])
    length = int(match["length"] or 0)
    if match["end"] is not None and int(match["end"]) != seq + length:
        raise ValueError(f"{match['seq']}:{match['end']} is not {length} bytes: {text!r}")
    number = {name: None if match[name] is None else int(match[name]) for name in ("ack", "win", "urg")}
    options = None if match["options"] is None else parse_options(match["options"])
    return Segment(sorted_flags(match["flags"]), seq, length, number["ack"], number["win"], number["urg"], options,
                   ecn=None if match["ecn"] is None else ECN.index(match["ecn"]))
