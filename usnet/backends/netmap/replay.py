"""Traces (trace.py) played again: what the user did is done to another device, and whatever that answers otherwise is a difference."""
import struct

from usnet.backends.netmap import trace
from usnet.backends.netmap.abi import CONSTANTS
from usnet.backends.netmap.recorder import Recorder

LEGACY = {"LEGACY_REGIF": CONSTANTS["NIOCREGIF"], "LEGACY_GINFO": CONSTANTS["NIOCGINFO"]}


class Player:
    """Plays one trace on `device`. `world(event)` brings about what came from elsewhere (events)."""

    def __init__(self, device, world=None):
        self.lines: list[dict] = []
        self.journal = trace.Journal(self.lines.append)
        self.recorder = Recorder(device, self.journal)
        self.world = world
        self.fds = []                   # by number
        self.memories = {}              # number: the mapping, which must live

    def play(self, entries, limit=20):
        """Differences as sentences, at most `limit`; a difference ends the comparison of its line, not the playing."""
        found: list[str] = []
        for number, wanted in enumerate(entries, 2):
            try:
                got = self.step(wanted)
            except (KeyError, IndexError, ValueError, TypeError, struct.error) as e:
                return [*found, f"line {number}: cannot go on: {type(e).__name__}: {e}"]
            self.recorder.check()
            found += [f"line {number}, {told(wanted)}: {d}" for d in differences(wanted, got)]
            if len(found) >= limit:
                break
        return found[:limit]

    def step(self, wanted):
        """Does what one line says; the line that came of it."""
        if "event" in wanted:
            self.world(wanted)
            return wanted
        self.as_user(wanted.get("user", {}))
        self.lines.clear()
        getattr(self, "do_" + wanted["call"])(wanted)
        return self.lines[-1]

    def as_user(self, changes):
        for where, change in changes.items():
            number, _, name = where.partition(".")
            m = self.journal.maps[int(number)]
            if name == "extra":
                m.set_extra(change)
                continue
            _, header, slots = m.rings[name]
            for field, value in change.items():
                if field not in ("slots", "write"):
                    header[field] = value
            for first, count, index, *rest in change.get("slots", ()):
                rest += [0] * (3 - len(rest))
                for i in range(count):
                    slots[first + i] = (index + i, *rest)
            for i, data in change.get("write", {}).items():
                data = bytes.fromhex(data)
                at = m.buffer(int(slots[int(i)]["buf_idx"]))[0] + int(slots[int(i)]["ptr"] & header["offset_mask"])
                m.memory[at:at + len(data)] = list(data)

    def do_open(self, wanted):
        self.fds.append(self.recorder.call_open())

    def do_map(self, wanted):
        memory = self.recorder.call_map(self.fds[wanted["fd"]], wanted["size"])
        if not isinstance(memory, int):
            self.memories[wanted["fd"]] = memory

    def do_unmap(self, wanted):
        del self.memories[wanted["fd"]]

    def do_close(self, wanted):
        self.recorder.call_close(self.fds[wanted["fd"]])

    def do_poll(self, wanted):
        events = sum(trace.POLL[e] for e in wanted["events"].split("|") if e != "none")
        self.recorder.call_poll(self.fds[wanted["fd"]], events, wanted["timeout_ns"])

    def do_ioctl(self, wanted):
        fd, request, asked = self.fds[wanted["fd"]], wanted["request"], wanted.get("asked")
        if request == "TXSYNC":
            self.recorder.call_txsync(fd)
        elif request == "RXSYNC":
            self.recorder.call_rxsync(fd)
        elif request in LEGACY:
            self.recorder.call_ioctl(fd, LEGACY[request], trace.LEGACY.pack(asked["body"]))
        elif asked is None:
            self.recorder.call_ioctl(fd, int(request, 16), bytearray(512))
        else:
            control(self.recorder, fd, request, asked)


def control(device, fd, request, asked):
    """NIOCCTRL from a line's `asked`: (0 or -errno, the body afterwards, the name)."""
    kind, layout = trace.NUMBERS.get(request) or (int(request.removeprefix("REQUEST ")), None)
    if asked.get("no_body") or (layout is None and request in trace.NUMBERS):
        body = None
    else:
        body = layout.pack(asked.get("body", {})) if layout else bytearray(512)
    options = [option_bytes(o) for o in asked.get("options", ())]
    status, name = device.call_control(fd, kind, asked.get("name", "").encode("latin-1"), body, options, asked["version"],
                                       asked.get("reserved", 0))
    return status, layout.read(body) if layout and body is not None else {}, name.decode("latin-1")


def option_bytes(fields):
    layout = trace.option(fields.get("nro_reqtype", 0))
    return layout.pack(fields) + bytearray(trace.OPTION_MEMORY - layout.size)


def told(entry):
    return " ".join(str(entry[k]) for k in ("call", "fd", "request", "event") if k in entry)


def differences(wanted, got, path=""):
    """Where two lines differ, as "path: recorded, here"."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [d for key in sorted({*wanted, *got}) for d in differences(wanted.get(key), got.get(key), f"{path}.{key}" if path else key)]
    if wanted == got:
        return []
    return [f"{path}: recorded {shown(wanted)}, here {shown(got)}"]


def shown(value):
    said = "nothing" if value is None else str(value)
    return said if len(said) < 200 else said[:200] + "..."
