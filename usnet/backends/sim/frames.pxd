"""Frames on their way: a pool of buffers of four sizes that grows as needed and never shrinks."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    FRAME_CLASSES = 4           # 192, 2048, 16384 and 65664 bytes

cdef struct frame:              # a header; the bytes follow
    frame *next                 # in a free list, or the next held frame; of a row: who arrives next
    frame *copy                 # the next duplicate of the same frame that waits in the same queue
    int64_t due                 # ns: when it arrives; an event of another time is out of date
    int64_t after               # ns from the end of its transmission to its arrival
    uint64_t order              # of a row: its place among ties
    uint64_t index              # of the frame in its direction
    uint32_t length             # bytes
    uint32_t epoch              # of the link, when it was sent: a link that went down since has lost it
    uint32_t hold               # later frames that are to pass first
    uint16_t size_class
    uint32_t events             # in the heap
    bint loose                  # may overtake and be overtaken: a fate has moved it
    bint pinned                 # was held and let go: its time does not follow the rate of the link any more
    uint8_t altered             # ALTERED_* of journal.pxd ored
    bint done                   # arrived; out-of-date events are still to come
    bint in_row                 # of link_dir.row

cdef struct frame_pool:
    frame *unused[4]            # by size class
    void **slabs
    uint32_t n_slabs
    uint32_t room_slabs
    uint64_t in_flight          # frames taken and not given back

# A frame of `length` bytes (at most FRAME_MAX), its fields zero; NULL when there is no memory.
cdef frame *frame_take(frame_pool *p, uint32_t length) noexcept nogil
# A frame that has arrived sets out again, its bytes in their place: all else is as of a new one.
cdef void frame_again(frame *f) noexcept nogil
cdef void frame_give(frame_pool *p, frame *f) noexcept nogil
cdef void frame_pool_free(frame_pool *p) noexcept nogil


cdef inline uint8_t *frame_bytes(frame *f) noexcept nogil:
    return <uint8_t *>f + sizeof(frame)
