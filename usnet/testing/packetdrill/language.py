"""The script language, read: options, and events with their times. What a packet or a call means is for packets.py and calls.py.

    script := option* event*
    event  := time (packet | call | `command` | %{ code }%)
"""

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from usnet.testing.packetdrill.options import wrong

SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
OPTION = re.compile(r"--([a-z0-9_]+)(?:=(\"(?:[^\"\\]|\\.)*\"|[^\s]*))?")
NUMBER = re.compile(r"\d+(?:\.(?!\.)\d*)?|\.\d+")
NAME = re.compile(r"[A-Za-z_]\w*")
INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
COMMAND = re.compile(r"`([^`]*)`")
CODE = re.compile(r"%\{(.*?)\}%", re.DOTALL)
NOTE = re.compile(r"\(([^()]*)\)")
CONDITION = re.compile(r"\s*#\s*(ifdef|ifndef|else|endif)\b\s*(\w*)")
PACKET_END = re.compile(r"\n|//|/\*")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
SECOND = 1_000_000_000
SHOWN = 120  # characters of a line that is wrong


class ScriptError(ValueError):
    """The script is not in the language; the text says where."""


@dataclass(frozen=True)
class Time:
    """When an event is to happen, ns. relative: from the event before. until: the end of a range, or of a call that blocks. any: whenever."""

    at: int = 0
    relative: bool = False
    until: int | None = None
    until_relative: bool = False
    any: bool = False


@dataclass(frozen=True)
class Word:
    """A name that stands for a number, or for itself."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Either:
    """Names and numbers joined by |."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Apply:
    """name(arguments) within a call: htons(80), inet_addr("..."), msg_name(...)=..."""

    name: str
    arguments: tuple[Any, ...]


ANY = Word("...")
"""What a script leaves out: addresses, lengths, buffers."""


@dataclass(frozen=True)
class Packet:
    """A packet as it is written: `text` behind the arrow, which packets.py reads."""

    inbound: bool
    text: str


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Any, ...]
    result: Any = None
    errno: str | None = None


@dataclass(frozen=True)
class Command:
    text: str


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Event:
    line: int
    time: Time
    what: Packet | Call | Command | Code


@dataclass
class Script:
    options: dict[str, list[str]] = field(default_factory=dict)
    before: list[Event] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    after: list[Event] = field(default_factory=list)

    def option(self, name: str, default: str = "") -> str:
        return self.options.get(name, [default])[-1]


def parse(text: str, defined: frozenset[str] = frozenset()) -> Script:
    """The script. defined: names for which `#ifdef NAME` holds. ScriptError says what is wrong, and in which line."""
    reader = _Reader(without_the_undefined(text.removeprefix("\ufeff"), defined))
    try:
        return reader.script()
    except RecursionError:
        raise ScriptError(f"line {reader.line()}: brackets in brackets, too many of them") from None


def without_the_undefined(text: str, defined: frozenset[str]) -> str:
    """The text with empty lines where #ifdef, #ifndef and #else say that something is not for this system."""
    lines = text.split("\n")
    holds: list[bool] = []
    for i, line in enumerate(lines):
        match = CONDITION.match(line)
        if match is None:
            lines[i] = line if all(holds) else ""
            continue
        lines[i] = ""
        if match[1] in ("ifdef", "ifndef"):
            holds.append((match[2] in defined) == (match[1] == "ifdef"))
        elif not holds:
            raise ScriptError(f"line {i + 1}: #{match[1]} without #ifdef")
        elif match[1] == "else":
            holds[-1] = not holds[-1]
        else:
            holds.pop()
    return "\n".join(lines)


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    # What stands next

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        """at: where it began, if that is not here."""
        self.at = self.at if at is None else at
        start = self.text.rfind("\n", 0, self.at) + 1
        line = self.text[start : (self.text + "\n").index("\n", self.at)].strip()
        raise ScriptError(f"line {self.line()}: {what}: {printable(line)}")

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def skip(self) -> None:
        match = SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What the pattern matches here, behind blanks and comments; None leaves all as it is."""
        self.skip()
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def mark(self, text: str) -> bool:
        """Whether these characters stand here: then they are taken."""
        self.skip()
        found = self.text.startswith(text, self.at)
        if found:
            self.at += len(text)
        return found

    def need(self, text: str) -> None:
        if not self.mark(text):
            self.fail(f"expected {text!r}")

    # The whole

    def script(self) -> Script:
        script = Script()
        self.skip()
        while self.at < len(self.text):
            line = self.line()
            if option := self.take(OPTION):
                if problem := wrong(option[1], (option[2] or "").strip('"')):
                    self.fail(problem)
                script.options.setdefault(option[1], []).append((option[2] or "").strip('"'))
            elif command := self.take(COMMAND):       # without a time: before all events, or behind them
                (script.after if script.events else script.before).append(Event(line, Time(), Command(command[1])))
            else:
                script.events.append(self.timed(line))
            self.skip()
        if not script.events:
            self.fail("no events")
        return script

    def timed(self, line: int) -> Event:
        """An event with its time. Only what is expected may come at any time or within a range; only calls may block."""
        start = self.at
        time = self.time()
        what = self.event()
        expected = isinstance(what, Packet) and not what.inbound
        if (time.any or time.until is not None) and not expected and not (isinstance(what, Call) and not time.any):
            self.fail("only an expected packet has a time that is not exact", start)
        if time.until is not None and time.until_relative == time.relative and time.until < time.at:
            self.fail("a time that ends before it begins", start)
        return Event(line, time, what)

    def event(self) -> Packet | Call | Command | Code:
        if self.mark("<"):
            return Packet(True, self.packet())
        if self.mark(">"):
            return Packet(False, self.packet())
        if command := self.take(COMMAND):
            return Command(command[1])
        if code := self.take(CODE):
            return Code(code[1])
        return self.call()

    def packet(self) -> str:
        """The rest of the line; options in <> may go on in the next one."""
        start = self.at
        while True:
            end = PACKET_END.search(self.text, self.at)
            self.at = end.start() if end else len(self.text)
            text = self.text[start : self.at]
            if text.count("<") <= text.count(">") or end is None:
                return " ".join(text.split())
            before = self.at
            self.skip()
            if self.at == before:
                self.fail("a comment that does not end")

    # Times

    def seconds(self) -> int:
        match = self.take(NUMBER)
        if match is None:
            self.fail("expected a time")
        whole, _, fraction = match[0].partition(".")
        return int(whole or 0) * SECOND + int((fraction + "000000000")[:9])

    def time(self) -> Time:
        if self.mark("*"):
            return Time(any=True)
        relative = self.mark("+")
        at = self.seconds()
        if self.mark("~"):
            until_relative = self.mark("+")
            return Time(at, relative, self.seconds(), until_relative)
        if self.mark("..."):
            return Time(at, relative, self.seconds(), relative)
        return Time(at, relative)

    # Calls

    def call(self) -> Call:
        name = self.take(NAME)
        if name is None:
            self.fail("expected a packet, a call, a command or code")
        self.need("(")
        arguments = self.items(")")
        result = self.value() if self.mark("=") else None
        errno = self.take(NAME) if result == -1 else None
        while self.take(NOTE):
            pass
        return Call(name[0], arguments, result, errno[0] if errno else None)

    def items(self, closing: str) -> tuple[Any, ...]:
        found = []
        while not self.mark(closing):
            found.append(self.value())
            if not self.mark(","):
                self.need(closing)
                break
        return tuple(found)

    def value(self) -> Any:
        one = self.single()
        if not self.mark("|"):
            return one
        parts = [one, self.single()]
        while self.mark("|"):
            parts.append(self.single())
        return Either(tuple(parts))

    def single(self) -> Any:
        if self.mark("..."):
            return ANY
        if self.mark("["):
            return list(self.items("]"))
        if self.mark("{"):
            return self.struct()
        if self.mark("-"):
            value = self.single()
            return -value if isinstance(value, int) else self.fail("expected a number")
        if self.mark("~"):
            value = self.single()
            return ~value if isinstance(value, int) else self.fail("expected a number")
        if match := self.take(INTEGER):
            return int(match[0], 0) if match[0][:2] in ("0x", "0X") else int(match[0])
        if match := self.take(STRING):
            text = unescaped(match[1])
            while match := self.take(STRING):
                text += unescaped(match[1])
            if self.mark("..."):
                pass                                # "abc"...: the first bytes of a buffer
            return text
        if match := self.take(NAME):
            return Apply(match[0], self.items(")")) if self.mark("(") else Word(match[0])
        self.fail("expected a value")

    def struct(self) -> Any:
        """{name=value, ...}, or {value, ...}."""
        fields: dict[str, Any] = {}
        values: list[Any] = []
        while not self.mark("}"):
            one = self.value()
            if self.mark("="):
                fields[one.name if isinstance(one, Apply | Word) else self.fail("expected a name")] = self.value()
            else:
                values.append(one)
            if not self.mark(","):
                self.need("}")
                break
        return fields if fields or not values else tuple(values)


def printable(line: str) -> str:
    """A line of the script for a message: no control characters, not too long."""
    text = "".join(letter if letter.isprintable() else "?" for letter in line)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def unescaped(text: str) -> str:
    """C's escapes in a string."""

    def one(match: re.Match[str]) -> str:
        found = match[1]
        return chr(int(found[1:], 16)) if found[0] == "x" and found != "x" else ESCAPES.get(found, found)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|.)", one, text, flags=re.DOTALL)
