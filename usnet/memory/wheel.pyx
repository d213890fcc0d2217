"""The timer wheel.

Time is cut into ticks of 2^16 ns. A timer of a later tick hangs at the level of the highest digit (base 64) in which
its tick differs from the present one, in the slot of that digit; so all of a level comes before all of the next, and
only slots that time has reached are ever touched. Timers of the present tick, or of an earlier one, stand in one
sorted list.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport (NONE, arena_at, arena_free, arena_give, arena_init, arena_live, arena_reset,
                                 arena_take)

cdef extern from *:
    int __builtin_ctzll(unsigned long long x) noexcept nogil
    int __builtin_clzll(unsigned long long x) noexcept nogil

cdef enum:
    SLOTS = 64
    SCAN_MAX = 16           # timers looked at in a coarse slot to find its earliest
    BINS = 33               # sorted runs of 1, 2, 4 ... 2^32 nodes

WHEEL_NEVER = INT64_MAX


cdef inline wheel_node *node_at(wheel *w, uint32_t timer) noexcept nogil:
    return <wheel_node *>arena_at(&w.nodes, timer)


cdef inline uint64_t tick_of(int64_t t) noexcept nogil:
    """The tick of a time, as a number without sign in the same order."""
    return (<uint64_t>t ^ (<uint64_t>1 << 63)) >> WHEEL_SHIFT


cdef inline bint before(const wheel_node *a, const wheel_node *b) noexcept nogil:
    return a.deadline < b.deadline or (a.deadline == b.deadline and a.order < b.order)


cdef inline uint64_t slot_start(uint64_t tick, uint32_t level, uint32_t digit) noexcept nogil:
    """The first tick of a slot, seen from the present one."""
    cdef uint32_t above = WHEEL_BITS * (level + 1)
    return (tick >> above << above) | (<uint64_t>digit << (WHEEL_BITS * level))


cdef void link_due(wheel *w, uint32_t timer) noexcept nogil:
    """Puts a node where it belongs in the sorted list, looking from behind: new deadlines are mostly the latest."""
    cdef wheel_node *node = node_at(w, timer)
    cdef uint32_t at = w.due_tail
    while at != NONE and before(node, node_at(w, at)):
        at = node_at(w, at).prev
    node.slot = WHEEL_DUE
    node.prev = at
    if at == NONE:
        node.next = w.due_head
        w.due_head = timer
    else:
        node.next = node_at(w, at).next
        node_at(w, at).next = timer
    if node.next == NONE:
        w.due_tail = timer
    else:
        node_at(w, node.next).prev = timer


cdef void link_slot(wheel *w, uint32_t timer, uint64_t tick, uint64_t present) noexcept nogil:
    cdef wheel_node *node = node_at(w, timer)
    cdef uint32_t level = (63 - __builtin_clzll(tick ^ present)) // WHEEL_BITS
    cdef uint32_t digit = (tick >> (WHEEL_BITS * level)) & (SLOTS - 1)
    node.slot = <uint16_t>(level * SLOTS + digit)
    node.prev = NONE
    node.next = w.head[node.slot]
    if node.next != NONE:
        node_at(w, node.next).prev = timer
    w.head[node.slot] = timer
    w.in_use[level] |= <uint64_t>1 << digit
    if node.slot == w.hint_slot and node.deadline < w.hint:
        w.hint = node.deadline


cdef void link(wheel *w, uint32_t timer) noexcept nogil:
    cdef uint64_t tick = tick_of(node_at(w, timer).deadline)
    cdef uint64_t present = tick_of(w.now)
    if tick <= present:
        link_due(w, timer)
    else:
        link_slot(w, timer, tick, present)


cdef void unlink(wheel *w, uint32_t timer) noexcept nogil:
    cdef wheel_node *node = node_at(w, timer)
    if node.next != NONE:
        node_at(w, node.next).prev = node.prev
    elif node.slot == WHEEL_DUE:
        w.due_tail = node.prev
    if node.prev != NONE:
        node_at(w, node.prev).next = node.next
    elif node.slot == WHEEL_DUE:
        w.due_head = node.next
    else:
        w.head[node.slot] = node.next
        if node.next == NONE:
            w.in_use[node.slot // SLOTS] &= ~(<uint64_t>1 << (node.slot % SLOTS))
    if node.slot == w.hint_slot and node.deadline == w.hint:
        w.hint_slot = NONE


cdef uint32_t merge(wheel *w, uint32_t a, uint32_t b) noexcept nogil:
    """One sorted list of two, linked by `next`."""
    cdef uint32_t head = NONE
    cdef uint32_t *link_to = &head
    while a != NONE and b != NONE:
        if before(node_at(w, b), node_at(w, a)):
            link_to[0] = b
            link_to = &node_at(w, b).next
            b = link_to[0]
        else:
            link_to[0] = a
            link_to = &node_at(w, a).next
            a = link_to[0]
    link_to[0] = a if a != NONE else b
    return head


cdef uint32_t sort(wheel *w, uint32_t head) noexcept nogil:
    """Merge sort of a list linked by `next`: n log n however many timers share a tick."""
    cdef uint32_t bins[BINS]
    cdef uint32_t run
    cdef int i
    memset(bins, 0xff, sizeof(bins))
    while head != NONE:
        run = head
        head = node_at(w, run).next
        node_at(w, run).next = NONE
        i = 0
        while bins[i] != NONE:
            run = merge(w, bins[i], run)
            bins[i] = NONE
            i += 1
        bins[i] = run
    run = NONE
    for i in range(BINS):
        run = merge(w, bins[i], run)
    return run


cdef uint32_t collect(wheel *w, uint64_t present) noexcept nogil:
    """Takes out the nodes of all slots that begin no later than the tick `present`: their list, linked by `next`."""
    cdef uint64_t old = tick_of(w.now)
    cdef uint32_t level, digit, timer, following
    cdef uint32_t moved = NONE
    for level in range(WHEEL_LEVELS):
        while w.in_use[level]:
            digit = __builtin_ctzll(w.in_use[level])
            if slot_start(old, level, digit) > present:
                return moved
            timer = w.head[level * SLOTS + digit]
            w.head[level * SLOTS + digit] = NONE
            w.in_use[level] &= w.in_use[level] - 1
            while timer != NONE:
                following = node_at(w, timer).next
                node_at(w, timer).next = moved
                moved = timer
                timer = following
    return moved


cdef void join_due(wheel *w, uint32_t fresh) noexcept nogil:
    """Sorts the nodes of a list into those of the present tick."""
    cdef uint32_t timer
    cdef uint32_t prev = NONE
    w.due_head = merge(w, w.due_head, sort(w, fresh))
    timer = w.due_head
    while timer != NONE:
        node_at(w, timer).slot = WHEEL_DUE
        node_at(w, timer).prev = prev
        prev = timer
        timer = node_at(w, timer).next
    w.due_tail = prev


cdef void turn(wheel *w, int64_t now) noexcept nogil:
    """Brings the wheel to `now`, later than w.now."""
    cdef uint64_t present = tick_of(now)
    cdef uint64_t tick
    cdef uint32_t moved, following
    cdef uint32_t fresh = NONE
    if present == tick_of(w.now):
        w.now = now
        return
    moved = collect(w, present)
    w.now = now
    w.hint_slot = NONE
    while moved != NONE:
        following = node_at(w, moved).next
        tick = tick_of(node_at(w, moved).deadline)
        if tick <= present:
            node_at(w, moved).next = fresh
            fresh = moved
        else:
            link_slot(w, moved, tick, present)
        moved = following
    if fresh != NONE:
        join_due(w, fresh)


cdef void clear(wheel *w, int64_t now) noexcept nogil:
    memset(w.head, 0xff, sizeof(w.head))
    memset(w.in_use, 0, sizeof(w.in_use))
    w.now = now
    w.order = 0
    w.due_head = NONE
    w.due_tail = NONE
    w.hint_slot = NONE
    w.hint = 0
    w.count = 0


cdef int wheel_init(wheel *w, uint32_t max_timers, int64_t now) noexcept nogil:
    clear(w, now)
    return arena_init(&w.nodes, sizeof(wheel_node), max_timers, 8)


cdef void wheel_free(wheel *w) noexcept nogil:
    arena_free(&w.nodes)
    clear(w, w.now)


cdef void wheel_reset(wheel *w, int64_t now) noexcept nogil:
    arena_reset(&w.nodes)
    clear(w, now)


cdef uint32_t wheel_add(wheel *w, int64_t deadline, uint32_t kind, uint32_t arg) noexcept nogil:
    cdef uint32_t timer = arena_take(&w.nodes)
    cdef wheel_node *node
    if timer == NONE:
        return NONE
    node = node_at(w, timer)
    node.deadline = deadline
    node.order = w.order
    node.kind = kind
    node.arg = arg
    w.order += 1
    w.count += 1
    link(w, timer)
    return timer


cdef void wheel_move(wheel *w, uint32_t timer, int64_t deadline) noexcept nogil:
    if not arena_live(&w.nodes, timer):
        return
    unlink(w, timer)
    node_at(w, timer).deadline = deadline
    node_at(w, timer).order = w.order
    w.order += 1
    link(w, timer)


cdef void wheel_cancel(wheel *w, uint32_t timer) noexcept nogil:
    if not arena_live(&w.nodes, timer):
        return
    unlink(w, timer)
    arena_give(&w.nodes, timer)
    w.count -= 1


cdef bint wheel_pop(wheel *w, int64_t now, uint32_t *kind, uint32_t *arg) noexcept nogil:
    cdef uint32_t timer
    if now > w.now:
        turn(w, now)
    timer = w.due_head
    if timer == NONE or node_at(w, timer).deadline > now:
        return False
    kind[0] = node_at(w, timer).kind
    arg[0] = node_at(w, timer).arg
    wheel_cancel(w, timer)
    return True


cdef int64_t earliest_of(wheel *w, uint32_t level, uint32_t digit) noexcept nogil:
    """The earliest deadline of a slot; of a coarse slot with many timers, its first instant."""
    cdef uint32_t timer = w.head[level * SLOTS + digit]
    cdef int64_t earliest = WHEEL_NEVER
    cdef int seen = 0
    while timer != NONE:
        if node_at(w, timer).deadline < earliest:
            earliest = node_at(w, timer).deadline
        timer = node_at(w, timer).next
        seen += 1
        if seen == SCAN_MAX and level > 0 and timer != NONE:
            return <int64_t>((slot_start(tick_of(w.now), level, digit) << WHEEL_SHIFT) ^ (<uint64_t>1 << 63))
    return earliest


cdef int64_t wheel_next(wheel *w) noexcept nogil:
    cdef uint32_t level, digit
    if w.due_head != NONE:
        return node_at(w, w.due_head).deadline
    for level in range(WHEEL_LEVELS):
        if w.in_use[level]:
            digit = __builtin_ctzll(w.in_use[level])
            if w.hint_slot != level * SLOTS + digit:
                w.hint = earliest_of(w, level, digit)
                w.hint_slot = level * SLOTS + digit
            return w.hint
    return WHEEL_NEVER


cdef class Wheel:
    """A wheel for tests, tools and the REPL: `Wheel(max_timers, now=0)`, times in nanoseconds."""
    cdef wheel w

    def __cinit__(self, uint32_t max_timers, int64_t now=0):
        if wheel_init(&self.w, max_timers, now):
            raise MemoryError("address space")

    def __dealloc__(self):
        wheel_free(&self.w)

    def __len__(self):
        return self.w.count

    def add(self, int64_t deadline, uint32_t kind=0, uint32_t arg=0):
        """A timer, or None when all are in use."""
        cdef uint32_t timer = wheel_add(&self.w, deadline, kind, arg)
        return None if timer == NONE else timer

    def move(self, uint32_t timer, int64_t deadline):
        wheel_move(&self.w, timer, deadline)

    def cancel(self, uint32_t timer):
        wheel_cancel(&self.w, timer)

    def pop(self, int64_t now):
        """(kind, arg) of one timer that is due, or None."""
        cdef uint32_t kind, arg
        if wheel_pop(&self.w, now, &kind, &arg):
            return kind, arg
        return None

    def next(self):
        """Nanoseconds, no later than the earliest deadline; None without timers."""
        cdef int64_t t = wheel_next(&self.w)
        return t if self.w.count else None

    def reset(self, int64_t now=0):
        wheel_reset(&self.w, now)
