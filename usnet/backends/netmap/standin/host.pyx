"""Host rings."""
from libc.errno cimport ENOBUFS, ENXIO
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from usnet.backends.netmap.abi cimport NR_FORWARD, NS_FORWARD
from usnet.backends.netmap.standin.adapter cimport (
    NAF_FORWARD_DOWN, NAF_HOST_RINGS, NAF_ON, NR_RX, NR_TX, frames_put, frames_take, k_next, k_prev, queued, slot_buf,
)
from usnet.backends.netmap.standin.memory cimport region_buf_size
from usnet.backends.netmap.standin.state cimport standin_state
from usnet.backends.ring cimport NS_BUF_CHANGED, ring, slot

cdef enum:
    ETHER_HEADER = 14


cdef bint may_forward(kring *k) noexcept nogil:
    return (((<standin_state *>k.na.state).fwd or k.r.flags & NR_FORWARD) and k.na.flags & NAF_HOST_RINGS and k.tx == NR_RX)


cdef void send_up(kring *k, bint all_of_them) noexcept nogil:
    """Frames from hwcur to rhead go to the system's stack: all, or those marked."""
    cdef uint32_t i = k.hwcur
    cdef uint64_t room
    cdef slot *s
    cdef uint8_t *p
    while i != k.rhead:
        s = &k.r.slots[i]
        i = k_next(k, i)
        if not (s.flags & NS_FORWARD or all_of_them):
            continue
        p = slot_buf(k, s, &room)
        if s.len < ETHER_HEADER or s.len > room:
            continue
        s.flags &= <uint16_t>~NS_FORWARD
        k.na.send_up(k.na, p, s.len)


cdef void forward_up(kring *k) noexcept nogil:
    if may_forward(k) and k.ring_id != k.na.n[NR_RX]:
        send_up(k, (<standin_state *>k.na.state).fwd)


cdef int host_txsync(kring *k, int flags) noexcept nogil:
    send_up(k, True)
    k.hwcur = k.rhead
    k.hwtail = k_prev(k, k.rhead)
    return 0


cdef bint to_nic(kring *k) noexcept nogil:
    """Moves frames from hwcur to rhead that are marked into the NIC's transmit rings, as their user would: whether there were any."""
    cdef adapter *na = k.na
    cdef bint fwd = (<standin_state *>na.state).fwd
    cdef bint sent = False
    cdef uint32_t i = k.hwcur
    cdef uint32_t n, index
    cdef kring *nic
    cdef ring *to
    cdef slot *s
    cdef slot *d
    for n in range(na.n[NR_TX]):
        nic = &na.krings[NR_TX][n]
        to = nic.r
        while i != k.rhead and to.head != to.tail and to.head < nic.num_slots:      # the module does not look at the last
            s = &k.r.slots[i]
            i = k_next(k, i)
            if not (s.flags & NS_FORWARD or fwd):
                continue
            sent = True
            d = &to.slots[to.head]
            index = s.buf_idx
            s.buf_idx = d.buf_idx
            s.flags = NS_BUF_CHANGED
            d.buf_idx = index
            d.len = s.len
            d.flags = NS_BUF_CHANGED
            to.head = to.cur = k_next(nic, to.head)
    return sent


cdef int host_rxsync(kring *k, int flags) noexcept nogil:
    cdef uint32_t i = k.hwtail
    cdef uint32_t stop = k_prev(k, k.hwcur)
    cdef uint64_t room
    cdef slot *s
    cdef uint8_t *to
    cdef queued *q
    while i != stop and k.waiting.first != NULL:
        q = frames_take(&k.waiting)
        s = &k.r.slots[i]
        to = slot_buf(k, s, &room)
        memcpy(to, q.bytes_, q.length if q.length < room else room)     # the module writes on into the next buffer
        s.len = <uint16_t>q.length
        s.flags = 0
        free(q)
        i = k_next(k, i)
    k.hwtail = i
    if k.hwcur != k.rhead:
        if may_forward(k) and flags & NAF_FORWARD_DOWN and k.ring_id == k.na.n[NR_RX] and to_nic(k):
            k.forward = True
        k.hwcur = k.rhead
    return 0


cdef int host_send(adapter *na, uint32_t queue, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef kring *k
    cdef uint32_t busy
    cdef int status = -ENOBUFS
    if not na.flags & NAF_ON:
        return -ENXIO
    if not na.krings[NR_TX][queue % na.n[NR_TX]].on:
        return 1
    k = &na.krings[NR_RX][na.n[NR_RX] + queue % na.n_host[NR_RX]]
    if length <= region_buf_size(na.mem):
        busy = k.hwtail - k.hwcur if k.hwtail >= k.hwcur else k.hwtail + k.num_slots - k.hwcur
        if busy + k.waiting.n < k.num_slots - 1:
            status = frames_put(&k.waiting, p, length)
    k.notify(k, 0)
    return status
