"""Regions of memory as the module makes them."""
from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport UINT32_MAX
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from usnet.memory.mapping cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PAGE_BYTES, PROT_READ, PROT_WRITE, map_release, mmap, munmap, page_round,
)

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sys/mman.h>
    #include <unistd.h>

    static int us_memory(size_t size)       /* bytes that can be mapped many times, or -1 */
    {
        int fd = memfd_create("netmap", MFD_CLOEXEC);
        if (fd >= 0 && ftruncate(fd, size) < 0) {
            close(fd);
            return -1;
        }
        return fd;
    }
    """
    int us_memory(size_t size)
    int close(int fd)
    enum: MAP_SHARED
    enum: MAP_FIXED

cdef enum:
    CLUSTER_MAX = 1 << 22
    OBJECT_ALIGN = 64
    IF_HEADER = 56              # struct netmap_if without its offsets
    RING_HEADER = 256
    SLOT_BYTES = 16


# Pools ------------------------------------------------------------------------------------------------------------------


cdef int pool_configure(object_pool *p) noexcept nogil:
    """Sizes and numbers of whole clusters for what is asked: 0, or -EINVAL and nothing changed."""
    cdef uint32_t size = p.want_size
    cdef uint32_t entries = 1
    p.last_num = p.want_num
    p.last_size = p.want_size
    if size >= CLUSTER_MAX:
        return -EINVAL
    size = (size + OBJECT_ALIGN - 1) // OBJECT_ALIGN * OBJECT_ALIGN
    if size < p.least_size or size > p.most_size or p.want_num < p.least_num or p.want_num > p.most_num:
        return -EINVAL
    while entries * size % PAGE_BYTES:          # at most 64 times: size is a multiple of 64
        entries += 1
    if entries * size > CLUSTER_MAX:
        return -EINVAL
    p.entries = entries
    p.cluster = entries * size
    p.clusters = (p.want_num + entries - 1) // entries
    p.size = size
    return 0


cdef void pool_reset(object_pool *p) noexcept nogil:
    free(p.taken)
    p.taken = NULL
    p.total = 0
    p.free_ = 0


cdef int pool_make(object_pool *p, uint64_t offset) noexcept nogil:
    p.total = p.clusters * p.entries
    p.offset = offset
    p.taken = <uint8_t *>calloc(p.total, 1) if p.total else NULL
    return 0 if p.taken != NULL else -ENOMEM


cdef void pool_clear(object_pool *p, uint32_t reserved) noexcept nogil:
    """All free but the first `reserved`."""
    memset(p.taken, 0, p.total)
    memset(p.taken, 1, reserved)
    p.free_ = p.total - reserved
    p.first = reserved


cdef uint32_t pool_take(object_pool *p) noexcept nogil:
    """Number of the lowest free object; UINT32_MAX: none."""
    cdef uint32_t i = p.first
    if p.free_ == 0:
        return UINT32_MAX
    while p.taken[i]:
        i += 1
    p.taken[i] = 1
    p.free_ -= 1
    p.first = i + 1
    return i


cdef int pool_give(object_pool *p, uint32_t i) noexcept nogil:
    if i >= p.total or not p.taken[i]:
        return -EINVAL
    p.taken[i] = 0
    p.free_ += 1
    if i < p.first:
        p.first = i
    return 0


# Regions ----------------------------------------------------------------------------------------------------------------


cdef void region_limits(region *m) noexcept nogil:
    cdef object_pool *p = m.pools
    p[POOL_IF].least_size = IF_HEADER
    p[POOL_IF].most_size = 4096
    p[POOL_IF].least_num = 1 if m.private_ else 10
    p[POOL_IF].most_num = 100 if m.private_ else 10000
    p[POOL_RING].least_size = RING_HEADER
    p[POOL_RING].most_size = 32 * PAGE_BYTES
    p[POOL_RING].least_num = 2
    p[POOL_RING].most_num = 1024
    p[POOL_BUF].least_size = 64
    p[POOL_BUF].most_size = 65536
    p[POOL_BUF].least_num = 4
    p[POOL_BUF].most_num = 1000000


cdef int assign_id(regions *all_, region *m) noexcept nogil:
    """The next number that is free after the one given out last, and its place in the list."""
    cdef region *scan = all_.last
    cdef uint16_t id
    while True:
        id = <uint16_t>(scan.id + 1)
        if id == 0:
            id = 1
        scan = scan.next_
        if id != scan.id:
            break
        if scan == all_.last:
            return -ENOMEM
    m.id = id
    m.prev = scan.prev
    m.next_ = scan
    scan.prev.next_ = m
    scan.prev = m
    all_.last = m
    return 0


cdef region *region_blank(bint private_) noexcept nogil:
    cdef region *m = <region *>calloc(1, sizeof(region))
    if m != NULL:
        m.refs = 1
        m.private_ = private_
        region_limits(m)
    return m


cdef void region_reset(region *m) noexcept nogil:
    cdef int i
    for i in range(POOLS):
        pool_reset(&m.pools[i])
    if m.base != NULL:
        map_release(m.base, m.size)
        close(m.fd)
    m.base = NULL
    m.size = 0


cdef int regions_init(regions *all_) noexcept nogil:
    cdef region *m = region_blank(False)
    if m == NULL:
        return -ENOMEM
    m.id = 1
    m.prev = m
    m.next_ = m
    all_.last = m
    all_.global_ = m
    m.pools[POOL_IF].want_num = 100
    m.pools[POOL_IF].want_size = 1024
    m.pools[POOL_RING].want_num = 200
    m.pools[POOL_RING].want_size = 9 * PAGE_BYTES
    m.pools[POOL_BUF].want_num = 163840
    m.pools[POOL_BUF].want_size = 2048
    all_.private_num[POOL_IF] = 2
    all_.private_size[POOL_IF] = 1024
    all_.private_num[POOL_RING] = 4
    all_.private_size[POOL_RING] = 5 * PAGE_BYTES
    all_.private_num[POOL_BUF] = 4098
    all_.private_size[POOL_BUF] = 2048
    return 0


cdef void region_free(regions *all_, region *m) noexcept nogil:
    m.prev.next_ = m.next_
    m.next_.prev = m.prev
    if all_.last == m:
        all_.last = m.prev
    region_reset(m)
    free(m)


cdef void regions_free(regions *all_) noexcept nogil:
    cdef region *m
    if all_.global_ == NULL:
        return
    while all_.global_.next_ != all_.global_:
        region_free(all_, all_.global_.next_)
    m = all_.global_
    region_reset(m)
    free(m)
    all_.global_ = NULL
    all_.last = NULL


cdef region *region_find(regions *all_, uint16_t id) noexcept nogil:
    cdef region *m = all_.last
    while True:
        if m.id == id:
            m.refs += 1
            return m
        m = m.next_
        if m == all_.last:
            return NULL


cdef void region_get(region *m) noexcept nogil:
    m.refs += 1


cdef void region_put(regions *all_, region *m) noexcept nogil:
    m.refs -= 1
    if m.refs == 0:
        region_free(all_, m)


cdef inline uint32_t at_least(uint32_t a, uint32_t b) noexcept nogil:
    return a if a > b else b


cdef region *region_private(regions *all_, uint32_t tx_rings, uint32_t tx_slots, uint32_t rx_rings, uint32_t rx_slots, uint32_t extra,
                            uint32_t pipes, int *status) noexcept nogil:
    cdef region *m = region_blank(True)
    cdef int i
    status[0] = -ENOMEM
    if m == NULL:
        return NULL
    for i in range(POOLS):
        m.pools[i].want_num = all_.private_num[i]
        m.pools[i].want_size = all_.private_size[i]
    tx_rings += 1               # host rings are there, real or not
    rx_rings += 1
    m.pools[POOL_IF].want_size = at_least(m.pools[POOL_IF].want_size, IF_HEADER + 8 * (tx_rings + rx_rings))
    m.pools[POOL_IF].want_num = at_least(m.pools[POOL_IF].want_num, 2 + 4 * pipes)
    m.pools[POOL_RING].want_size = at_least(m.pools[POOL_RING].want_size, RING_HEADER + SLOT_BYTES * at_least(tx_slots, rx_slots))
    m.pools[POOL_RING].want_num = at_least(m.pools[POOL_RING].want_num, tx_rings + rx_rings + 8 * pipes)
    m.pools[POOL_BUF].want_num = at_least(m.pools[POOL_BUF].want_num,
                                          (4 * pipes + rx_rings) * rx_slots + (4 * pipes + tx_rings) * tx_slots + 2 + extra)
    status[0] = assign_id(all_, m)
    if status[0] < 0:
        free(m)
        return NULL
    status[0] = region_configure(m)
    if status[0] < 0:
        region_free(all_, m)
        return NULL
    return m


cdef int region_configure(region *m) noexcept nogil:
    cdef int i
    cdef bint changed = False
    # The module looks at the first alone, and frees memory that is in use when a good parameter follows a bad one
    if m.active or m.users:
        return 0
    for i in range(POOLS):
        if m.pools[i].last_num != m.pools[i].want_num or m.pools[i].last_size != m.pools[i].want_size:
            changed = True
            m.pools[i].last_num = m.pools[i].want_num
            m.pools[i].last_size = m.pools[i].want_size
    if changed:
        region_reset(m)
        for i in range(POOLS):
            m.status = pool_configure(&m.pools[i])
            if m.status < 0:
                break
    return m.status


cdef void region_clear(region *m) noexcept nogil:
    pool_clear(&m.pools[POOL_IF], 0)
    pool_clear(&m.pools[POOL_RING], 0)
    pool_clear(&m.pools[POOL_BUF], 2)


cdef void *map_shared(int fd, uint64_t size) noexcept nogil:
    cdef void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0)
    return NULL if p == MAP_FAILED else p


cdef void *region_map(region *m, uint64_t size) noexcept nogil:
    return map_shared(m.fd, size)


cdef void region_unmap(void *at, uint64_t size) noexcept nogil:
    munmap(at, page_round(size))


cdef bint region_forget(void *at, uint64_t size) noexcept nogil:
    return mmap(at, page_round(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED


cdef int region_make(region *m) noexcept nogil:
    cdef uint64_t total = 0
    cdef int i
    if m.base != NULL:
        return m.status
    m.status = 0
    for i in range(POOLS):
        m.status = pool_make(&m.pools[i], total)
        if m.status < 0:
            region_reset(m)
            return m.status
        total += <uint64_t>m.pools[i].clusters * m.pools[i].cluster
    total = (total + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES
    m.fd = us_memory(total)
    m.base = <uint8_t *>map_shared(m.fd, total) if m.fd >= 0 else NULL
    if m.base == NULL:
        if m.fd >= 0:
            close(m.fd)
        m.status = -ENOMEM
        region_reset(m)
        return m.status
    m.size = total
    region_clear(m)
    return 0


cdef int region_enter(region *m) noexcept nogil:
    cdef int status
    if region_configure(m) == 0:
        m.active += 1
        region_make(m)
    status = m.status
    m.users += 1
    if status < 0:
        region_leave(m)         # also where it was not entered
    return status


cdef void region_leave(region *m) noexcept nogil:
    cdef bint last = m.active == 1
    m.users -= 1
    if last and m.base != NULL:
        region_clear(m)
    m.active -= 1
    if last:
        m.status = 0


cdef int region_memsize(region *m, uint64_t *size) noexcept nogil:
    cdef int status = region_configure(m)
    cdef int i
    if status < 0:
        return status
    size[0] = m.size
    if m.base == NULL:
        for i in range(POOLS):
            size[0] += <uint64_t>m.pools[i].clusters * m.pools[i].cluster
    return 0


# Objects ----------------------------------------------------------------------------------------------------------------


cdef uint8_t *take_object(region *m, int pool, uint64_t size) noexcept nogil:
    cdef object_pool *p = &m.pools[pool]
    cdef uint32_t i
    if size > p.size:
        return NULL
    i = pool_take(p)
    return NULL if i == UINT32_MAX else m.base + p.offset + <uint64_t>i * p.size


cdef void give_object(region *m, int pool, void *at) noexcept nogil:
    cdef object_pool *p = &m.pools[pool]
    cdef uint64_t from_start = <uint64_t>(<uint8_t *>at - m.base)
    if from_start >= p.offset:
        pool_give(p, <uint32_t>((from_start - p.offset) // p.size))


cdef ring *region_ring(region *m, uint32_t num_slots) noexcept nogil:
    return <ring *>take_object(m, POOL_RING, RING_HEADER + <uint64_t>SLOT_BYTES * num_slots)


cdef void region_ring_give(region *m, ring *r) noexcept nogil:
    give_object(m, POOL_RING, r)


cdef netmap_if *region_if(region *m, uint32_t n_rings) noexcept nogil:
    return <netmap_if *>take_object(m, POOL_IF, IF_HEADER + <uint64_t>8 * n_rings)


cdef void region_if_give(region *m, netmap_if *f) noexcept nogil:
    give_object(m, POOL_IF, f)


cdef uint32_t region_buf(region *m) noexcept nogil:
    cdef uint32_t i = pool_take(&m.pools[POOL_BUF])
    return 0 if i == UINT32_MAX else i


cdef int region_buf_give(region *m, uint32_t i) noexcept nogil:
    return pool_give(&m.pools[POOL_BUF], i) if i >= 2 else -EINVAL


cdef uint32_t region_extra(region *m, uint32_t n, uint32_t *head) noexcept nogil:
    cdef uint32_t got = 0
    cdef uint32_t i
    head[0] = 0
    while got < n:
        i = region_buf(m)
        if i == 0:
            break
        (<uint32_t *>region_buf_at(m, i))[0] = head[0]
        head[0] = i
        got += 1
    return got


cdef void region_extra_give(region *m, uint32_t head) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t *link
    while 2 <= head < m.pools[POOL_BUF].total:
        i = head
        link = <uint32_t *>region_buf_at(m, i)
        head = link[0]
        link[0] = 0
        if pool_give(&m.pools[POOL_BUF], i) < 0:
            break
