"""Links in Python: their models, changes at run time, counters."""
from usnet.backends.fates cimport Fates
from usnet.backends.ring cimport LINK_DOWN, LINK_UP
from usnet.backends.sim.link cimport (
    chance, link_dir_free, link_dir_init, link_dir_reset, link_set_rate, link_set_up, link_update_queue,
)
from usnet.backends.sim.port cimport SimPort, port_deliver
from usnet.backends.sim.switch cimport Switch, switch_accept, switch_forward

from usnet.backends.sim import units
from usnet.backends.sim.journal import CAUSE

MODEL = {
    "rate": 0, "delay": 0, "jitter": 0, "queue": None, "mtu": 0, "overhead": 0,
    "loss": 0, "duplicate": 0, "corrupt": 0, "reorder": False,
}
"""What a direction of a link can be told, and what holds when it is not."""

cdef object NO_LIMIT = (1 << 64) - 1


cdef int set_chance(chance *c, value) except -1:
    p = units.probability(value)
    c.always = p == 1
    c.below = 0 if c.always else int(p * (1 << 64))
    return 0


cdef class Direction:
    """One direction of a link. Its attributes are those of Network.link(); they can be changed at any time.

    A new rate holds for frames whose transmission has not begun, anything else for those that are sent from now on.
    """

    def __dealloc__(self):
        link_dir_free(&self.d)

    def change(self, **settings):
        """Sets several attributes at once; none when one of them is wrong (ValueError)."""
        unknown = set(settings) - set(MODEL)
        if unknown:
            raise ValueError(f"a link has no {', '.join(sorted(unknown))} (but {', '.join(MODEL)})")
        was = dict(self.model)
        try:
            for key, value in settings.items():
                self._set(key, value)
        except BaseException:
            for key, value in was.items():
                self._set(key, value)
            raise

    def _set(self, key, value):
        cdef link_dir *d = &self.d
        if key == "rate":
            value = units.rate(value)
            if value != self.model.get("rate"):
                link_set_rate(d, value)
        elif key == "delay":
            value = d.delay = units.time(value)
        elif key == "jitter":
            value = d.jitter = units.time(value)
        elif key == "queue":
            packets, octets = units.queue(value)
            d.limit_packets = NO_LIMIT if packets is None else packets
            d.limit_bytes = NO_LIMIT if octets is None else octets
        elif key == "mtu":
            value = d.mtu = 0 if value is None else units.size(value)
        elif key == "overhead":
            if not -14 <= value <= 1000:
                raise ValueError(f"overhead of {value} bytes a frame: from -14 to 1000")
            d.overhead = value
        elif key == "loss":
            set_chance(&d.loss, value)
        elif key == "duplicate":
            set_chance(&d.duplicate, value)
        elif key == "corrupt":
            set_chance(&d.corrupt, value)
        else:
            value = d.reorder = bool(value)
        self.model[key] = value

    @property
    def settings(self):
        """All attributes of MODEL, as they are."""
        return dict(self.model)

    def __getattr__(self, key):
        if key in MODEL:
            return self.model[key]
        raise AttributeError(key)

    def __setattr__(self, key, value):
        if key not in MODEL:
            raise AttributeError(key)
        self.change(**{key: value})

    @property
    def queue_packets(self):
        """Frames that wait now, the one that is being transmitted not counted."""
        link_update_queue(&self.d)
        return self.d.queue_packets

    @property
    def queue_bytes(self):
        link_update_queue(&self.d)
        return self.d.queue_bytes

    @property
    def busy(self):
        """Whether a frame is being transmitted."""
        return self.d.busy_until > self.d.w.s.now

    def statistics(self):
        """The counters of `link_counters`, as a dict; `dropped` is a dict by cause."""
        counters = dict(self.d.n)
        counters["dropped"] = {CAUSE[i]: counters["dropped"][i] for i in range(1, len(CAUSE))}
        return counters


cdef class Link:
    """A link of a Network, made by Network.link(). `up` is the direction from a to b, `down` the other.

    unplug() and plug() take both directions down and up: what is queued or under way is lost (counted as "down" when it
    would have arrived), and the ports at the ends see their link go.
    """

    def __cinit__(self, network, int number, str name, a, b, up, down):
        self.network = network
        self.number = number
        self.name = name
        self.a = a
        self.b = b
        self.up = Direction.__new__(Direction)
        self.down = Direction.__new__(Direction)

    cdef int start(self, world *w, dict up, dict down, rules, object seed) except -1:
        cdef Direction way
        for number, way, model in ((0, self.up, up), (1, self.down, down)):
            if link_dir_init(&way.d, w, self.number, number) < 0:
                raise MemoryError
            way.keep = self.network
            way.model = {}
            way.change(**model)
        self.set_fates(rules, seed)
        self.connect(self.a, self.up, self.down)
        self.connect(self.b, self.down, self.up)
        return self.show()

    cdef int reset(self) except -1:
        """As new, without fates and with the same model; the ports' links are shown anew (show())."""
        link_dir_reset(&self.up.d)
        link_dir_reset(&self.down.d)
        self.set_fates(())
        return 0

    def set_fates(self, rules, seed=0):
        """Other fates (usnet.backends.fates) from now on, which count frames from 1."""
        self.rules = Fates(rules, seed, self.number) if rules else None
        self.up.d.fates = &self.rules.s if rules else NULL
        self.down.d.fates = self.up.d.fates

    @property
    def fates(self):
        """The Fates that decide, or None."""
        return self.rules

    cdef int connect(self, object end, Direction out, Direction back) except -1:
        """Makes `end` send into `out` and receive from `back`."""
        cdef SimPort port
        cdef Switch switch
        if isinstance(end, SimPort):
            port = end
            if port.e.out != NULL:
                raise ValueError(f"{port.name} has a link already")
            port.e.out = &out.d
            back.d.sink = port_deliver
            back.d.sink_ctx = &port.e
        else:
            switch = <Switch?>end
            back.d.sink = switch_accept
            back.d.go_on = switch_forward
            back.d.sink_ctx = &switch.w
            back.d.sink_number = switch.add_port(&out.d)
        return 0

    cdef int show(self) except -1:
        """Tells the ports whether there is a link."""
        for end in (self.a, self.b):
            if isinstance(end, SimPort):
                (<SimPort>end).set_link(LINK_UP if self.plugged else LINK_DOWN)
        return 0

    @property
    def plugged(self):
        return bool(self.up.d.up and self.down.d.up)

    def unplug(self):
        link_set_up(&self.up.d, False)
        link_set_up(&self.down.d, False)
        self.show()

    def plug(self):
        link_set_up(&self.up.d, True)
        link_set_up(&self.down.d, True)
        self.show()

    def change(self, **settings):
        """Sets attributes of both directions."""
        self.up.change(**settings)
        self.down.change(**settings)

    def statistics(self):
        return {"up": self.up.statistics(), "down": self.down.statistics()}

    def __repr__(self):
        return f"<Link {self.name}>"
