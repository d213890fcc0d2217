"""Regions of memory as the module makes them: pools of interface descriptions, rings and buffers, of limited numbers, in one mapping."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.abi cimport netmap_if
from usnet.backends.ring cimport ring

cdef enum:
    POOL_IF = 0
    POOL_RING = 1
    POOL_BUF = 2
    POOLS = 3

cdef struct object_pool:
    uint64_t offset             # from the region's start
    uint32_t size               # bytes an object: a multiple of 64
    uint32_t total              # objects; 0: not made
    uint32_t free_
    uint32_t first              # no free object lies below it
    uint8_t *taken              # one byte an object
    # Asked for, and what the sizes above were made from
    uint32_t want_num
    uint32_t want_size
    uint32_t last_num
    uint32_t last_size
    # Configured: whole clusters, each of whole pages
    uint32_t cluster            # bytes
    uint32_t entries            # objects a cluster
    uint32_t clusters
    # What may be asked for
    uint32_t least_size
    uint32_t most_size
    uint32_t least_num
    uint32_t most_num

cdef struct region:
    uint16_t id                 # 1: the global one, which NICs share; a VALE port's own is another's
    uint8_t *base               # the stand-in's own mapping; NULL while it is not made
    uint64_t size
    int fd                      # of the memory, for its users' mappings
    object_pool pools[3]        # [POOL_IF], [POOL_RING], [POOL_BUF]. Buffers 0 and 1 are never given out; both are used as waste
    int refs                    # adapters and requests that name it; the last one frees it
    int active                  # registrations in it, as the module counts them: one less for ever after each that a bad parameter prevented
    int users                   # registrations in it: parameters change only while both are 0
    int status                  # of the last configuration: 0 or -errno
    bint private_
    region *prev                # circular, ordered by id but for wrap-around
    region *next_

cdef struct regions:            # all there are
    region *last                # ids are looked for from here on
    region *global_
    uint32_t private_num[3]     # least numbers and sizes of a private region: priv_if_num and so on
    uint32_t private_size[3]

cdef int regions_init(regions *all_) noexcept nogil         # with the global region and the module's defaults: 0 or -ENOMEM
cdef void regions_free(regions *all_) noexcept nogil
cdef region *region_find(regions *all_, uint16_t id) noexcept nogil     # with a reference more, or NULL
cdef void region_get(region *m) noexcept nogil
cdef void region_put(regions *all_, region *m) noexcept nogil
# A region of its own for so many rings and slots of each direction (without host rings), with one reference. NULL and -errno in *status
cdef region *region_private(regions *all_, uint32_t tx_rings, uint32_t tx_slots, uint32_t rx_rings, uint32_t rx_slots, uint32_t extra,
                            uint32_t pipes, int *status) noexcept nogil
# Takes new parameters over unless it is active: 0 or the status of the last time
cdef int region_configure(region *m) noexcept nogil
# One more registration: makes the memory where it is not made. 0 or -errno
cdef int region_enter(region *m) noexcept nogil
# One less. The last gives all objects back, also what their users have lost
cdef void region_leave(region *m) noexcept nogil
# Bytes to map; what they would be while it is not made. 0 or -errno
cdef int region_memsize(region *m, uint64_t *size) noexcept nogil
# A user's own mapping of the first `size` bytes, and its end. NULL: the system refuses
cdef void *region_map(region *m, uint64_t size) noexcept nogil
cdef void region_unmap(void *at, uint64_t size) noexcept nogil
# Private zeros in its place: False: the system refuses
cdef bint region_forget(void *at, uint64_t size) noexcept nogil

# Lowest free object first, as the module takes them. NULL / 0: none left, or asked for more than an object holds
cdef ring *region_ring(region *m, uint32_t num_slots) noexcept nogil
cdef void region_ring_give(region *m, ring *r) noexcept nogil
cdef netmap_if *region_if(region *m, uint32_t n_rings) noexcept nogil
cdef void region_if_give(region *m, netmap_if *f) noexcept nogil
cdef uint32_t region_buf(region *m) noexcept nogil
cdef int region_buf_give(region *m, uint32_t i) noexcept nogil      # 0, or -EINVAL: not one that is out
# Extra buffers, linked through their first word: how many there were
cdef uint32_t region_extra(region *m, uint32_t n, uint32_t *head) noexcept nogil
cdef void region_extra_give(region *m, uint32_t head) noexcept nogil


cdef inline uint8_t *region_buf_at(region *m, uint32_t i) noexcept nogil:
    """Of buffer 0 for an index out of range."""
    return m.base + m.pools[POOL_BUF].offset + <uint64_t>(i if i < m.pools[POOL_BUF].total else 0) * m.pools[POOL_BUF].size


cdef inline uint32_t region_buf_size(const region *m) noexcept nogil:
    return m.pools[POOL_BUF].size


cdef inline uint32_t region_n_bufs(const region *m) noexcept nogil:
    return m.pools[POOL_BUF].total
