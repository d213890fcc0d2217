"""A first-in first-out queue of small integers, each in it at most once: who wants to be heard, who wants to send."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE

cdef struct idset:
    uint32_t *ring          # the queue; private mapping
    uint8_t *member         # member[id] is 1 while id is queued
    uint32_t capacity       # ids are 0 .. capacity - 1
    uint32_t head           # position of the first
    uint32_t count

cdef int idset_init(idset *s, uint32_t capacity) noexcept nogil     # 0 or -ENOMEM; memory is used as touched
cdef void idset_free(idset *s) noexcept nogil
cdef void idset_reset(idset *s) noexcept nogil


cdef inline bint idset_push(idset *s, uint32_t id) noexcept nogil:
    """True if it was not there already."""
    cdef uint64_t position
    if id >= s.capacity or s.member[id]:
        return False
    position = <uint64_t>s.head + s.count
    if position >= s.capacity:
        position -= s.capacity
    s.ring[position] = id
    s.member[id] = 1
    s.count += 1
    return True


cdef inline uint32_t idset_pop(idset *s) noexcept nogil:
    """The oldest, or NONE."""
    cdef uint32_t id
    if s.count == 0:
        return NONE
    id = s.ring[s.head]
    s.member[id] = 0
    s.count -= 1
    s.head += 1
    # An empty queue starts again in front, so that a short one never touches more than its first page.
    if s.head == s.capacity or s.count == 0:
        s.head = 0
    return id
