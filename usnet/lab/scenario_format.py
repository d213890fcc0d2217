"""The words of a scenario file: what sim_scenarios/*.toml may say. docs/scenarios.md explains each key.

Reading a file is strict: a key that does not exist, a value of the wrong kind or a time without a unit raises
ScenarioError, which names file and key.
"""

import copy
import fnmatch
import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

SCHEMA = 1

Time = str | int
Number = int | float | str
Slots = Annotated[int, msgspec.Meta(ge=2, le=1 << 20)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


PROFILES: dict[str, dict[str, int | str | bool]] = {
    "rfc": {"congestion": "newreno", "recovery": 0, "dsack": 0, "slow_start_step": 2},
    "linux": {"congestion": "cubic", "recovery": 1, "dsack": 1, "cwnd_validation": 2},
}
"""Settings of all stacks of a scenario, under those that it names itself: what the RFCs of the standards track say, or what Linux does."""


class ScenarioError(ValueError):
    """A scenario file says something that it cannot say. The message begins with the file and the key."""


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """A table of the file."""


class Bound(Table, kw_only=True):
    """Limits of a number, both included."""

    min: int | None = None
    max: int | None = None


Limits = int | Bound


class ClockTable(Table, kw_only=True):
    start: Time = "0s"
    drift: Number = 0


class HostTable(Table, kw_only=True):
    app: str | list[str] | None = None
    address: str | list[str] | None = None
    gateway: str | None = None
    routes: list[list[str]] = []
    stack: dict[str, int | str | bool] = {}
    granularity: Time = "1ns"
    clock: ClockTable | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1


class RouterTable(Table, kw_only=True):
    address: list[str]
    routes: list[list[str]] = []
    gateway: str | None = None
    stack: dict[str, int | str | bool] = {}


class SwitchTable(Table, kw_only=True):
    ageing: Time = "300s"
    table: int = 1024


class MiddleboxTable(Table, kw_only=True):
    """Which kind has which keys is for usnet.lab.scenario_check to say."""

    kind: Literal["nat", "resegment"]
    address: str | None = None
    ports: str | None = None
    timeout: Time | None = None
    loose: bool | None = None
    merge: str | int | None = None
    split: str | int | None = None
    hold: Time | None = None


class QueueTable(Table, kw_only=True):
    """Which kind has which keys is for usnet.backends.sim.models to say."""

    kind: Literal["droptail", "fifo", "red", "codel", "fq_codel", "pie"] = "droptail"
    packets: int | None = None
    bytes: str | int | None = None
    ecn: bool | None = None
    step_packets: int | None = None
    step_bytes: str | int | None = None
    step_stay: Time | None = None
    min: str | int | None = None
    max: str | int | None = None
    p: Number | None = None
    weight: Number | None = None
    gentle: bool | None = None
    typical: str | int | None = None
    target: Time | None = None
    interval: Time | None = None
    largest: str | int | None = None
    flows: int | None = None
    quantum: str | int | None = None
    update: Time | None = None
    burst: Time | None = None
    alpha: Number | None = None
    beta: Number | None = None
    mark_below: Number | None = None
    spread: bool | None = None


class LossTable(Table, kw_only=True):
    kind: Literal["gilbert-elliott", "markov4"]
    p: Number | None = None
    r: Number | None = None
    h: Number | None = None
    k: Number | None = None
    p13: Number | None = None
    p31: Number | None = None
    p32: Number | None = None
    p23: Number | None = None
    p14: Number | None = None


class JitterTable(Table, kw_only=True):
    kind: Literal["uniform", "normal", "pareto", "paretonormal", "trace"]
    spread: Time | None = None
    values: list[Time] | None = None


class PortsTable(Table, kw_only=True):
    mtu: Annotated[int, msgspec.Meta(ge=68, le=65535)] = 1500
    tx_slots: Slots = 256
    rx_slots: Slots = 512
    fifo: Annotated[int, msgspec.Meta(ge=0, le=1 << 20)] = 0


class LinkModel(Table, kw_only=True):
    rate: str | int | None = None
    delay: Time | None = None
    jitter: Time | JitterTable | None = None
    reorder: bool | None = None
    mtu: int | None = None
    overhead: int | None = None
    queue: QueueTable | None = None
    loss: Number | LossTable | None = None
    trace: str | list[int] | None = None
    duplicate: Number | None = None
    corrupt: Number | None = None


class LinkTable(LinkModel, kw_only=True):
    a: Name
    b: Name
    name: str | None = None
    neighbours: Literal["asked", "known"] = "asked"
    up: LinkModel | None = None
    down: LinkModel | None = None
    ports: PortsTable = msgspec.field(default_factory=PortsTable)


class ActionTable(Table, kw_only=True):
    do: str
    at: str = "both"
    match: dict[str, Any] = {}
    link: str | None = None


class EventTable(Table, kw_only=True):
    t: Time
    do: Literal["down", "up", "change", "partition", "crash", "stall", "clock", "rebind"]
    link: str | None = None
    at: str | None = None
    hosts: list[str] = []
    set: LinkModel | None = None
    jump: Time | None = None
    drift: Number | None = None
    wall: Time | None = None
    middlebox: str | None = None
    for_: Time | None = msgspec.field(name="for", default=None)
    every: Time | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 1


class HealTable(Table, kw_only=True):
    t: Time
    within: Time


class GoodputTable(Table, kw_only=True):
    min: Number | None = None
    max: Number | None = None


class MeasureTable(Table, kw_only=True):
    """A part of the run: what streams read and queues did in it is what `total`, `jain`, `shares` and `queues` look at."""

    from_: Time = msgspec.field(name="from", default=0)
    until: Time


class QueueLimitsTable(Table, kw_only=True):
    """What a queue on the long way did: how long frames stayed in it, what it dropped and marked, as long as it stood there."""

    link: str | None = None
    at: str | None = None
    busy: Number | None = None
    stay_p50: Time | None = None
    stay_p99: Time | None = None
    stay_max: Time | None = None
    stay_p50_min: Time | None = None
    drops: Limits | None = None
    marks: Limits | None = None


class ConnectTable(Table, kw_only=True):
    times: list[Time]
    tolerance: Time = "0ns"


class BackoffTable(Table, kw_only=True):
    at: str
    first: Time | None = None
    max: Time
    count: int
    tolerance: Time = "2ms"


class WindowTable(Table, kw_only=True):
    """What became of the sender's congestion window, sampled at each frame that the host sends."""

    host: Name
    first_flight: int | None = None
    after_loss: str | None = None
    ack_clocked: bool = False
    pipe: bool = False


class AgreedTable(Table, kw_only=True):
    """What the ends of a host's connections may use, after what they offered and what reached them."""

    mss: int | None = None
    wscale: int | Literal["none"] | None = None
    sack: bool | None = None
    timestamps: bool | None = None
    window: Limits | None = None
    segment: Limits | None = None


class ExpectTable(Table, kw_only=True):
    delivered: Literal["exact", "prefix", "nothing", "model"] = "exact"
    completion_min: Time | None = None
    completion_max: Time | None = None
    goodput: GoodputTable | None = None
    measure: MeasureTable | None = None
    total: GoodputTable | None = None
    jain: Number | None = None
    shares: dict[str, GoodputTable] = {}
    queues: list[QueueLimitsTable] = []
    connect: ConnectTable | None = None
    call: dict[str, ConnectTable] = {}
    errors: dict[str, list[str]] = {}
    retransmits: Limits | None = None
    fast_retransmits: Limits | None = None
    rto_count: Limits | None = None
    spurious: Limits | None = None
    probes: Limits | None = None
    resets: Limits | None = None
    counters: dict[str, Limits] = {}
    dropped: dict[Literal["down", "mtu", "fate", "queue", "loss", "overrun", "aqm"], Limits] = {}
    agreed: dict[str, AgreedTable] = {}
    resume_max: Time | None = None
    conn_end: dict[str, list[str]] = {}
    conn_end_after: Time = "1s"
    frames: dict[str, Limits] = {}
    backoff: BackoffTable | None = None
    window: WindowTable | None = None
    small_segments: Limits | None = None
    small_updates: Limits | None = None
    shrunk_windows: Limits | None = None
    wraps: dict[str, list[Literal["sequence", "timestamps"]]] = {}
    corrupted_dropped: bool = False
    amplification: int = 8
    share: Number = 1
    invariants: Literal["all"] | dict[str, str] = "all"


class CaseTable(Table, kw_only=True):
    """A variant: its tables are laid over those of the file, its arrays and values replace them."""

    name: Name
    about: str | None = None
    seed: int | None = None
    duration: Time | None = None
    profile: Literal["rfc", "linux"] | None = None
    stack: dict[str, Any] | None = None
    hosts: dict[str, Any] | None = None
    middleboxes: dict[str, Any] | None = None
    links: list[dict[str, Any]] | None = None
    actions: list[dict[str, Any]] | None = None
    events: list[dict[str, Any]] | None = None
    heal: dict[str, Any] | None = None
    expect: dict[str, Any] | None = None


class AxisTable(Table, kw_only=True):
    """One dimension of a matrix: variants by name."""

    axis: Name
    values: dict[Name, dict[str, Any]]


class ScenarioTable(Table, kw_only=True):
    schema: Literal[1]
    name: Name
    about: str
    source: list[str]
    duration: Time
    seed: int = 1
    profile: Literal["rfc", "linux"] = "rfc"
    stack: dict[str, int | str | bool] = {}
    hosts: dict[str, HostTable]
    routers: dict[str, RouterTable] = {}
    switches: dict[str, SwitchTable] = {}
    middleboxes: dict[str, MiddleboxTable] = {}
    links: list[LinkTable]
    actions: list[ActionTable] = []
    events: list[EventTable] = []
    heal: HealTable | None = None
    expect: ExpectTable = msgspec.field(default_factory=ExpectTable)
    case: list[CaseTable] = []
    matrix: list[AxisTable] = []
    without: list[str] = []


TABLES: dict[str, type[msgspec.Struct]] = {
    "": ScenarioTable,
    "hosts.NAME": HostTable,
    "hosts.NAME.clock": ClockTable,
    "routers.NAME": RouterTable,
    "switches.NAME": SwitchTable,
    "middleboxes.NAME": MiddleboxTable,
    "links": LinkTable,
    "links.queue": QueueTable,
    "links.loss": LossTable,
    "links.jitter": JitterTable,
    "links.ports": PortsTable,
    "actions": ActionTable,
    "events": EventTable,
    "heal": HealTable,
    "expect": ExpectTable,
    "expect.connect": ConnectTable,
    "expect.backoff": BackoffTable,
    "expect.window": WindowTable,
    "expect.goodput": GoodputTable,
    "expect.measure": MeasureTable,
    "expect.queues": QueueLimitsTable,
    "expect.agreed.HOST": AgreedTable,
    "case": CaseTable,
    "matrix": AxisTable,
}
"""Every table of the format by the path that a file writes: the documentation lists their keys, and a test compares."""


def keys(table: type[msgspec.Struct]) -> list[str]:
    """The keys that a table may have, as files write them."""
    return [field.encode_name for field in msgspec.structs.fields(table)]


def read(path: str | Path) -> dict[str, Any]:
    """The raw tables of a file. ScenarioError when it is no TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from None


def table(raw: Mapping[str, Any], where: str) -> ScenarioTable:
    """The checked tables. ScenarioError names `where` and the key."""
    try:
        return msgspec.convert(raw, ScenarioTable)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{where}: {readable(str(error))}") from None


def readable(message: str) -> str:
    """msgspec's message with the key in front: "links[0].rate: Expected ..."."""
    found = re.fullmatch(r"(.*) - at `(?:key in )?\$\.?(.*)`", message, re.DOTALL)
    text, place = (found[1], found[2]) if found else (message, "")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        return f"{place}{'.' if place else ''}{unknown[1]}: there is no such key"
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return f"{place}{'.' if place else ''}{missing[1]}: is missing"
    return f"{place}: {text}" if place else text


def overlay(base: Any, over: Any) -> Any:
    """`base` with `over` laid over it: tables key by key, everything else replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = overlay(base[key], value) if key in base else copy.deepcopy(value)
        return merged
    return copy.deepcopy(over)


def woven(base: Any, over: Any) -> Any:
    """As overlay(), but arrays of as many tables are laid over one another table by table."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{key: woven(base[key], value) if key in base else copy.deepcopy(value) for key, value in over.items()}}
    if isinstance(base, list) and isinstance(over, list) and len(base) == len(over) and all(isinstance(part, Mapping) for part in [*base, *over]):
        return [woven(one, other) for one, other in zip(base, over, strict=True)]
    return copy.deepcopy(over)


def combinations(base: dict[str, Any], checked: ScenarioTable, where: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, raw tables) of each combination of a matrix, but those that `without` names."""
    made: list[tuple[str, dict[str, Any]]] = []
    used: set[str] = set()
    for chosen in itertools.product(*(axis.values.items() for axis in checked.matrix)):
        name = "-".join(value for value, _ in chosen)
        out = {pattern for pattern in checked.without if fnmatch.fnmatchcase(name, pattern)}
        used |= out
        if out:
            continue
        tables: dict[str, Any] = {key: value for key, value in base.items() if key not in ("matrix", "without")}
        for value, over in chosen:
            strange = sorted(set(over) - set(keys(CaseTable)) | {"name"} & set(over))
            if strange:
                raise ScenarioError(f"{where}: matrix: {value}.{strange[0]}: there is no such key")
            tables = woven(tables, over)
        made.append((name, tables))
    unused = sorted(set(checked.without) - used)
    if unused:
        raise ScenarioError(f"{where}: without: {unused[0]}: there is nothing of that name")
    if not made:
        raise ScenarioError(f"{where}: without: nothing is left")
    return made


def variants(raw: Mapping[str, Any], where: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, raw tables) of each case; without cases one with the name "". ScenarioError for names that occur twice."""
    checked = table(raw, where)
    base = {key: value for key, value in raw.items() if key != "case"}
    if checked.case and checked.matrix:
        raise ScenarioError(f"{where}: matrix: a file has cases or a matrix, not both")
    if checked.matrix:
        return combinations(base, checked, where)
    if checked.without:
        raise ScenarioError(f"{where}: without: belongs to a matrix")
    if not checked.case:
        return [("", base)]
    names = [case.name for case in checked.case]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ScenarioError(f"{where}: case: the name {twice[0]!r} occurs twice")
    made = []
    for name, case in zip(names, raw["case"], strict=True):
        over = {key: value for key, value in case.items() if key != "name"}
        made.append((name, overlay(base, over)))
    return made


def find_link(links: list[LinkTable], name: str | None) -> int:
    """The number of the link that is meant: by its name, "a-b", or the only one."""
    if name is None:
        if len(links) > 1:
            raise ValueError("which link is meant? There are several")
        return 0
    for i, link in enumerate(links):
        if name == (link.name or f"{link.a}-{link.b}"):
            return i
    raise ValueError(f"there is no link {name!r}")


def directions(at: str | None, link: LinkTable) -> tuple[str, ...]:
    at = (at or "both").replace(" ", "")
    ways = {"both": ("up", "down"), f"{link.a}->{link.b}": ("up",), f"{link.b}->{link.a}": ("down",)}
    if at not in ways:
        raise ValueError(f"at: {at!r} is none of {', '.join(ways)}")
    return ways[at]
