"""Regions of memory as the module makes them: pools of interface descriptions, rings and buffers, of limited numbers, in one mapping."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.abi cimport netmap_if
from usnet.backends.ring cimport ring

cdef struct object_pool:
    uint64_t offset             # from the region's start
    uint32_t size               # bytes an object
    uint32_t total
    uint32_t free_
    uint32_t first              # no free object lies below it
    uint8_t *taken              # one byte an object

cdef struct region:
    uint16_t id                 # 1: the global one, which NICs share; a VALE port's own is another's
    uint8_t *base               # the mapping; NULL while nobody uses it
    uint64_t size
    object_pool ifs
    object_pool rings
    object_pool bufs            # buffers 0 and 1 are never given out; both are used as waste
    int refs                    # adapters that name it
    int active                  # descriptors registered in it: parameters change only while there is none
    bint private_

cdef region *region_new(uint16_t id, uint32_t if_num, uint32_t if_size, uint32_t ring_num, uint32_t ring_size, uint32_t buf_num,
                        uint32_t buf_size) noexcept nogil
cdef void region_free(region *m) noexcept nogil
# Lowest free object first, as the module takes them. NULL / 0: none left
cdef ring *region_ring(region *m, uint32_t num_slots) noexcept nogil
cdef void region_ring_give(region *m, ring *r) noexcept nogil
cdef netmap_if *region_if(region *m, uint32_t n_rings) noexcept nogil
cdef void region_if_give(region *m, netmap_if *f) noexcept nogil
cdef uint32_t region_buf(region *m) noexcept nogil
cdef void region_buf_give(region *m, uint32_t i) noexcept nogil


cdef inline uint8_t *region_buf_at(region *m, uint32_t i) noexcept nogil:
    """Of buffer 0 for an index out of range."""
    return m.base + m.bufs.offset + <uint64_t>(i if i < m.bufs.total else 0) * m.bufs.size
