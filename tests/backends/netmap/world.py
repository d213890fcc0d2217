"""What scenario programs (scenarios_*.py) use: descriptors, rings and slots of a recorded device, with nothing in between that would correct them."""
from pathlib import Path

from usnet.backends.netmap import trace
from usnet.backends.netmap.recorder import Recorder
from usnet.backends.netmap.replay import LEGACY, control

IN, OUT, ERR = 1, 4, 8
BUF_CHANGED, REPORT, FORWARD, NO_LEARN, INDIRECT, MOREFRAG = 1, 2, 4, 8, 16, 32
# What the module is loaded with for all recordings: its own default needs 320 MB for buffers.
SMALL = {"buf_num": 16384}
SCENARIOS = {}                  # name: (program, the module's parameters)


def scenario(**parameters):
    """Makes a program a scenario, named after it. `parameters`: of the module, where they are not its own."""
    def add(program):
        name = program.__name__.replace("_", "-")
        assert name not in SCENARIOS, f"two scenarios {name}"
        SCENARIOS[name] = (program, parameters)
        return program
    return add


def frame(number, size=60, dst=b"\x02\0\0\0\0\x0b", src=b"\x02\0\0\0\0\x0a"):
    """A frame with an EtherType for local experiments, recognisable by its number."""
    return dst + src + b"\x88\xb5" + bytes((number + i) & 0xFF for i in range(size - 14))


class Ring:
    """A ring as the user may touch it."""

    def __init__(self, mapped, name):
        self.mapped = mapped
        _, self.header, self.slots = mapped.rings[name]
        self.n = len(self.slots)

    def __getattr__(self, field):
        return int(self.header[field])

    def set(self, **fields):
        for name, value in fields.items():
            self.header[name] = value

    @property
    def space(self):
        return (self.tail - self.head) % self.n

    def write(self, i, data, flags=0):
        """Puts a frame into slot i's buffer, where the slot's offset says; no bytes where there is no such buffer."""
        where = self.mapped.buffer(int(self.slots[i]["buf_idx"]))
        if where:
            at = where[0] + (int(self.slots[i]["ptr"]) & self.offset_mask)
            self.mapped.memory[at:at + len(data)] = list(data)
        self.slots[i]["len"] = len(data)
        self.slots[i]["flags"] = flags

    def advance(self, count=1):
        at = (self.head + count) % self.n
        self.set(head=at, cur=at)

    def put(self, *frames, flags=0):
        """Fills slots from head on and hands them over; sync is the caller's."""
        for data in frames:
            self.write(self.head, data, flags)
            self.advance()

    def get(self):
        """The frames' bytes, slot by slot; all slots go back."""
        found = []
        while self.head != self.tail:
            found.append(self.mapped.content(self.header, self.slots[self.head]))
            self.advance()
        return found

    def read(self, i):
        return self.mapped.content(self.header, self.slots[i])


class Port:
    """One descriptor. Calls answer 0 or -errno; nothing raises."""

    def __init__(self, world):
        self.world = world
        self.recorder = world.recorder
        self.fd = self.recorder.call_open()
        self.number = world.journal.opens - 1
        self.memory = None
        self.answer = {}

    def control(self, request, name="", body=None, options=(), version=14, reserved=0, no_body=False, **fields):
        """NIOCCTRL. The answer's body is in .answer afterwards."""
        asked = {"version": version, "name": name, "reserved": reserved, "body": {f"nr_{k}": v for k, v in fields.items()} | (body or {}),
                 "options": options}
        if no_body:
            asked["no_body"] = True
        status, self.answer, self.name = control(self.recorder, self.fd, request, asked)
        self.world.recorder.check()
        return status

    def legacy(self, request="LEGACY_REGIF", **fields):
        raw = trace.LEGACY.pack({"nr_version": 14, **{f"nr_{k}": v for k, v in fields.items()}})
        status = self.recorder.call_ioctl(self.fd, LEGACY[request], raw)
        self.answer = trace.LEGACY.read(raw)
        self.world.recorder.check()
        return status

    def map(self, size=None):
        memory = self.recorder.call_map(self.fd, self.answer.get("nr_memsize", 0) if size is None else size)
        self.world.recorder.check()
        if isinstance(memory, int):
            return memory
        self.memory = memory
        return 0

    def register(self, name, mode=1, **fields):
        """Registers and maps; the status of whichever failed."""
        return self.control("REGISTER", name, mode=mode, **fields) or self.map()

    def ring(self, name):
        return Ring(self.world.journal.maps[self.number], name)

    @property
    def tx(self):
        return self.ring("tx0")

    @property
    def rx(self):
        return self.ring("rx0")

    @property
    def extra(self):
        return self.world.journal.maps[self.number].extra()

    def txsync(self):
        status = self.recorder.call_txsync(self.fd)
        self.world.recorder.check()
        return status

    def rxsync(self):
        status = self.recorder.call_rxsync(self.fd)
        self.world.recorder.check()
        return status

    def send(self, *frames, flags=0):
        self.tx.put(*frames, flags=flags)
        return self.txsync()

    def receive(self):
        status = self.rxsync()
        return self.rx.get() if status == 0 else status

    def poll(self, events=IN | OUT, timeout_ns=0):
        ready = self.recorder.call_poll(self.fd, events, timeout_ns)
        self.world.recorder.check()
        return ready

    def unmap(self):
        self.memory = None

    def close(self):
        """Unmaps first: on Linux the module hears of a close when the last mapping is gone."""
        self.unmap()
        status = self.recorder.call_close(self.fd)
        self.fd = -1
        self.world.recorder.check()
        return status


class World:
    """A device with a recorder around it."""

    def __init__(self, device, links=None):
        self.links = links              # who makes NICs and what reaches them: links(event)
        self.entries = []
        self.journal = trace.Journal(self.entries.append)
        self.recorder = Recorder(device, self.journal)
        self.ports = []

    def open(self):
        self.ports.append(Port(self))
        return self.ports[-1]

    def close(self):
        """Closes what the program left open, in the order of opening."""
        for port in self.ports:
            if port.fd >= 0:
                port.close()

    def port(self, name, **fields):
        """A registered and mapped descriptor, which must work."""
        port = self.open()
        status = port.register(name, **fields)
        assert status == 0, f"{name} {fields}: {trace.error_name(status)}"
        return port

    def happens(self, event, **about):
        """Something that is no call: "nic" makes one, "wire" brings it a frame, "host" has the system's own stack send one."""
        self.journal.event(event, **about)
        self.links(self.entries[-1])

    def offsets(self, largest, initial=0, bits=0, tx_align=0, min_gap=0):
        return {"nro_reqtype": 5, "nro_size": 32, "nro_max_offset": largest, "nro_initial_offset": initial, "nro_offset_bits": bits,
                "nro_tx_align": tx_align, "nro_min_gap": min_gap}


TRACES = Path(__file__).parent / "traces"


class StandInLinks:
    """NICs of a stand-in, and what reaches them, from the events of a scenario or trace."""

    def __init__(self, device):
        self.device = device
        self.nics = {}

    def __call__(self, event):
        name = event["nic"]
        if event["event"] == "nic":
            self.nics[name] = self.device.nic(name, tx_slots=event["slots"], rx_slots=event["slots"], emulated=True)
        elif event["event"] == "wire":
            self.nics[name].inject([bytes.fromhex(event["frame"])])
        elif event["event"] == "host":
            self.nics[name].host_send([bytes.fromhex(event["frame"])])
