"""Frames that are held back for a time, or until others have passed: two heaps over the same items, so that each comes and goes in O(log n)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.ring cimport slot_meta

cdef struct held:
    int64_t due                 # ns: not before
    uint64_t behind             # or when so many frames have passed; 0: only the time counts
    uint64_t number             # of its coming
    uint8_t *frame              # malloc'd
    uint32_t length
    uint32_t ring_number
    uint32_t at[2]              # its places in the heaps
    slot_meta meta

cdef struct holding:
    held *items                 # `most` of them
    uint32_t *heap[2]           # numbers of items, by (due, number) and by (behind, number); behind the n[0] of the first: those that are free
    uint32_t n[2]
    uint32_t most
    uint64_t coming             # number of the next

cdef int holding_init(holding *q, uint32_t most) noexcept nogil         # 0 or -ENOMEM
cdef void holding_free(holding *q) noexcept nogil
# A new item with a copy of the frame; the caller fills in ring_number and meta. NULL: there is no room for it, or no memory.
cdef held *holding_add(holding *q, const uint8_t *frame, uint32_t length, int64_t due, uint64_t behind) noexcept nogil
# One whose time has come, the earliest first; else one whose turn has come, with `passed` frames gone by; else NULL.
cdef held *holding_next(holding *q, int64_t now, uint64_t passed) noexcept nogil
cdef void holding_remove(holding *q, held *h) noexcept nogil
# When the first is due; INT64_MAX: there is none.
cdef int64_t holding_due(const holding *q) noexcept nogil
