"""Controllers written in Python, for experiments: the one place where the core calls Python. A class becomes a controller of its own name; each
connection that has it gets an object of the class. An exception ends the connection with ECONNABORTED, and is kept to be asked for.
"""
from cpython.ref cimport Py_INCREF
from libc.errno cimport ENOSPC
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.tcp.congestion.newreno cimport window_start
from usnet.tcp.congestion.ops cimport (
    CC_FAILED, CC_MOST, CC_PACED, CC_RATE, WINDOW_LIMIT, cc_ack, cc_bring_back, cc_keep, cc_ops, cc_register, cc_state, rate_sample,
)

cdef cc_ops tables[32]          # [CC_MOST]
cdef int count = 0
cdef dict objects = {}          # number of an object: it
cdef uint64_t last = 0
cdef list errors = []
cdef list classes = []
KEPT = 100


class PythonController:
    """What a controller in Python begins with: subclass it, and register it by name.

    The stack sets `now` and `srtt` (ns), `mss`, `cwnd` and `ssthresh` (bytes) before each call, and takes cwnd, ssthresh
    and pacing_rate (bytes a second; 0: not paced) back behind it. cwnd is at least one segment, ssthresh at least two.
    """

    cwnd = ssthresh = mss = now = srtt = pacing_rate = 0
    paced = False               # of the class: whether its connections are paced

    def start(self):
        """The connection starts; cwnd is the initial window."""

    def on_ack(self, acked):
        """So many bytes are acknowledged outside recovery, and cwnd is what holds the sender back."""

    def on_loss(self, flight):
        """So many bytes were out when one was found to be lost: a new episode."""
        self.ssthresh = self.cwnd = max(flight // 2, 2 * self.mss)

    def on_ecn(self, flight):
        """Routers mark: a new episode."""
        self.on_loss(flight)

    def on_recovered(self):
        """The episode is over."""

    def on_rto(self, flight, again):
        """A timeout; `again`: of the same segment."""
        if not again:
            self.ssthresh = max(flight // 2, 2 * self.mss)
        self.cwnd = self.mss

    def on_idle(self):
        """Nothing was sent for longer than a timeout."""

    def on_rate(self, sample):
        """Every ACK, as a dict (struct rate_sample of ops.pxd): only where the class has this method."""


cdef void fail(cc_state *cc, object error) noexcept:
    cc.wants |= CC_FAILED
    errors.append(error)
    del errors[:-KEPT]


cdef void bring(cc_state *cc, object own, int64_t now, int64_t srtt) except *:
    own.cwnd, own.ssthresh, own.mss = cc.cwnd, cc.ssthresh, cc.mss
    if now:
        own.now = now
    if srtt:
        own.srtt = srtt


cdef void take(cc_state *cc, object own) except *:
    cdef int64_t cwnd = own.cwnd, ssthresh = own.ssthresh
    cwnd = cc.mss if cwnd < cc.mss else cwnd
    ssthresh = 2 * cc.mss if ssthresh < 2 * cc.mss else ssthresh
    cc.cwnd = <uint32_t>(cwnd if cwnd < WINDOW_LIMIT else WINDOW_LIMIT)
    cc.ssthresh = <uint32_t>(ssthresh if ssthresh < WINDOW_LIMIT else WINDOW_LIMIT)
    cc.pacing_rate = own.pacing_rate


cdef void call(cc_state *cc, str name, tuple arguments, int64_t now, int64_t srtt) noexcept:
    if cc.wants & CC_FAILED:
        return
    try:
        own = objects[cc.priv[0]]
        bring(cc, own, now, srtt)
        getattr(own, name)(*arguments)
        take(cc, own)
    except BaseException as error:
        fail(cc, error)


cdef void make(cc_state *cc) noexcept:
    """cc.priv[1]: 1 + the number of the class; cc.priv[0]: of the object."""
    global last
    last += 1
    cc.priv[0] = last
    try:
        objects[last] = classes[cc.priv[1] - 1]()
    except BaseException as error:
        fail(cc, error)


cdef void on_mss(cc_state *cc, uint32_t mss) noexcept nogil:
    cc.mss = mss


cdef void on_ack(cc_state *cc, const cc_ack *a) noexcept with gil:
    call(cc, "on_ack", (a.acked,), a.now, a.srtt)


cdef void on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept with gil:
    cc_keep(cc)
    call(cc, "on_loss", (flight,), now, 0)


cdef void on_dupack(cc_state *cc) noexcept nogil:
    pass


cdef void on_partial_ack(cc_state *cc, uint32_t acked) noexcept nogil:
    pass


cdef void on_recovered(cc_state *cc, uint32_t flight) noexcept with gil:
    call(cc, "on_recovered", (), 0, 0)


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept with gil:
    cdef uint32_t cwnd = cc.cwnd
    on_loss(cc, flight, now)
    cc.cwnd = cwnd
    return cc.ssthresh


cdef void on_ecn(cc_state *cc, uint32_t flight, int64_t now) noexcept with gil:
    cc_keep(cc)
    call(cc, "on_ecn", (flight,), now, 0)


cdef void on_undo(cc_state *cc) noexcept nogil:
    cc_bring_back(cc)


cdef void on_rto(cc_state *cc, uint32_t flight, bint again) noexcept with gil:
    cc_keep(cc)
    call(cc, "on_rto", (flight, bool(again)), 0, 0)


cdef void on_idle(cc_state *cc) noexcept with gil:
    call(cc, "on_idle", (), 0, 0)


cdef void on_rate(cc_state *cc, const rate_sample *s) noexcept with gil:
    told = {
        "now": s.now, "interval": s.interval, "rtt": s.rtt, "srtt": s.srtt, "total": s.total, "prior_delivered": s.prior_delivered,
        "delivered": s.delivered, "acked": s.acked, "lost": s.lost, "ce": s.ce, "prior_in_flight": s.prior_in_flight, "in_flight": s.in_flight,
        "app_limited": bool(s.app_limited), "recovery": bool(s.recovery),
    }
    call(cc, "on_rate", (told,), s.now, s.srtt)


cdef void stop(cc_state *cc) noexcept with gil:
    objects.pop(cc.priv[0], None)


cdef void begin(cc_state *cc) noexcept with gil:
    make(cc)
    call(cc, "start", (), 0, 0)


cdef void start(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil:
    window_start(cc, mss, syn_lost)
    cc.priv[1] = cc.number
    begin(cc)


cdef void adopt(cc_state *cc) noexcept nogil:
    cc.priv[1] = cc.number
    begin(cc)


def register(str name not None, controller not None):
    """Makes a subclass of PythonController (or anything with its methods) the controller of that name, in this process, for good. ValueError where the
    name is taken or cannot be one."""
    global count
    cdef cc_ops *ops
    cdef bytes encoded = name.encode()
    if count == CC_MOST:
        raise OSError(ENOSPC, "there are too many congestion controllers")
    ops = &tables[count]
    memset(ops, 0, sizeof(cc_ops))
    Py_INCREF(encoded)                      # the table points to it, for good
    ops.name = encoded
    ops.number = <uint8_t>(count + 1)
    ops.wants = CC_PACED if getattr(controller, "paced", False) else 0
    ops.start, ops.adopt, ops.stop, ops.on_mss, ops.on_ack = start, adopt, stop, on_mss, on_ack
    ops.on_loss = ops.on_sack_loss = on_loss
    ops.on_dupack, ops.on_partial_ack = on_dupack, on_partial_ack
    ops.on_recovered = ops.on_sack_recovered = on_recovered
    ops.ssthresh, ops.on_ecn, ops.on_undo, ops.on_rto, ops.on_idle = ssthresh, on_ecn, on_undo, on_rto, on_idle
    if getattr(controller, "on_rate", None) is not PythonController.on_rate and hasattr(controller, "on_rate"):
        ops.wants |= CC_RATE
        ops.on_rate = on_rate
    if cc_register(ops) < 0:
        raise ValueError(f"{name!r} is no name for a congestion controller, or is taken")
    classes.append(controller)
    count += 1


def failures():
    """The exceptions by which controllers ended their connections, the newest last, and forgets them."""
    found = list(errors)
    errors.clear()
    return found
