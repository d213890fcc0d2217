"""Krings and rings of an adapter, and the module's checks of what users write into rings."""
from libc.errno cimport EIO, ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset, strlen

from usnet.backends.eventfd cimport eventfd_set
from usnet.backends.netmap.device cimport NM_POLLIN, NM_POLLOUT
from usnet.backends.netmap.standin.memory cimport (
    POOL_BUF, region_buf, region_buf_at, region_buf_give, region_buf_size, region_extra_give, region_if, region_if_give,
    region_n_bufs, region_ring, region_ring_give,
)

# Adapters ---------------------------------------------------------------------------------------------------------------


cdef adapter *adapter_new(void *state, const char *name, int kind) noexcept nogil:
    cdef adapter *na = <adapter *>calloc(1, sizeof(adapter))
    cdef size_t n = strlen(name)
    if na == NULL:
        return NULL
    memcpy(na.name, name, n if n < sizeof(na.name) else sizeof(na.name) - 1)
    na.state = state
    na.kind = kind
    na.refs = 1
    na.notify = kring_wake
    na.krings_create = krings_create
    na.krings_delete = krings_delete
    return na


cdef void adapter_get(adapter *na) noexcept nogil:
    na.refs += 1


cdef bint adapter_put(adapter *na) noexcept nogil:
    if na == NULL:
        return True
    na.refs -= 1
    if na.refs:
        return False
    na.destroy(na)
    return True


cdef uint32_t real_rings(const adapter *na, int t) noexcept nogil:
    return na.n[t] + (na.n_host[t] if na.flags & NAF_HOST_RINGS else 0)


cdef uint32_t all_rings(const adapter *na, int t) noexcept nogil:
    cdef uint32_t real = real_rings(na, t)
    return real if real > na.n[t] else na.n[t] + 1


# Krings -----------------------------------------------------------------------------------------------------------------


cdef int krings_create(adapter *na) noexcept nogil:
    cdef uint32_t n_tx = all_rings(na, NR_TX)
    cdef uint32_t n = n_tx + all_rings(na, NR_RX)
    cdef uint32_t i
    cdef int t
    cdef kring *k
    if na.krings[NR_TX] != NULL:
        return 0
    k = <kring *>calloc(n, sizeof(kring))
    if k == NULL:
        return -ENOMEM
    na.krings[NR_TX] = k
    na.krings[NR_RX] = k + n_tx
    for t in range(2):
        for i in range(all_rings(na, t)):
            k = &na.krings[t][i]
            k.na = na
            k.ring_id = i
            k.tx = t
            k.num_slots = na.slots[t]
            k.notify = na.notify
            k.sync = na.sync[t] if i < na.n[t] else na.host_sync[t]
            k.fake = i >= na.n[t] and not na.flags & NAF_HOST_RINGS
            k.hwtail = k.rtail = na.slots[t] - 1 if t == NR_TX else 0       # one slot always stays empty
    return 0


cdef void krings_delete(adapter *na) noexcept nogil:
    cdef uint32_t i
    if na.krings[NR_TX] == NULL:
        return
    for i in range(all_rings(na, NR_TX) + all_rings(na, NR_RX)):
        frames_purge(&na.krings[NR_TX][i].waiting)
    free(na.krings[NR_TX])
    na.krings[NR_TX] = NULL
    na.krings[NR_RX] = NULL


cdef void krings_commit(adapter *na, bint on) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        for i in range(real_rings(na, t)):
            if (na.krings[t][i].pending != 0) == (on != 0):
                na.krings[t][i].on = on


cdef int kring_enter(kring *k) noexcept nogil:
    if k.stopped:
        return 1
    if k.na.flags & NAF_ZOMBIE:
        return -EIO
    if k.busy:
        return 1
    k.busy = True
    return 0


cdef void kring_leave(kring *k) noexcept nogil:
    k.busy = False


# Waking -----------------------------------------------------------------------------------------------------------------


cdef int kring_wake(kring *k, int flags) noexcept nogil:
    cdef opened *o = k.na.fds
    cdef int wanted = NM_POLLIN if k.tx == NR_RX else NM_POLLOUT
    while o != NULL:
        if o.watch_events & wanted and o.first[k.tx] <= k.ring_id < o.last[k.tx]:
            eventfd_set(o.watch_fd, &o.ringing, True)
        o = o.next_
    return 0


# Frames that wait -------------------------------------------------------------------------------------------------------


cdef int frames_put(frames *f, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef queued *q = <queued *>malloc(sizeof(queued) + length)
    if q == NULL:
        return -ENOMEM
    q.next_ = NULL
    q.length = length
    memcpy(q.bytes_, p, length)
    if f.first == NULL:
        f.first = q
    else:
        f.last.next_ = q
    f.last = q
    f.n += 1
    return 0


cdef queued *frames_take(frames *f) noexcept nogil:
    cdef queued *q = f.first
    if q != NULL:
        f.first = q.next_
        f.n -= 1
    return q


cdef void frames_purge(frames *f) noexcept nogil:
    cdef queued *q = frames_take(f)
    while q != NULL:
        free(q)
        q = frames_take(f)


# Shared rings -----------------------------------------------------------------------------------------------------------


cdef int ring_fill(kring *k) noexcept nogil:
    """A buffer for each slot; none at all when they do not suffice."""
    cdef region *m = k.na.mem
    cdef slot *s
    cdef uint32_t i
    for i in range(k.num_slots):
        s = &k.r.slots[i]
        s.buf_idx = 0 if k.fake else region_buf(m)
        if s.buf_idx == 0 and not k.fake:
            while i:
                i -= 1
                region_buf_give(m, k.r.slots[i].buf_idx)
            memset(k.r.slots, 0, k.num_slots * sizeof(slot))
            return -ENOMEM
        s.len = <uint16_t>region_buf_size(m)
        s.flags = 0
        if not k.fake:
            s.ptr = 0
    return 0


cdef int ring_create(kring *k) noexcept nogil:
    """What lies in the ring from its last use and is not set here stays."""
    cdef region *m = k.na.mem
    cdef int status
    k.r = region_ring(m, k.num_slots)
    if k.r == NULL:
        return -ENOMEM
    k.r.num_slots = k.num_slots
    k.r.buf_ofs = m.base + m.pools[POOL_BUF].offset - <uint8_t *>k.r
    k.r.head = k.rhead
    k.r.cur = k.rcur
    k.r.tail = k.rtail
    k.r.nr_buf_size = region_buf_size(m)
    status = ring_fill(k)
    if status == 0:
        k.r.ringid = <uint16_t>k.ring_id
        k.r.dir = 1 if k.tx == NR_TX else 0     # as the module has it, whatever its header's comment says
    return status


cdef int rings_create(adapter *na) noexcept nogil:
    cdef int direction[2]
    cdef uint32_t i
    cdef int status, t, order
    cdef kring *k
    direction[0] = NR_RX        # receive rings get the lower buffers
    direction[1] = NR_TX
    for order in range(2):
        t = direction[order]
        for i in range(all_rings(na, t)):
            k = &na.krings[t][i]
            if k.r == NULL and (k.users or k.need_ring):
                status = ring_create(k)
                if status < 0:
                    return status
    return 0


cdef void rings_delete(adapter *na) noexcept nogil:
    cdef uint32_t i, j
    cdef int t
    cdef kring *k
    for t in range(2):
        for i in range(all_rings(na, t)):
            k = &na.krings[t][i]
            if k.r == NULL or k.users or k.need_ring:
                continue
            if not k.fake:
                for j in range(k.num_slots):
                    region_buf_give(na.mem, k.r.slots[j].buf_idx)
            region_ring_give(na.mem, k.r)
            k.r = NULL


cdef netmap_if *if_new(adapter *na, const uint32_t *first, const uint32_t *last) noexcept nogil:
    cdef uint32_t n_tx = all_rings(na, NR_TX)
    cdef netmap_if *f = region_if(na.mem, n_tx + all_rings(na, NR_RX))
    cdef uint32_t i
    cdef int t
    cdef int64_t *offsets
    cdef size_t length = strlen(na.name)
    if f == NULL:
        return NULL
    f.ni_tx_rings = na.n[NR_TX]
    f.ni_rx_rings = na.n[NR_RX]
    f.ni_host_tx_rings = na.n_host[NR_TX] if na.n_host[NR_TX] else 1
    f.ni_host_rx_rings = na.n_host[NR_RX] if na.n_host[NR_RX] else 1
    length = length if length < sizeof(f.ni_name) else sizeof(f.ni_name) - 1
    memcpy(f.ni_name, na.name, length)
    f.ni_name[length] = 0
    for t in range(2):
        offsets = f.ring_ofs + (n_tx if t == NR_RX else 0)
        for i in range(all_rings(na, t)):
            if na.krings[t][i].r != NULL and first[t] <= i < last[t]:
                offsets[i] = <uint8_t *>na.krings[t][i].r - <uint8_t *>f
            else:
                offsets[i] = 0
    return f


cdef void if_delete(adapter *na, netmap_if *f) noexcept nogil:
    if f == NULL:
        return
    if f.ni_bufs_head:
        region_extra_give(na.mem, f.ni_bufs_head)
    region_if_give(na.mem, f)


# Checks -----------------------------------------------------------------------------------------------------------------


cdef inline bint within(uint32_t low, uint32_t i, uint32_t high) noexcept nogil:
    """Whether i lies in [low, high], going round the end of the ring where low > high."""
    if low <= high:
        return low <= i <= high
    return i >= low or i <= high


cdef inline bint indices_good(uint32_t low, uint32_t head, uint32_t cur, uint32_t high) noexcept nogil:
    return within(low, head, high) and within(head, cur, high)


cdef uint32_t txsync_prologue(kring *k) noexcept nogil:
    cdef uint32_t head = k.r.head
    cdef uint32_t cur = k.r.cur
    if k.hwcur >= k.num_slots or k.rhead >= k.num_slots or k.rtail >= k.num_slots or k.hwtail >= k.num_slots:
        return k.num_slots
    if not indices_good(k.rhead, head, cur, k.rtail):
        return k.num_slots
    k.r.tail = k.rtail
    k.rhead = head
    k.rcur = cur
    return head


cdef uint32_t rxsync_prologue(kring *k) noexcept nogil:
    # Kept before they are looked at, as the module does: with bad ones the sync that follows works on them
    k.rcur = k.r.cur
    k.rhead = k.r.head
    if k.hwcur >= k.num_slots or k.hwtail >= k.num_slots:
        return k.num_slots
    if not indices_good(k.hwcur, k.rhead, k.rcur, k.hwtail):
        return k.num_slots
    k.r.tail = k.rtail
    return k.rhead


cdef int ring_reinit(kring *k) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i
    cdef slot *s
    k.rhead = r.head
    k.rcur = r.cur
    k.rtail = r.tail
    for i in range(k.num_slots):
        s = &r.slots[i]
        if s.buf_idx < 2 or s.buf_idx >= region_n_bufs(k.na.mem):
            s.buf_idx = 0
            s.len = 0
        elif s.len > region_buf_size(k.na.mem):
            s.len = 0
    if r.cur < k.num_slots and r.head < k.num_slots and r.tail < k.num_slots:
        return 0
    r.head = k.rhead = k.hwcur
    r.cur = k.rcur = k.hwcur
    r.tail = k.rtail = k.hwtail
    return 1


cdef void sync_finalize(kring *k) noexcept nogil:
    k.r.tail = k.rtail = k.hwtail


cdef uint8_t *slot_buf(kring *k, const slot *s, uint64_t *room) noexcept nogil:
    cdef uint64_t offset = k_offset(k, s)
    room[0] = region_buf_size(k.na.mem) - offset
    return region_buf_at(k.na.mem, s.buf_idx) + offset
