"""Arenas of equal items."""
from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.memory.arena cimport arena_unlink
from usnet.memory.poison cimport poison, poisons, unpoison
from usnet.memory.prefetch cimport PREFETCH_FROM, prefetch, prefetch_lines


cdef int arena_init(arena *a, uint32_t item_size, uint32_t capacity, uint32_t align) noexcept nogil:
    cdef uint64_t size = item_size
    cdef uint64_t items
    memset(a, 0, sizeof(arena))
    a.free_head = NONE
    if (align != 8 and align != 64) or item_size == 0 or capacity == NONE:
        return -EINVAL
    size = (size + align - 1) // align * align
    items = page_round(size * capacity)
    a.mapped = items + page_round(<uint64_t>capacity * sizeof(uint32_t))
    a.base = <uint8_t *>map_reserve(a.mapped)
    if a.base == NULL:
        a.mapped = 0
        return -ENOMEM
    a.generation = <uint32_t *>(a.base + items)
    a.item_size = <uint32_t>size
    a.capacity = capacity
    return 0


cdef void arena_free(arena *a) noexcept nogil:
    if a.base != NULL:
        unpoison(a.base, <uint64_t>a.touched * a.item_size)     # the addresses may be given to others
    map_release(a.base, a.mapped)
    memset(a, 0, sizeof(arena))
    a.free_head = NONE


cdef void arena_reset(arena *a) noexcept nogil:
    cdef uint32_t i
    if a.live:
        for i in range(a.used):
            a.generation[i] += a.generation[i] & 1
    poison(a.base, <uint64_t>a.used * a.item_size)
    a.used = 0
    a.live = 0
    a.free_head = NONE


cdef uint32_t arena_take(arena *a) noexcept nogil:
    cdef uint32_t index = a.free_head
    cdef void *item
    if index != NONE:
        item = arena_at(a, index)
        a.free_head = (<uint32_t *>item)[0]
        unpoison(item, a.item_size)
        memset(item, 0, a.item_size)
        if a.used >= PREFETCH_FROM and a.free_head != NONE:
            prefetch(&a.generation[a.free_head])
            prefetch_lines(arena_at(a, a.free_head), a.item_size)
    elif a.used < a.capacity:
        index = a.used
        a.used += 1
        if index < a.touched:
            unpoison(arena_at(a, index), a.item_size)
            memset(arena_at(a, index), 0, a.item_size)
        else:
            a.touched = a.used
    else:
        return NONE
    a.generation[index] += 1
    a.live += 1
    return index


cdef uint32_t arena_take_far(arena *a) noexcept nogil:
    cdef uint32_t index = a.free_head
    if index == NONE:
        return arena_take(a)
    arena_unlink(a, index)
    if a.free_head != NONE:
        prefetch(&a.generation[a.free_head])
        prefetch(arena_at(a, a.free_head))
    return index


cdef class Arena:
    """An arena for tests, tools and the REPL: `Arena(item_size, capacity, align=8)`.

    Items are byte strings here; an index that is not live raises IndexError.
    """
    cdef arena a

    def __cinit__(self, uint32_t item_size, uint32_t capacity, uint32_t align=8):
        cdef int status = arena_init(&self.a, item_size, capacity, align)
        if status == -ENOMEM:
            raise MemoryError("address space")
        if status:
            raise ValueError("item_size must be positive, align 8 or 64")

    def __dealloc__(self):
        arena_free(&self.a)

    def __len__(self):
        return self.a.live

    @property
    def item_size(self):
        """Bytes of an item, rounded up to the alignment."""
        return self.a.item_size

    @property
    def used(self):
        return self.a.used

    def address(self, uint32_t index):
        """Where the item lies in this process."""
        return <uint64_t>arena_at(&self.a, index)

    def take(self):
        """Index of a zeroed item, or None when the arena is full."""
        cdef uint32_t index = arena_take(&self.a)
        return None if index == NONE else index

    def give(self, uint32_t index):
        arena_give(&self.a, index)

    def reset(self):
        arena_reset(&self.a)

    def peek(self, uint32_t index):
        """The last byte of an item that may be free: what a build with AddressSanitizer reports, and what is undefined in others. For its test."""
        return (<uint8_t *>arena_at(&self.a, index))[self.a.item_size - 1]

    @staticmethod
    def guarded():
        """Whether this build was made with AddressSanitizer, and reports the use of free items."""
        return bool(poisons())

    def live(self, uint32_t index):
        return bool(arena_live(&self.a, index))

    def handle(self, uint32_t index):
        self._check(index)
        return arena_handle(&self.a, index)

    def find(self, uint64_t handle):
        """Index that the handle names, or None when it is stale."""
        cdef uint32_t index = arena_find(&self.a, handle)
        return None if index == NONE else index

    def read(self, uint32_t index):
        self._check(index)
        return (<uint8_t *>arena_at(&self.a, index))[:self.a.item_size]

    def fill(self, uint32_t index, uint8_t value):
        """Sets all bytes of the item."""
        self._check(index)
        memset(arena_at(&self.a, index), value, self.a.item_size)

    cdef int _check(self, uint32_t index) except -1:
        if not arena_live(&self.a, index):
            raise IndexError("not a live item")
        return 0
