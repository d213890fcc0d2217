"""The calls that move frames, in the module's order."""
from libc.errno cimport EIO, ENXIO
from libc.stdint cimport uint32_t

from usnet.backends.eventfd cimport eventfd_set
from usnet.backends.netmap.abi cimport NR_TIMESTAMP
from usnet.backends.netmap.device cimport NM_POLLERR, NM_POLLIN, NM_POLLOUT
from usnet.backends.netmap.standin.adapter cimport (
    NAF_FORCE_READ, NAF_FORCE_RECLAIM, NAF_ON, NAF_ZOMBIE, NR_RX, NR_TX, kring, kring_enter, kring_leave,
    ring_reinit, rxsync_prologue, sync_finalize, txsync_prologue,
)
from usnet.backends.netmap.standin.host cimport forward_up
from usnet.backends.netmap.standin.state cimport standin_state


cdef void stamp(kring *k) noexcept nogil:
    """The ring's time, in seconds and microseconds."""
    cdef standin_state *s = <standin_state *>k.na.state
    if s.now != NULL and (not s.no_timestamp or k.r.flags & NR_TIMESTAMP):
        k.r.ts[0] = s.now[0] // 1000000000
        k.r.ts[1] = s.now[0] // 1000 % 1000000


cdef bint txsync_one(kring *k, int flags) noexcept nogil:
    """Whether indices and sync were good."""
    if txsync_prologue(k) >= k.num_slots:
        ring_reinit(k)
        return False
    if k.sync(k, flags) != 0:
        return False
    sync_finalize(k)
    return True


cdef bint rxsync_one(kring *k, int flags) noexcept nogil:
    cdef bint good = True
    if rxsync_prologue(k) >= k.num_slots:
        ring_reinit(k)
        good = False
    forward_up(k)
    k.forward = False
    if k.sync(k, flags) == 0:
        sync_finalize(k)
    else:
        good = False
    stamp(k)
    return good


cdef int sync_rings(opened *o, int t) noexcept nogil:
    cdef uint32_t i
    cdef int entered
    cdef int status = 0
    cdef kring *k
    if o.nifp == NULL:
        return -ENXIO
    for i in range(o.first[t], o.last[t]):
        k = &o.na.krings[t][i]
        entered = kring_enter(k)
        if entered:
            status = -EIO if status or entered < 0 else 0
            continue
        if t == NR_TX:
            txsync_one(k, o.sync_flags | NAF_FORCE_RECLAIM)
        else:
            rxsync_one(k, o.sync_flags | NAF_FORCE_READ)
        kring_leave(k)
    settle_watch(o)
    return status


cdef int poll_tx(opened *o, bint *want, bint send_down) noexcept nogil:
    """Flushes: NM_POLLERR, and NM_POLLOUT once for the first ring with room, after which it is not wanted any more."""
    cdef uint32_t i
    cdef int ready = 0
    cdef int entered
    cdef kring *k
    for i in range(o.first[NR_TX], o.last[NR_TX]):
        k = &o.na.krings[NR_TX][i]
        if not send_down and not want[0] and k.r.head == k.hwcur:
            continue
        entered = kring_enter(k)
        if entered:
            ready |= NM_POLLERR if entered < 0 else 0
            continue
        if not txsync_one(k, o.sync_flags):
            ready |= NM_POLLERR
        kring_leave(k)
        if k.rcur != k.rtail and want[0]:
            ready |= NM_POLLOUT
            want[0] = False
    return ready


cdef int poll_rx(opened *o, bint *found, bint *send_down) noexcept nogil:
    cdef uint32_t i
    cdef int ready = 0
    cdef int entered
    cdef kring *k
    for i in range(o.first[NR_RX], o.last[NR_RX]):
        k = &o.na.krings[NR_RX][i]
        entered = kring_enter(k)
        if entered:
            ready |= NM_POLLERR if entered < 0 else 0
            continue
        if not rxsync_one(k, o.sync_flags):
            ready |= NM_POLLERR
        if k.forward:
            send_down[0] = True
        kring_leave(k)
        if k.rcur != k.rtail:
            ready |= NM_POLLIN
            found[0] = True
    return ready


cdef int poll_both(opened *o, int events) noexcept nogil:
    """Twice where nothing is found, because the module looks again after it has enlisted the caller."""
    cdef bint want_tx = events & NM_POLLOUT
    cdef bint send_down = False
    cdef bint retry_tx = True
    cdef bint retry_rx = True
    cdef bint found
    cdef int ready = 0
    while True:
        if o.txpoll or want_tx or send_down:
            ready |= poll_tx(o, &want_tx, send_down)
            send_down = False
            if want_tx and retry_tx:
                retry_tx = False
                continue
        if not events & NM_POLLIN:
            return ready
        while True:
            found = False
            ready |= poll_rx(o, &found, &send_down)
            if found:
                retry_rx = False
            if not send_down and not retry_rx:
                return ready
            retry_rx = False
            if send_down:
                break


cdef int poll_rings(opened *o, int events) noexcept nogil:
    cdef int ready
    if o.nifp == NULL or not o.na.flags & NAF_ON:
        return NM_POLLERR
    ready = poll_both(o, events)
    settle_watch(o)
    return ready


cdef bint unseen(opened *o, int t) noexcept nogil:
    cdef uint32_t i
    cdef kring *k
    for i in range(o.first[t], o.last[t]):
        k = &o.na.krings[t][i]
        if k.rcur != k.rtail:
            return True
    return False


cdef void settle_watch(opened *o) noexcept nogil:
    cdef bint ready
    if o.watch_fd < 0:
        return
    ready = o.watch_events != 0 and (o.na == NULL or o.na.flags & NAF_ZOMBIE or not o.na.flags & NAF_ON)
    if not ready and o.watch_events & NM_POLLIN:
        ready = unseen(o, NR_RX)
    if not ready and o.watch_events & NM_POLLOUT:
        ready = unseen(o, NR_TX)
    eventfd_set(o.watch_fd, &o.ringing, ready)
