"""Runs a script: each event at its time, each packet that leaves beside the one that is expected."""

import contextlib
import errno
import os
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usnet.testing.packetdrill.blocks import BlockFailed, run_block
from usnet.testing.packetdrill.calls import GIVES_DESCRIPTOR, NOT_ARGUMENTS, Calls
from usnet.testing.packetdrill.commands import Host
from usnet.testing.packetdrill.compare import differences, join, text_of
from usnet.testing.packetdrill.flow import Flow
from usnet.testing.packetdrill.info import variables
from usnet.testing.packetdrill.language import ANY, Call, Code, Command, Event, Packet, Script, ScriptError, parse
from usnet.testing.packetdrill.machine import ICMP, START, TCP, UDP, Machine
from usnet.testing.packetdrill.packets import INTEGER, MASK, Unsupported, Written, read_packet
from usnet.testing.packetdrill.profiles import PROFILES
from usnet.testing.packetdrill.waiting import Wrong
from usnet.wire.mirror import IcmpHeader, Ipv4Header, UdpHeader
from usnet.wire.raw import RawTcp

US, SECOND = 1000, 1_000_000_000
TOLERANCE = 4000 * US
PERCENT = 12.5
STRICT = 1000 * US              # --strict: how late or early anything may be
PATIENCE = 2 * SECOND           # for a packet that does not come
BLOCKED = 10 * SECOND           # for a call that does not return
FOR_EVER = 10**7 * SECOND       # that a script may take
FIRST_PORT = 32768
LINGER = SECOND                 # --strict: nothing may leave so long after the last event
SYN, ACK = 0x02, 0x10
LINE = re.compile(r"line (\d+): ")


@dataclass
class Result:
    """outcome: passed, failed or skipped. text: why, with the line, what was expected and what was seen."""

    path: str
    outcome: str
    text: str = ""
    line: int = 0
    virtual_seconds: float = 0.0


@contextlib.contextmanager
def in_line(line: int) -> Iterator[None]:
    """What is no script says in which line."""
    try:
        yield
    except ScriptError as error:
        raise ScriptError(f"line {line}: {error}") from error


def numbers_of(defines: dict[str, str]) -> dict[str, int]:
    """Those of the definitions that calls can use."""
    return {name: int(value, 0) for name, value in defines.items() if INTEGER.fullmatch(value)}


class Failed(Exception):  # noqa: N818
    """The script does not hold."""


def run_script(path: str | Path, profile: str = "rfc", strict: bool = False, defines: dict[str, str] | None = None, capture: Any = None) -> Result:
    """Runs a file. A script that usnet cannot run is skipped, with the reason."""
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError as error:
        return Result(str(path), "failed", str(error))
    return run_text(text, str(path), profile, strict, defines, capture)


def run_text(text: str, path: str = "script", profile: str = "rfc", strict: bool = False, defines: dict[str, str] | None = None,
             capture: Any = None) -> Result:
    """As run_script(), of a script's text. capture: called with a time in ns and the bytes of each frame."""
    run = None
    try:
        run = Run(parse(text, PROFILES[profile].defined), path, profile, strict, defines or {}, capture)
        run.go()
        return Result(path, "passed", virtual_seconds=run.machine.now / 1e9)
    except Unsupported as error:
        return Result(path, "skipped", str(error), run.line if run else 0)
    except ScriptError as error:
        told = str(error)
        line = LINE.match(told)
        told = told if line or run is None else f"line {run.line}: {told}"
        return Result(path, "failed", f"not a script: {told}", int(line[1]) if line else run.line if run else 0)
    except Failed as error:
        assert run is not None
        return Result(path, "failed", str(error), run.line, run.machine.now / 1e9)
    except Exception as error:              # one script does not stop the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        return Result(path, "failed", f"line {run.line if run else 0}: an error of usnet's own: {told}", run.line if run else 0)
    finally:
        if run is not None:
            run.close()


class Run:
    def __init__(self, script: Script, path: str, profile: str, strict: bool, defines: dict[str, str], capture: Any):
        self.script, self.strict = script, strict
        self.line = 0
        self.profile = PROFILES[profile]
        self.defines = self.profile.defines | dict(item.split("=", 1) for item in script.options.get("define", []) if "=" in item) | defines
        if script.option("ip_version", "ipv4") not in ("ipv4", "ip4") or path.removesuffix(".pkt").endswith("v6"):
            raise Unsupported("IPv6")
        if "udp_encapsulation" in script.options:
            raise Unsupported("TCP in UDP (RFC 6951's way)")
        local, remote = script.option("local_ip", "192.168.0.1"), script.option("remote_ip", "192.0.2.1")
        if ":" in local + remote:
            raise Unsupported("IPv6")
        if local == remote:
            raise ScriptError(f"line 1: both ends have the address {local}")
        self.check_packets()
        self.machine = Machine(local, remote, int(script.option("mtu", "1500")), dict(self.profile.config), capture, self.longest())
        self.bind_port, self.connect_port = int(script.option("bind_port", "8080")), int(script.option("connect_port", "8080"))
        self.host = Host(self.profile, self.machine.stack)
        names = self.profile.names | numbers_of(self.defines)
        ends = (local, self.bind_port), (remote, self.connect_port)
        self.calls = Calls(self.machine.stack, *ends, names, START, self.host.files)
        self.calls.implied = self.profile.implied_connect
        self.tolerance = int(script.option("tolerance_usecs", "4000")) * US
        self.percent = float(script.option("tolerance_percent", str(PERCENT)))
        self.joins = "strict_segments" not in script.options
        self.flow: Flow | None = None               # of the socket under test
        self.listens = False                        # that is a listener, for which the next SYN is the first of a connection
        self.next_port = FIRST_PORT
        self.last = 0                               # ns: when the event before ended
        self.nominal = 0                            # ns: when it was to happen
        self.before_inbound = False
        self.pending: tuple[Event, Callable[[], Any], int, int] | None = None
        self.names: dict[str, Any] = {}             # of code blocks

    def longest(self) -> int:
        """Bytes of the longest packet from the remote host, with all headers."""
        written = [event.what for event in self.script.events if isinstance(event.what, Packet) and event.what.inbound]
        payload = max((read_packet(one.text, self.defines).length for one in written), default=0)
        return payload + 80 if payload + 40 > int(self.script.option("mtu", "1500")) else 0

    def close(self) -> None:
        self.machine.close()

    def check_packets(self) -> None:
        """ScriptError for the first that is none, before anything is run."""
        for event in self.script.events:
            if isinstance(event.what, Packet):
                with contextlib.suppress(Unsupported), in_line(event.line):
                    read_packet(event.what.text, self.defines)

    # Events

    def go(self) -> None:
        for event in (*self.script.before, *self.script.events, *self.script.after):
            self.line = event.line
            self.event(event)
        if self.pending is not None:
            self.finish(BLOCKED)
        if self.strict:
            self.advance(self.machine.now + LINGER)
            if self.machine.left:
                self.fail("nothing", self.seen(), ["a packet behind the last event"])

    def event(self, event: Event) -> None:
        start = self.start_of(event)
        if start > FOR_EVER:
            raise ScriptError(f"a time beyond {FOR_EVER // SECOND} s")
        what = event.what
        if isinstance(what, Packet) and not what.inbound:
            self.expect(event, start, read_packet(what.text, self.defines))
        else:
            self.advance(start)
            if self.strict and self.machine.left and not isinstance(what, Code):
                self.fail("nothing", self.seen(), ["a packet that no line expects"])
            if isinstance(what, Packet):
                self.inject(read_packet(what.text, self.defines))
            elif isinstance(what, Call):
                self.call(event, what, start)
            elif isinstance(what, Code):
                self.code(what)
            else:
                self.command(what)
        self.before_inbound = isinstance(what, Packet) and what.inbound
        self.nominal = start
        self.last = self.machine.now

    def start_of(self, event: Event) -> int:
        time = event.time
        if time.any:
            return self.machine.now
        if not time.relative:
            if event not in self.script.events:
                return self.machine.now
            if time.at < self.nominal:
                raise ScriptError(f"{time.at / 1e9:.6f} s is earlier than the event before, at {self.nominal / 1e9:.6f} s")
            return time.at
        inbound = isinstance(event.what, Packet) and event.what.inbound
        return (self.nominal if inbound and self.before_inbound else self.last) + time.at

    def advance(self, until: int) -> None:
        """Time goes on; a call that blocks returns when it can."""
        self.machine.run()
        self.poll()
        while not self.machine.step(until):
            self.poll()
        self.poll()

    # Calls

    def call(self, event: Event, call: Call, start: int) -> None:
        if self.pending is not None:
            self.finish(SECOND)
        self.before_call(call)
        try:
            function, waits = self.calls.prepare(call.name, call.arguments, call.result)
        except OSError as error:
            self.returned(call, -1, error.errno or 0)
            return
        until = event.time.until
        end = -1 if until is None else start + until - event.time.at if event.time.until_relative else until
        if not self.attempt(event, function, waits):
            self.pending = (event, function, start, end)
            if until is None:
                self.finish(BLOCKED)
        elif end >= 0:
            self.on_time(end, self.machine.now, start)

    def attempt(self, event: Event, function: Callable[[], Any], waits: bool) -> bool:
        """Whether the call has returned."""
        assert isinstance(event.what, Call)
        try:
            result = function()
        except BlockingIOError as error:
            if waits and error.errno != errno.EINPROGRESS:
                return False
            self.returned(event.what, -1, error.errno or errno.EAGAIN)
        except OSError as error:
            self.returned(event.what, -1, error.errno or 0)
        except Wrong as error:
            raise Failed(f"line {event.line}: {error}") from error
        except NOT_ARGUMENTS as error:
            raise ScriptError(f"line {event.line}: {event.what.name}(): {error}") from error
        else:
            self.returned(event.what, 0 if result is None else result, 0)
        self.machine.run()
        return True

    def poll(self) -> None:
        if self.pending is not None:
            event, function, start, end = self.pending
            if self.attempt(event, function, True):
                self.pending = None
                if end >= 0:
                    self.on_time(end, self.machine.now, start)

    def finish(self, patience: int) -> None:
        limit = self.machine.now + patience
        while self.pending is not None and self.machine.now < limit:
            self.machine.step(limit)
            self.poll()
        if self.pending is not None:
            event = self.pending[0]
            assert isinstance(event.what, Call)
            raise Failed(f"line {event.line}: {event.what.name}() has not returned")

    def returned(self, call: Call, result: Any, error: int) -> None:
        name = errno.errorcode.get(error, str(error)) if error else ""
        wanted = None if call.result is None or call.result == ANY else self.calls.value(call.result)
        if not isinstance(wanted, int | None):
            raise ScriptError(f"line {self.line}: {call.name}() gives a number, not {call.result}")
        fits = wanted is None or result == wanted or (call.name in GIVES_DESCRIPTOR and result >= 0 and wanted >= 0)
        if call.errno is not None and fits:
            fits = call.errno == name or getattr(errno, call.errno, -1) == error
        if not fits:
            told = f"{result} {name}".strip() + (f" ({os.strerror(error)})" if error else "")
            raise Failed(f"line {self.line}: {call.name}() gives {told}, not {wanted} {call.errno or ''}".rstrip())

    def before_call(self, call: Call) -> None:
        """Which socket the packets are about."""
        if call.name == "socket":
            self.flow, self.listens = None, False
        elif call.name == "listen" and call.result == 0:
            self.listens = True
        elif (call.name == "connect" and call.errno not in ("EALREADY", "EISCONN")) or (call.name in ("sendto", "sendmsg") and self.flow is None):
            self.flow = Flow(0, self.connect_port)

    # Packets

    def inject(self, written: Written) -> None:
        if written.kind == "tcp":
            flow = self.flow_of(written)
            tos = written.tos or (written.ecn[0] if written.ecn else 0)
            segment = flow.inbound(written)
            try:
                body = segment.to_bytes(self.machine.remote, self.machine.local)
            except ValueError as error:
                raise ScriptError(str(error)) from error
            self.machine.put(TCP, body, tos=tos, ttl=written.ttl or 255)
        elif written.kind == "udp":
            local, remote = self.udp_ports(written)
            body = UdpHeader(remote, local, 8 + written.length).to_bytes(bytes(written.length), self.machine.remote, self.machine.local)
            self.machine.put(UDP, body)
        else:
            self.inject_icmp(written)
        self.poll()

    def flow_of(self, written: Written) -> Flow:
        """Where a packet of the script's belongs. A SYN to the listener opens a connection of its own."""
        if self.listens and written.flags & SYN and not written.flags & ACK:
            self.flow, self.listens = Flow(self.bind_port, self.next_port), False
            self.next_port += 1
        if self.listens:                            # neither begins a connection nor belongs to one
            return Flow(self.bind_port, FIRST_PORT - 1)
        if self.flow is None:
            self.flow = Flow(self.bind_port, self.next_port)
            self.next_port += 1
        return self.flow

    def udp_ports(self, written: Written) -> tuple[int, int]:
        flow = self.flow or Flow(self.bind_port, self.connect_port)
        return written.ports[::-1] if written.ports else (flow.local_port or self.bind_port, flow.remote_port)

    def inject_icmp(self, written: Written) -> None:
        flow = self.flow or Flow(self.bind_port, self.connect_port)
        ends, payload = (self.machine.local, self.machine.remote), bytes(written.length)
        if written.quoted == "udp":
            quoted = UdpHeader(flow.local_port, flow.remote_port, 8 + len(payload)).to_bytes(payload, *ends)
        else:
            seq = ((written.seq or 0) + flow.shift) & MASK
            quoted = RawTcp(flow.local_port, flow.remote_port, seq, flags=ACK, payload=payload).to_bytes(*ends)
        proto = UDP if written.quoted == "udp" else TCP
        inner = Ipv4Header(*ends, proto, total_len=20 + len(quoted), dont_fragment=True).to_bytes()
        self.machine.put(ICMP, IcmpHeader(written.type, written.code, written.mtu).to_bytes((inner + quoted)[:548]))

    def expect(self, event: Event, start: int, written: Written) -> None:
        until = start if event.time.until is None else event.time.until + (self.last if event.time.until_relative else 0)
        limit = None if event.time.any else max(until, self.machine.now) + max(PATIENCE, self.allowed(until, self.last))
        self.machine.run()
        self.poll()
        while not self.next_is_here(written.ports):
            if limit is not None and self.machine.now >= limit:
                self.fail(written.text, "nothing", [f"no packet until {limit / 1e9:.6f} s"])
            deadline = self.machine.run()
            if limit is None and deadline is None and not self.machine.left:
                self.fail(written.text, "nothing", ["nothing will happen any more"])
            self.machine.step(deadline if limit is None and deadline is not None else limit or 0)
            self.poll()
        seen = join(self.machine.left, written.length if self.joins else 0)
        flow = self.flow_of_reply(seen)
        if seen.tcp is not None and written.kind == "tcp":
            flow.learn(written, seen.tcp)
        found = differences(written, seen, flow, self.strict)
        if found:
            self.fail(written.text, text_of(seen, flow), found)
        if seen.tcp is not None:
            flow.learn_stamp(written, seen.tcp)
        if not event.time.any:
            self.on_time(start, seen.time, self.last, until)

    def next_is_here(self, ports: tuple[int, int] | None) -> bool:
        """Whether a packet has left. One of no connection of the script's is passed over, as by the original, but not by --strict."""
        left = self.machine.left
        while left and not self.strict and self.flow is not None:
            tcp, ends = left[0].tcp, ports or (self.flow.local_port, self.flow.remote_port)
            if tcp is None or (tcp.src_port, tcp.dst_port) == ends or (ends[0] == 0 and tcp.flags & SYN):
                break
            left.popleft()
        return bool(left)

    def flow_of_reply(self, seen: Any) -> Flow:
        if self.flow is None:
            self.flow = Flow(0, 0)
        if seen.tcp is not None and (seen.tcp.src_port, seen.tcp.dst_port) != (self.flow.local_port, self.flow.remote_port):
            if self.flow.local_port == 0:
                self.flow.local_port, self.flow.remote_port = seen.tcp.src_port, seen.tcp.dst_port
        return self.flow

    # Time

    def allowed(self, at: int, base: int) -> int:
        if self.strict:
            return STRICT
        return max(self.tolerance, int(self.percent / 100 * max(at - base, 0)))

    def on_time(self, start: int, actual: int, base: int, until: int | None = None) -> None:
        until = start if until is None else until
        if not start - self.allowed(start, base) <= actual <= until + self.allowed(until, base):
            wanted = f"{start / 1e9:.6f}" + (f" to {until / 1e9:.6f}" if until != start else "")
            raise Failed(f"line {self.line}: at {actual / 1e9:.6f} s, not at {wanted} s")

    # The rest

    def code(self, what: Code) -> None:
        under_test = [one.thing for number, one in sorted(self.calls.open.items()) if hasattr(one.thing, "getsockopt")]
        self.names.update(variables(under_test[-1] if under_test else None))
        try:
            run_block(what.text, self.names)
        except BlockFailed as error:
            raise Failed(f"line {self.line}: {error}") from error

    def command(self, what: Command) -> None:
        try:
            self.host.run(what.text)
        except Wrong as error:
            raise Failed(f"line {self.line}: {error}") from error
        except (ValueError, IndexError, re.error) as error:
            raise ScriptError(f"`{what.text}`: {error}") from error
        self.machine.run()

    def seen(self) -> str:
        return text_of(self.machine.left[0], self.flow)

    def fail(self, expected: str, seen: str, found: list[str]) -> None:
        raise Failed(
            f"line {self.line}, at {self.machine.now / 1e9:.6f} s:\n  expected  {expected}\n  seen      {seen}\n  " + "; ".join(found)
        )
