"""Traces of netmap: what was asked of a device, what it answered, and what became of the rings. Written by Journal, repeated and compared by Player.

A trace is a text file of JSON lines, gzipped where its name ends in .gz. The first line is a header: `trace` ("usnet netmap"), `version`, `scenario`,
`parameters` (of the module, those that are not its own), `recorded` (on what). Each other line is one call or one event:

    call        open, ioctl, map, unmap, poll, close; `fd` is the descriptor's number in the order of opening
    request     of an ioctl: the short name of NETMAP_REQ_*, TXSYNC, RXSYNC, LEGACY_REGIF, LEGACY_GINFO
    asked       an ioctl's name, body and options as they went in, fields that are 0 left out
    answered    the fields that were different afterwards
    result      0, or the errno's name; of poll: the events
    user        what the user had changed in the rings since the last call
    rings       what was different in any ring after the call, of all mapped descriptors

`user` and `rings` have a key for each ring ("0.rx1": descriptor 0, receive ring 1; "host tx0") with the changed fields of its header, and `slots`:
runs of [first slot, number, first buf_idx, len, flags, ptr], where buf_idx counts up within a run and zeros at the end are left out. `write`: bytes
that the user put into a slot's buffer (hex). `frames`: what receive slots in [head, tail) hold (hex up to 32 bytes, else length and a hash), where
that is not what the user wrote into that buffer. `extra`: a descriptor's list of extra buffers. Timestamps, semaphores and what lies in buffers
beyond a slot's length are not written.
"""
import errno
import gzip
import hashlib
import json
import struct

import numpy as np

VERSION = 1
RING = np.dtype({
    "names": ["buf_ofs", "num_slots", "nr_buf_size", "ringid", "dir", "head", "cur", "tail", "flags", "offset_mask", "buf_align"],
    "formats": ["<i8", "<u4", "<u4", "<u2", "<u2", "<u4", "<u4", "<u4", "<u4", "<u8", "<u8"],
    "offsets": [0, 8, 12, 16, 18, 20, 24, 28, 32, 56, 64], "itemsize": 256})
SLOT = np.dtype([("buf_idx", "<u4"), ("len", "<u2"), ("flags", "<u2"), ("ptr", "<u8")])
SHOWN = ("num_slots", "nr_buf_size", "ringid", "dir", "head", "cur", "tail", "flags", "offset_mask", "buf_align")
POLL = {"IN": 1, "OUT": 4, "ERR": 8}
DIGEST_FROM = 33                # bytes: longer frames are written as a hash


class Layout:
    """A struct of the ABI: "name:format" in order, formats as in the struct module; a name that begins with _ is not written."""

    def __init__(self, fields):
        self.fields, at = {}, 0
        for field in fields.split():
            name, _, form = field.partition(":")
            self.fields[name] = ("=" + form, at)
            at += struct.calcsize("=" + form)
        self.size = at

    def read(self, view):
        """The fields that are not 0."""
        found = {}
        for name, (form, at) in self.fields.items():
            value = struct.unpack_from(form, view, at)[0]
            if isinstance(value, bytes):
                value = text(value)
            if value and not name.startswith("_"):
                found[name] = value
        return found

    def pack(self, values):
        packed = bytearray(self.size)
        for name, value in values.items():
            form, at = self.fields[name]
            struct.pack_into(form, packed, at, value.encode() if isinstance(value, str) else value)
        return packed


def text(raw):
    return raw.partition(b"\0")[0].decode("latin-1")


_REGISTER = ("nr_offset:Q nr_memsize:Q nr_tx_slots:I nr_rx_slots:I nr_tx_rings:H nr_rx_rings:H nr_host_tx_rings:H nr_host_rx_rings:H "
             "nr_mem_id:H nr_ringid:H nr_mode:I nr_extra_bufs:I _pad:I nr_flags:Q")
# nr_reqtype: (its name here, its body)
BODIES = {
    1: ("REGISTER", Layout(_REGISTER)),
    2: ("PORT_INFO_GET", Layout("nr_memsize:Q nr_tx_slots:I nr_rx_slots:I nr_tx_rings:H nr_rx_rings:H nr_host_tx_rings:H nr_host_rx_rings:H "
                                "nr_mem_id:H _pad:6s")),
    3: ("VALE_ATTACH", Layout(_REGISTER + " port_index:I _pad2:I")),
    4: ("VALE_DETACH", Layout("port_index:I _pad:I")),
    5: ("VALE_LIST", Layout("nr_bridge_idx:H _pad:H nr_port_idx:I")),
    6: ("PORT_HDR_SET", Layout("nr_hdr_len:I _pad:I")),
    7: ("PORT_HDR_GET", Layout("nr_hdr_len:I _pad:I")),
    8: ("VALE_NEWIF", Layout("nr_tx_slots:I nr_rx_slots:I nr_tx_rings:H nr_rx_rings:H nr_mem_id:H _pad:H")),
    9: ("VALE_DELIF", None),
    10: ("VALE_POLLING_ENABLE", Layout("nr_mode:I nr_first_cpu_id:I nr_num_polling_cpus:I _pad:I")),
    11: ("VALE_POLLING_DISABLE", Layout("nr_mode:I nr_first_cpu_id:I nr_num_polling_cpus:I _pad:I")),
    12: ("POOLS_INFO_GET", Layout(
        "nr_memsize:Q nr_mem_id:H _pad:6s nr_if_pool_offset:Q nr_if_pool_objtotal:I nr_if_pool_objsize:I nr_ring_pool_offset:Q "
        "nr_ring_pool_objtotal:I nr_ring_pool_objsize:I nr_buf_pool_offset:Q nr_buf_pool_objtotal:I nr_buf_pool_objsize:I")),
    13: ("SYNC_KLOOP_START", Layout("sleep_us:I _pad:I")),
    14: ("SYNC_KLOOP_STOP", None),
    15: ("CSB_ENABLE", None),
}
NUMBERS = {name: (number, body) for number, (name, body) in BODIES.items()}
LEGACY = Layout("nr_name:16s nr_version:I nr_offset:I nr_memsize:I nr_tx_slots:I nr_rx_slots:I nr_tx_rings:H nr_rx_rings:H nr_ringid:H nr_cmd:H "
                "nr_arg1:H nr_arg2:H nr_arg3:I nr_flags:I _spare:I")
_OPTION = "_next:Q nro_reqtype:I nro_status:I nro_size:Q"
_OPTIONS = {5: Layout(_OPTION + " nro_max_offset:Q nro_initial_offset:Q nro_offset_bits:I nro_tx_align:I nro_min_gap:Q")}
OPTION_MEMORY = 256             # bytes: what an option of any type may be read as


def option(kind):
    """The layout of an nmreq_option of this nro_reqtype."""
    return _OPTIONS.get(kind) or Layout(_OPTION)


def error_name(status):
    return 0 if status >= 0 else errno.errorcode.get(-status, str(status))


def events_name(events):
    return "|".join(name for name, bit in POLL.items() if events & bit) or "none"


class Mapped:
    """One descriptor's view of its memory."""

    def __init__(self, number, memory, at, mem_id, nifp):
        self.number, self.at, self.mem_id = number, at, mem_id
        self.raw = memoryview(memory)
        self.memory = np.frombuffer(memory, np.uint8)
        self.nifp = nifp
        head = struct.unpack_from("=16s6I", self.raw, nifp)
        self.about = dict(zip(("name", "version", "flags", "tx_rings", "rx_rings", "_bufs_head", "host_tx_rings"),
                              (text(head[0]), *head[1:]), strict=True))
        self.about["host_rx_rings"] = struct.unpack_from("=I", self.raw, nifp + 36)[0]
        self.rings = {}                 # name: (offset in the memory, header, slots)
        n_tx, n_rx, host_tx, host_rx = (self.about[k] for k in ("tx_rings", "rx_rings", "host_tx_rings", "host_rx_rings"))
        names = [f"tx{i}" for i in range(n_tx)] + [f"host tx{i}" for i in range(host_tx)]
        names += [f"rx{i}" for i in range(n_rx)] + [f"host rx{i}" for i in range(host_rx)]
        for i, name in enumerate(names):
            ofs = struct.unpack_from("=q", self.raw, nifp + 56 + 8 * i)[0]
            if ofs:
                self.rings[name] = self.ring(nifp + ofs)

    def ring(self, at):
        header = self.memory[at:at + RING.itemsize].view(RING)[0]
        count = int(header["num_slots"])
        return at, header, self.memory[at + 256:at + 256 + 16 * count].view(SLOT)

    def buffer(self, index):
        """Offset of a buffer in the memory and its size; None for an index that is outside, reserved, or unknown for want of a ring."""
        for at, header, _ in self.rings.values():
            size = int(header["nr_buf_size"])
            start = at + int(header["buf_ofs"]) + index * size
            return (start, size) if index >= 2 and start + size <= len(self.memory) else None
        return None

    def content(self, header, slot):
        """What a slot says that it holds; None where it says nonsense."""
        where = self.buffer(int(slot["buf_idx"]))
        skip = int(slot["ptr"] & header["offset_mask"])
        size = int(slot["len"])
        if where is None or skip + size > where[1]:
            return None
        return self.memory[where[0] + skip:where[0] + skip + size].tobytes()

    def extra(self):
        """The list of extra buffers, up to where it ends, leaves the memory or comes back to where it was."""
        found, index = {}, struct.unpack_from("=I", self.raw, self.nifp + 32)[0]
        while index and index not in found:
            found[index] = True
            where = self.buffer(index)
            if where is None:
                break
            index = struct.unpack_from("=I", self.raw, where[0])[0]
        return list(found)

    def set_extra(self, wanted):
        for at, index in zip([self.nifp + 32] + [self.buffer(i)[0] for i in wanted if self.buffer(i)], [*wanted, 0], strict=False):
            struct.pack_into("=I", self.raw, at, index)


class Seen:
    """A ring as it was at the last look."""

    def __init__(self, header, slots):
        self.fields = {name: int(header[name]) for name in SHOWN}
        self.slots = slots.copy()


def runs(slots, changed):
    """The slots of those numbers, as `slots` of the format."""
    found: list[list[int]] = []
    for i in changed:
        index, size, flags, ptr = (int(v) for v in slots[i])
        if found:
            last = found[-1]
            if i == last[0] + last[1] and index == last[2] + last[1] and [size, flags, ptr] == last[3:]:
                last[1] += 1
                continue
        found.append([i, 1, index, size, flags, ptr])
    for run in found:
        while len(run) > 3 and not run[-1]:
            run.pop()
    return found


def span(first, end, size):
    """Slots from `first` up to `end`; none where either is no slot."""
    if first >= size or end >= size:
        return []
    return [(first + i) % size for i in range((end - first) % size)]


class Journal:
    """Takes what a Recorder sees and makes lines of it. `write(entry)` gets each."""

    def __init__(self, write):
        self.write = write
        self.numbers = {}               # the device's descriptor: its number here
        self.opens = 0
        self.registered = {}            # number: (nr_offset, nr_mem_id)
        self.maps = {}                  # number: Mapped
        self.seen = {}                  # (mem_id, offset): Seen
        self.known = {}                 # (mem_id, buf_idx): what is in it, as far as it was written here
        self.lists = {}                 # number: extra buffers
        self.user = {}

    # What a Recorder calls

    def opened(self, fd):
        if fd >= 0:
            self.numbers[fd] = self.opens
            self.opens += 1
        self.write({"call": "open", "fd": self.numbers.get(fd), "result": error_name(fd)})

    def before(self):
        self.user = self.changes(True)

    def asked(self, fd, request, asked, answered, status):
        number = self.numbers.get(fd)
        entry = {"call": "ioctl", "fd": number, "request": request}
        if asked is not None:
            entry["asked"] = asked
            changed = differing(asked, answered)
            if changed:
                entry["answered"] = changed
        if status == 0 and request == "REGISTER":
            self.registered[number] = (answered["body"].get("nr_offset", 0), answered["body"].get("nr_mem_id", 0))
        elif status == 0 and request == "LEGACY_REGIF":
            self.registered[number] = (answered["body"].get("nr_offset", 0), answered["body"].get("nr_arg2", 0))
        self.emit(entry, error_name(status))

    def mapped(self, fd, size, status, memory, at):
        number = self.numbers.get(fd)
        entry = {"call": "map", "fd": number, "size": size}
        if memory is not None and number in self.registered:
            offset, mem_id = self.registered[number]
            self.maps[number] = m = Mapped(number, memory, at, mem_id, offset)
            entry["if"] = {k: v for k, v in m.about.items() if not k.startswith("_")}
        self.emit(entry, error_name(status))

    def unmapped(self, at):
        """Before it happens, for what the user changed last."""
        for number in [n for n, m in self.maps.items() if m.at == at]:
            self.before()
            self.drop(number)
            self.emit({"call": "unmap", "fd": number}, 0)

    def polled(self, fd, events, timeout_ns, ready):
        entry = {"call": "poll", "fd": self.numbers.get(fd), "events": events_name(events), "timeout_ns": timeout_ns}
        self.emit(entry, error_name(ready) if ready < 0 else events_name(ready))

    def closed(self, fd, status):
        number = self.numbers.pop(fd, None)
        self.registered.pop(number, None)
        self.drop(number)
        self.emit({"call": "close", "fd": number}, error_name(status))

    def event(self, name, **about):
        """Something that came from elsewhere: a frame of the host's, an interface that went."""
        self.write({"event": name, **about})

    # How lines come to be

    def emit(self, entry, result):
        entry["result"] = result
        for key, value in (("user", self.user), ("rings", self.changes(False))):
            if value:
                entry[key] = value
        self.user = {}
        self.write(entry)

    def drop(self, number):
        self.maps.pop(number, None)
        self.lists.pop(number, None)
        kept = {(m.mem_id, at) for m in self.maps.values() for at, _, _ in m.rings.values()}
        self.seen = {k: v for k, v in self.seen.items() if k in kept}
        regions = {m.mem_id for m in self.maps.values()}
        self.known = {k: v for k, v in self.known.items() if k[0] in regions}

    def changes(self, by_user):
        """What is different in the rings since the last look."""
        found, looked = {}, set()
        for number, m in sorted(self.maps.items()):
            for name, (at, header, slots) in m.rings.items():
                key = (m.mem_id, at)
                if key in looked:
                    continue
                looked.add(key)
                change = self.ring_changes(m, key, header, slots, by_user, "rx" in name)
                if change:
                    found[f"{number}.{name}"] = change
            extra = m.extra()
            if extra != self.lists.get(number, []):
                self.lists[number] = extra
                found[f"{number}.extra"] = extra
        return found

    def ring_changes(self, m, key, header, slots, by_user, receives):
        old, now = self.seen.get(key), Seen(header, slots)
        if old is None:
            change = dict(now.fields)
            changed = list(range(len(slots)))
        else:
            change = {name: v for name, v in now.fields.items() if v != old.fields[name]}
            changed = [int(i) for i in np.nonzero(now.slots != old.slots)[0]]
        if len(changed):
            change["slots"] = runs(now.slots, changed)
        size = len(slots)
        if by_user and not receives and old is not None:
            places = sorted(set(changed) | set(span(old.fields["head"], now.fields["head"], size)))
            held = self.contents(m, header, now.slots, places, True)
            if held:
                change["write"] = held
        elif receives and not by_user:
            held = self.contents(m, header, now.slots, span(now.fields["head"], now.fields["tail"], size), False)
            if held:
                change["frames"] = held
        self.seen[key] = now
        return change

    def contents(self, m, header, slots, places, whole):
        """{slot: what is in it} as far as that is not known yet."""
        found = {}
        for i in places:
            data = m.content(header, slots[i])
            key = (m.mem_id, int(slots[i]["buf_idx"]))
            known = self.known.get(key)
            if not data or (known is not None and (known[:len(data)] if whole else known) == data):
                continue
            self.known[key] = data
            short = whole or len(data) < DIGEST_FROM
            found[str(i)] = data.hex() if short else f"{len(data)} {hashlib.blake2b(data, digest_size=8).hexdigest()}"
        return found


def differing(asked, answered):
    """The fields of `answered` that are not as asked; fields of value 0 are missing in both."""
    changed = {}
    for key in [*answered, *(k for k in asked if k not in answered)]:
        a, b = asked.get(key), answered.get(key)
        if a == b:
            continue
        if isinstance(a, dict) or isinstance(b, dict):
            changed[key] = differing(a or {}, b or {})
        elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            changed[key] = [differing(x, y) for x, y in zip(a, b, strict=True)]
        else:
            changed[key] = 0 if b is None else b
    return changed


def store(path, header, entries):
    """Writes a trace. `header`: scenario, parameters, recorded."""
    lines = [json.dumps(e, separators=(", ", ": ")) for e in [{"trace": "usnet netmap", "version": VERSION, **header}, *entries]]
    raw = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.name.endswith(".gz") else raw)


def load(path):
    """(header, entries) of a stored trace."""
    raw = path.read_bytes()
    header, *entries = [json.loads(line) for line in (gzip.decompress(raw) if path.name.endswith(".gz") else raw).decode().splitlines()]
    if header.get("trace") != "usnet netmap" or header.get("version") != VERSION:
        raise ValueError(f"{path}: not a trace of version {VERSION}")
    return header, entries
