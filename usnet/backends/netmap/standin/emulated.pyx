"""The module's emulated mode."""
from libc.errno cimport ENOBUFS, ENXIO
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from usnet.backends.netmap.standin.adapter cimport (
    NAF_FORCE_READ, NAF_HOST_RINGS, NAF_OFFSETS, NAF_ON, NAF_ZOMBIE, NR_RX, NR_TX, adapter, frames_purge, frames_put,
    frames_take, k_next, k_prev, kring, krings_commit, queued, ring_reinit, slot_buf,
)
from usnet.backends.netmap.standin.memory cimport region_buf_size, region_n_bufs
from usnet.backends.netmap.standin.nic cimport nic_drain, nic_ring, nic_take
from usnet.backends.netmap.standin.state cimport standin_state
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, slot

cdef enum:
    EMULATED_BUF_MAX = 32768    # what the module takes to be the most that such a driver receives into one buffer


cdef int emulated_txsync(kring *k, int flags) noexcept nogil:
    cdef nic *n = <nic *>k.na.own
    cdef nic_ring *r = &n.rings[NR_TX][k.ring_id]
    while k.hwcur != k.rhead:
        nic_take(n, k)
    if n.link:
        nic_drain(n, k)
    else:
        while r.at != k.hwcur:      # the system drops what it cannot send
            n.stats.down += 1
            r.at = k_next(k, r.at)
    k.hwtail = k_prev(k, r.at)
    return 0


cdef int emulated_fill(nic *n, kring *k, const uint8_t *p, uint32_t length) noexcept nogil:
    if k.waiting.n > n.na.slots[NR_RX] or frames_put(&k.waiting, p, length) < 0:
        n.stats.no_room += 1
        return -ENOBUFS
    n.rings[NR_RX][k.ring_id].pending = True
    return 0


cdef uint32_t mark(kring *k, uint32_t i, uint32_t length) noexcept nogil:
    """Lengths and flags of the slots from i on that a frame takes: the slot behind them."""
    cdef uint32_t size = region_buf_size(k.na.mem)
    cdef uint32_t part
    while length:
        part = length if length < size else size
        length -= part
        k.r.slots[i].len = <uint16_t>part
        k.r.slots[i].flags = NS_MOREFRAG if length else 0
        i = k_next(k, i)
    return i


cdef bint copy(kring *k, uint32_t i, const uint8_t *p) noexcept nogil:
    """A frame into the slots that mark() has marked; False: one has no buffer."""
    cdef uint64_t room
    cdef uint8_t *to
    cdef slot *s
    while True:
        s = &k.r.slots[i]
        if s.buf_idx == 0 or s.buf_idx >= region_n_bufs(k.na.mem):
            return False
        to = slot_buf(k, s, &room)
        memcpy(to, p, s.len if s.len < room else room)
        p += s.len
        if not s.flags & NS_MOREFRAG:
            return True
        i = k_next(k, i)


cdef int take_in(kring *k) noexcept nogil:
    """What has come and finds room. All is marked before anything is copied: a slot without a buffer costs all frames of this sync."""
    cdef uint32_t size = region_buf_size(k.na.mem)
    cdef uint32_t i = k.hwtail
    cdef uint32_t stop = k_prev(k, k.hwcur)
    cdef int64_t room = <int64_t>(stop - i if stop >= i else stop + k.num_slots - i) * size
    cdef uint32_t n = 0
    cdef queued *q = k.waiting.first
    cdef bint good = True
    while q != NULL and q.length <= room:
        i = mark(k, i, q.length)
        room -= <int64_t>((q.length + size - 1) // size) * size
        n += 1
        q = q.next_
    stop = i
    i = k.hwtail
    while n:
        q = frames_take(&k.waiting)
        n -= 1
        if good:
            good = copy(k, i, q.bytes_)
            i = advance(k, i, (q.length + size - 1) // size)
        free(q)
    if not good:
        return ring_reinit(k)
    k.hwtail = stop
    return 0


cdef uint32_t advance(kring *k, uint32_t i, uint32_t n) noexcept nogil:
    i += n
    return i - k.num_slots if i >= k.num_slots else i


cdef int emulated_rxsync(kring *k, int flags) noexcept nogil:
    cdef nic *n = <nic *>k.na.own
    cdef nic_ring *r = &n.rings[NR_RX][k.ring_id]
    cdef bint update = flags & NAF_FORCE_READ or r.pending or (<standin_state *>k.na.state).no_pendintr
    cdef int status
    if k.rhead >= k.num_slots:
        return ring_reinit(k)
    while k.hwcur != k.rhead:
        k.r.slots[k.hwcur].flags &= <uint16_t>~NS_BUF_CHANGED
        k.hwcur = k_next(k, k.hwcur)
    if not update:
        return 0
    status = take_in(k)
    if status == 0:
        r.pending = False
    return status


cdef int emulated_reg(adapter *na, bint on) noexcept nogil:
    cdef nic *n = <nic *>na.own
    cdef uint32_t i
    if na.flags & NAF_ZOMBIE and on:
        return -ENXIO
    if na.active == 0:
        na.flags = na.flags | NAF_ON if on else na.flags & ~<uint32_t>NAF_ON
    krings_commit(na, on)
    for i in range(na.n[NR_RX]):
        if not on:
            frames_purge(&na.krings[NR_RX][i].waiting)
        if na.active == 0:
            n.rings[NR_RX][i].pending = False
    for i in range(na.n[NR_TX]):
        if na.active == 0:
            n.rings[NR_TX][i].at = na.krings[NR_TX][i].hwcur
    return 0


cdef void nic_emulate(nic *n) noexcept nogil:
    n.fill = emulated_fill
    n.na.flags = NAF_HOST_RINGS | NAF_OFFSETS
    n.na.rx_buf_max = EMULATED_BUF_MAX
    n.na.sync[NR_TX] = emulated_txsync
    n.na.sync[NR_RX] = emulated_rxsync
    n.na.reg = emulated_reg
