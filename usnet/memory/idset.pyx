"""A first-in first-out queue of small integers, each in it at most once."""
from libc.errno cimport ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE
from usnet.memory.mapping cimport map_release, map_reserve, page_round


cdef inline uint64_t ring_bytes(uint32_t capacity) noexcept nogil:
    return page_round(<uint64_t>capacity * sizeof(uint32_t))


cdef int idset_init(idset *s, uint32_t capacity) noexcept nogil:
    cdef void *p = map_reserve(ring_bytes(capacity) + page_round(capacity))
    memset(s, 0, sizeof(idset))
    if p == NULL:
        return -ENOMEM
    s.ring = <uint32_t *>p
    s.member = <uint8_t *>p + ring_bytes(capacity)
    s.capacity = capacity
    return 0


cdef void idset_free(idset *s) noexcept nogil:
    map_release(s.ring, ring_bytes(s.capacity) + page_round(s.capacity))
    memset(s, 0, sizeof(idset))


cdef void idset_reset(idset *s) noexcept nogil:
    while s.count:
        idset_pop(s)
    s.head = 0


cdef class IdSet:
    """An idset for tests, tools and the REPL: `IdSet(capacity)` holds ids below capacity."""
    cdef idset s

    def __cinit__(self, uint32_t capacity):
        if idset_init(&self.s, capacity):
            raise MemoryError("address space")

    def __dealloc__(self):
        idset_free(&self.s)

    def __len__(self):
        return self.s.count

    def push(self, uint32_t id):
        """True if it was not there already; ids beyond the capacity are refused."""
        return bool(idset_push(&self.s, id))

    def pop(self):
        """The oldest, or None."""
        cdef uint32_t id = idset_pop(&self.s)
        return None if id == NONE else id

    def reset(self):
        idset_reset(&self.s)
