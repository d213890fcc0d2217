"""Pictures of one connection: what was sent when, what was acknowledged, what was lost.

    trace = Trace("10.0.0.1", "10.0.1.5", link)
    network.tap(trace)
    ...
    draw(trace, "picture.png", "a title")

matplotlib is needed only to draw.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader

ETH_IP = 0x0800
PROTO_TCP = 6
FIN, SYN, ACK = 1, 2, 16
HALF = 1 << 31
SECOND = 1e9
SHORTEST = 1_000_000  # ns that a picture shows at least
KIB = 1024.0

BLUE, RED, GREEN, GREY, BLACK = "#2f6db5", "#d62728", "#2e8b57", "#9aa0a6", "#202124"


@dataclass
class Segment:
    """Data that was sent: at `time` (ns), stream bytes `first` up to `last`, which is the first byte behind."""

    time: int
    first: int
    last: int
    again: bool  # bytes below the highest sent before: a retransmission
    index: int  # of the frame on its link
    lost: bool = False


@dataclass
class Acknowledgement:
    """An ACK as it arrives: all bytes below `upto` are there, and bytes below `edge` may be sent."""

    time: int
    upto: int
    edge: int
    lost: bool = False


class Trace:
    """Trace(sender, receiver, link, end="a"): the data that one host sends another, as a tap of the network sees it on
    the receiver's link.

    `link` joins the receiver (its end `end`, "a" or "b") with the rest, so that times are those of the link's far end,
    next to the sender. Only the first connection between the two addresses is followed.
    """

    def __init__(self, sender: str, receiver: str, link: Any, end: str = "a") -> None:
        self.sender, self.receiver, self.link = sender, receiver, link
        self._inbound = ("b", "a").index(end)  # the link's direction towards the receiver
        self.segments: list[Segment] = []
        self.acks: list[Acknowledgement] = []
        self._ports: tuple[int, int] | None = None
        self._start = 0  # sequence number of stream byte 0
        self._scale = 0  # of the receiver's window
        self._highest = 0
        self._by_index: dict[int, Segment] = {}

    def __call__(self, happening: Any) -> None:
        if happening.link is not self.link or happening.altered & 1:
            return
        to_receiver = happening.direction == self._inbound
        # Data where the link begins, ACKs where it ends, and what is lost between the two
        if happening.what == ("delivered" if to_receiver else "sent"):
            return
        parsed = self._parse(happening.frame, to_receiver)
        if parsed is None:
            return
        header, payload = parsed
        if to_receiver:
            self._data(happening, header, payload)
        else:
            self._acknowledgement(happening, header)

    def _parse(self, frame: bytes, to_receiver: bool) -> tuple[Any, int] | None:
        """(TCP header, bytes of payload) of a frame of this connection; None for any other."""
        eth = EthHeader.from_bytes(frame)
        if eth.type != ETH_IP:
            return None
        ip = Ipv4Header.from_bytes(frame[eth.header_len :], verify=False)
        ends = (self.sender, self.receiver) if to_receiver else (self.receiver, self.sender)
        if ip.proto != PROTO_TCP or (ip.src, ip.dst) != ends or ip.frag_offset or ip.more_fragments:
            return None
        at = eth.header_len + ip.header_len
        header = TcpHeader.from_bytes(frame[at : eth.header_len + ip.total_len])
        ports = (header.src_port, header.dst_port) if to_receiver else (header.dst_port, header.src_port)
        if self._ports is None:
            self._ports = ports
        return (header, ip.total_len - ip.header_len - header.header_len) if ports == self._ports else None

    def _stream(self, seq: int) -> int:
        """A sequence number as a stream byte, near the highest one so far."""
        distance = (seq - self._start - self._highest) % (1 << 32)
        return self._highest + (distance - (1 << 32) if distance >= HALF else distance)

    def _data(self, happening: Any, header: Any, payload: int) -> None:
        if happening.what == "dropped":
            if segment := self._by_index.get(happening.number):
                segment.lost = True
            return
        if header.flags & SYN:
            self._start, self._highest = (header.seq + 1) % (1 << 32), 0
            return
        if payload == 0:
            return
        first = self._stream(header.seq)
        segment = Segment(happening.time, first, first + payload, first < self._highest, happening.number)
        self.segments.append(segment)
        self._by_index[happening.number] = segment
        self._highest = max(self._highest, segment.last)

    def _acknowledgement(self, happening: Any, header: Any) -> None:
        if header.flags & SYN:
            self._scale = header.wscale or 0
            return
        if header.flags & ACK:
            upto = self._stream(header.ack)
            self.acks.append(
                Acknowledgement(
                    happening.time, upto, upto + (header.window << self._scale), happening.what == "dropped"
                )
            )

    # What can be read from it

    @property
    def retransmissions(self) -> int:
        return sum(segment.again for segment in self.segments)

    @property
    def losses(self) -> int:
        return sum(segment.lost for segment in self.segments)

    def in_flight(self) -> tuple[list[int], list[int]]:
        """(times in ns, bytes sent and not yet acknowledged), a point at each change."""
        events = sorted(
            [(s.time, 0, s.last) for s in self.segments] + [(a.time, 1, a.upto) for a in self.acks if not a.lost]
        )
        times, flights, sent, acked = [], [], 0, 0
        for time, kind, byte in events:
            sent, acked = (max(sent, byte), acked) if kind == 0 else (sent, max(acked, byte))
            times.append(time)
            flights.append(max(0, sent - acked))
        return times, flights

    def episode(self, around: int = 250_000_000) -> tuple[int, int]:
        """(from, to) in ns: the part in which most is repaired; all of it when nothing was lost."""
        if not self.segments:
            return 0, 1
        start = self.segments[0].time
        end = max(self.segments[-1].time, start + SHORTEST)
        again = [s.time for s in self.segments if s.again]
        if not again or end - start <= around:
            return start, end
        best = max(again, key=lambda t: (sum(t - around // 2 <= other <= t + around // 2 for other in again), -t))
        first = max(start, min(best - around // 2, end - around))
        return first, first + around


def draw(trace: Trace, path: str | os.PathLike[str], title: str) -> None:
    """Writes a picture, PNG or SVG as the path ends: the whole connection above; below, a closer look at where most is
    repaired, and the bytes in flight.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    whole, close, flight = (figure.add_subplot(place) for place in _places(figure))
    _sequence(whole, trace, width=1.2)
    _legend(whole)
    figure.suptitle(title, fontsize=13, fontweight="bold", color=BLACK)
    whole.set_ylim(-0.02 * _top(trace), 1.04 * _top(trace))
    begin, end = (t / SECOND for t in trace.episode())
    _sequence(close, trace, width=2.2, marks=8)
    close.set_xlim(begin, end)
    close.set_ylim(*_visible(trace, begin, end))
    close.set_title("closer: where most is repaired", fontsize=10, loc="left")
    whole.axvspan(begin, end, color="#fff2b2", zorder=0, lw=0)
    times, flights = trace.in_flight()
    flight.step([t / SECOND for t in times], [n / KIB for n in flights], where="post", color=BLUE, lw=1)
    flight.fill_between(
        [t / SECOND for t in times], [n / KIB for n in flights], step="post", color=BLUE, alpha=0.12, lw=0
    )
    flight.set_title("sent and not yet acknowledged", fontsize=10, loc="left")
    flight.set_ylim(bottom=0)
    for axes, label in ((whole, "stream (KiB)"), (close, "stream (KiB)"), (flight, "in flight (KiB)")):
        axes.set_ylabel(label)
        axes.set_xlabel("virtual time (s)")
        axes.grid(color="#e4e6e8", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if os.fspath(path).endswith(".svg") else {"Software": None})


def _places(figure: Any) -> tuple[Any, Any, Any]:
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 2))
    return grid[0, :], grid[1, 0], grid[1, 1]


def _top(trace: Trace) -> float:
    return max((s.last for s in trace.segments), default=1) / KIB


def _visible(trace: Trace, begin: float, end: float) -> tuple[float, float]:
    """Where the data of a stretch of time lies, with some room around."""
    inside = [s for s in trace.segments if begin <= s.time / SECOND <= end]
    low = min((s.first for s in inside), default=0) / KIB
    high = max((s.last for s in inside), default=1) / KIB
    room = 0.08 * (high - low)
    return low - room, high + room


def _sequence(axes: Any, trace: Trace, width: float, marks: float = 4) -> None:
    """Data as upright strokes, the ACKs as a line of steps below it, the edge of the window above, losses as
    crosses.
    """
    from matplotlib.collections import LineCollection

    arrived = [ack for ack in trace.acks if not ack.lost]
    times = [ack.time / SECOND for ack in arrived]
    axes.step(
        times,
        [ack.edge / KIB for ack in arrived],
        where="post",
        color=GREY,
        lw=1,
        label="edge of the receiver's window",
    )
    axes.step(times, [ack.upto / KIB for ack in arrived], where="post", color=GREEN, lw=1.2, label="acknowledged")
    for again, color in ((False, BLUE), (True, RED)):
        strokes = [
            [(s.time / SECOND, s.first / KIB), (s.time / SECOND, s.last / KIB)]
            for s in trace.segments
            if s.again is again
        ]
        axes.add_collection(
            LineCollection(strokes, colors=color, linewidths=width, label=None if again else "sent", zorder=3)
        )
    again_at = [s for s in trace.segments if s.again]
    axes.plot(
        [s.time / SECOND for s in again_at],
        [s.first / KIB for s in again_at],
        "^",
        color=RED,
        ms=marks + 1,
        mew=0,
        zorder=3,
        label="sent again",
    )
    lost = [s for s in trace.segments if s.lost]
    axes.plot(
        [s.time / SECOND for s in lost],
        [(s.first + s.last) / 2 / KIB for s in lost],
        "x",
        color=BLACK,
        ms=marks + 3,
        mew=1.4,
        zorder=4,
        label="lost on the way",
    )
    lost_acks = [ack for ack in trace.acks if ack.lost]
    axes.plot(
        [ack.time / SECOND for ack in lost_acks],
        [ack.upto / KIB for ack in lost_acks],
        "+",
        color=GREEN,
        ms=marks + 2,
        mew=1.2,
        zorder=4,
        label="ACK lost on the way",
    )
    axes.autoscale_view()


def _legend(axes: Any) -> None:
    axes.legend(loc="lower right", fontsize=9, framealpha=0.95, edgecolor="#dadce0")
