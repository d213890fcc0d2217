"""Links in Python: their models, changes at run time, counters."""
from usnet.backends.fates cimport Fates
from usnet.backends.ring cimport LINK_DOWN, LINK_UP
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from usnet.backends.sim.bursts cimport BURSTS_GE, BURSTS_MARKOV, BURSTS_NONE
from usnet.backends.sim.link cimport chance, link_dir_free, link_dir_init, link_dir_reset, link_update_queue
from usnet.backends.sim.link_change cimport link_set_rate, link_set_up
from usnet.backends.sim.port cimport SimPort, port_deliver
from usnet.backends.sim.shaper cimport Shaper
from usnet.backends.sim.middlebox cimport Middlebox, middlebox_accept
from usnet.backends.sim.switch cimport Switch, switch_accept, switch_forward

from usnet.backends.sim import models, units
from usnet.backends.sim.journal import CAUSE

MODEL = {
    "rate": 0, "delay": 0, "jitter": 0, "queue": None, "mtu": 0, "overhead": 0,
    "loss": 0, "duplicate": 0, "corrupt": 0, "reorder": False, "trace": None,
}
"""What a direction of a link can be told, and what holds when it is not."""

cdef list CHANCES_OF_FOUR = ["p13", "p31", "p32", "p23", "p14"]


cdef int set_chance(chance *c, value) except -1:
    p = units.probability(value)
    c.always = p == 1
    c.below = 0 if c.always else int(p * (1 << 64))
    return 0


cdef class Direction:
    """One direction of a link. Its attributes are those of Network.link(); they can be changed at any time.

    A new rate holds for frames whose transmission has not begun, anything else for those that are sent from now on.
    """

    def __cinit__(self):
        self.wanted = {}

    def __dealloc__(self):
        link_dir_free(&self.d)
        free(self.around.values)

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
            self._set_jitter(models.jitter(value))
        elif key == "queue":
            self._set_queue(models.queue(value))
        elif key == "trace":
            value = models.trace(value)
            self._shape(trace=value)
            if self.shaper is not None:
                self.shaper.set_trace([ms * 1000000 for ms in value], max(value, default=0) * 1000000, models.OCTETS)
        elif key == "mtu":
            value = d.mtu = 0 if value is None else units.size(value)
        elif key == "overhead":
            if not -14 <= value <= 1000:
                raise ValueError(f"overhead of {value} bytes a frame: from -14 to 1000")
            d.overhead = value
        elif key == "loss":
            self._set_loss(models.loss(value))
        elif key == "duplicate":
            set_chance(&d.duplicate, value)
        elif key == "corrupt":
            set_chance(&d.corrupt, value)
        else:
            value = d.reorder = bool(value)
        self.model[key] = value

    def _shape(self, **changed):
        """The long way when one of its settings asks for it; what the last one of them asked for is still to be told."""
        self.wanted.update(changed)
        if self.shaper is None and any(self.wanted.values()):
            self.shaper = Shaper.__new__(Shaper)
            self.shaper.attach(&self.d, self.keep)
            self.shaper.set_queue(models.queue(self.model.get("queue")))
        elif self.shaper is not None and not any(self.wanted.values()):
            self.shaper.detach()
            self.shaper = None

    def _set_queue(self, queue):
        self.d.limit_packets, self.d.limit_bytes = queue["packets"], queue["bytes"]
        self._shape(queue=queue["kind"] != "droptail")
        if self.shaper is not None:
            self.shaper.set_queue(queue)

    def _set_loss(self, value):
        kind = value["kind"] if isinstance(value, dict) else None
        self._shape(loss=kind is not None)
        set_chance(&self.d.loss, 0 if kind else value)
        if kind is None:
            if self.shaper is not None:
                self.shaper.set_losses(BURSTS_NONE, [])
            return
        if kind == "gilbert-elliott":
            kind, chances = BURSTS_GE, [value["p"], value["r"], 1 - value["k"], 1 - value["h"]]
        else:
            kind, chances = BURSTS_MARKOV, [value[key] for key in CHANCES_OF_FOUR]
        self.shaper.set_losses(kind, [int(part * (1 << 64)) for part in chances])

    def _set_jitter(self, value):
        cdef int64_t *values = NULL
        cdef Py_ssize_t i
        free(self.around.values)
        self.around.values = NULL
        self.d.spread = NULL
        self.d.jitter = 1 if isinstance(value, dict) else value
        if not isinstance(value, dict):
            return
        self.around.kind = models.JITTERS.index(value["kind"]) + 1
        self.around.spread = value.get("spread", 0)
        self.around.n = len(value.get("values", ()))
        if self.around.n:
            values = <int64_t *>malloc(self.around.n * sizeof(int64_t))
            if values == NULL:
                raise MemoryError
            for i in range(self.around.n):
                values[i] = value["values"][i]
        self.around.values = values
        self.d.spread = &self.around

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
        return self.d.queue_packets if self.d.q == NULL else self.d.q.packets

    @property
    def queue_bytes(self):
        link_update_queue(&self.d)
        return self.d.queue_bytes if self.d.q == NULL else self.d.q.bytes

    @property
    def busy(self):
        """Whether a frame is being transmitted."""
        return self.d.busy_until > self.d.w.s.now

    def forget_queue_statistics(self):
        """What `queue` of statistics() counts is counted from now on; nothing on the short way."""
        if self.shaper is not None:
            self.shaper.forget_statistics()

    def statistics(self):
        """The counters of `link_counters`, as a dict; `dropped` is a dict by cause. On the long way `queue` is what Shaper.statistics() tells."""
        counters = dict(self.d.n)
        counters["dropped"] = {CAUSE[i]: counters["dropped"][i] for i in range(1, len(CAUSE))}
        if self.shaper is not None:
            counters["queue"] = self.shaper.statistics()
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
        for way in (self.up, self.down):
            link_dir_reset(&(<Direction>way).d)
            if (<Direction>way).shaper is not None:
                (<Direction>way).shaper.reset()
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
        cdef Middlebox box
        if isinstance(end, SimPort):
            port = end
            if port.e.out != NULL:
                raise ValueError(f"{port.name} has a link already")
            port.e.out = &out.d
            back.d.sink = port_deliver
            back.d.sink_ctx = &port.e
        elif isinstance(end, Middlebox):
            box = end
            back.d.sink_number = box.add_port(&out.d)
            back.d.sink = middlebox_accept
            back.d.go_on = box.go_on
            back.d.sink_ctx = box.ctx
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
