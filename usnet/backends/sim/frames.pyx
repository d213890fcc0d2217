"""The pool of frames on their way."""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from usnet.backends.ring_memory cimport FRAME_MAX

cdef enum:
    SLAB = 1 << 17              # bytes that are asked of the system at once


cdef inline uint32_t class_room(int size_class) noexcept nogil:
    if size_class == 0:
        return 192
    if size_class == 1:
        return 2048
    return 16384 if size_class == 2 else FRAME_MAX


cdef int add_slab(frame_pool *p, int size_class) noexcept nogil:
    cdef size_t each = (sizeof(frame) + class_room(size_class) + 15) & ~<size_t>15
    cdef size_t n = SLAB // each
    cdef char *slab
    cdef frame *f
    cdef size_t i
    cdef void **slabs
    if p.n_slabs == p.room_slabs:
        slabs = <void **>realloc(p.slabs, (p.room_slabs * 2 + 8) * sizeof(void *))
        if slabs == NULL:
            return -1
        p.slabs = slabs
        p.room_slabs = p.room_slabs * 2 + 8
    if n == 0:
        n = 1
    slab = <char *>malloc(n * each)
    if slab == NULL:
        return -1
    p.slabs[p.n_slabs] = slab
    p.n_slabs += 1
    for i in range(n):
        f = <frame *>(slab + (n - 1 - i) * each)
        f.next = p.unused[size_class]
        p.unused[size_class] = f
    return 0


cdef frame *frame_take(frame_pool *p, uint32_t length) noexcept nogil:
    cdef int size_class = 0
    cdef frame *f
    while class_room(size_class) < length:
        size_class += 1
        if size_class == FRAME_CLASSES:
            return NULL
    if p.unused[size_class] == NULL and add_slab(p, size_class) < 0:
        return NULL
    f = p.unused[size_class]
    p.unused[size_class] = f.next
    memset(f, 0, sizeof(frame))
    f.size_class = <uint16_t>size_class
    f.length = length
    p.in_flight += 1
    return f


cdef void frame_again(frame *f) noexcept nogil:
    cdef uint32_t length = f.length
    cdef uint16_t size_class = f.size_class
    memset(f, 0, sizeof(frame))
    f.size_class = size_class
    f.length = length


cdef void frame_give(frame_pool *p, frame *f) noexcept nogil:
    f.next = p.unused[f.size_class]
    p.unused[f.size_class] = f
    p.in_flight -= 1


cdef void frame_pool_free(frame_pool *p) noexcept nogil:
    cdef uint32_t i
    for i in range(p.n_slabs):
        free(p.slabs[i])
    free(p.slabs)
    memset(p, 0, sizeof(frame_pool))
