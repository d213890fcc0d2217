"""A first-in first-out queue of small integers, each in it at most once: who wants to be heard, who wants to send."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct idset:
    uint32_t *ring          # the queue; private mapping
    uint8_t *member         # member[id] is 1 while id is queued
    uint32_t capacity       # ids are 0 .. capacity - 1
    uint32_t head           # position of the first
    uint32_t count

cdef int idset_init(idset *s, uint32_t capacity) noexcept nogil     # 0 or -ENOMEM; memory is used as touched
cdef void idset_free(idset *s) noexcept nogil
cdef void idset_reset(idset *s) noexcept nogil
cdef bint idset_push(idset *s, uint32_t id) noexcept nogil          # True if it was not there already
cdef uint32_t idset_pop(idset *s) noexcept nogil                    # the oldest, or NONE (0xffffffff)


cdef inline uint32_t idset_peek(const idset *s, uint32_t i) noexcept nogil:
    """The one with i < count others before it."""
    cdef uint64_t position = <uint64_t>s.head + i
    return s.ring[position - s.capacity if position >= s.capacity else position]
