"""Networks in virtual time: what Python builds and looks at. Frames move without it."""
import numpy

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.sim.digest cimport digest_feed, digest_result, digest_start
from usnet.backends.sim.frames cimport frame_pool_free
from usnet.backends.sim.journal cimport EventLog, happening, journal_free
from usnet.backends.sim.middlebox cimport Middlebox
from usnet.backends.sim.pair cimport Link
from usnet.backends.sim.port cimport OwnRings, SimPort
from usnet.backends.sim.host cimport SimClock, SimHost
from usnet.backends.sim.scheduler cimport Scheduler, keep_failure
from usnet.backends.sim.switch cimport Switch

from collections import namedtuple

from usnet.backends.sim import units
from usnet.backends.sim.journal import CAUSE, HAPPENING, WHAT
from usnet.backends.sim.nat import Nat
from usnet.backends.sim.pair import MODEL
from usnet.backends.sim.resegmenter import Resegmenter

MIDDLEBOXES = {"nat": Nat, "resegment": Resegmenter}
"""Kinds of them, as middlebox() takes them."""

Happening = namedtuple("Happening", [
    "time", "link", "direction", "what", "cause", "number", "length", "queue_packets", "queue_bytes", "altered",
    "frame",
])
"""What a tap is called with: time in ns, Link, 0 (a to b) or 1, "sent", "delivered" or "dropped" (and why), number of
the frame in its direction, its bytes. `altered`: a delivered frame is not what was sent: 1, bits of it were flipped; 2, a middlebox rewrote its
header; 3, both."""


cdef void call_taps(void *owner, const happening *h, const uint8_t *p) noexcept with gil:
    cdef Network net = <Network>owner
    try:
        link, seen = net.by_number[h.link], None
        for tap in net.taps:
            if isinstance(tap, FrameTap):
                (<FrameTap>tap).happens(link, h, p)
                continue
            if seen is None:
                seen = Happening(h.time, link, h.direction, WHAT[h.what], CAUSE[h.cause], h.index, h.length,
                                 h.queue_packets, h.queue_bytes, h.altered, p[:h.length])
            tap(seen)
    except BaseException as e:
        keep_failure(&net.scheduler.s, e)


cdef class FrameTap:
    """Base of taps in native code (Network.tap takes them as it takes functions)."""

    cdef int happens(self, object link, const happening *h, const uint8_t *p) except -1:
        return 0


cdef class Network:
    """Network(seed=0): ports, links and switches in one virtual time that begins at 0 ns.

    The same calls with the same seed give the same run: digest() says so. `seed` is an int from 0 to 2**64 - 1. Nothing
    happens but in run(), step(), or the environment (usnet.lab) that the network belongs to. `rings`: the class of
    what its ports have (usnet.backends.sim.port.Rings).
    """

    def __cinit__(self, seed=0, rings=OwnRings):
        self.rings = rings
        self.scheduler = Scheduler()
        self.clock = SimClock(self.scheduler)
        self.hosts, self.ports, self.links, self.switches, self.middleboxes = {}, {}, {}, {}, {}
        self.by_number = []
        self.taps = []
        self.seed = seed
        self.w.seed = seed
        self.w.s = &self.scheduler.s
        self.w.owner = <void *>self
        digest_start(&self.w.digest, self.w.seed)

    def __dealloc__(self):
        frame_pool_free(&self.w.frames)
        journal_free(&self.w.log)

    # Building

    def host(self, name, granularity="1ns"):
        """A new host: what stands behind ports. Its clock reads multiples of `granularity` (1 ns to 16 ms and beyond,
        below 1 s)."""
        self._new_name(name, self.hosts)
        host = self.hosts[name] = SimHost(self.scheduler, name, units.time(granularity))
        return host

    def port(self, name, mac=None, *, host=None, granularity="1ns", **rings):
        """A new port `sim:NAME`, of `host` (a host or its name; one of the port's own name when None).

        `mac`: 6 bytes or text; when None 02:00 and the number of the port. `rings`: mtu=1500, slots=(256, 512)
        for sending and receiving, or one number for both; buf_size in bytes, as the MTU needs; spares=64 buffers for
        swapping; fifo=0 frames that may wait in the port when the receive ring is full; offload=False: it takes frames with
        partial checksums or of several segments, and finishes them before they reach the link.
        """
        self._new_name(name, self.ports)
        if host is None:
            host = self.host(name, granularity)
        elif isinstance(host, str):
            host = self.hosts[host]
        if (<SimHost?>host).scheduler is not self.scheduler:
            raise ValueError(f"host {host.name} belongs to another network")
        address = (0x020000000001 + len(self.ports)).to_bytes(6, "big") if mac is None else units.mac(mac)
        port = self.ports[name] = SimPort(self, host, name, address, **{"rings": self.rings, **rings})
        (<SimPort>port).e.frames = &self.w.frames
        return port

    def switch(self, name, *, ageing="300s", table=1024):
        """A new learning switch; its ports are the ends of links. It forgets an address `ageing` after it was last
        heard, and knows up to three quarters of `table` (a power of two) of them."""
        self._new_name(name, self.switches)
        switch = self.switches[name] = Switch(self, name, units.time(ageing), table)
        return switch

    def middlebox(self, name, kind, **options):
        """A new middlebox, in the middle of a path: the first link that ends at it is its inside, the second its outside. kind: "nat" (see
        usnet.backends.sim.nat.Nat for its options), "resegment" (usnet.backends.sim.resegmenter.Resegmenter)."""
        self._new_name(name, self.middleboxes)
        if kind not in MIDDLEBOXES:
            raise ValueError(f"{name}: {kind!r} is none of {', '.join(MIDDLEBOXES)}")
        box = self.middleboxes[name] = MIDDLEBOXES[kind](self, name, **options)
        return box

    def link(self, a, b, *, name=None, fates=(), up=None, down=None, **model):
        """A new link between two ports, switches or middleboxes (objects, or their names).

        For both directions, or in the dicts `up` (a to b) and `down` (b to a) for one:
        rate: bits/s or "10Mbit" (0: no limit). delay, jitter: ns or "20ms"; jitter is uniform in [0, jitter] and does
        not reorder unless `reorder=True`. queue: frames that may wait (int), bytes ("64KiB") or {"packets": ...,
        "bytes": ...} (None: no limit). mtu: bytes of the IP packet (0: any); larger frames are dropped. loss,
        duplicate, corrupt: probabilities, each drawn for each frame; corruption flips one bit behind the Ethernet
        header. overhead: bytes added to each frame's time; preamble, check sequence and gap (24 bytes) are not counted
        otherwise. fates: rules of usnet.backends.fates; "a->b" is up.
        """
        a, b = self._end(a), self._end(b)
        if a is b:
            raise ValueError(f"{a.name}: a link has two ends")
        if name is None:
            name = f"{a.name.removeprefix('sim:')}-{b.name.removeprefix('sim:')}"
            if name in self.links:
                name += f"-{len(self.links)}"
        self._new_name(name, self.links)
        for end in (a, b):
            if isinstance(end, SimPort) and (<SimPort>end).e.out != NULL:
                raise ValueError(f"{end.name} has a link already")
        new = Link.__new__(Link, self, len(self.by_number), name, a, b, None, None)
        self.by_number.append(new)          # first: from now on the heap may know it
        model = {**MODEL, **model}
        (<Link>new).start(&self.w, {**model, **(up or {})}, {**model, **(down or {})}, fates, self.seed)
        self.links[name] = new
        return new

    def reset(self, seed):
        """As new, at 0 ns, with another seed and the same hosts, ports, switches and links, these without fates; whatever was to happen will not. No
        environment belongs to it, and nobody taps it. Stacks and their pollers are to be reset before, by who owns them. False: this network cannot
        be used again, and nothing is to be done with it any more."""
        cdef Link link
        cdef SimPort port
        if self.environment is not None and self.environment.running:
            raise RuntimeError("a network cannot be reset by what runs in it")
        if self.w.log.views:
            return False
        for link in self.by_number:
            link.reset()
        self.scheduler.reset()
        self.seed = self.w.seed = seed
        digest_start(&self.w.digest, self.w.seed)
        self.w.log.n, self.w.log.on = 0, False
        self.taps, self.w.tap, self.environment = [], NULL, None
        for switch in self.switches.values():
            (<Switch>switch).reset()
        for box in self.middleboxes.values():
            (<Middlebox>box).reset()
        for host in self.hosts.values():
            host.reset()
        for port in self.ports.values():
            if not port.reset():
                return False
        for link in self.by_number:
            link.show()
        return True

    def join(self, name, **settings):
        """A new port on the switch `name` (made if need be), over a link without limits: what open_port("sim:NAME")
        does. `settings` are those of port()."""
        if not name or "/" in name:
            raise ValueError(f"sim:{name}: a name is missing or has a slash")
        switch = self.switches.get(name) or self.switch(name)
        port = self.port(f"{name}.{switch.ports}", **settings)
        self.link(port, switch)
        return port

    def _new_name(self, name, taken):
        if not isinstance(name, str) or not name:
            raise ValueError(f"{name!r} is not a name")
        if name in taken:
            raise ValueError(f"there is a {name} already")

    def _end(self, end):
        if isinstance(end, str):
            known = {**self.middleboxes, **self.switches, **self.ports}
            if end not in known:
                raise ValueError(f"there is no port, switch or middlebox {end}")
            end = known[end]
        if not isinstance(end, (SimPort, Switch, Middlebox)):
            raise TypeError(f"{end!r} is not a port, switch or middlebox of a network")
        if end.network is not self:
            raise ValueError(f"{end.name} belongs to another network")
        return end

    # Time

    @property
    def now(self):
        """Virtual time, ns."""
        return self.scheduler.s.now

    def peek(self):
        """When the next thing happens, ns; None: nothing is left."""
        return self.scheduler.peek()

    def step(self):
        """Does the next thing: False when nothing is left."""
        self._check_own()
        return self.scheduler.step()

    def run(self, until=None):
        """Runs until nothing is left to do, or up to the time `until` (ns or "1s"), which is then the time; what is due
        at it is left."""
        self._check_own()
        cdef int64_t limit = INT64_MAX if until is None else units.time(until)
        if limit < self.scheduler.s.now:
            raise ValueError(f"{until} has passed: it is {self.now} ns")
        while self.scheduler.run_before(limit):
            pass
        if until is not None:
            self.scheduler.advance(limit)

    def _check_own(self):
        if self.environment is not None:
            raise RuntimeError("the network belongs to an environment: run that")

    def call_at(self, t, function, *args):
        """Calls function(*args) at a time (ns or "1s"). Returns a Call that can be cancelled."""
        return self.scheduler.call_at(units.time(t), function, *args)

    def call_in(self, delay, function, *args):
        """Calls function(*args) in a while (ns or "1s")."""
        return self.scheduler.call_in(units.time(delay), function, *args)

    # Looking

    def tap(self, function):
        """Has `function` called with a Happening for each frame that is sent, delivered or dropped on any link, at
        once. Slow: for captures and tests. Returns the function, for untap()."""
        self.taps.append(function)
        self.w.tap = call_taps
        return function

    def forget_taps(self):
        """Takes all taps away."""
        self.taps, self.w.tap = [], NULL

    def untap(self, function):
        self.taps.remove(function)
        if not self.taps:
            self.w.tap = NULL

    @property
    def logging(self):
        """Whether the event log grows; off at first."""
        return bool(self.w.log.on)

    @logging.setter
    def logging(self, bint on):
        self.w.log.on = on

    def event_log(self):
        """The event log so far as a read-only structured array of dtype usnet.backends.sim.journal.HAPPENING: a view,
        nothing is copied."""
        cdef EventLog log = EventLog.__new__(EventLog)
        log.log = &self.w.log
        log.keep = self
        return numpy.frombuffer(log, HAPPENING) if self.w.log.n else numpy.empty(0, HAPPENING)

    def digest(self):
        """32 hexadecimal digits: a hash of every frame on every wire, with its time, and of all that digest_update()
        was given, in order.

        A fast 128-bit hash of our own (usnet/backends/sim/digest.pxd): tells runs apart, resists no adversary.
        """
        cdef uint64_t a
        cdef uint64_t b
        digest_result(&self.w.digest, &a, &b)
        return f"{a:016x}{b:016x}"

    def digest_update(self, data):
        """Feeds bytes into the digest, with the time: results of calls, say."""
        cdef bytes fed = data if type(data) is bytes else bytes(memoryview(data))
        if len(fed) >= 1 << 32:
            raise ValueError("at most 4 GiB at once")
        digest_feed(&self.w.digest, <uint64_t>self.scheduler.s.now, <uint64_t>1 << 63 | <uint64_t>len(fed), fed, <uint32_t>len(fed))

    def statistics(self):
        """All counters: {"now", "events", "frames_in_flight", "links": {name: {"up", "down"}}, "ports": {name: ...},
        "switches": {name: ...}, "middleboxes": {name: ...}}."""
        return {
            "now": self.now, "events": self.scheduler.executed, "frames_in_flight": self.w.frames.in_flight,
            "links": {name: link.statistics() for name, link in self.links.items()},
            "ports": {name: port.statistics() for name, port in self.ports.items()},
            "switches": {name: switch.statistics() for name, switch in self.switches.items()},
            "middleboxes": {name: box.statistics() for name, box in self.middleboxes.items()},
        }


cdef object _default = None


def default_network():
    """The network of this process that open_port("sim:NAME") opens ports of."""
    global _default
    if _default is None:
        _default = Network()
    return _default


def reset_default_network():
    """Forgets it: the next open_port() begins a new one, at 0 ns."""
    global _default
    _default = None
