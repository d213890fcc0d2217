"""TCP segments with any options in any order, for tools that must say and see each byte: nothing here is on the way of a packet.

An option is a tuple: ("nop",), ("eol",), ("mss", 1460), ("wscale", 7), ("sackOK",), ("TS", val, ecr), ("sack", (left, right), ...),
("FO", cookie), ("FOEXP", cookie), ("md5", digest), ("option", kind, data), ("raw", bytes as they lie: for what is broken).
"""

import struct
from dataclasses import dataclass, field
from typing import Any

from usnet.wire.mirror import checksum, parse_address

Option = tuple[Any, ...]
EOL, NOP, MSS, WSCALE, SACK_OK, SACK, TIMESTAMPS, MD5, FAST_OPEN, EXPERIMENT = 0, 1, 2, 3, 4, 5, 8, 19, 34, 254
FAST_OPEN_MAGIC = b"\xf9\x89"  # of the experimental option (RFC 7413, 4.1.1, as first deployed)
HEADER = 20
PROTOCOL = 6


def pack_option(option: Option) -> bytes:
    """One option as it lies in the header. ValueError for a name that is none."""
    name, *values = option
    if name in ("eol", "nop"):
        return bytes([EOL if name == "eol" else NOP])
    if name == "sackOK":
        return bytes([SACK_OK, 2])
    if name == "raw":
        return bytes(values[0])
    if name == "mss":
        return struct.pack("!BBH", MSS, 4, values[0])
    if name == "wscale":
        return bytes([WSCALE, 3, values[0]])
    if name == "TS":
        return struct.pack("!BBII", TIMESTAMPS, 10, *values)
    if name == "sack":
        return bytes([SACK, 2 + 8 * len(values)]) + b"".join(struct.pack("!II", *block) for block in values)
    kinds = {"FO": (FAST_OPEN, b""), "FOEXP": (EXPERIMENT, FAST_OPEN_MAGIC), "md5": (MD5, b"")}
    if name == "option":
        kind, before, data = values[0], b"", values[1]
    elif name in kinds:
        (kind, before), data = kinds[name], values[0]
    else:
        raise ValueError(f"no such option: {name!r}")
    return bytes([kind, 2 + len(before) + len(data)]) + before + data


def unpack_options(data: bytes) -> list[Option]:
    """The options of a header, in their order; what is cut off or too short ends the list."""
    found: list[Option] = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind in (EOL, NOP):
            found.append(("eol",) if kind == EOL else ("nop",))
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        found.append(unpack_option(kind, data[at + 2 : at + length]))
        at += length
    return found


def unpack_option(kind: int, body: bytes) -> Option:
    n = len(body)
    if kind == MSS and n == 2:
        return ("mss", int.from_bytes(body, "big"))
    if kind == WSCALE and n == 1:
        return ("wscale", body[0])
    if kind == SACK_OK and n == 0:
        return ("sackOK",)
    if kind == TIMESTAMPS and n == 8:
        return ("TS", *struct.unpack("!II", body))
    if kind == SACK and n % 8 == 0:
        return ("sack", *(struct.unpack_from("!II", body, at) for at in range(0, n, 8)))
    if kind == FAST_OPEN:
        return ("FO", body)
    if kind == EXPERIMENT and body.startswith(FAST_OPEN_MAGIC):
        return ("FOEXP", body[2:])
    if kind == MD5:
        return ("md5", body)
    return ("option", kind, body)


@dataclass
class RawTcp:
    """A segment. flags: the header's twelve bits. Numbers are those on the wire."""

    src_port: int
    dst_port: int
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    urgent: int = 0
    options: list[Option] = field(default_factory=list)
    payload: bytes = b""

    def to_bytes(self, src: str, dst: str) -> bytes:
        """The segment between these IPv4 addresses. ValueError if the options do not fit, or do not end at a multiple of 4."""
        options = b"".join(map(pack_option, self.options))
        if len(options) % 4 or len(options) > 40:
            raise ValueError(f"{len(options)} bytes of options: not a multiple of 4 up to 40")
        offset = (HEADER + len(options)) // 4 << 12 | self.flags
        head = struct.pack("!HHIIHHHH", self.src_port, self.dst_port, self.seq, self.ack, offset, self.window, 0, self.urgent)
        body = head + options + self.payload
        return body[:16] + struct.pack("!H", checksum(pseudo(src, dst, len(body)) + body)) + body[18:]

    @classmethod
    def from_bytes(cls, data: bytes, src: str, dst: str) -> "RawTcp":
        """ValueError for what is cut off, and for a wrong checksum."""
        if len(data) < HEADER:
            raise ValueError("a TCP header that is cut off")
        src_port, dst_port, seq, ack, offset, window, _, urgent = struct.unpack_from("!HHIIHHHH", data)
        end = (offset >> 12) * 4
        if not HEADER <= end <= len(data):
            raise ValueError(f"a TCP header of {end} bytes in {len(data)}")
        if checksum(pseudo(src, dst, len(data)) + data):
            raise ValueError("a wrong TCP checksum")
        return cls(src_port, dst_port, seq, ack, offset & 0xFFF, window, urgent, unpack_options(data[HEADER:end]), data[end:])


def pseudo(src: str, dst: str, length: int) -> bytes:
    """The pseudo-header of IPv4 (RFC 9293, 3.1)."""
    return parse_address(src)[-4:] + parse_address(dst)[-4:] + struct.pack("!BBH", 0, PROTOCOL, length)
