"""The loop of the environment, without Python between its two kinds of events."""
import operator
from heapq import heappush

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int64_t

from usnet.backends.sim.scheduler cimport Scheduler, sched_run

from simpy.events import NORMAL as simpy_normal

cdef enum:
    NORMAL = 1                  # as SimPy has it

cdef object FOREVER = INT64_MAX

assert simpy_normal == NORMAL


def schedule(self, event, priority=NORMAL, delay=0):
    """Schedules an event `delay` ns from now."""
    cdef Scheduler scheduler = self._scheduler
    if type(delay) is not int:
        try:
            delay = operator.index(delay)
        except TypeError:
            raise TypeError(f"delays are int nanoseconds, not {delay!r}") from None
    heappush(self._queue, (scheduler.s.now + delay, priority, next(self._eid), event))


cdef int64_t limit(list queue) except -1:
    """Up to when the network may run before SimPy's next event."""
    cdef tuple first
    if not queue:
        return INT64_MAX
    first = queue[0]
    if first[0] >= FOREVER:
        return INT64_MAX
    return first[0] if first[1] < NORMAL else first[0] + 1


def network_limit(list queue not None):
    """The same, for who goes step by step."""
    return limit(queue)


def drive(Scheduler scheduler not None, list queue not None, process):
    """Runs the network up to SimPy's next event, and process(), which is that event, in turn, until one of them raises."""
    cdef int64_t until
    cdef bint more
    while True:
        more = True
        while more:
            until = limit(queue)
            with nogil:
                more = sched_run(&scheduler.s, until) != 0
            PyErr_CheckSignals()
            scheduler.check()
        process()
