"""Arenas: items of one size in one mapping, named by index, with a generation so that a stale handle is noticed.

Address space is reserved for the whole capacity at once and memory is used as items are touched, so items never move
and an arena of ten million costs nothing before they exist. `reset` makes an arena new again without a system call.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.poison cimport poison, unpoison
from usnet.memory.prefetch cimport PREFETCH_FROM

cdef enum:
    NONE = 0xffffffff       # no item: ends lists, fails allocations

cdef struct arena:
    uint8_t *base           # private to the process: where the mapping lies
    uint32_t *generation    # parallel array; odd while the item is live, so a handle of a free item never matches
    uint64_t mapped         # bytes of the mapping
    uint32_t item_size      # bytes, a multiple of 8
    uint32_t capacity       # items at most
    uint32_t used           # items handed out since the last reset; those behind are free
    uint32_t touched        # items ever handed out; those behind were never written and read as zero
    uint32_t free_head      # first free item below `used` (linked through its first 4 bytes), or NONE
    uint32_t live           # items handed out now

# 0 or -ENOMEM; -EINVAL for another alignment or a size of 0. `align` is 8 or 64 (cache lines); item_size is rounded up
# to a multiple of it.
cdef int arena_init(arena *a, uint32_t item_size, uint32_t capacity, uint32_t align) noexcept nogil
cdef void arena_free(arena *a) noexcept nogil                       # gives the mapping back
# Forgets all items; generations go on, so old handles stay stale.
cdef void arena_reset(arena *a) noexcept nogil
cdef uint32_t arena_take(arena *a) noexcept nogil                   # index of a zeroed item, or NONE when full
# For arena_take_any: where there is no free item below `used`, or there are so many that the one that is next is worth asking for.
cdef uint32_t arena_take_far(arena *a) noexcept nogil


cdef inline void *arena_at(arena *a, uint32_t index) noexcept nogil:
    return a.base + <uint64_t>index * a.item_size


cdef inline bint arena_live(arena *a, uint32_t index) noexcept nogil:
    return index < a.used and (a.generation[index] & 1)


cdef inline uint64_t arena_handle(arena *a, uint32_t index) noexcept nogil:
    """Handle of a live item: generation above, index below."""
    return (<uint64_t>a.generation[index] << 32) | index


cdef inline uint32_t arena_find(arena *a, uint64_t handle) noexcept nogil:
    """Index of the item that `handle` names, or NONE when it has been freed since."""
    cdef uint32_t index = <uint32_t>handle
    if index < a.used and a.generation[index] == <uint32_t>(handle >> 32) and (a.generation[index] & 1):
        return index
    return NONE


cdef inline void arena_unlink(arena *a, uint32_t index) noexcept nogil:
    """Takes the first of the free items."""
    a.free_head = (<uint32_t *>arena_at(a, index))[0]
    unpoison(arena_at(a, index), a.item_size)
    a.generation[index] += 1
    a.live += 1


cdef inline uint32_t arena_take_any(arena *a) noexcept nogil:
    """arena_take, but what lies in the item may be anything: for those who write all of it."""
    cdef uint32_t index = a.free_head
    if index == NONE or a.used >= PREFETCH_FROM:
        return arena_take_far(a)
    arena_unlink(a, index)
    return index


cdef inline void arena_give(arena *a, uint32_t index) noexcept nogil:
    """The item is free; giving a free one back is a bug and changes nothing."""
    if not arena_live(a, index):
        return
    a.generation[index] += 1
    (<uint32_t *>arena_at(a, index))[0] = a.free_head
    a.free_head = index
    a.live -= 1
    poison(<uint8_t *>arena_at(a, index) + 8, a.item_size - 8)      # all but the link
