"""What must hold at the end of a run: each check gives texts that say what was expected and what was seen."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

from usnet.backends.sim import units
from usnet.lab.expect_share import Mark, check_queues, check_shares, link_rates
from usnet.lab.expect_wire import (
    Flight,
    check_agreed,
    check_conservation,
    check_dropped,
    check_pipe,
    check_resume,
    check_spurious,
    check_wraps,
    theory,
)
from usnet.lab.limits import SECOND, outside, seconds
from usnet.lab.model import GIVE_UP_AFTER, Model
from usnet.lab.observe import RULES, Observer
from usnet.lab.observe_end import Sent
from usnet.lab.observe_side import Side
from usnet.lab.scenario_format import BackoffTable, ConnectTable, ExpectTable, WindowTable
from usnet.lab.scenario_ledger import Ledger
from usnet.lab.watch import RULES as STATE_RULES
from usnet.lab.watch import Watch

INVARIANTS = {
    **RULES,
    **STATE_RULES,
    "buffers": "when all is closed and 2 MSL are over no connection, chunk, reassembly or timer is left",
    "quiescence": "when all is closed and 2 MSL are over no TCP segment is sent",
    "conservation": "every frame that was sent was delivered or dropped for a reason, and every one delivered went through a ring into its stack",
    "packets": "no more packets than `amplification` times what the bytes and connections need",
}
"""All rules that hold in every scenario, by the names that switch one off."""

COUNTS = {
    "retransmits": "retransmits",
    "fast_retransmits": "fast_retransmits",
    "rto_count": "rto_count",
    "probes": "probes",
    "resets": "resets",
}


class Run:
    """What the checks look at: a world at its end."""

    def __init__(self, scenario: Any, world: Any, ledger: Ledger, observer: Observer, watch: Watch):
        self.scenario, self.world, self.ledger, self.observer, self.watch = scenario, world, ledger, observer, watch
        self.expect: ExpectTable = scenario.table.expect
        self.duration = units.time(scenario.table.duration)
        self.deadline = self.duration
        self.completed_at: int | None = None  # when the last program ended
        self.waiting: list[str] = []  # programs that did not
        self.states: dict[str, list[str]] = {}  # of connections, a while after the end
        self.at_rest: dict[str, dict[str, int]] = {}
        self.frames_at_rest: list[str] = []
        self.samples: dict[str, list[dict[str, int]]] = {}
        self.statistics: dict[str, Any] = {}
        self.ends: list[int] = []  # when events that last a while end
        self.boots: list[int] = []  # of them, when hosts come back
        self.flight: Flight | None = None
        self.marks: list[Mark] = []  # of expect.measure
        self._settings: dict[str, dict[str, int]] = {}

    def settings(self, host: str) -> dict[str, int]:
        """Of its stack, as they are when they are first asked for: when the programs have ended."""
        if host not in self._settings:
            self._settings[host] = self.world.hosts[host].stack.core.configuration()
        return self._settings[host]

    def connections(self, host: str) -> Iterator[dict[str, Any]]:
        """Snapshots of a host's connections that are past their handshake."""
        core = self.world.hosts[host].stack.core
        for number in core.connections():
            k = core.snapshot(number)
            if k["state"] not in ("LISTEN", "SYN_SENT", "SYN_RECEIVED", "CLOSED"):
                yield k

    def failures(self) -> list[str]:
        off = self.expect.invariants if isinstance(self.expect.invariants, dict) else {}
        found = list(check_end(self))
        for rule, texts in [*self.observer.violations.items(), *self.watch.violations.items()]:
            if rule not in off:
                more = self.observer.found.get(rule, 0) + self.watch.found.get(rule, 0) - len(texts)
                found += [f"{rule}: {text}" for text in texts] + ([f"{rule}: and {more} more times"] if more else [])
        for rule, check in AT_REST.items():
            if rule not in off:
                found += check(self)
        for check in (
            check_delivery,
            check_model,
            check_errors,
            check_times,
            check_counts,
            check_frames,
            check_goodput,
            check_backoff,
            check_window,
            check_pipe,
            check_corruption,
            check_agreed,
            check_spurious,
            check_wraps,
            check_dropped,
            check_resume,
            check_queues,
        ):
            found += check(self)
        found += check_shares(self, rate_of)
        return found


# --- What holds everywhere ---


def check_end(run: Run) -> Iterator[str]:
    if run.waiting and run.expect.delivered != "model":
        yield f"liveness: not done within {seconds(run.deadline)}; these wait: {', '.join(run.waiting)}"


def check_buffers(run: Run) -> Iterator[str]:
    for host, memory in run.at_rest.items():
        left = {what: n for what, n in memory.items() if n}
        if left:
            yield f"buffers: {host}: nothing should be left at rest, but there are {left}"


def check_quiescence(run: Run) -> Iterator[str]:
    if run.frames_at_rest:
        yield f"quiescence: {len(run.frames_at_rest)} TCP segments were sent at rest, the first {run.frames_at_rest[0]}"


def check_packets(run: Run) -> Iterator[str]:
    least = sum(transfer.written // 536 + 1 for _, transfer in run.ledger.all()) + 12 * max(
        1, len(run.observer.sides)
    )
    most = run.expect.amplification * least
    if run.observer.packets > most:
        yield f"packets: {run.observer.packets} were sent; {least} would do, and {most} are allowed"


AT_REST = {"buffers": check_buffers, "quiescence": check_quiescence, "conservation": check_conservation, "packets": check_packets}


# --- Results of calls ---


def check_delivery(run: Run) -> Iterator[str]:
    for (src, dst), transfer in run.ledger.all():
        name = f"delivered: {src[0]}:{src[1]} to {dst[0]}:{dst[1]}"
        yield from (f"{name}: {text}" for text in transfer.wrong)
        if run.expect.delivered == "model":
            continue                        # which knows what send() had taken when it did not return
        if transfer.read > transfer.written:
            yield f"{name}: {transfer.read} bytes were read, but only {transfer.written} written"
        elif transfer.cut:
            continue
        elif run.expect.delivered == "exact" and transfer.read != transfer.written:
            yield f"{name}: expected all {transfer.written} bytes, saw {transfer.read}"
        elif (
            run.expect.delivered == "exact"
            and transfer.shut
            and not transfer.eof
            and "close_at" not in run.scenario.options
        ):
            yield f"{name}: all {transfer.read} bytes arrived, but the end of the stream was not read"
        elif run.expect.delivered == "nothing" and transfer.read:
            yield f"{name}: expected nothing, saw {transfer.read} bytes"


def _buffers(settings: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    """What a send and a receive buffer are at first, and what they may grow to."""
    first = settings["sndbuf"], settings["rcvbuf"]
    return first, (max(first[0], settings["sndbuf_most"]), max(first[1], settings["rcvbuf_most"]))


def check_model(run: Run) -> Iterator[str]:
    """Every call of programs of steps, and those that never returned, against the reference model."""
    if run.expect.delivered != "model":
        return
    links = list(run.world.network.links.values())
    fixed = len(links) == 1 and not any(event.do == "change" for event in run.scenario.table.events)
    delay = min(links[0].up.delay, links[0].down.delay) if fixed else 0
    lost = sum(sum(way["dropped"].values()) for link in run.statistics["links"].values() for way in link.values())
    if any(event.do == "crash" for event in run.scenario.table.events):
        lost += GIVE_UP_AFTER               # a host that forgets all may end any connection
    stacks = {name: run.settings(name) for name in run.world.hosts}
    buffers = {} if {"sndbuf", "rcvbuf"} & run.scenario.options else {name: _buffers(c) for name, c in stacks.items()}
    model = Model(delay, lost + run.observer.altered, buffers)
    model.judge(run.ledger.calls, list(run.ledger.pending.values()))
    yield from (f"model: {text}" for text in model.wrong)


def check_errors(run: Run) -> Iterator[str]:
    hosts = sorted({*run.expect.errors, *(failed.host for failed in run.ledger.errors)})
    for host in hosts:
        seen = [failed for failed in run.ledger.errors if failed.host == host]
        wanted = run.expect.errors.get(host, [])
        if [failed.error for failed in seen] != wanted:
            told = ", ".join(f"{failed.error} from {failed.call}() at {seconds(failed.t)}" for failed in seen) or "none"
            yield f"errors: {host}: expected {', '.join(wanted) or 'none'}, saw {told}"
    for host, wanted in run.expect.conn_end.items():
        states = run.states.get(host, [])
        if sorted(states) != sorted(wanted):
            when = seconds(units.time(run.expect.conn_end_after))
            told = f"expected {', '.join(wanted) or 'no connection'}, saw {', '.join(states) or 'none'}"
            yield f"conn_end: {host}: {when} after the programs ended {told}"


def check_durations(name: str, seen: list[int], wanted: ConnectTable) -> Iterator[str]:
    times, tolerance = [units.time(t) for t in wanted.times], units.time(wanted.tolerance)
    if len(seen) != len(times) or any(abs(a - b) > tolerance for a, b in zip(seen, times, strict=True)):
        told = ", ".join(map(seconds, seen)) or "none"
        yield f"{name}: expected {', '.join(map(seconds, times))} (within {seconds(tolerance)}), saw {told}"


def check_times(run: Run) -> Iterator[str]:
    low, high = run.expect.completion_min, run.expect.completion_max
    at = run.completed_at
    if at is not None and low is not None and at < units.time(low):
        yield f"completion_min: expected to take at least {low}, took {seconds(at)}"
    if at is not None and high is not None and at > units.time(high):
        yield f"completion_max: expected to take at most {high}, took {seconds(at)}"
    if run.expect.connect is not None:
        yield from check_durations(
            "connect", [took.duration for took in run.ledger.times if took.what == "connect"], run.expect.connect
        )
    for what, wanted in run.expect.call.items():
        yield from check_durations(
            f"call.{what}", [took.duration for took in run.ledger.times if took.what == what], wanted
        )


# --- Counters ---


def counter(run: Run, key: str) -> int:
    """ "tcp.probes" summed over all hosts, or "client:tcp.probes" of one, or of a middlebox. KeyError for what does not exist."""
    host, _, path = key.rpartition(":")
    total = 0
    known = run.statistics["hosts"] | (run.statistics["middleboxes"] if host else {})
    for name, statistics in known.items():
        if not host or name == host:
            value = statistics
            for part in path.split("."):
                value = value[part]
            total += value
    return total


def check_counts(run: Run) -> Iterator[str]:
    asked = [(name, f"tcp.{path}", limits) for name, path in COUNTS.items() if (limits := getattr(run.expect, name)) is not None]
    asked += [(f"counters.{key}", key, limits) for key, limits in run.expect.counters.items()]
    for name, key, limits in asked:
        try:
            text = outside(counter(run, key), limits, name)
        except (KeyError, TypeError):
            text = f"{name}: there is no such counter"
        if text:
            yield text


def check_frames(run: Run) -> Iterator[str]:
    for key, limits in run.expect.frames.items():
        text = outside(run.observer.kinds.get(key, 0), limits, f"frames.{key}")
        if text:
            yield text


def check_corruption(run: Run) -> Iterator[str]:
    """Each frame that arrived with a flipped bit is among the discarded ones."""
    if not run.expect.corrupted_dropped:
        return
    reasons = {
        "ip_drops": ("ip_short", "ip_version", "ip_ihl", "ip_length", "ip_checksum"),
        "tcp_drops": ("checksum", "short", "offset"),
    }
    dropped = 0
    for statistics in run.statistics["hosts"].values():
        dropped += sum(n for layer, names in reasons.items() for name, n in statistics[layer].items() if name in names)
    if run.observer.altered == 0:
        yield "corrupted_dropped: no frame was altered on its way"
    elif dropped != run.observer.altered:
        yield f"corrupted_dropped: {run.observer.altered} altered frames arrived, {dropped} were counted as discarded"


# --- What the link and the packets show ---


def rate_of(run: Run, text: Any) -> Fraction:
    """Bits a second of "0.9*link", "50Mbit" or a number; the link is the slowest direction of any."""
    if isinstance(text, str) and text.endswith("*link"):
        rates = link_rates(run)
        if not rates:
            raise ValueError("goodput: no link has a rate")
        return Fraction(text.removesuffix("*link")) * min(rates)
    if isinstance(text, str) and text.endswith("*mathis"):
        return theory(run, text.removesuffix("*mathis"))
    return Fraction(units.rate(text) if isinstance(text, str) else text)


def check_goodput(run: Run) -> Iterator[str]:
    if run.expect.goodput is None or not run.ledger.streams:
        return
    transfer = max(run.ledger.streams.values(), key=lambda t: t.read)
    if transfer.ended <= transfer.began:
        yield "goodput: nothing was transferred"
        return
    seen = Fraction(transfer.read * 8 * SECOND, transfer.ended - transfer.began)
    for name, text, broken in (
        ("at least", run.expect.goodput.min, Fraction.__lt__),
        ("at most", run.expect.goodput.max, Fraction.__gt__),
    ):
        if text is not None and broken(seen, rate_of(run, text)):
            yield (
                f"goodput: expected {name} {text} ({float(rate_of(run, text)) / 1e6:.4g} Mbit/s), "
                f"saw {float(seen) / 1e6:.4g} Mbit/s "
                f"({transfer.read} bytes in {seconds(transfer.ended - transfer.began)})"
            )


def side_of(run: Run, host: str) -> Side | None:
    """The end of the host's connection that sent the most."""
    sides = [side for side in run.observer.all_sides() if side.host == host]
    return max(sides, key=lambda side: len(side.log), default=None)


def repeats(log: list[Sent]) -> list[list[Sent]]:
    """Runs of segments that start at the same offset, one after another, with nothing acknowledged in between."""
    runs: list[list[Sent]] = []
    for sent in log:
        if runs and runs[-1][0].start == sent.start and runs[-1][0].una == sent.una and sent.again:
            runs[-1].append(sent)
        else:
            runs.append([sent])
    return runs


def check_backoff(run: Run) -> Iterator[str]:
    wanted: BackoffTable | None = run.expect.backoff
    if wanted is None:
        return
    side = side_of(run, wanted.at)
    longest = max(repeats(side.log), key=len) if side and side.log else []
    resent = [sent.t for sent in longest if sent.again]
    gaps = [after - before for before, after in pairwise(resent)]
    most, tolerance = units.time(wanted.max), units.time(wanted.tolerance)
    told = f"saw gaps of {', '.join(map(seconds, gaps)) or 'nothing'} behind the first retransmission"
    if len(gaps) < wanted.count:
        yield f"backoff: {wanted.at}: expected at least {wanted.count} gaps between retransmissions, {told}"
        return
    first = gaps[0] if wanted.first is None else units.time(wanted.first)
    expected = [min(first << i, most) for i in range(len(gaps))]
    if any(abs(a - b) > tolerance for a, b in zip(gaps, expected, strict=True)):
        yield f"backoff: {wanted.at}: expected gaps of {', '.join(map(seconds, expected))}, {told}"
    if len({sent.t for sent in longest}) != len(longest) or len({sent.length for sent in longest if sent.again}) > 1:
        told = ", ".join(f"{s.length} bytes at {seconds(s.t)}" for s in longest if s.again)
        yield f"backoff: {wanted.at}: expected one segment, the same, at each timeout, saw {told}"
    others = [sent for sent in side.log if sent not in longest and resent[0] <= sent.t <= resent[-1]] if side else []
    if others:
        yield f"backoff: {wanted.at}: {len(others)} other segments were sent between the retransmissions"


def check_window(run: Run) -> Iterator[str]:
    for name, found in (
        ("small_segments", small_segments),
        ("small_updates", lambda run: sum(s.small_updates for s in run.observer.all_sides())),
        ("shrunk_windows", lambda run: sum(s.shrunk for s in run.observer.all_sides())),
    ):
        limits = getattr(run.expect, name)
        text = outside(found(run), limits, name) if limits is not None else None
        if text:
            yield text
    wanted: WindowTable | None = run.expect.window
    if wanted is None:
        return
    samples, side = run.samples.get(wanted.host, []), side_of(run, wanted.host)
    if not samples or side is None:
        yield f"window: {wanted.host} sent nothing"
        return
    if wanted.first_flight is not None and side.first_flight != wanted.first_flight:
        name = f"window.first_flight: {wanted.host}"
        yield f"{name}: expected {wanted.first_flight} data segments before the first ACK of data, saw {side.first_flight}"
    if wanted.after_loss is not None:
        yield from check_halving(wanted, samples)
    if wanted.ack_clocked:
        yield from check_ack_clock(wanted, samples)


def small_segments(run: Run) -> int:
    """New data segments below min(MSS, half the largest window) neither last, nor probes, nor of the override timer."""
    return sum(
        1
        for side in run.observer.all_sides()
        for s in side.small
        if not s.again
        and not s.forced
        and s.length < side.largest_window // 2
        and s.start + s.length < (side.fin_at if side.fin_at >= 0 else side.sent_max)
    )


def check_halving(wanted: WindowTable, samples: list[dict[str, int]]) -> Iterator[str]:
    """ssthresh at the first loss, as a part of what was in flight (RFC 5681, 3.2, equation 4): of whole segments, and without the two of limited
    transmit, which are in flight too."""
    factor = Fraction(wanted.after_loss or "0.5")
    for before, after in pairwise(samples):
        if after["ssthresh"] < before["ssthresh"]:
            flight, mss = after["flight"], after["mss"]
            expected = max(int(flight * factor), 2 * mss)
            if not -2 * mss < after["ssthresh"] - expected <= mss:
                yield (
                    f"window.after_loss: {wanted.host}: with {flight} bytes in flight "
                    f"expected ssthresh {expected} (two segments of {mss} less, one more), "
                    f"saw {after['ssthresh']} at {seconds(after['t'])}"
                )
            return
    yield f"window.after_loss: {wanted.host}: the window was never reduced"


def check_ack_clock(wanted: WindowTable, samples: list[dict[str, int]]) -> Iterator[str]:
    """Outside of recovery the window grows by no more than what is newly acknowledged."""
    for before, after in pairwise(samples):
        if before["recovering"] or after["recovering"]:
            continue
        grown, acked = after["cwnd"] - before["cwnd"], after["una"] - before["una"]
        if grown > max(acked, 0):
            told = f"the window grew by {grown} for {acked} acknowledged bytes at {seconds(after['t'])}"
            yield f"window.ack_clocked: {wanted.host}: {told}"
            return
