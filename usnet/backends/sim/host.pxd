"""Alarms, clocks and hosts: the classes that own what the scheduler works on."""
from libc.stdint cimport INT64_MAX, int64_t

from usnet.backends.clock cimport Clock
from usnet.backends.sim.clocks cimport sim_clock
from usnet.backends.sim.scheduler cimport (
    Scheduler, alarm, host, host_news, host_run, scheduler,
)


cdef class Alarm:
    """A time at which `callback(now)` is called once; set it anew as often as needed."""
    cdef Scheduler scheduler
    cdef alarm *a
    cdef public object callback


cdef class SimClock(Clock):
    """Virtual time, rounded down to `granularity` ns; or what its host has made of it."""
    cdef Scheduler scheduler
    cdef scheduler *s
    cdef sim_clock own
    cdef sim_clock *c           # its own, or its host's


cdef class SimHost:
    """Whoever sits behind one or more ports: a stack, or a Python function."""
    cdef host h
    cdef readonly Scheduler scheduler
    cdef readonly str name
    cdef readonly SimClock clock
    cdef public object callback     # called as callback(now) when the host has news; None: nobody
    cdef object keep                # whatever the run and news functions need alive
    cdef list listeners             # further functions to call, in order
    cdef list clock_listeners       # to call when its clock has been set
    cdef void attach(self, host_run run, void *ctx, host_news news, void *news_ctx, object keep)
