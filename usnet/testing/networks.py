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
from usnet.lab.world import Host, World
from usnet.testing import evidence, running
from usnet.testing.checks import judge, run_to_rest, still_waiting

LIMIT = "10min"
CLIENT, SERVER = "10.0.0.1/24", "10.0.0.2/24"
DELAY = "10ms"


class Watched:
    """A world of a test: watched from the start, run to its end and judged by finish(), closed by close()."""

    def __init__(self, seed: int | None = None, *, checks: bool = True, limit: int | str = LIMIT) -> None:
        self.limit = units.time(limit)
        self.checks = checks
        self.world = World(running.default_seed() if seed is None else seed)
        self.recorder = evidence.Recorder(self.world.network)
        self.observer = Observer(self.world)
        self.failed = False
        if checks:
            self.world.network.tap(self.observer)
        if running.current is not None:
            running.current.seen = self

    def finish(self) -> None:
        """Runs to the end, and judges unless that is switched off. CheckFailed, and what programs raise."""
        run_to_rest(self.world, self.world.now + self.limit)
        if self.checks:
            judge(self.world, self.observer)

    def close(self) -> None:
        self.world.close()

    def write(self, directory: Path) -> list[str]:
        """Writes what is known of the network into a directory; lines that say what lies where."""
        return evidence.write(self.recorder, self.world, directory)

    def summary(self) -> list[str]:
        return evidence.summary(self.recorder, self.world)

    @contextlib.contextmanager
    def judged(self) -> Iterator[None]:
        """A block at whose end the world runs to its own; it is closed then, and after an exception."""
        try:
            yield
            self.finish()
        except BaseException:
            if running.current is not None:
                running.current.seen = self
            raise
        finally:
            self.close()


@dataclass(frozen=True)
class Pair:
    """Two hosts and a link between them, in a world of their own.

    `client` is 10.0.0.1 and `server` 10.0.0.2; both know these names. What the server runs may be left waiting at the
    end. `link`: its `up` is the direction from the client to the server.
    """

    world: World
    client: Host
    server: Host
    link: Any
    limit: int

    def call(self, program: Callable[..., Any], *args: Any) -> Any:
        """Runs program(*args) on the client while the world goes on; returns what it returned, or raises what it
        raised. CheckFailed when it has not ended after the network's `limit` of virtual time."""
        env = self.world.env
        done = self.client.run(program, *args, daemon=False).done
        deadline = env.timeout(self.limit)
        env.run(env.any_of([done, deadline]))
        if not done.triggered:
            raise still_waiting(self.world)
        return done.value

    def run(self, until: int | str | None = None) -> None:
        """As World.run()."""
        self.world.run(until)


def rule(fate: Fate | Mapping[str, Any], ends: tuple[str, str]) -> Fate:
    """A fate; its direction may name hosts: Fate("drop", at="a->b") or {"do": "drop", "at": "client->server"}."""
    return fate if isinstance(fate, Fate) else Fate.from_dict(fate, ends)


def build_pair(
    watched: Watched,
    *,
    fates: Iterable[Fate | Mapping[str, Any]] = (),
    client: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    **link: Any,
) -> Pair:
    """Makes the two hosts and the link; see pair()."""
    world = watched.world
    hosts = world.host("client", CLIENT, **(client or {})), world.host("server", SERVER, **(server or {}))
    for host in hosts:
        for other in hosts:
            host.stack.hosts.add(other.name, other.address)
    hosts[1].daemon = True
    made = world.link(*hosts, **{"delay": DELAY, **link}, fates=[rule(fate, ("client", "server")) for fate in fates])
    return Pair(world, *hosts, made, watched.limit)


@contextlib.contextmanager
def world(seed: int | None = None, *, checks: bool = True, limit: int | str = LIMIT) -> Iterator[World]:
    """An empty World for the block. At its end all programs run to their end, and what must hold is looked at.

    seed: None for that of the test that runs (0 outside of pytest). limit: virtual time that programs may take until
    then. checks: False leaves the rules of TCP and the memory that is held alone. CheckFailed when a program has not
    ended, or something does not hold; what programs raise.
    """
    watched = Watched(seed, checks=checks, limit=limit)
    with watched.judged():
        yield watched.world


@contextlib.contextmanager
def pair(
    seed: int | None = None,
    *,
    checks: bool = True,
    limit: int | str = LIMIT,
    fates: Iterable[Fate | Mapping[str, Any]] = (),
    client: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    **link: Any,
) -> Iterator[Pair]:
    """Two hosts and a link for the block: a Pair. Ends as world() does.

    fates: what befalls single frames. client, server: more of World.host(), as config={...}. link: the link's model as
    World.link() takes it: delay ("10ms" when not given), rate, jitter, loss, duplicate, corrupt, queue, mtu, up, down.
    """
    watched = Watched(seed, checks=checks, limit=limit)
    with watched.judged():
        yield build_pair(watched, fates=fates, client=client, server=server, **link)
