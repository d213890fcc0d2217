"""A hierarchical timer wheel (Varghese and Lauck, 1987) with exact deadlines in nanoseconds.

No timer fires before its deadline; those due at one call fire in order of (deadline, when it was set). wheel_next is
never later than the earliest deadline and may be earlier: then wheel_pop finds nothing due, moves timers to finer
levels, and changes nothing else. It is exact within the present tick, within level 0, and wherever the earliest slot
holds few timers.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from usnet.memory.arena cimport arena, arena_at

cdef enum:
    WHEEL_BITS = 6          # slots a level: 64, so that one 64-bit mask says which are in use
    WHEEL_LEVELS = 8
    WHEEL_SHIFT = 16        # a slot of level 0 covers 2^16 ns (65.5 us): a tick
    WHEEL_DUE = 512         # wheel_node.slot of what hangs in the sorted list of the present tick

cdef struct wheel_node:     # 32 bytes
    uint32_t next           # in the slot's list
    uint32_t prev
    int64_t deadline        # ns
    uint64_t order          # ties: set earlier fires earlier
    uint32_t arg            # the user's: which one
    uint16_t kind           # the user's: which sort of thing waits
    uint16_t slot           # where it hangs: level * 64 + slot, or WHEEL_DUE

cdef struct wheel:
    arena nodes             # of wheel_node
    uint32_t head[512]      # [level * 64 + slot]: first node
    uint64_t in_use[8]      # [level]: bit set when the slot is not empty
    int64_t now             # ns: time up to which the wheel has been turned
    uint64_t order          # counts settings
    uint32_t due_head       # nodes of the tick of `now` and before, due or due in a moment, sorted by (deadline, order)
    uint32_t due_tail
    uint32_t hint_slot      # the slot that `hint` is about, or NONE
    int64_t hint            # ns; no timer of hint_slot is earlier
    uint32_t count

cdef int64_t WHEEL_NEVER    # INT64_MAX: no deadline

cdef int wheel_init(wheel *w, uint32_t max_timers, int64_t now) noexcept nogil      # 0 or -ENOMEM
cdef void wheel_free(wheel *w) noexcept nogil
cdef void wheel_reset(wheel *w, int64_t now) noexcept nogil
# A timer, or NONE when all are in use.
cdef uint32_t wheel_add(wheel *w, int64_t deadline, uint32_t kind, uint32_t arg) noexcept nogil
cdef void wheel_move(wheel *w, uint32_t timer, int64_t deadline) noexcept nogil
cdef void wheel_cancel(wheel *w, uint32_t timer) noexcept nogil                     # frees it
# Takes one due timer out and frees it: 1 and its kind and arg, or 0 when none is due at `now`.
cdef bint wheel_pop(wheel *w, int64_t now, uint32_t *kind, uint32_t *arg) noexcept nogil
cdef int64_t wheel_next(wheel *w) noexcept nogil                                    # ns, or WHEEL_NEVER


cdef inline int64_t wheel_deadline(wheel *w, uint32_t timer) noexcept nogil:
    """When a timer that is set fires, ns."""
    return (<wheel_node *>arena_at(&w.nodes, timer)).deadline
