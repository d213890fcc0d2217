"""Queues, losses, delays and recorded rates as people write them, in numbers: what a link can be told beyond a rate, a delay and a limit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from usnet.backends.sim import units

NO_LIMIT = (1 << 64) - 1
NEVER = (1 << 63) - 1
OCTETS = 1500
"""Bytes that an opportunity of a recorded rate carries."""


def _time(value: Any) -> int:
    time: int = units.time(value)
    if time < 1:
        raise ValueError("at least 1 ns")
    return time


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no number from 1 on")
    return value


def _size(value: Any) -> int:
    return int(units.size(value))


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _sixteenths(value: Any) -> int:
    """Of 1/s, as "1/8" or 0.125."""
    number = Fraction(str(value)) * 16
    if number.denominator != 1 or not 1 <= number <= 1024:
        raise ValueError(f"{value!r} is no number of sixteenths from 1/16 to 64")
    return int(number)


def _weight(value: Any) -> int:
    """The n of 2^-n."""
    number = Fraction(str(value))
    for n in range(1, 21):
        if number == Fraction(1, 1 << n):
            return n
    raise ValueError(f"{value!r} is not 1/2, 1/4 and so on to 1/1048576")


def _chance32(value: Any) -> int:
    return int(units.probability(value) * (1 << 32))


_COMMON = {"packets": (units._count, NO_LIMIT), "bytes": (_size, NO_LIMIT)}
_STEPS = {"step_packets": (_count, NO_LIMIT), "step_bytes": (_size, NO_LIMIT), "step_stay": (_time, NEVER)}
_CODEL = {"ecn": (_switch, False), "target": (_time, 5_000_000), "interval": (_time, 100_000_000), "largest": (_size, 1514)}
QUEUES: dict[str, dict[str, tuple[Any, Any]]] = {
    "droptail": _COMMON,
    "fifo": {**_COMMON, **_STEPS},
    "red": {
        **_COMMON, **_STEPS, "ecn": (_switch, False), "min": (None, ...), "max": (None, ...), "p": (_chance32, _chance32("0.1")),
        "weight": (_weight, 9), "gentle": (_switch, True), "typical": (_size, 1000),
    },
    "codel": {**_COMMON, **_STEPS, **_CODEL},
    "fq_codel": {**_COMMON, "packets": (_count, 10240), **_STEPS, **_CODEL, "flows": (_count, 1024), "quantum": (_size, 1514)},
    "pie": {
        **_COMMON, **_STEPS, "ecn": (_switch, False), "target": (_time, 15_000_000), "update": (_time, 15_000_000),
        "burst": (units.time, 150_000_000), "alpha": (_sixteenths, 2), "beta": (_sixteenths, 20),
        "mark_below": (units.probability, Fraction(1, 10)), "spread": (_switch, True), "typical": (_size, 1500),
    },
}
"""Kind of queue -> its keys, how each is read, and what holds without it (...: it must be given)."""
SIZES = ("bytes", "min", "max", "step_bytes")
"""Keys of a queue that may be a part of the bandwidth-delay product in files."""


def _ends(value: Any, key: str) -> tuple[int, bool]:
    """(number, whether of bytes) of an end of RED's range: an int is packets."""
    if isinstance(value, str):
        return _size(value), True
    try:
        return _count(value), False
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def queue(value: Any) -> dict[str, Any]:
    """A queue in numbers: {"kind", "packets", "bytes", "ecn", ...}. From an int of packets, "64KiB", None for no limit, or a dict with a `kind`
    of QUEUES and its keys. ValueError names the key."""
    if not isinstance(value, Mapping) or value.get("kind", "droptail") == "droptail":
        plain = {key: part for key, part in value.items() if key != "kind"} if isinstance(value, Mapping) else value
        packets, octets = units.queue(plain)
        limits = {"packets": NO_LIMIT if packets is None else packets, "bytes": NO_LIMIT if octets is None else octets}
        return {"kind": "droptail", "ecn": False, "step_packets": NO_LIMIT, "step_bytes": NO_LIMIT, "step_stay": NEVER, **limits}
    kind = value["kind"]
    if kind not in QUEUES:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(QUEUES)}")
    known = QUEUES[kind]
    unknown = sorted(set(value) - {"kind", *known})
    if unknown:
        raise ValueError(f"{unknown[0]}: a queue of kind {kind} has no such key (but {', '.join(known)})")
    made: dict[str, Any] = {"kind": kind, "ecn": False}
    for key, (read, default) in known.items():
        made[key] = _read(kind, key, read, value.get(key), default)
    if kind == "red":
        _check_red(made)
    return made


def _read(kind: str, key: str, read: Any, value: Any, default: Any) -> Any:
    if value is None:
        if default is ...:
            raise ValueError(f"{key}: is missing, and a queue of kind {kind} needs it")
        return default
    if read is None:
        return _ends(value, key)
    try:
        return read(value)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{key}: {error}") from None


def _check_red(made: dict[str, Any]) -> None:
    (low, of_bytes), (high, too) = made["min"], made["max"]
    if of_bytes != too:
        raise ValueError("min, max: both are packets, or both are bytes")
    if low >= high:
        raise ValueError(f"max: {high} is not above min, {low}")
    made.update(min=low, max=high, of_bytes=of_bytes)


# Losses

LOSSES: dict[str, dict[str, Any]] = {
    "gilbert-elliott": {"p": ..., "r": ..., "h": 0, "k": 1},
    "markov4": {"p13": ..., "p31": None, "p32": 0, "p23": 1, "p14": 0},
}
"""Chain -> its probabilities. Gilbert-Elliott: from good to bad and back; of a frame to arrive in the bad state and in the good one. Four states, as
netem has them: from the gap into a burst of losses and back, from losses in a burst to what arrives in it and back, and of a single loss. p31 is what
p13 leaves, when it is not given."""


def loss(value: Any) -> Any:
    """A Fraction, or of a chain {"kind", and its probabilities as Fractions}. ValueError names the key."""
    if not isinstance(value, Mapping):
        return units.probability(value)
    kind = value.get("kind")
    if kind not in LOSSES:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(LOSSES)}")
    known = LOSSES[kind]
    unknown = sorted(set(value) - {"kind", *known})
    if unknown:
        raise ValueError(f"{unknown[0]}: losses of kind {kind} have no such key (but {', '.join(known)})")
    made: dict[str, Any] = {"kind": kind}
    for key, default in known.items():
        given = value.get(key, default)
        if given is ...:
            raise ValueError(f"{key}: is missing, and losses of kind {kind} need it")
        try:
            made[key] = 1 - made["p13"] if given is None else units.probability(given)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    for a, b in (("p13", "p14"), ("p31", "p32")) if kind == "markov4" else ():
        if made[a] + made[b] > 1:
            raise ValueError(f"{a}, {b}: together they are more than 1")
    return made


def chain(model: Mapping[str, Any]) -> tuple[list[list[Fraction]], list[Fraction]]:
    """Of a chain of losses: from each state to each, and how likely a frame is lost that meets it."""
    if model["kind"] == "gilbert-elliott":
        p, r = model["p"], model["r"]
        return [[1 - p, p], [r, 1 - r]], [1 - model["k"], 1 - model["h"]]
    p13, p31, p32, p23, p14 = (model[key] for key in ("p13", "p31", "p32", "p23", "p14"))
    zero, one = Fraction(0), Fraction(1)
    steps = [[1 - p13 - p14, zero, p13, p14], [zero, 1 - p23, p23, zero], [p31, p32, 1 - p31 - p32, zero], [one, zero, zero, zero]]
    return steps, [zero, zero, one, one]


def stationary(steps: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """How often a chain is in each state, by elimination; of those that it reaches from the first."""
    reached = [0]
    for state in reached:
        reached += [other for other, part in enumerate(steps[state]) if part and other not in reached]
    n = len(reached)
    rows = [[steps[a][b] - (a == b) for a in reached] + [Fraction(0)] for b in reached[1:]] + [[Fraction(1)] * (n + 1)]
    for i in range(n):
        pivot = next(j for j in range(i, n) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    found = dict(zip(reached, (row[n] for row in rows), strict=True))
    return [found.get(state, Fraction(0)) for state in range(len(steps))]


def theory(model: Any) -> tuple[Fraction, Fraction]:
    """(share of frames that are lost, mean number of losses in a row) of what loss() gives."""
    if not isinstance(model, Mapping):
        p = Fraction(model)
        return p, 1 / (1 - p) if p < 1 else Fraction(0)
    steps, lost = chain(model)
    often = stationary(steps)
    rate = sum((part * chance for part, chance in zip(often, lost, strict=True)), Fraction(0))
    ends = sum(
        (often[a] * lost[a] * steps[a][b] * (1 - lost[b]) for a in range(len(often)) for b in range(len(often))), Fraction(0)
    )
    return rate, rate / ends if ends else Fraction(0)


# Delays

JITTERS = ("uniform", "normal", "pareto", "paretonormal", "trace")
"""Kinds of delay, by the number that delays.pxd has for each, from 1 on."""


def jitter(value: Any) -> Any:
    """ns, uniform from 0 to this; or {"kind", "spread"} around the delay, or {"kind": "trace", "values"} on top of it. ValueError names the key."""
    if not isinstance(value, Mapping):
        return units.time(value)
    kind = value.get("kind")
    if kind not in JITTERS:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(JITTERS)}")
    wanted = "values" if kind == "trace" else "spread"
    unknown = sorted(set(value) - {"kind", wanted})
    if unknown:
        raise ValueError(f"{unknown[0]}: jitter of kind {kind} has no such key (but {wanted})")
    if wanted not in value:
        raise ValueError(f"{wanted}: is missing, and jitter of kind {kind} needs it")
    try:
        if kind == "trace":
            values = [units.time(part) for part in value["values"]]
            if not values:
                raise ValueError("there is none")
            return {"kind": kind, "values": values}
        return {"kind": kind, "spread": _time(value["spread"])}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{wanted}: {error}") from None


def most_jitter(value: Any) -> int:
    """ns that it adds to a delay at most; of distributions, all but a few in ten thousand."""
    model = jitter(value)
    if not isinstance(model, Mapping):
        return int(model)
    return int(max(model["values"]) if model["kind"] == "trace" else 10 * model["spread"])


# Recorded rates

def trace(value: Any) -> list[int]:
    """Opportunities in ms, in order, the last one above 0: mahimahi's format, whose file has one a line. A frame of 1500 bytes may go at each; a
    millisecond that occurs twice carries two. They come again after the last one. An empty list: none."""
    if value is None:
        return []
    if isinstance(value, str):
        words = value.split()
        if not all(word.isdigit() for word in words):
            wrong = next(word for word in words if not word.isdigit())
            raise ValueError(f"{wrong!r} is no time in ms: a trace has one on each line")
        value = [int(word) for word in words]
        if not value:
            raise ValueError("a trace without a line")
    value = list(value)
    if any(type(ms) is not int or ms < 0 for ms in value):
        raise ValueError("a trace is numbers of ms")
    if any(a > b for a, b in pairwise(value)):
        raise ValueError("the times of a trace do not go back")
    if value and value[-1] == 0:
        raise ValueError("a trace ends later than at 0")
    return value


def capacity(instants: Sequence[int]) -> int:
    """Bits a second that a recorded rate carries on average; 0 of none."""
    return OCTETS * 8 * len(instants) * 1000 // instants[-1] if instants else 0
