"""Virtual time: a heap of events in plain C memory, run without the GIL.

The order of a run is total. Events run by (t, order): by time, then in the order in which they were put in. A host that has something to do is
due, not scheduled: when no event is left at an instant, the due hosts run, each once, in the order in which they became due, so that frames that
arrive together are one burst. What a host sends without delay is an event of the same instant and runs next.

An alarm is a time that moves: set again for each acknowledgement, say. It keeps at most a few events in the heap, and one that is out of date is
dropped unseen, without letting time pass. Its place among ties is that of the moment when it was last set to another time.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from usnet.backends.sim.clocks cimport clock_instant, clock_reading, sim_clock

ctypedef void (*event_handler)(void *ctx, uint64_t arg, int64_t now) noexcept nogil
ctypedef void (*alarm_handler)(void *ctx, int64_t now) noexcept nogil
# A host: everything that it can do at `now` (a reading of its clock); returns its next deadline in ns of that clock, INT64_MAX for none.
ctypedef int64_t (*host_run)(void *ctx, int64_t now) noexcept nogil
# Whether the host has something to tell its applications.
ctypedef bint (*host_news)(void *ctx) noexcept nogil
ctypedef void (*host_tell)(void *callback, int64_t now) noexcept nogil
# Looks at everything behind each event and each run of a host, and changes nothing.
ctypedef void (*sched_watch)(void *ctx, int64_t now) noexcept nogil

cdef enum:
    KIND_PYTHON = 0         # arg: slot of a Python callback
    KIND_ALARM = 1          # arg: the alarm
    KIND_FIRST = 2          # the first that can be registered
    BATCH = 1 << 20         # things done without a look at signals
    INSTANT_LIMIT = 20000000

cdef struct event:          # 32 bytes
    int64_t t               # ns
    uint64_t order          # by insertion
    uint64_t arg
    uint32_t kind

# Whether an event at the head of the heap stands for nothing any more. It is then taken away and handed to `dropped`, and no time passes.
ctypedef bint (*event_stale)(void *ctx, const event *e) noexcept nogil
ctypedef void (*event_dropped)(void *ctx, const event *e) noexcept nogil

cdef struct event_kind:
    event_handler handler
    event_stale stale       # NULL: never
    event_dropped dropped
    void *ctx
    bint takes              # the handler takes its event out of the heap itself, before all else, by sched_pop() or sched_replace()

cdef struct alarm:
    alarm_handler handler
    void *ctx
    int64_t t               # ns: when it goes off; INT64_MAX: never
    uint64_t order          # place among ties
    int64_t armed_t         # of the event in the heap that stands for it; INT64_MAX: none
    uint64_t armed_order
    uint32_t events         # in the heap, out-of-date ones included
    bint dead               # freed with its last event

cdef enum:
    # host.state
    HOST_RUNS = 0
    HOST_STALLED = 1            # it does not run, and its rings stand still; what arrives fills them
    HOST_OFF = 2                # it does not run, takes nothing and sends nothing

cdef struct host:
    scheduler *s
    alarm *wake
    host_run run            # NULL: a host that lives in Python; its callback is all it has
    void *run_ctx
    host_news news          # NULL: always, after a run
    void *news_ctx
    host_tell tell          # tells it; runs Python
    void *callback          # the SimHost, passed to `tell`; NULL: nobody wants to know
    sim_clock clock
    int64_t deadline        # ns of that clock: its next one; INT64_MAX: none
    int state
    bint due
    host *next_due
    uint64_t runs

cdef struct scheduler:
    event *heap
    size_t n
    size_t room
    event_kind *kinds
    uint32_t n_kinds
    uint32_t room_kinds
    int64_t now             # ns
    uint64_t next_order
    uint64_t executed       # events and host runs
    host *due_first
    host *due_last
    bint interrupted        # Python ran: the loop goes back to its caller, who looks whether anything else comes first now
    int error               # 0; ENOMEM: an event was lost and the run is void; ELOOP: so many things at one instant that it will not end
    uint64_t at_instant     # things done since time last passed
    uint64_t instant_limit  # of them
    host *last_run          # the host that ran last
    sched_watch watch       # NULL: nobody
    void *watch_ctx
    void *owner             # the Scheduler

# What a Python callback raised, for the run to raise.
cdef void keep_failure(scheduler *s, object e) noexcept
cdef int sched_push(scheduler *s, int64_t t, uint32_t kind, uint64_t arg) noexcept nogil
# The same in two steps, for what knows already what comes behind what: the place among ties is taken when it becomes known, and the event
# is put in with it when nothing of its own comes before it any more. A long row of such costs one event in the heap.
cdef int sched_push_at(scheduler *s, int64_t t, uint64_t order, uint32_t kind, uint64_t arg) noexcept nogil
# Kind number, or -ENOMEM.
cdef int sched_register(scheduler *s, event_handler handler, event_stale stale, event_dropped dropped, void *ctx) noexcept nogil
# Time of the next thing to do (an event that is not out of date, or `now` while a host is due); INT64_MAX: nothing.
cdef int64_t sched_peek(scheduler *s) noexcept nogil
# Does one thing at a time before `limit` (which is not included): 1, or 0 when there was none.
cdef int sched_step(scheduler *s, int64_t limit) noexcept nogil
# Does all there is to do before `limit`, until Python has run or a million things are done: the number of things done.
cdef uint64_t sched_run(scheduler *s, int64_t limit) noexcept nogil

cdef alarm *alarm_new(scheduler *s, alarm_handler handler, void *ctx) noexcept nogil
cdef void alarm_set(scheduler *s, alarm *a, int64_t t) noexcept nogil
cdef void alarm_free(alarm *a) noexcept nogil

# The host runs at this instant, once, however often this is called.
cdef void host_touch(host *h) noexcept nogil
# The host's next deadline, in ns of its own clock, after calls that changed it.
cdef void host_arm(host *h, int64_t deadline) noexcept nogil


# The first event goes, and another comes: cheaper than one after the other.
cdef void sched_pop(scheduler *s) noexcept nogil
cdef void sched_replace(scheduler *s, int64_t t, uint64_t order, uint32_t kind, uint64_t arg) noexcept nogil


cdef inline uint64_t sched_place(scheduler *s) noexcept nogil:
    """The next place among ties, for sched_push_at()."""
    s.next_order += 1
    return s.next_order - 1


cdef inline int64_t host_clock(host *h) noexcept nogil:
    """What the host's clock reads."""
    return clock_reading(&h.clock, h.s.now)


cdef class Scheduler:
    cdef scheduler s
    cdef list calls             # slot -> (function, arguments), None when cancelled
    cdef list free_calls
    cdef list hosts             # kept alive
    cdef object failure         # what a Python callback raised, until it is raised in the run
    cdef object call_later(self, int64_t t, object function, tuple args)
    cdef int check(self) except -1


cdef class Call:
    cdef Scheduler scheduler
    cdef Py_ssize_t slot        # -1: done
    cdef readonly int64_t t
