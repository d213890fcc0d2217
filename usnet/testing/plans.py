"""Plans: a network of two hosts, the programs on it and what befalls which segment, as plain values.

    plan = Plan(
        talks=(Talk(client=steps("write 3000; shut; drain"), server=steps("drain")),),
        fates=(Mishap("drop", "up", "data", byte=1460),),
    )
    outcome = run_plan(plan)

Plans are compared, printed and saved; `usnet.testing.strategies` draws them. A plan is a scenario: plan_to_scenario().
"""

from dataclasses import MISSING, dataclass, fields
from typing import Any

from usnet.lab.steps import Step, parse_steps, time_text

MS = 1_000_000
SECOND = 1_000_000_000
PORT = 7000
"""Of the first connection's server; the others follow."""
KINDS = ("syn", "synack", "data", "ack", "fin", "rst")
DEEDS = ("drop", "dup", "delay", "corrupt", "reorder")


def steps(text: str) -> tuple[Step, ...]:
    """The steps of "write 1000; shut; drain" (usnet.lab.steps says which there are). ValueError for anything else."""
    return parse_steps(text)


class Shown:
    """Shows what is not as it would be by itself."""

    def __repr__(self) -> str:
        told = []
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            default = f.default_factory() if f.default_factory is not MISSING else f.default
            if value == default:
                continue
            text = f'steps("{"; ".join(map(str, value))}")' if f.name in ("client", "server") and isinstance(value, tuple) else repr(value)
            told.append(f"{f.name}={text}")
        return f"{type(self).__name__}({', '.join(told)})"


@dataclass(frozen=True, repr=False)
class Link(Shown):
    """The link. rate: bits/s, 0 for no limit. delay: ns, one way. queue: frames that may wait, 0 for no limit. mtu: bytes of an IP packet."""

    rate: int = 0
    delay: int = 10 * MS
    queue: int = 0
    mtu: int = 1500


@dataclass(frozen=True, repr=False)
class End(Shown):
    """A host. clock: its granularity, ns. sndbuf, rcvbuf: bytes, and `most` what they may grow to (0: they do not). msl: ns.
    nodelay: TCP_NODELAY on its sockets."""

    sack: bool = True
    timestamps: bool = True
    window_scaling: bool = True
    nodelay: bool = False
    sndbuf: int = 1 << 16
    rcvbuf: int = 1 << 16
    clock: int = 1
    msl: int = SECOND
    most: int = 0


@dataclass(frozen=True, repr=False)
class Talk(Shown):
    """A connection: the steps of the program at each end, and when (ns) the client begins."""

    client: tuple[Step, ...] = ()
    server: tuple[Step, ...] = ()
    start: int = 0


@dataclass(frozen=True, repr=False)
class Mishap(Shown):
    """What befalls one segment. do: drop, dup, delay, corrupt or reorder. at: "up" (from the client) or "down". kind: one of KINDS, "ack" being a
    pure one. byte: of data, a byte of the stream that the segment holds; -1: any. nth: of the segments that match (of data: of the
    transmissions of that byte) which one, 1 being the first. times: so many (up to 8), each `step` behind the one before. talk: number of the
    connection. amount: copies, ns of delay, segments that pass first; bit."""

    do: str = "drop"
    at: str = "up"
    kind: str = "data"
    byte: int = 0
    nth: int = 1
    talk: int = 0
    amount: int = 1
    times: int = 1
    step: int = 1

    def numbers(self) -> list[int]:
        """Of the segments that match, those that are struck."""
        return [self.nth + i * self.step for i in range(self.times)]

    def action(self) -> str:
        """As scenario files write it."""
        return self.do if self.do == "drop" else f"{self.do}({time_text(self.amount) if self.do == 'delay' else self.amount})"

    def __str__(self) -> str:
        which = self.kind if self.kind != "data" or self.byte < 0 else f"data with byte {self.byte}"
        whose = f", connection {self.talk}" if self.talk else ""
        return f"{self.action()} {self.at}: {which}, number {', '.join(map(str, self.numbers()))}{whose}"


@dataclass(frozen=True, repr=False)
class Outage(Shown):
    """From `at` (ns) on and for `lasts` ns nothing gets through."""

    at: int = 0
    lasts: int = 100 * MS


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """Two hosts, what they say to each other, and what goes wrong. seed: of the stacks' draws."""

    talks: tuple[Talk, ...] = (Talk(),)
    fates: tuple[Mishap, ...] = ()
    outages: tuple[Outage, ...] = ()
    link: Link = Link()
    client: End = End()
    server: End = End()
    seed: int = 1

    def __str__(self) -> str:
        """The same in a few lines: one for each end of each connection, each fate and each outage."""
        lines = [repr(self.link)]
        lines += [f"{name}: {end!r}" for name, end in (("client", self.client), ("server", self.server)) if end != End()]
        for i, talk in enumerate(self.talks):
            which = f"connection {i}, " if len(self.talks) > 1 else ""
            start = f" (from {time_text(talk.start)} on)" if talk.start else ""
            lines.append(f"{which}client: {'; '.join(map(str, talk.client)) or 'close'}{start}")
            lines.append(f"{which}server: {'; '.join(map(str, talk.server)) or 'close'}")
        lines += map(str, self.fates)
        lines += [f"nothing gets through from {time_text(o.at)} on for {time_text(o.lasts)}" for o in self.outages]
        return "\n".join(lines)

    def patience(self) -> int:
        """Virtual time, ns, in which all must have ended: what the programs take, and what retransmission timeouts may."""
        took = sum(_takes(step) for talk in self.talks for step in (*talk.client, *talk.server))
        took += max((talk.start for talk in self.talks), default=0) + sum(2 * o.lasts + o.at for o in self.outages)
        struck = min(sum(fate.times for fate in self.fates), 6)
        return took + (120 << struck) * SECOND


def _takes(step: Step) -> int:
    if step.do == "pause":
        return step.n
    n = step.n or 1 << 18
    return n // step.by * step.every if step.by and step.every else 0


def plan_to_scenario(plan: Plan, name: str = "plan", about: str = "drawn by a property test") -> dict[str, Any]:
    """The tables of a scenario file that does what the plan says."""
    settings = ("sack", "timestamps", "window_scaling", "sndbuf", "rcvbuf", "msl")
    hosts: dict[str, Any] = {}
    for host, end, word in (("server", plan.server, "serve"), ("client", plan.client, "steps")):
        apps = []
        for i, talk in enumerate(plan.talks):
            options = [f"port={PORT + i}", *(["nodelay=true"] if end.nodelay else [])]
            if host == "client" and talk.start:
                options.append(f"start={talk.start}ns")
            apps.append(f"{word}:{'; '.join(map(str, getattr(talk, host)))}({', '.join(options)})")
        hosts[host] = {"app": apps, "granularity": end.clock,
                       "stack": {key: getattr(end, key) for key in settings} | {"sndbuf_most": end.most, "rcvbuf_most": end.most}}
    joint: dict[str, Any] = {"a": "client", "b": "server", "rate": plan.link.rate, "delay": plan.link.delay, "ports": {"mtu": plan.link.mtu}}
    if plan.link.queue:
        joint["queue"] = {"packets": plan.link.queue}
    return {
        "schema": 1, "name": name, "about": about, "source": ["a property test"], "seed": plan.seed, "duration": plan.patience(),
        "hosts": hosts, "links": [joint], "actions": [_action(fate) for fate in plan.fates],
        "events": [{"t": o.at, "do": "down", "for": o.lasts, "link": "client-server"} for o in plan.outages],
        "expect": {"delivered": "model", "amplification": 64},
    }  # fmt: skip


def _action(fate: Mishap) -> dict[str, Any]:
    port = "dst_port" if fate.at == "up" else "src_port"
    match: dict[str, Any] = {"flag": fate.kind, port: PORT + fate.talk, "nth": fate.numbers()}
    if fate.kind == "data" and fate.byte >= 0:
        match["bytes"] = fate.byte
    return {"at": "client->server" if fate.at == "up" else "server->client", "match": match, "do": fate.action()}


def to_toml(tables: dict[str, Any]) -> str:
    """The text of a scenario file."""
    lines = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, dict) and not _is_array(value)]
    for key, value in tables.items():
        if isinstance(value, dict):
            lines += [f"{key}.{inner} = {_value(v)}" for inner, v in value.items()]
    for key, value in tables.items():
        for table in value if _is_array(value) else ():
            lines += ["", f"[[{key}]]", *(f"{inner} = {_value(v)}" for inner, v in table.items())]
    return "\n".join(lines) + "\n"


def _is_array(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
