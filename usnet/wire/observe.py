"""TCP segments as an observer reads them off the wire: bytes into fields, without judging them."""

from struct import iter_unpack, unpack_from
from typing import NamedTuple

from usnet.wire.mirror import checksum

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Segment(NamedTuple):
    """A TCP segment as it was seen."""

    src: bytes
    dst: bytes
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    payload: bytes


class Options(NamedTuple):
    mss: int | None = None
    wscale: int | None = None
    sack_ok: bool = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()


def parse_tcp(frame: bytes) -> Segment | None:
    """The TCP segment of an Ethernet frame with a whole IPv4 packet; None for everything else."""
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[20] & 0x3F or frame[21]:
        return None
    ihl = (frame[14] & 15) * 4
    end = 14 + (frame[16] << 8 | frame[17])
    tcp = 14 + ihl
    sport, dport, seq, ack, offset, flags, window = unpack_from(">HHIIBBH", frame, tcp)
    data = tcp + (offset >> 4) * 4
    return Segment(
        frame[26:30], frame[30:34], sport, dport, seq, ack, flags, window, frame[tcp + 20 : data], frame[data:end]
    )


def parse_options(raw: bytes) -> Options:
    if len(raw) == 12 and raw[:4] == b"\x01\x01\x08\x0a":
        return Options(timestamps=unpack_from(">II", raw, 4))
    mss, wscale, sack_ok, timestamps, i = None, None, False, None, 0
    sack: tuple[tuple[int, int], ...] = ()
    while i < len(raw) and raw[i]:
        if raw[i] == 1:
            i += 1
            continue
        kind, length = raw[i], raw[i + 1] if i + 1 < len(raw) else 0
        if length < 2:
            break
        if kind == 2:
            mss = unpack_from(">H", raw, i + 2)[0]
        elif kind == 3:
            wscale = min(raw[i + 2], 14)
        elif kind == 4:
            sack_ok = True
        elif kind == 5:
            body = raw[i + 2 : i + length]
            sack = tuple((left, right) for left, right in iter_unpack(">II", body[: len(body) // 8 * 8]))
        elif kind == 8:
            timestamps = unpack_from(">II", raw, i + 2)
        i += length
    return Options(mss, wscale, sack_ok, timestamps, sack)


def frame_kind(frame: bytes) -> str:
    """"arp", "icmp" or "other", of an Ethernet frame that holds no TCP segment."""
    if frame[12:14] == b"\x08\x06":
        return "arp"
    return "icmp" if frame[12:14] == b"\x08\x00" and frame[23] == 1 else "other"


def bad_checksum(frame: bytes) -> str | None:
    """The layer whose checksum is wrong in an Ethernet frame; None when all are right."""
    if frame[12:14] != b"\x08\x00":
        return None
    ihl = (frame[14] & 15) * 4
    if checksum(frame[14 : 14 + ihl]):
        return "IPv4"
    if frame[20] & 0x3F or frame[21]:
        return None
    body = frame[14 + ihl : 14 + (frame[16] << 8 | frame[17])]
    protocol = frame[23]
    if protocol == 1:
        return "ICMP" if checksum(body) else None
    if protocol not in (6, 17) or (protocol == 17 and body[6:8] == b"\0\0"):
        return None
    pseudo = frame[26:34] + bytes((0, protocol)) + len(body).to_bytes(2, "big")
    return {6: "TCP", 17: "UDP"}[protocol] if checksum(pseudo + body) else None


def signed(difference: int) -> int:
    """A difference of two sequence numbers as the nearer way round."""
    difference &= 0xFFFFFFFF
    return difference - (1 << 32) if difference & 0x80000000 else difference
