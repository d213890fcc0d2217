"""More of what must hold at the end of a run: what the ends agreed on, what was in the network, what its links and rings did with frames."""

from collections.abc import Iterator
from fractions import Fraction
from math import isqrt
from typing import Any

from usnet.backends.sim import models, units
from usnet.lab.limits import SECOND, outside, seconds
from usnet.lab.scenario_format import AgreedTable

ETHERNET_MSS = 1448
"""Payload of a full segment with timestamps, for what theory says of a rate."""


# --- What holds everywhere ---


def check_conservation(run: Any) -> Iterator[str]:
    """Every frame that was sent was delivered, or dropped for a reason; every one delivered went through a ring into its stack."""
    delivered: dict[str, int] = {}
    for name, link in run.world.network.links.items():
        for end, direction in ((link.b, "up"), (link.a, "down")):
            n = run.statistics["links"][name][direction]
            offered, gone = n["sent"] + n["duplicated"], n["delivered"] + sum(n["dropped"].values())
            if offered != gone:
                yield f"conservation: link {name}, {direction}: {offered} frames were sent and {gone} delivered or dropped"
            delivered[end.name.removeprefix("sim:")] = n["delivered"]
    for name, port in run.statistics["ports"].items():
        if port["rx_frames"] != delivered.get(name, port["rx_frames"]):
            yield f"conservation: port {name}: {delivered[name]} frames were delivered to it, {port['rx_frames']} went through its ring"
    for name, host in run.world.hosts.items():
        taken = run.statistics["hosts"][name]["stack"]["rx_frames"]
        in_ring = sum(run.statistics["ports"][port.name.removeprefix("sim:")]["rx_frames"] for port in host.ports)
        if not host.crashes and taken != in_ring:
            yield f"conservation: host {name}: {in_ring} frames went through its rings, its stack saw {taken}"


# --- What the ends agreed on ---


def check_agreed(run: Any) -> Iterator[str]:
    for host, wanted in run.expect.agreed.items():
        sides = [side for side in run.observer.all_sides() if side.host == host and side.irs >= 0]
        if not sides:
            yield f"agreed: {host} has had no connection"
            continue
        for side in sides:
            yield from (f"agreed: {side.name}: {text}" for text in differences(wanted, side))


def differences(wanted: AgreedTable, side: Any) -> Iterator[str]:
    """What an end may use, by what it offered and what it was offered."""
    both = side.offered.wscale is not None and side.seen.wscale is not None
    seen = {
        "mss": side.seen.mss or 536,
        "wscale": side.seen.wscale if both else None,
        "sack": side.uses_sack(),
        "timestamps": side.uses_timestamps(),
    }
    for name, value in seen.items():
        expected = getattr(wanted, name)
        if expected is not None and expected != ("none" if value is None else value):
            yield f"{name}: expected {expected}, saw {'none' if value is None else value}"
    for name, value in (("window", side.largest_window), ("segment", side.largest_sent)):
        limits = getattr(wanted, name)
        text = outside(value, limits, name) if limits is not None else None
        if text:
            yield text


# --- What the network did ---


def check_wraps(run: Any) -> Iterator[str]:
    """Numbers that had to pass 2^32 while a connection lasted."""
    for host, wanted in run.expect.wraps.items():
        sides = [side for side in run.observer.all_sides() if side.host == host and side.iss >= 0]
        seen = {
            "sequence": any(side.iss + side.sent_max > 1 << 32 for side in sides),
            "timestamps": any(side.uses_timestamps() and side.last_tsval < side.offered.timestamps[0] for side in sides),
        }
        yield from (f"wraps: {host}: its {what} never passed 2^32" for what in wanted if not seen[what])


def check_spurious(run: Any) -> Iterator[str]:
    if run.expect.spurious is not None:
        seen = sum(side.doubled for side in run.observer.all_sides())
        text = outside(seen, run.expect.spurious, "spurious")
        if text:
            yield text


def check_dropped(run: Any) -> Iterator[str]:
    for cause, limits in run.expect.dropped.items():
        seen = sum(way["dropped"][cause] for link in run.statistics["links"].values() for way in link.values())
        text = outside(seen, limits, f"dropped.{cause}")
        if text:
            yield text


def check_resume(run: Any) -> Iterator[str]:
    """How long after the end of each event data arrives again."""
    if run.expect.resume_max is None:
        return
    most = units.time(run.expect.resume_max)
    for end in sorted(run.ends):
        if run.completed_at is not None and run.completed_at < end:
            yield f"resume_max: all had ended at {seconds(run.completed_at)}, before the event's end at {seconds(end)}"
            continue
        after = next((t for t in run.observer.data_arrivals if t >= end), None)
        if after is None or after - end > most:
            told = "none ever" if after is None else f"{seconds(after - end)}"
            yield f"resume_max: expected data at most {seconds(most)} after the end of the event at {seconds(end)}, saw {told}"


def check_pipe(run: Any) -> Iterator[str]:
    if run.flight is None:
        return
    if run.flight.recovering == 0:
        yield f"window.pipe: {run.flight.host} was never in recovery"
    yield from (f"window.pipe: {text}" for text in run.flight.found)


class Flight:
    """What of a host's data is in the network, by what its links do with each frame: it must never be more than the congestion window, but for the
    two segments of limited transmit (RFC 3042), and the one that begins a recovery (RFC 6675, section 5, step 4.3)."""

    def __init__(self, run: Any, host: str):
        self.run, self.host = run, host
        self.found: list[str] = []
        self.recovering = 0  # segments sent in recoveries
        self._out: dict[tuple[int, int, int], int] = {}
        self._bytes = 0
        self._was_recovering = False

    def __call__(self, seen: Any) -> None:
        key = seen.link.number, seen.direction, seen.number
        if seen.what != "sent":
            self._bytes -= self._out.pop(key, 0)
            return
        if self.run.observer.ends(seen.link)[seen.direction] != self.host:
            return
        n = self.run.observer.payload(seen.frame)
        if not n:
            return
        self._out[key] = n
        self._bytes += n
        k = next(iter(self.run.connections(self.host)), None)
        if k is not None:
            self.judge(seen.time, k)

    def judge(self, t: int, k: dict[str, Any]) -> None:
        recovering = bool(k["flags"] & 0x400)
        begins = recovering and not self._was_recovering
        self._was_recovering = recovering
        self.recovering += recovering
        most = k["cc"]["cwnd"] + (0 if recovering else 2 * k["mss"])
        if self._bytes > most and not begins and len(self.found) < 5:
            where = "in recovery " if recovering else ""
            self.found.append(f"at {seconds(t)} {self.host} {where}has {self._bytes} bytes in the network, its window is {k['cc']['cwnd']}")


def theory(run: Any, part: str) -> Fraction:
    """So much of what Mathis et al. (1997) give for a loss p and the round trip: MSS / RTT * sqrt(3/2) / sqrt(p), in bits a second. Of the link that
    loses the most, and all links' delays."""
    links = run.world.network.links.values()
    p = max((models.theory(models.loss(way.loss))[0] for link in links for way in (link.up, link.down)), default=Fraction(0))
    trip = sum(link.up.delay + link.down.delay for link in links)
    if not p or not trip:
        raise ValueError("goodput: what theory says needs a link with loss and delay")
    root = Fraction(isqrt(int(Fraction(3, 2) / p * 10**12)), 10**6)
    return Fraction(part) * ETHERNET_MSS * 8 * SECOND / trip * root
