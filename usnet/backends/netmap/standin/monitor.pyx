"""Monitors: what passes through the rings of another port.

A monitor's receive ring i sees ring i of its parent, of either direction. It replaces the sync of the rings that it watches, and the notify of
receive rings. Copying monitors see a frame before it is used: as it is handed over for sending, as it arrives. Monitors without a copy see it when
its slot is done with, and swap the buffer for one of their own, from the parent's region; further ones watch the one before. What finds no room is
not seen: of too many slots at once the last ones are.
"""
from libc.errno cimport EINVAL, EIO, ENOMEM, ENXIO
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from usnet.backends.netmap.abi cimport NR_MONITOR_RX, NR_MONITOR_TX, NR_ZCOPY_MON, NS_TXMON, nmreq_register
from usnet.backends.netmap.standin.adapter cimport (
    KIND_MONITOR, NAF_FORCE_READ, NAF_HOST_RINGS, NAF_MEM_OWNER, NAF_OFFSETS, NAF_ON, NR_RX, NR_TX, adapter_get, adapter_put, all_rings, k_next,
    kring, kring_enter, kring_leave, kring_notify, opened, slot_buf,
)
from usnet.backends.netmap.standin.memory cimport region_get, region_private
from usnet.backends.netmap.standin.register cimport interpret_ring_id
from usnet.backends.netmap.standin.softport cimport bounded, softport_free, softport_new
from usnet.backends.netmap.standin.state cimport find_port
from usnet.backends.ring cimport NS_BUF_CHANGED, slot


cdef inline bint is_zmon(const adapter *na) noexcept nogil:
    return na.kind == KIND_MONITOR and (<monitor *>na.own).flags & NR_ZCOPY_MON


cdef inline bint unwatched(const kring *k) noexcept nogil:
    return k.n_monitors == 0 and k.zmon_next[NR_TX] == NULL and k.zmon_next[NR_RX] == NULL


cdef inline uint32_t between(uint32_t low, uint32_t high, uint32_t n) noexcept nogil:
    return high - low if high >= low else high + n - low


# Its own rings ----------------------------------------------------------------------------------------------------------


cdef int monitor_txsync(kring *k, int flags) noexcept nogil:
    return -EIO                         # nothing is sent through a monitor


cdef int monitor_rxsync(kring *k, int flags) noexcept nogil:
    if (<monitor *>k.na.own).parent == NULL:
        return -EIO
    k.hwcur = k.rhead
    return 0


# Frames -----------------------------------------------------------------------------------------------------------------


cdef uint32_t room_of(const kring *mk) noexcept nogil:
    """Slots of a monitor's ring that may be filled."""
    return mk.num_slots - 1 - between(mk.hwcur, mk.hwtail, mk.num_slots)


cdef void copy_slots(kring *k, kring *mk, uint32_t first, uint32_t n) noexcept nogil:
    """n slots of k from `first` on, for one monitor; the last ones where there is not room for all."""
    cdef uint32_t room = room_of(mk)
    cdef uint32_t i = mk.hwtail
    cdef uint32_t length
    cdef uint64_t from_room = 0
    cdef uint64_t to_room = 0
    cdef uint8_t *to
    cdef uint8_t *from_
    cdef slot *s
    cdef slot *d
    if room == 0:
        return
    if room < n:
        first = (first + n - room) % k.num_slots
        n = room
    while n:
        s = &k.r.slots[first]
        d = &mk.r.slots[i]
        from_ = slot_buf(k, s, &from_room)
        to = slot_buf(mk, d, &to_room)
        length = s.len if s.len < to_room else <uint32_t>to_room
        memcpy(to, from_, length if length < from_room else from_room)
        d.len = <uint16_t>length
        d.flags = <uint16_t>((s.flags & ~NS_TXMON) | (NS_TXMON if k.tx == NR_TX else 0))
        first = k_next(k, first)
        i = k_next(mk, i)
        n -= 1
    mk.hwtail = i
    mk.notify(mk, 0)


cdef void copy_to_all(kring *k, uint32_t first, uint32_t end) noexcept nogil:
    cdef uint32_t n = between(first, end, k.num_slots)
    cdef uint32_t j
    for j in range(k.n_monitors if n else 0):
        copy_slots(k, k.monitors[j], first, n)


cdef void swap_slots(kring *k, kring *mk, uint32_t first, uint32_t n) noexcept nogil:
    cdef uint32_t room = room_of(mk)
    cdef uint32_t i = mk.hwtail
    cdef uint32_t index
    cdef uint16_t length
    cdef slot *s
    cdef slot *d
    if room == 0:
        return
    if room < n:
        first += n - room
        n = room
    if first >= k.num_slots:
        first -= k.num_slots
    while n:
        s = &k.r.slots[first]
        d = &mk.r.slots[i]
        index = d.buf_idx
        d.buf_idx = s.buf_idx
        s.buf_idx = index
        length = d.len
        d.len = s.len
        s.len = length
        d.flags = <uint16_t>((s.flags & ~NS_TXMON) | (NS_TXMON if k.tx == NR_TX else 0))
        s.flags |= NS_BUF_CHANGED
        first = k_next(k, first)
        i = k_next(mk, i)
        n -= 1
    mk.hwtail = i
    mk.notify(mk, 0)


cdef int zmon_sync(kring *k, int flags, int t) noexcept nogil:
    """A sync of a ring that has a monitor without a copy: it gets the slots that the sync frees (tx), or that the user has given back (rx)."""
    cdef kring *mk = k.zmon_next[t]
    cdef uint32_t first, end
    cdef int status
    if t == NR_TX:
        first = k.hwtail + 1
        status = k.mon_sync(k, flags)
        if status:
            return status
        end = k.hwtail + 1
    else:
        first = k.hwcur
        end = k.rhead
    if first != end:
        swap_slots(k, mk, first, between(first, end, k.num_slots))
    return k.mon_sync(k, flags) if t == NR_RX else 0


cdef int watched_txsync(kring *k, int flags) noexcept nogil:
    copy_to_all(k, k.hwcur, k.rhead)
    if k.zmon_next[NR_TX] != NULL:
        return zmon_sync(k, flags, NR_TX)
    return k.mon_sync(k, flags)


cdef int watched_rxsync(kring *k, int flags) noexcept nogil:
    cdef int status
    if k.zmon_next[NR_RX] != NULL:
        status = zmon_sync(k, flags, NR_RX)
    else:
        status = k.mon_sync(k, flags)
    if status:
        return status
    if k.n_monitors:
        copy_to_all(k, k.mon_tail, k.hwtail)
        k.mon_tail = k.hwtail
    return 0


cdef int watched_notify(kring *k, int flags) noexcept nogil:
    """Copying monitors see what has come before the port's user looks."""
    cdef kring_notify notify
    if kring_enter(k) != 0:
        return 0
    if k.n_monitors:
        watched_rxsync(k, NAF_FORCE_READ)
    notify = k.notify if unwatched(k) else k.mon_notify
    kring_leave(k)
    return notify(k, flags)


# Who watches whom -------------------------------------------------------------------------------------------------------


cdef int idle_sync(kring *k, int flags) noexcept nogil:
    return 0


cdef void intercept(kring *k) noexcept nogil:
    k.mon_sync = k.sync if k.sync != NULL else idle_sync
    k.mon_notify = k.notify
    if k.tx == NR_TX:
        k.sync = watched_txsync
    else:
        k.sync = watched_rxsync
        k.notify = watched_notify
        k.mon_tail = k.hwtail


cdef void restore(kring *k) noexcept nogil:
    k.sync = k.mon_sync
    k.mon_sync = NULL
    if k.tx == NR_RX:
        k.notify = k.mon_notify
    k.mon_notify = NULL


cdef void forget_list(kring *k) noexcept nogil:
    free(k.monitors)
    k.monitors = NULL
    k.n_monitors = 0


cdef int watch(kring *mk, kring *k) noexcept nogil:
    cdef bint zcopy = is_zmon(mk.na)
    cdef int t = k.tx
    cdef kring *seen = k
    cdef kring **list_
    if zcopy and k.zmon_prev[t] != NULL:
        seen = k.zmon_prev[t]           # the last of the chain: this one watches it
    if unwatched(seen):
        intercept(seen)
    if zcopy:
        seen.zmon_next[t] = mk
        k.zmon_prev[t] = mk
        mk.zmon_prev[t] = seen
        mk.zmon_next[t] = NULL
        adapter_get(seen.na)
        return 0
    list_ = <kring **>realloc(k.monitors, (k.n_monitors + 1) * sizeof(kring *))
    if list_ == NULL:
        return -ENOMEM
    k.monitors = list_
    list_[k.n_monitors] = mk
    mk.mon_pos[t] = k.n_monitors
    k.n_monitors += 1
    return 0


cdef kring *head_of(kring *mk, int t) noexcept nogil:
    """The ring at the head of the chain; NULL when it has left."""
    cdef kring *k = mk
    while is_zmon(k.na) and k.zmon_prev[t] != NULL:
        k = k.zmon_prev[t]
    return NULL if is_zmon(k.na) else k


cdef void unchain(kring *mk, int t) noexcept nogil:
    cdef kring *k = head_of(mk, t)
    cdef kring *before = mk.zmon_prev[t]
    cdef kring *behind = mk.zmon_next[t]
    if behind != NULL:
        behind.zmon_prev[t] = before
        if before != NULL:
            adapter_get(before.na)
        adapter_put(mk.na)
    elif k != NULL:
        k.zmon_prev[t] = before if before != k else NULL
    mk.zmon_prev[t] = NULL
    mk.zmon_next[t] = NULL
    if before != NULL:
        before.zmon_next[t] = behind
        if unwatched(before):
            restore(before)
        adapter_put(before.na)


cdef void unwatch(kring *mk, kring *k, int t) noexcept nogil:
    cdef uint32_t place
    if is_zmon(mk.na):
        unchain(mk, t)
        return
    place = mk.mon_pos[t]
    k.n_monitors -= 1
    if place != k.n_monitors:
        k.monitors[place] = k.monitors[k.n_monitors]
        k.monitors[place].mon_pos[t] = place
    if k.n_monitors == 0:
        forget_list(k)
    if unwatched(k):
        restore(k)


cdef void forget_parent(adapter *na) noexcept nogil:
    cdef monitor *mon = <monitor *>na.own
    if mon.parent != NULL:
        adapter_put(mon.parent)
        mon.parent = NULL


cdef void orphan_chain(kring *k, int t) noexcept nogil:
    """Nobody in the chain watches anybody any more. (The module leaves those behind the first chained, even when one of them is freed.)"""
    cdef kring *z = k.zmon_next[t]
    cdef kring *behind
    k.zmon_next[t] = NULL
    k.zmon_prev[t] = NULL
    while z != NULL:
        behind = z.zmon_next[t]
        forget_parent(z.na)
        adapter_put(z.zmon_prev[t].na)
        z.zmon_prev[t] = NULL
        z.zmon_next[t] = NULL
        if behind != NULL and unwatched(z):
            restore(z)
        z = behind


cdef void stop_ring(kring *k) noexcept nogil:
    cdef uint32_t j
    if unwatched(k):
        return
    for j in range(k.n_monitors):
        forget_parent(k.monitors[j].na)
    forget_list(k)
    if not is_zmon(k.na):
        orphan_chain(k, k.tx)
    restore(k)


cdef void monitors_stop(adapter *na) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        for i in range(all_rings(na, t)):
            stop_ring(&na.krings[t][i])


# The adapter ------------------------------------------------------------------------------------------------------------


cdef void watch_parent(adapter *na, kring *mk, bint on) noexcept nogil:
    """The rings of the parent that have mk's number; its first host ring counts as one more."""
    cdef monitor *mon = <monitor *>na.own
    cdef int t
    for t in range(2):
        if mk.ring_id > mon.parent.n[t] or not mon.flags & (NR_MONITOR_TX if t == NR_TX else NR_MONITOR_RX):
            continue
        if on:
            watch(mk, &mon.parent.krings[t][mk.ring_id])
        else:
            unwatch(mk, &mon.parent.krings[t][mk.ring_id], t)


cdef int monitor_reg(adapter *na, bint on) noexcept nogil:
    cdef monitor *mon = <monitor *>na.own
    cdef kring *mk
    cdef uint32_t i
    cdef int t
    if on and mon.parent == NULL:
        return -ENXIO
    if not on and na.active == 0:
        na.flags &= ~NAF_ON
    for t in range(2):
        for i in range(all_rings(na, t)):
            mk = &na.krings[t][i]
            if mk.pending != on or mk.on == on:
                continue
            mk.on = on
            if t == NR_RX and mon.parent != NULL:
                watch_parent(na, mk, on)
    if on:
        mon.parent.unwatch = monitors_stop
        na.unwatch = monitors_stop      # others may chain to it
        na.flags |= NAF_ON
    return 0


cdef void monitor_destroy(adapter *na) noexcept nogil:
    forget_parent(na)
    softport_free(na)


cdef adapter *monitor_new(standin_state *s, adapter *parent, nmreq_register *req, int *status) noexcept nogil:
    cdef bint zcopy = req.nr_flags & NR_ZCOPY_MON != 0
    cdef char name[128]
    cdef adapter *na
    cdef monitor *mon
    snprintf(name, sizeof(name), b"%s/%s%s%s#%lu", parent.name, b"z" if zcopy else b"", b"r" if req.nr_flags & NR_MONITOR_RX else b"",
             b"t" if req.nr_flags & NR_MONITOR_TX else b"", <unsigned long>parent.monitor_id)
    parent.monitor_id += 1
    name[63] = 0
    na = softport_new(s, name, KIND_MONITOR, sizeof(monitor))
    status[0] = -ENOMEM
    if na == NULL:
        return NULL
    mon = <monitor *>na.own
    mon.flags = req.nr_flags & (NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON)
    na.flags = (parent.flags & NAF_HOST_RINGS) | (NAF_MEM_OWNER if zcopy else NAF_OFFSETS)
    na.n_host[NR_TX] = na.n_host[NR_RX] = 1 if na.flags & NAF_HOST_RINGS else 0
    na.n[NR_TX] = 1
    na.n[NR_RX] = parent.n[NR_RX] if parent.n[NR_RX] > parent.n[NR_TX] else parent.n[NR_TX]
    na.slots[NR_TX] = bounded(req.nr_tx_slots, parent.slots[NR_TX], 1, MONITOR_MAX_SLOTS)
    na.slots[NR_RX] = bounded(req.nr_rx_slots, parent.slots[NR_RX], 1, MONITOR_MAX_SLOTS)
    na.sync[NR_TX] = na.host_sync[NR_TX] = monitor_txsync
    na.sync[NR_RX] = na.host_sync[NR_RX] = monitor_rxsync
    na.reg = monitor_reg
    na.destroy = monitor_destroy
    if zcopy:
        na.mem = parent.mem
        region_get(na.mem)
    else:
        na.mem = region_private(&s.memory, 1, na.slots[NR_TX], na.n[NR_RX], na.slots[NR_RX], 0, 0, status)
        if na.mem == NULL:
            softport_free(na)
            return NULL
    mon.parent = parent                 # with the reference that the caller has
    status[0] = 0
    return na


cdef int monitor_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef nmreq_register of_parent
    cdef opened *rings
    cdef adapter *parent = NULL
    cdef int status
    if req.nr_flags & NR_ZCOPY_MON:
        req.nr_flags |= NR_MONITOR_TX | NR_MONITOR_RX
    if not req.nr_flags & (NR_MONITOR_TX | NR_MONITOR_RX):
        return 0
    of_parent = req[0]
    of_parent.nr_flags &= ~<uint64_t>(NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON)
    hdr.nr_body = <uintptr_t>&of_parent
    status = find_port(s, hdr, &parent, m, create)
    hdr.nr_body = <uintptr_t>req
    if status < 0:
        return status
    if not parent.flags & NAF_ON:
        adapter_put(parent)
        return -EINVAL
    rings = <opened *>calloc(1, sizeof(opened))     # for nothing but the check of what the request asks for
    if rings == NULL:
        adapter_put(parent)
        return -ENOMEM
    rings.na = parent
    status = interpret_ring_id(rings, hdr)
    free(rings)
    if status == 0:
        na[0] = monitor_new(s, parent, req, &status)
    if status < 0:
        adapter_put(parent)
    return status
