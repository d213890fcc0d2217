"""Alarms, clocks and hosts as Python sees them; what they do without it is in the scheduler."""
from usnet.backends.sim.clocks cimport MOST_DRIFT, clock_exact, clock_instant, clock_reading, clock_set
from usnet.backends.sim.scheduler cimport (
    HOST_OFF, HOST_RUNS, HOST_STALLED, Scheduler, alarm_free, alarm_new, alarm_set, host_arm, host_touch, keep_failure,
)

from usnet.backends.sim import units


cdef void ring_alarm(void *ctx, int64_t now) noexcept with gil:
    cdef Alarm self = <Alarm>ctx
    self.scheduler.s.interrupted = True
    try:
        self.callback(now)
    except BaseException as e:
        keep_failure(&self.scheduler.s, e)


cdef class Alarm:
    def __cinit__(self, Scheduler of not None, callback):
        self.scheduler = of
        self.callback = callback
        self.a = alarm_new(&of.s, ring_alarm, <void *>self)
        if self.a == NULL:
            raise MemoryError

    def __dealloc__(self):
        alarm_free(self.a)

    def set(self, int64_t t):
        """Goes off at t ns (now when that has passed), and not at the time set before."""
        alarm_set(&self.scheduler.s, self.a, t)
        self.scheduler.check()

    def clear(self):
        alarm_set(&self.scheduler.s, self.a, INT64_MAX)

    @property
    def time(self):
        """When it goes off, ns; None: never."""
        return None if self.a.t == INT64_MAX else self.a.t


cdef int64_t read_sim_clock(void *self_) noexcept nogil:
    return clock_reading((<SimClock>self_).c, (<SimClock>self_).s.now)


cdef class SimClock(Clock):
    def __init__(self, Scheduler of not None, granularity=1):
        if not 1 <= granularity <= 1_000_000_000:
            raise ValueError(f"granularity of {granularity} ns: from 1 ns to 1 s")
        self.scheduler = of
        self.own.granularity = granularity
        self.c = &self.own
        self.s = &of.s
        self.self_ = <void *>self
        self.read = read_sim_clock

    @property
    def granularity(self):
        """ns."""
        return self.c.granularity

    @property
    def drift(self):
        """ns that it gains each second."""
        return self.c.drift


cdef void tell_host(void *callback, int64_t now) noexcept with gil:
    cdef SimHost owner = <SimHost>callback
    try:
        if owner.callback is not None:
            owner.callback(now)
        for listener in owner.listeners:
            listener(now)
    except BaseException as e:
        keep_failure(owner.h.s, e)


cdef void host_wakes(void *ctx, int64_t now) noexcept nogil:
    host_touch(<host *>ctx)


cdef class SimHost:
    def __cinit__(self, Scheduler of not None, str name, granularity=1):
        self.scheduler = of
        self.name = name
        self.clock = SimClock(of, granularity)
        self.listeners, self.clock_listeners = [], []
        self.h.s = &of.s
        self.h.deadline = INT64_MAX
        self.h.clock.granularity = granularity
        self.clock.c = &self.h.clock        # which stands as long as the scheduler, and so the clock, does
        self.h.callback = <void *>self
        self.h.tell = tell_host
        self.h.wake = alarm_new(&of.s, host_wakes, &self.h)
        if self.h.wake == NULL:
            raise MemoryError
        of.hosts.append(self)        # the heap points at it

    def __dealloc__(self):
        alarm_free(self.h.wake)

    cdef void attach(self, host_run run, void *ctx, host_news news, void *news_ctx, object keep):
        """Gives the host its functions (either may be NULL) and runs it once, at this instant, for its first
        deadline."""
        self.h.run = run
        self.h.run_ctx = ctx
        self.h.news = news
        self.h.news_ctx = news_ctx
        self.keep = keep
        host_touch(&self.h)

    def reset(self):
        """As new, with the same functions: it runs, and is due. Where a host of the network listens, it listens on. Its clock is virtual time."""
        self.h.state = HOST_RUNS
        self.h.clock.apart = False
        self.h.clock.drift = 0
        self.h.runs = 0
        host_touch(&self.h)

    def touch(self):
        """Has the host run at this instant: after calls that may have left it something to do."""
        host_touch(&self.h)

    def wake_at(self, int64_t deadline):
        """The host's next deadline, ns of its clock (2**63 - 1: none), in place of the one it returned."""
        host_arm(&self.h, deadline)

    def instant(self, int64_t deadline):
        """The virtual time at which the host's clock first reads `deadline` or more, ns."""
        return clock_instant(&self.h.clock, deadline)

    def set_clock(self, jump="0ns", drift=None):
        """From this instant on its clock is `jump` (ns or "1h", not below 0: it is a monotonic clock) ahead of what it would have read, and gains
        `drift` parts in a million (None: as before). What its deadlines mean in virtual time follows."""
        cdef int64_t gain = units.time(jump)
        cdef int64_t gained = self.h.clock.drift if drift is None else round(drift * 1000)
        if clock_exact(&self.h.clock, self.scheduler.s.now) > INT64_MAX // 4 - gain:
            raise ValueError(f"a jump of {jump}: a clock reads 73 years at most")
        if not -MOST_DRIFT <= gained <= MOST_DRIFT:
            raise ValueError(f"a drift of {drift} parts in a million: from {-MOST_DRIFT // 1000} to {MOST_DRIFT // 1000}")
        clock_set(&self.h.clock, self.scheduler.s.now, gain, gained)
        host_arm(&self.h, self.h.deadline)
        self.scheduler.check()
        for listener in self.clock_listeners:
            listener()

    def add_clock_listener(self, function):
        """Has function() called when the clock was set: who waits for a time of it looks again."""
        self.clock_listeners.append(function)

    def remove_clock_listener(self, function):
        self.clock_listeners.remove(function)

    def add_listener(self, function):
        """Has function(now) called as well when there is news."""
        self.listeners.append(function)

    def remove_listener(self, function):
        self.listeners.remove(function)

    def stall(self):
        """It does not run any more, and its rings stand still: what it sends stays in them, what arrives fills them, and then is lost."""
        self.h.state = HOST_STALLED

    def switch_off(self):
        """It does not run any more; what arrives is lost (as with a link that is down), what it had to send is never sent."""
        self.h.state = HOST_OFF
        host_arm(&self.h, INT64_MAX)

    def resume(self):
        """It runs again, from this instant on."""
        if self.h.state != HOST_RUNS:
            self.h.state = HOST_RUNS
            host_touch(&self.h)

    @property
    def is_off(self):
        return self.h.state == HOST_OFF

    @property
    def is_stalled(self):
        return self.h.state == HOST_STALLED

    @property
    def native(self):
        """True when the host runs without Python."""
        return self.h.run != NULL

    @property
    def runs(self):
        return self.h.runs
