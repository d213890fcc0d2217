"""What is kept of a network while a test runs, and written when it has failed: captures, a picture, what was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usnet.lab.captures import Captures
from usnet.lab.picture import Trace, draw
from usnet.wire.observe import FIN, RST, SYN, parse_tcp

KEPT_BYTES = 64 << 20
MOST_TOLD = 12


class Recorder:
    """A tap of a network: its happenings, the last ones when there are more than fit (64 MiB of frames).

    `forgotten`: how many are no longer there.
    """

    def __init__(self, network: Any) -> None:
        self.happenings: deque[Any] = deque()
        self.forgotten = 0
        self._bytes = 0
        network.tap(self)

    def __call__(self, seen: Any) -> None:
        self.happenings.append(seen)
        self._bytes += seen.length
        while self._bytes > KEPT_BYTES:
            self._bytes -= self.happenings.popleft().length
            self.forgotten += 1


def address(raw: bytes) -> str:
    return ".".join(map(str, raw))


def owners(world: Any) -> dict[int, str]:
    """Which host has a port, by id(port)."""
    return {id(port): name for name, host in world.hosts.items() for port in host.ports}


def end_names(world: Any, link: Any) -> tuple[str, str]:
    """The names of what a link joins: hosts, or a switch's port."""
    known = owners(world)
    a, b = (known.get(id(end), end.name) for end in (link.a, link.b))
    return a, b


def told(frame: bytes) -> str:
    """What a frame is, for people: "TCP SYN", "TCP seq 1234, 1448 bytes" ..."""
    seg = parse_tcp(frame)
    if seg is None:
        return "ARP" if frame[12:14] == b"\x08\x06" else f"frame of {len(frame)} bytes"
    flags = [name for name, flag in (("SYN", SYN), ("FIN", FIN), ("RST", RST)) if seg.flags & flag]
    what = [f"{len(seg.payload)} bytes"] if seg.payload else []
    return " ".join(["TCP", *(flags or ([] if what else ["ACK"])), *what])


def impairments(recorder: Recorder, world: Any) -> Iterator[str]:
    """A line for each frame that was lost, changed, duplicated or overtaken, in the order of time."""
    arrived: dict[tuple[int, int], set[int]] = {}
    for seen in recorder.happenings:
        fate = ""
        if seen.what == "dropped":
            fate = f"lost ({seen.cause})"
        elif seen.what == "delivered":
            before = arrived.setdefault((seen.link.number, seen.direction), set())
            if seen.altered:
                fate = "corrupted"
            elif seen.number in before:
                fate = "arrives once more"
            elif before and seen.number < max(before):
                fate = "arrives behind later ones"
            before.add(seen.number)
        if fate:
            ends = end_names(world, seen.link)
            yield f"{seen.time / 1e9:.6f} s, {ends[seen.direction]} to {ends[1 - seen.direction]}: {told(seen.frame)} {fate}"


def _busiest(recorder: Recorder) -> tuple[bytes, bytes] | None:
    """(source, destination) of the most TCP payload."""
    sums: dict[tuple[bytes, bytes], int] = {}
    for seen in recorder.happenings:
        seg = parse_tcp(seen.frame) if seen.what == "sent" else None
        if seg is not None and seg.payload:
            sums[seg.src, seg.dst] = sums.get((seg.src, seg.dst), 0) + len(seg.payload)
    return max(sums, key=lambda pair: sums[pair], default=None)


def busiest_trace(recorder: Recorder, world: Any) -> Trace | None:
    """The direction between two hosts in which most was sent, as picture.draw() takes it. None when nothing was."""
    pair = _busiest(recorder)
    if pair is None:
        return None
    sender, receiver = map(address, pair)
    known = owners(world)
    for link in world.network.links.values():
        for end in ("a", "b"):
            host = world.hosts.get(known.get(id(getattr(link, end)), ""))
            if host is not None and receiver in [a.split("/")[0] for a in host.addresses]:
                trace = Trace(sender, receiver, link, end)
                for seen in recorder.happenings:
                    trace(seen)
                return trace
    return None


def write(recorder: Recorder, world: Any, directory: Path) -> list[str]:
    """Writes captures and a picture into a directory; lines that say what lies where. OSError where that cannot be."""
    captures = Captures(directory)
    for seen in recorder.happenings:
        captures(seen)
    captures.close()
    first = f" (without the first {recorder.forgotten} happenings)" if recorder.forgotten else ""
    lines = [f"capture: {path}{first}" for path in captures.paths]
    trace = busiest_trace(recorder, world)
    if trace is None or not trace.segments:
        return lines
    picture = directory / "picture.svg"
    try:
        draw(trace, picture, f"{trace.sender} to {trace.receiver}")
    except ModuleNotFoundError:
        return [*lines, "picture: not drawn, matplotlib is not installed"]
    return [*lines, f"picture: {picture}"]


def summary(recorder: Recorder, world: Any) -> list[str]:
    """Lines about the network: its seed, how long it ran, and what befell frames."""
    sent = sum(seen.what == "sent" for seen in recorder.happenings)
    found = list(impairments(recorder, world))
    more = [f"  and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
    line = f"network: seed {world.seed}, {sent} frames sent, {len(found)} impaired, {world.now / 1e9:.6g} s of virtual time"
    return [line, *(f"  {text}" for text in found[:MOST_TOLD]), *more]
