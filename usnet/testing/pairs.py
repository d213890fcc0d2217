"""Networks for tests: a world, or two hosts and a link, that run to their end and are judged when the test is over.

    with usnet.testing.pair(loss=0.02, delay="20ms") as net:
        net.server.run(serve)
        assert net.call(fetch) == b"..."
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usnet.backends.fate import Fate
from usnet.backends.sim import units
from usnet.lab.observe import Observer
from usnet.lab.script_run import raise_failures
from usnet.lab.world import Host, World
from usnet.testing import evidence, running
from usnet.testing.checks import judge, run_to_rest, still_waiting, trimmed

LIMIT = "10min"
CLIENT, SERVER = "10.0.0.1/24", "10.0.0.2/24"
DELAY = "10ms"


class Watched:
    """A world of a test: watched from the start, run to its end and judged by finish(), closed by close().

    unjudged: rules of the observer that may be broken."""

    def __init__(
        self, seed: int | None = None, *, checks: bool = True, limit: int | str = LIMIT, unjudged: Iterable[str] = ()
    ) -> None:
        self.limit = units.time(limit)
        self.checks = checks
        self.unjudged = frozenset(unjudged)
        self.world = World(running.default_seed() if seed is None else seed)
        self.recorder = evidence.Recorder(self.world.network)
        self.observer = Observer(self.world)
        if checks:
            self.world.network.tap(self.observer)
        self.noticed()

    def noticed(self) -> None:
        """Whoever explains a failure looks at this one."""
        if running.current is not None:
            running.current.seen = self

    def finish(self) -> None:
        """Runs to the end, and judges unless that is switched off. CheckFailed, and what programs raise."""
        __tracebackhide__ = True
        try:
            run_to_rest(self.world, self.world.now + self.limit)
        except Exception as error:
            raise error.with_traceback(trimmed(error)) from error.__cause__
        if self.checks:
            judge(self.world, self.observer, self.unjudged)

    def close(self) -> None:
        self.world.close()

    def write(self, directory: Path) -> list[str]:
        """Writes what is known of the network into a directory; lines that say what lies where."""
        return evidence.write(self.recorder, self.world, directory)

    def summary(self) -> list[str]:
        return evidence.summary(self.recorder, self.world)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """The world runs to its end, unless there was an exception, and is closed."""
        try:
            if kind is None:
                self.finish()
        except BaseException:
            self.noticed()
            raise
        finally:
            if kind is not None:
                self.noticed()
            self.close()


@dataclass(frozen=True)
class Pair:
    """Two hosts, `client` and `server`, and `link`, the first of the client's, in a `world`.

    Both know each other's names. What the server runs may be left waiting at the end. `limit`: ns of virtual time that
    programs may take.
    """

    world: World
    client: Host
    server: Host
    link: Any
    limit: int

    def call(self, program: Any, *args: Any) -> Any:
        """Runs program(*args) on the client while the world goes on, as Host.run() takes it: a function, a coroutine
        function, or the path of a script. Returns what it returned, a script's exit status, or raises what it raised (a
        script of the server that had failed before: what that raised). CheckFailed when it has not ended after `limit`.
        """
        __tracebackhide__ = True
        env = self.world.env
        started = self.client.run(program, *args, daemon=False)
        done = getattr(started, "main", started).done
        try:
            env.run(env.any_of([done, env.timeout(self.limit)]))
        except Exception as error:
            if self.world.failures:
                raise self.world.failures.pop(0).error from error
            raise error.with_traceback(trimmed(error)) from error.__cause__
        raise_failures(self.world)
        if not done.triggered:
            raise still_waiting(self.world, started)
        return getattr(started, "status", done.value)

    def run(self, until: int | str | None = None) -> None:
        """As World.run()."""
        self.world.run(until)


class Setting:
    """A network that a test may have: what pair() and scenario() give. `with setting as net` makes it, anew each time.

    Shown as the call that makes it, with what was drawn, so that a counter-example can be pasted.
    """

    def __init__(
        self, shown: str, build: Callable[[Watched], Pair], seed: int | None, checks: bool, limit: int | str, unjudged: Iterable[str] = ()
    ) -> None:
        self._shown, self._build = shown, build
        self._watched = {"seed": seed, "checks": checks, "limit": limit, "unjudged": tuple(unjudged)}
        self._entered: list[Watched] = []

    def __repr__(self) -> str:
        return self._shown

    def watch(self) -> Watched:
        """A new world, with nothing in it."""
        return Watched(**self._watched)  # type: ignore[arg-type]

    def build(self, watched: Watched) -> Pair:
        """Hosts and links in a world."""
        pair = self._build(watched)
        for host in (pair.client, pair.server):
            for other in (pair.client, pair.server):
                host.stack.hosts.add(other.name, other.address)
        pair.server.daemon = True
        return pair

    def __enter__(self) -> Pair:
        watched = self.watch()
        try:
            made = self.build(watched)
        except BaseException:
            watched.close()
            raise
        self._entered.append(watched)
        return made

    def __exit__(self, *exception: Any) -> None:
        self._entered.pop().__exit__(*exception)


def shown(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as text."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


@contextlib.contextmanager
def world(seed: int | None = None, *, checks: bool = True, limit: int | str = LIMIT) -> Iterator[World]:
    """An empty World for the block. At its end all programs run to their end, and what must hold is looked at.

    seed: None for that of the test that runs (0 outside of pytest). limit: virtual time that programs may take until
    then. checks: False leaves the rules of TCP and the memory that is held alone. CheckFailed when a program has not
    ended, or something does not hold; what programs raise.
    """
    with Watched(seed, checks=checks, limit=limit) as watched:
        yield watched.world


def pair(
    seed: int | None = None,
    *,
    checks: bool = True,
    limit: int | str = LIMIT,
    fates: Iterable[Any] = (),
    client: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    **link: Any,
) -> Setting:
    """Two hosts, 10.0.0.1 "client" and 10.0.0.2 "server", and a link: `with pair(loss=0.02) as net` makes them a Pair.

    At the end of the block it is as with world(). fates: what befalls single frames: a Fate, or its table as scenario
    files have it. client, server: more of World.host(), as config={...}. link: its model as World.link() takes it:
    delay ("10ms" when not given), rate, jitter, loss, duplicate, corrupt, queue, mtu; up={...} is for what the client
    sends, down={...} for the server. ValueError for what cannot be, when it is entered.
    """
    fates = list(fates)
    told = {"seed": seed, "checks": checks, "limit": limit, "fates": fates, "client": client, "server": server}
    usual: dict[str, Any] = {"checks": True, "limit": LIMIT, "fates": []}
    given = {key: value for key, value in told.items() if value != usual.get(key)}

    def build(watched: Watched) -> Pair:
        hosts = watched.world.host("client", CLIENT, **(client or {})), watched.world.host("server", SERVER, **(server or {}))
        rules = [as_fate(fate, ("client", "server")) for fate in fates]
        return Pair(watched.world, *hosts, watched.world.link(*hosts, **{"delay": DELAY, **link}, fates=rules), watched.limit)

    return Setting(shown("pair", {**given, **link}), build, seed, checks, limit)


def as_fate(fate: Any, ends: tuple[str, str]) -> Fate:
    """A Fate of one, or of its table {at, match, do}, where `at` may name the ends."""
    return fate if isinstance(fate, Fate) else Fate.from_dict(fate, ends)


def scenario(
    path: str | Path, case: str | None = None, seed: int | None = None, *, checks: bool = True, limit: int | str | None = None
) -> Setting:
    """The network of a scenario file, with what happens to it there: `with scenario("tail-loss.toml") as net`. Its hosts
    must include "client" and "server". Its programs do not run, and what it expects of them is not looked at.

    case: one of the file's. seed: None for the file's own. limit: None for its duration. ScenarioError, a ValueError,
    for a file that cannot be.
    """
    from usnet.lab.scenario import load
    from usnet.lab.scenario_play import build as build_world

    loaded = load(path)
    if loaded.cases:
        known = {made.name.rpartition("/")[2]: made for made in loaded.cases}
        if case not in known:
            raise ValueError(f"{path}: the file has cases: case is one of {', '.join(known)}, not {case!r}")
        loaded = known[case]
    elif case is not None:
        raise ValueError(f"{path}: the file has no cases, but case is {case!r}")
    t = loaded.table
    if missing := {"client", "server"} - set(t.hosts):
        raise ValueError(f"{path}: hosts: there is no {' and no '.join(sorted(missing))}")

    def build(watched: Watched) -> Pair:
        made = watched.world
        build_world(loaded, made)
        client, server = made.hosts["client"], made.hosts["server"]
        link = next(link for link in made.network.links.values() if client.ports[0] in (link.a, link.b))
        return Pair(made, client, server, link, watched.limit)

    told = {"case": case, "seed": seed, "limit": limit}
    call = shown("scenario", {"path": str(path), **{key: value for key, value in told.items() if value is not None}})
    off = t.expect.invariants if isinstance(t.expect.invariants, dict) else {}
    return Setting(call, build, t.seed if seed is None else seed, checks, t.duration if limit is None else limit, off)
