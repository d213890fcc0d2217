"""The scheduler, its alarms, its hosts, and their faces in Python."""
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ELOOP, ENOMEM
from libc.stdlib cimport calloc, free, realloc


# The heap: four children a node, so that half as many cache lines are touched on the way down.

cdef inline bint before(const event *a, const event *b) noexcept nogil:
    return a.t < b.t or (a.t == b.t and a.order < b.order)


cdef int grow_heap(scheduler *s) noexcept nogil:
    cdef size_t room = s.room * 2 if s.room else 256
    cdef event *heap = <event *>realloc(s.heap, room * sizeof(event))
    if heap == NULL:
        s.error = ENOMEM
        s.interrupted = True
        return -ENOMEM
    s.heap = heap
    s.room = room
    return 0


cdef int push_event(scheduler *s, const event *e) noexcept nogil:
    cdef size_t i = s.n
    cdef size_t parent
    if i == s.room and grow_heap(s) < 0:
        return -ENOMEM
    s.n += 1
    while i > 0:
        parent = (i - 1) >> 2
        if not before(e, &s.heap[parent]):
            break
        s.heap[i] = s.heap[parent]
        i = parent
    s.heap[i] = e[0]
    return 0


cdef void pop_event(scheduler *s, event *out) noexcept nogil:
    cdef event last
    out[0] = s.heap[0]
    s.n -= 1
    if s.n:
        last = s.heap[s.n]
        put_first(s, &last)


cdef void put_first(scheduler *s, const event *e) noexcept nogil:
    """In place of the first event, and down from there to where it belongs."""
    cdef size_t i = 0
    cdef size_t child
    cdef size_t best
    cdef size_t end
    while True:
        child = 4 * i + 1
        if child >= s.n:
            break
        end = child + 4 if child + 4 < s.n else s.n
        best = child
        child += 1
        while child < end:
            if before(&s.heap[child], &s.heap[best]):
                best = child
            child += 1
        if not before(&s.heap[best], e):
            break
        s.heap[i] = s.heap[best]
        i = best
    s.heap[i] = e[0]


cdef void sched_pop(scheduler *s) noexcept nogil:
    cdef event e
    pop_event(s, &e)


cdef void sched_replace(scheduler *s, int64_t t, uint64_t order, uint32_t kind, uint64_t arg) noexcept nogil:
    cdef event e
    e.t = t
    e.order = order
    e.kind = kind
    e.arg = arg
    put_first(s, &e)


cdef int sched_push(scheduler *s, int64_t t, uint32_t kind, uint64_t arg) noexcept nogil:
    """0 or -ENOMEM. A time that has passed means now."""
    return sched_push_at(s, t if t > s.now else s.now, sched_place(s), kind, arg)


cdef int sched_push_at(scheduler *s, int64_t t, uint64_t order, uint32_t kind, uint64_t arg) noexcept nogil:
    cdef event e
    e.t = t
    e.order = order
    e.kind = kind
    e.arg = arg
    return push_event(s, &e)


cdef int sched_register(
    scheduler *s, event_handler handler, event_stale stale, event_dropped dropped, void *ctx,
) noexcept nogil:
    cdef event_kind *kinds
    cdef uint32_t room
    if s.n_kinds == s.room_kinds:
        room = s.room_kinds * 2 if s.room_kinds else 16
        kinds = <event_kind *>realloc(s.kinds, room * sizeof(event_kind))
        if kinds == NULL:
            return -ENOMEM
        s.kinds = kinds
        s.room_kinds = room
    s.kinds[s.n_kinds].handler = handler
    s.kinds[s.n_kinds].stale = stale
    s.kinds[s.n_kinds].dropped = dropped
    s.kinds[s.n_kinds].ctx = ctx
    s.kinds[s.n_kinds].takes = False
    s.n_kinds += 1
    return <int>s.n_kinds - 1


# Alarms

cdef alarm *alarm_new(scheduler *s, alarm_handler handler, void *ctx) noexcept nogil:
    cdef alarm *a = <alarm *>calloc(1, sizeof(alarm))
    if a != NULL:
        a.handler = handler
        a.ctx = ctx
        a.t = a.armed_t = INT64_MAX
    return a


cdef void alarm_free(alarm *a) noexcept nogil:
    if a == NULL:
        return
    if a.events == 0:
        free(a)
        return
    a.dead = True
    a.t = INT64_MAX


cdef void arm_event(scheduler *s, alarm *a) noexcept nogil:
    cdef event e
    e.t = a.t
    e.order = a.order
    e.kind = KIND_ALARM
    e.arg = <uint64_t>a
    if push_event(s, &e) == 0:
        a.armed_t = a.t
        a.armed_order = a.order
        a.events += 1


cdef void alarm_set(scheduler *s, alarm *a, int64_t t) noexcept nogil:
    """Goes off at t (INT64_MAX: never; a time that has passed: now)."""
    if t < s.now:
        t = s.now
    if t == a.t:
        return
    a.t = t
    if t == INT64_MAX:
        return
    a.order = s.next_order
    s.next_order += 1
    if t < a.armed_t:
        arm_event(s, a)


cdef bint alarm_stale(void *ctx, const event *e) noexcept nogil:
    cdef alarm *a = <alarm *>e.arg
    return a.t != e.t or a.order != e.order


cdef void alarm_dropped(void *ctx, const event *e) noexcept nogil:
    """An out-of-date event of an alarm has left the heap: puts the one in that stands for the alarm now."""
    cdef scheduler *s = <scheduler *>ctx
    cdef alarm *a = <alarm *>e.arg
    a.events -= 1
    if a.armed_order == e.order and a.armed_t == e.t:
        a.armed_t = INT64_MAX
    if a.dead:
        if a.events == 0:
            free(a)
    elif a.armed_t == INT64_MAX and a.t != INT64_MAX:
        arm_event(s, a)


cdef void run_alarm(void *ctx, uint64_t arg, int64_t now) noexcept nogil:
    cdef alarm *a = <alarm *>arg
    a.events -= 1
    a.t = INT64_MAX
    a.armed_t = INT64_MAX
    a.handler(a.ctx, now)


# Hosts

cdef void host_touch(host *h) noexcept nogil:
    if h.due:
        return
    h.due = True
    h.next_due = NULL
    if h.s.due_last != NULL:
        h.s.due_last.next_due = h
    else:
        h.s.due_first = h
    h.s.due_last = h


cdef void host_arm(host *h, int64_t deadline) noexcept nogil:
    h.deadline = deadline
    alarm_set(h.s, h.wake, clock_instant(&h.clock, deadline))


cdef void run_due_host(scheduler *s) noexcept nogil:
    cdef host *h = s.due_first
    s.due_first = h.next_due
    if s.due_first == NULL:
        s.due_last = NULL
    h.due = False
    if h.state != HOST_RUNS:
        return
    h.runs += 1
    s.last_run = h
    if h.run != NULL:
        host_arm(h, h.run(h.run_ctx, host_clock(h)))
    if h.callback != NULL and (h.news == NULL or h.news(h.news_ctx)):
        h.s.interrupted = True
        h.tell(h.callback, h.s.now)


# The loop

cdef bint drop_stale(scheduler *s) noexcept nogil:
    """Takes the event at the head away if it stands for nothing any more."""
    cdef event_kind *kind = &s.kinds[s.heap[0].kind]
    cdef event e
    if kind.stale == NULL or not kind.stale(kind.ctx, &s.heap[0]):
        return False
    pop_event(s, &e)
    kind.dropped(kind.ctx, &e)
    return True


cdef int64_t sched_peek(scheduler *s) noexcept nogil:
    if s.due_first != NULL:
        return s.now
    while s.n and drop_stale(s):
        pass
    return s.heap[0].t if s.n else INT64_MAX


cdef inline bint endless(scheduler *s) noexcept nogil:
    """Counts one more thing at this instant."""
    s.at_instant += 1
    if s.at_instant < s.instant_limit:
        return False
    s.error = ELOOP
    s.interrupted = True
    return True


cdef int sched_step(scheduler *s, int64_t limit) noexcept nogil:
    cdef event e
    while s.n and drop_stale(s):
        pass
    if s.due_first != NULL and (s.n == 0 or s.heap[0].t > s.now):
        if s.now >= limit or endless(s):
            return 0
        s.executed += 1
        run_due_host(s)
        if s.watch != NULL:
            s.watch(s.watch_ctx, s.now)
        return 1
    if s.n == 0 or s.heap[0].t >= limit:
        return 0
    if s.heap[0].t > s.now:
        s.at_instant = 0
    elif endless(s):
        return 0
    e = s.heap[0]
    if not s.kinds[e.kind].takes:
        pop_event(s, &e)
    s.now = e.t
    s.executed += 1
    s.kinds[e.kind].handler(s.kinds[e.kind].ctx, e.arg, e.t)
    if s.watch != NULL:
        s.watch(s.watch_ctx, s.now)
    return 1


cdef uint64_t sched_run(scheduler *s, int64_t limit) noexcept nogil:
    cdef uint64_t start = s.executed
    s.interrupted = False
    while not s.interrupted and s.executed - start < BATCH and sched_step(s, limit):
        pass
    return s.executed - start


# Python callbacks: KIND_PYTHON, arg = slot in Scheduler.calls.

cdef void keep_failure(scheduler *s, object e) noexcept:
    cdef Scheduler owner = <Scheduler>s.owner
    s.interrupted = True
    if owner.failure is None:
        owner.failure = e


cdef bint call_stale(void *ctx, const event *e) noexcept with gil:
    return (<Scheduler>ctx).calls[e.arg] is None


cdef void call_dropped(void *ctx, const event *e) noexcept with gil:
    (<Scheduler>ctx).free_calls.append(e.arg)


cdef void run_call(void *ctx, uint64_t slot, int64_t now) noexcept with gil:
    cdef Scheduler owner = <Scheduler>ctx
    owner.s.interrupted = True
    call, function, args = owner.calls[slot]
    owner.calls[slot] = None
    owner.free_calls.append(slot)
    (<Call>call).slot = -1
    try:
        function(*args)
    except BaseException as e:
        keep_failure(&owner.s, e)


cdef class Call:
    """A Python function that will be called; from Scheduler.call_at."""

    def cancel(self):
        """Takes it back; nothing happens when it has run."""
        if self.slot >= 0:
            self.scheduler.calls[self.slot] = None
            self.slot = -1

    @property
    def pending(self):
        return self.slot >= 0


cdef class Scheduler:
    """The heap of one world. Times are int nanoseconds from the start of the world.

    Exceptions of callbacks come out of `step` and `run`; the world can be run on afterwards.
    """

    def __cinit__(self):
        self.calls = []
        self.free_calls = []
        self.hosts = []
        self.s.owner = <void *>self
        self.s.instant_limit = INSTANT_LIMIT
        if sched_register(&self.s, run_call, call_stale, call_dropped, <void *>self) < 0:       # KIND_PYTHON
            raise MemoryError
        if sched_register(&self.s, run_alarm, alarm_stale, alarm_dropped, &self.s) < 0:         # KIND_ALARM
            raise MemoryError

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.s.n):
            if self.s.heap[i].kind == KIND_ALARM:
                drop_alarm_event(<alarm *>self.s.heap[i].arg)
        free(self.s.heap)
        free(self.s.kinds)

    def reset(self):
        """As new, at 0 ns: nothing is to happen, no alarm is set, no call is to come. Hosts and the kinds of events stay."""
        cdef host *h = self.s.due_first
        cdef size_t i
        while h != NULL:
            h.due = False
            h = h.next_due
        for i in range(self.s.n):
            if self.s.heap[i].kind == KIND_ALARM:
                drop_alarm_event(<alarm *>self.s.heap[i].arg)
        for entry in self.calls:
            if entry is not None:
                (<Call>entry[0]).slot = -1
        self.calls, self.free_calls, self.failure = [], [], None
        self.s.n = 0
        self.s.now = 0
        self.s.next_order = self.s.executed = self.s.at_instant = 0
        self.s.due_first = self.s.due_last = self.s.last_run = NULL
        self.s.interrupted = False
        self.s.error = 0
        self.s.instant_limit = INSTANT_LIMIT
        self.s.watch = NULL

    @property
    def now(self):
        """Virtual time, ns."""
        return self.s.now

    @property
    def instant_limit(self):
        """So many things at one instant are taken for a loop that will never end: RuntimeError."""
        return self.s.instant_limit

    @instant_limit.setter
    def instant_limit(self, uint64_t limit):
        self.s.instant_limit = limit

    @property
    def executed(self):
        """Events and runs of hosts so far."""
        return self.s.executed

    @property
    def pending(self):
        """Events in the heap, out-of-date ones included."""
        return self.s.n

    def peek(self):
        """Time of the next thing to do in ns, or None."""
        cdef int64_t t = sched_peek(&self.s)
        return None if t == INT64_MAX else t

    def call_at(self, t, function, *args):
        """Calls function(*args) at time t (ns; ValueError when it has passed). Returns a Call that can be cancelled."""
        if t < self.s.now:
            raise ValueError(f"{t} ns has passed: it is {self.s.now} ns")
        return self.call_later(t, function, args)

    def call_in(self, delay, function, *args):
        """Calls function(*args) in `delay` ns."""
        if delay < 0:
            raise ValueError(f"negative delay: {delay}")
        return self.call_later(self.s.now + delay, function, args)

    cdef object call_later(self, int64_t t, object function, tuple args):
        cdef Call call = Call.__new__(Call)
        cdef Py_ssize_t slot
        if self.free_calls:
            slot = self.free_calls.pop()
        else:
            slot = len(self.calls)
            self.calls.append(None)
        call.scheduler = self
        call.slot = slot
        call.t = t
        self.calls[slot] = (call, function, args)
        if sched_push(&self.s, t, KIND_PYTHON, slot) < 0:
            self.calls[slot] = None
            raise MemoryError
        return call

    def step(self, int64_t limit=INT64_MAX):
        """Does the next thing before `limit` ns: False when there is none."""
        cdef int done
        with nogil:
            done = sched_step(&self.s, limit)
        self.check()
        return bool(done)

    def run_before(self, int64_t limit=INT64_MAX):
        """Does everything before `limit` ns, up to the first thing that runs Python; returns how many things were
        done."""
        cdef uint64_t done
        with nogil:
            done = sched_run(&self.s, limit)
        PyErr_CheckSignals()
        self.check()
        return done

    def advance(self, int64_t t):
        """Lets time pass to t, before which nothing may be left to do (RuntimeError)."""
        if t < self.s.now:
            raise ValueError(f"{t} ns has passed: it is {self.s.now} ns")
        if sched_peek(&self.s) < t:
            raise RuntimeError("there is something to do before that time")
        self.s.now = t

    cdef int check(self) except -1:
        failure = self.failure
        if failure is not None:
            self.failure = None
            raise failure
        if self.s.error == ELOOP:
            self.s.error = 0
            self.s.at_instant = 0
            who = "" if self.s.last_run == NULL else f"; host {(<object>self.s.last_run.callback).name!r} ran last"
            raise RuntimeError(f"{self.s.instant_limit} things happened at {self.s.now} ns and no time passes{who}")
        if self.s.error:
            raise MemoryError("an event was lost: the run is void")
        return 0


cdef void drop_alarm_event(alarm *a) noexcept:
    """One of its events goes, and it is not set any more."""
    a.t = a.armed_t = INT64_MAX
    a.events -= 1
    if a.dead and a.events == 0:
        free(a)
