"""Alarms, clocks and hosts as Python sees them; what they do without it is in the scheduler."""
from usnet.backends.sim.scheduler cimport (
    HOST_OFF, HOST_RUNS, HOST_STALLED, Scheduler, alarm_free, alarm_new, alarm_set, host_arm, host_touch, keep_failure,
)


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
    return clock_floor((<SimClock>self_).s.now, (<SimClock>self_).granularity)


cdef class SimClock(Clock):
    def __init__(self, Scheduler of not None, granularity=1):
        if not 1 <= granularity <= 1_000_000_000:
            raise ValueError(f"granularity of {granularity} ns: from 1 ns to 1 s")
        self.scheduler = of
        self.granularity = granularity
        self.s = &of.s
        self.self_ = <void *>self
        self.read = read_sim_clock


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
        self.listeners = []
        self.h.s = &of.s
        self.h.granularity = granularity
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
        """As new, with the same functions: it runs, and is due. Where a host of the network listens, it listens on."""
        self.h.state = HOST_RUNS
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
        return clock_ceil(deadline, self.h.granularity)

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
