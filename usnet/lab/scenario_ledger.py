"""What the programs of a scenario did: every byte of every stream, every error, how long calls took."""

import errno
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from usnet.backends.sim.nat import Nat

PERIOD = 65521
"""Bytes after which a pattern repeats: a prime, so that no shift by whole segments looks right."""

Stream = tuple[tuple[str, int], tuple[str, int]]
"""(sender's end, receiver's end)."""


@lru_cache(64)
def _table(stream: str) -> bytes:
    """The pattern, twice."""
    return hashlib.shake_128(stream.encode()).digest(PERIOD) * 2


class Pattern:
    """The bytes of one stream: at offset i always the same, different in another stream."""

    def __init__(self, stream: Stream):
        self._table = _table(repr(stream))
        self._view = memoryview(self._table)

    def at(self, offset: int, length: int) -> memoryview:
        """Up to `length` bytes from `offset` on; at most PERIOD."""
        start = offset % PERIOD
        return self._view[start : start + min(length, PERIOD)]

    def mismatch(self, offset: int, data: bytes) -> int | None:
        """The offset of the first byte that is not the pattern's; None when all are."""
        for done in range(0, len(data), PERIOD):
            part = data[done : done + PERIOD]
            start = (offset + done) % PERIOD
            wanted = self._table[start : start + len(part)]
            if part != wanted:
                return offset + done + next(i for i, (a, b) in enumerate(zip(part, wanted, strict=True)) if a != b)
        return None


@dataclass
class Transfer:
    """What became of one stream: bytes that send() took, bytes that recv() gave, and whether its end was read."""

    pattern: Pattern
    written: int = 0
    read: int = 0
    shut: bool = False
    eof: bool = False
    began: int = 0
    ended: int = 0
    wrong: list[str] = field(default_factory=list)
    cut: bool = False  # a host at one of its ends crashed: a beginning is all that can have arrived

    def check(self, data: bytes) -> None:
        """The next bytes of the stream were read: notes the first that is not what was sent."""
        wrong = self.pattern.mismatch(self.read, data)
        if wrong is not None and not self.wrong:
            self.wrong.append(f"byte {wrong} of the stream is not what was sent (of {len(data)} read at {self.read})")
        self.read += len(data)


@dataclass(frozen=True)
class Failed:
    """A call that raised: where and when."""

    host: str
    call: str
    error: str
    t: int


class Did(NamedTuple):
    """A call that a program of steps made, and what it gave: a number, or an errno's name; "" when it has not returned."""

    end: tuple[str, int]                    # host, and the server's port
    call: str
    asked: int
    began: int
    ended: int
    result: int | str


@dataclass(frozen=True)
class Took:
    """A call, or a round of calls, that took a while (ns)."""

    host: str
    what: str
    began: int
    ended: int

    @property
    def duration(self) -> int:
        return self.ended - self.began


def error_name(error: OSError) -> str:
    """ECONNRESET and the like; TIMEOUT of a call that was told how long to wait."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return "TIMEOUT"
    return errno.errorcode.get(error.errno or 0, repr(error))


class Ledger:
    """What the programs of a run did: streams, errors, times. Every entry goes into the world's digest too."""

    def __init__(self, world: Any):
        self.world = world
        self.streams: dict[Stream, Transfer] = {}
        self.past: list[tuple[Stream, Transfer]] = []
        self.errors: list[Failed] = []
        self.times: list[Took] = []
        self.ended: dict[str, int] = {}
        self.calls: list[Did] = []
        self.pending: dict[tuple[str, int], Did] = {}

    def note(self, host: str, what: str, *results: Any) -> None:
        self.world.note(host, what, *results)

    def seen_from_inside(self, end: tuple[str, int]) -> tuple[str, int]:
        """Whose end that is, where a translator stands in between."""
        for box in self.world.network.middleboxes.values():
            if isinstance(box, Nat):
                end = box.inside_of(end)
        return end

    def transfer(self, stream: Stream) -> Transfer:
        known = self.streams.get(stream)
        if known is None:
            known = self.streams[stream] = Transfer(Pattern(stream), began=self.world.now)
        return known

    def all(self) -> list[tuple[Stream, Transfer]]:
        """Every stream there was."""
        return [*self.past, *self.streams.items()]

    def cut(self, addresses: set[str]) -> None:
        """A host crashed: its streams are over, and the same ends may begin new ones."""
        for stream in [s for s in self.streams if s[0][0] in addresses or s[1][0] in addresses]:
            transfer = self.streams.pop(stream)
            transfer.cut = True
            self.past.append((stream, transfer))

    def fail(self, host: str, call: str, error: OSError) -> None:
        name = error_name(error)
        self.errors.append(Failed(host, call, name, self.world.now))
        self.note(host, call, name)

    def took(self, host: str, what: str, began: int) -> None:
        self.times.append(Took(host, what, began, self.world.now))
        self.note(host, what, self.world.now - began)
