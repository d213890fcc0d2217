"""A NIC with a wire and the system's own stack behind it."""
from libc.errno cimport EMSGSIZE, ENETDOWN, ENOBUFS, ENXIO
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from usnet.backends.netmap.standin.adapter cimport (
    KIND_NIC, NAF_FORCE_READ, NAF_FORCE_RECLAIM, NAF_HOST_RINGS, NAF_MOREFRAG, NAF_ON, NAF_ZOMBIE, NR_RX, NR_TX,
    adapter_new, adapter_put, frames_purge, frames_put, k_next, k_offset, k_prev, krings_commit, krings_delete, ring_reinit,
)
from usnet.backends.netmap.standin.host cimport host_rxsync, host_send, host_txsync
from usnet.backends.netmap.standin.memory cimport region_buf_at, region_buf_size, region_get, region_n_bufs, region_put
from usnet.backends.netmap.standin.state cimport add_interface, remove_interface
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, NS_REPORT, slot

cdef enum:
    FRAME_MAX = 65536
    ETHER_OVERHEAD = 18         # header and a VLAN tag


# Frames that nobody has asked for yet -----------------------------------------------------------------------------------


cdef int keep_sent(void *ctx, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil:
    if (<nic *>ctx).busy:
        return 1
    frames_put(&(<nic *>ctx).sent, frame, length)
    return 0


cdef void keep_up(void *ctx, const uint8_t *frame, uint32_t length) noexcept nogil:
    frames_put(&(<nic *>ctx).up, frame, length)


# Transmitting -----------------------------------------------------------------------------------------------------------


cdef int send_frame(nic *n, uint32_t ring, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef int status
    if length == 0:
        n.stats.bad_length += 1
        return 0
    status = n.transmit(n.transmit_ctx, ring, p, length)
    if status == 0:
        n.stats.sent += 1
    return status


cdef void gather(nic_ring *r, nic *n, const uint8_t *p, uint32_t length) noexcept nogil:
    if r.gathered + length > FRAME_MAX:
        r.gathered = FRAME_MAX + 1          # and it stays so until the frame ends
    else:
        memcpy(r.scratch + r.gathered, p, length)
        r.gathered += length


cdef int send_slot(nic *n, kring *k, nic_ring *r, nic_slot *s) noexcept nogil:
    cdef uint8_t *p = region_buf_at(k.na.mem, s.buf_idx) + s.offset
    cdef uint32_t before = r.gathered
    cdef int status = 0
    if not s.more and before == 0:
        return send_frame(n, k.ring_id, p, s.length)
    gather(r, n, p, s.length)
    if s.more:
        return 0
    if r.gathered > FRAME_MAX:
        n.stats.bad_length += 1
    else:
        status = send_frame(n, k.ring_id, r.scratch, r.gathered)
    r.gathered = 0 if status == 0 else before
    return status


cdef bint nic_drain(nic *n, kring *k) noexcept nogil:
    """What the wire takes of what the ring has: whether anything left."""
    cdef nic_ring *r = &n.rings[NR_TX][k.ring_id]
    cdef uint32_t first = r.at
    while r.at != k.hwcur:
        if send_slot(n, k, r, &r.slots[r.at]) != 0:
            break
        r.at = k_next(k, r.at)
    return r.at != first


cdef void take_slot(nic *n, kring *k, slot *s, nic_slot *d) noexcept nogil:
    cdef bint more = n.na.flags & NAF_MOREFRAG
    cdef uint32_t room
    d.offset = k_offset(k, s)
    room = <uint32_t>(region_buf_size(k.na.mem) - d.offset)
    d.buf_idx = s.buf_idx
    d.length = s.len if s.len <= room else room
    d.more = more and s.flags & NS_MOREFRAG
    s.flags &= <uint16_t>~(NS_REPORT | NS_BUF_CHANGED | (NS_MOREFRAG if more else 0))


cdef void nic_take(nic *n, kring *k) noexcept nogil:
    take_slot(n, k, &k.r.slots[k.hwcur], &n.rings[NR_TX][k.ring_id].slots[k.hwcur])
    k.hwcur = k_next(k, k.hwcur)


cdef int nic_txsync(kring *k, int flags) noexcept nogil:
    cdef nic *n = <nic *>k.na.own
    cdef nic_ring *r = &n.rings[NR_TX][k.ring_id]
    if not n.link:
        return 0                    # what the user gave stays in the ring
    while k.hwcur != k.rhead:
        nic_take(n, k)
    nic_drain(n, k)
    if flags & NAF_FORCE_RECLAIM or k.rhead == k.hwtail:
        k.hwtail = k_prev(k, r.at)
    return 0


cdef void nic_resume(nic *n, uint32_t ring) noexcept nogil:
    cdef kring *k
    if not n.na.flags & NAF_ON or not n.link or n.na.flags & NAF_ZOMBIE:
        return
    k = &n.na.krings[NR_TX][ring]
    if k.on and nic_drain(n, k):
        k.notify(k, 0)


# Receiving --------------------------------------------------------------------------------------------------------------


cdef inline uint32_t slots_for(kring *k, uint32_t length) noexcept nogil:
    return <uint32_t>((length + k.hwbuf_len - 1) // k.hwbuf_len)


cdef int put_frame(nic *n, kring *k, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef nic_ring *r = &n.rings[NR_RX][k.ring_id]
    cdef uint32_t stop = k_prev(k, k.hwcur)
    cdef uint32_t free_ = stop - r.at if stop >= r.at else stop + k.num_slots - r.at
    cdef uint32_t part
    cdef nic_slot *s
    if k.hwbuf_len == 0 or (length > k.hwbuf_len and not n.na.flags & NAF_MOREFRAG) or slots_for(k, length) >= k.num_slots:
        n.stats.too_long += 1
        return -EMSGSIZE
    if slots_for(k, length) > free_:
        n.stats.no_room += 1
        return -ENOBUFS
    while length:
        s = &r.slots[r.at]
        part = length if length < k.hwbuf_len else <uint32_t>k.hwbuf_len
        memcpy(region_buf_at(k.na.mem, s.buf_idx) + s.offset, p, part)
        p += part
        length -= part
        s.length = part
        s.more = length != 0
        r.at = k_next(k, r.at)
    r.pending = True
    return 0


cdef int nic_receive(nic *n, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil:
    cdef kring *k
    cdef int status
    if not n.link or n.na.flags & NAF_ZOMBIE:
        n.stats.down += 1
        return -ENETDOWN
    if length == 0 or length > n.na.mtu + ETHER_OVERHEAD or ring >= n.na.n[NR_RX]:
        n.stats.too_long += 1
        return -EMSGSIZE
    if not n.na.flags & NAF_ON or not n.na.krings[NR_RX][ring].on:
        n.stats.received += 1
        n.to_host(n.to_host_ctx, frame, length)
        return 0
    k = &n.na.krings[NR_RX][ring]
    status = n.fill(n, k, frame, length)
    if status == 0:
        n.stats.received += 1
        k.notify(k, 0)
    return status


cdef int refill(nic *n, kring *k) noexcept nogil:
    """The NIC has slots up to rhead back: 0, or 1 when one of them has no buffer."""
    cdef nic_ring *r = &n.rings[NR_RX][k.ring_id]
    cdef uint32_t i = k.hwcur
    cdef slot *s
    while i != k.rhead:
        s = &k.r.slots[i]
        if s.buf_idx == 0 or s.buf_idx >= region_n_bufs(k.na.mem):
            return 1
        if s.flags & NS_BUF_CHANGED:
            r.slots[i].buf_idx = s.buf_idx
            r.slots[i].offset = k_offset(k, s)
            s.flags &= <uint16_t>~NS_BUF_CHANGED
        i = k_next(k, i)
    k.hwcur = k.rhead
    return 0


cdef int nic_rxsync(kring *k, int flags) noexcept nogil:
    cdef nic *n = <nic *>k.na.own
    cdef nic_ring *r = &n.rings[NR_RX][k.ring_id]
    cdef slot *s
    if not n.link:
        return 0
    if k.rhead >= k.num_slots:
        return ring_reinit(k)
    if flags & NAF_FORCE_READ or r.pending:
        while k.hwtail != r.at:
            s = &k.r.slots[k.hwtail]
            s.len = <uint16_t>r.slots[k.hwtail].length
            s.flags = NS_MOREFRAG if r.slots[k.hwtail].more else 0
            k.hwtail = k_next(k, k.hwtail)
        r.pending = False
    return ring_reinit(k) if refill(n, k) else 0


# Netmap mode ------------------------------------------------------------------------------------------------------------


cdef void reset_tx(nic *n, kring *k) noexcept nogil:
    k.hwcur = k.rhead
    k.hwtail = k_prev(k, k.rhead)
    n.rings[NR_TX][k.ring_id].at = k.rhead
    n.rings[NR_TX][k.ring_id].gathered = 0


cdef void reset_rx(nic *n, kring *k) noexcept nogil:
    """All slots that are not the user's are given to the NIC as they are; what it had not shown is lost."""
    cdef nic_ring *r = &n.rings[NR_RX][k.ring_id]
    cdef uint32_t i
    k.hwcur = k.rhead
    r.at = k.hwtail
    r.pending = False
    i = k.hwtail
    while True:
        r.slots[i].buf_idx = k.r.slots[i].buf_idx
        r.slots[i].offset = k_offset(k, &k.r.slots[i])
        i = k_next(k, i)
        if i == k.hwcur or i == k.hwtail:
            return


cdef void reset_rings(nic *n) noexcept nogil:
    cdef uint32_t i
    cdef int t
    cdef kring *k
    for t in range(2):
        for i in range(n.na.n[t]):
            k = &n.na.krings[t][i]
            k.on = k.pending
            if not k.on:
                continue
            if t == NR_TX:
                reset_tx(n, k)
            else:
                reset_rx(n, k)
            k.notify(k, 0)


cdef int nic_reg(adapter *na, bint on) noexcept nogil:
    cdef nic *n = <nic *>na.own
    if na.flags & NAF_ZOMBIE:
        if on:
            return -ENXIO
        na.flags &= ~<uint32_t>NAF_ON
        return 0
    if na.active == 0:
        na.flags = na.flags | NAF_ON if on else na.flags & ~<uint32_t>NAF_ON
    krings_commit(na, on)
    if na.flags & NAF_ON:
        reset_rings(n)
    return 0


cdef void nic_send_up(adapter *na, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef nic *n = <nic *>na.own
    n.to_host(n.to_host_ctx, p, length)


# Making and ending ------------------------------------------------------------------------------------------------------


cdef void nic_free(nic *n) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        if n.rings[t] == NULL:
            continue
        for i in range(n.na.n[t]):
            free(n.rings[t][i].slots)
            free(n.rings[t][i].scratch)
        free(n.rings[t])
    frames_purge(&n.sent)
    frames_purge(&n.up)
    free(n.na)
    free(n)


cdef void nic_destroy(adapter *na) noexcept nogil:
    krings_delete(na)
    region_put(&(<standin_state *>na.state).memory, na.mem)
    nic_free(<nic *>na.own)


cdef bint make_rings(nic *n) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        n.rings[t] = <nic_ring *>calloc(n.na.n[t], sizeof(nic_ring))
        if n.rings[t] == NULL:
            return False
        for i in range(n.na.n[t]):
            n.rings[t][i].slots = <nic_slot *>calloc(n.na.slots[t], sizeof(nic_slot))
            n.rings[t][i].scratch = <uint8_t *>malloc(FRAME_MAX) if t == NR_TX else NULL
            if n.rings[t][i].slots == NULL or (t == NR_TX and n.rings[t][i].scratch == NULL):
                return False
    return True


cdef nic *nic_new(standin_state *s, const char *name, const uint32_t *rings, const uint32_t *slots, uint32_t mtu, uint32_t flags) noexcept nogil:
    cdef nic *n = <nic *>calloc(1, sizeof(nic))
    cdef int t
    if n == NULL:
        return NULL
    n.na = adapter_new(s, name, KIND_NIC)
    if n.na == NULL:
        free(n)
        return NULL
    n.na.own = n
    n.na.flags = flags | NAF_HOST_RINGS
    n.na.mtu = mtu
    n.na.rx_buf_max = 4096
    n.na.reg = nic_reg
    n.na.destroy = nic_destroy
    n.na.send_up = nic_send_up
    n.na.mem = s.memory.global_
    for t in range(2):
        n.na.n[t] = rings[t]
        n.na.n_host[t] = 1
        n.na.slots[t] = slots[t]
    n.na.sync[NR_TX] = nic_txsync
    n.na.sync[NR_RX] = nic_rxsync
    n.na.host_sync[NR_TX] = host_txsync
    n.na.host_sync[NR_RX] = host_rxsync
    n.link = True
    n.fill = put_frame
    n.transmit = keep_sent
    n.transmit_ctx = n
    n.to_host = keep_up
    n.to_host_ctx = n
    if not make_rings(n) or add_interface(s, n.na) < 0:
        nic_free(n)
        return NULL
    region_get(n.na.mem)
    return n


cdef void nic_plug(nic *n, nic_transmit transmit, void *ctx) noexcept nogil:
    n.transmit = transmit
    n.transmit_ctx = ctx


cdef int nic_host_send(nic *n, uint32_t queue, const uint8_t *frame, uint32_t length) noexcept nogil:
    cdef int status
    if n.na.flags & NAF_ZOMBIE:
        return -ENETDOWN
    status = host_send(n.na, queue, frame, length) if n.na.flags & NAF_ON else 1
    if status <= 0:
        return status
    return send_frame(n, queue % n.na.n[NR_TX], frame, length) if n.link else -ENETDOWN


cdef void nic_set_link(nic *n, bint up) noexcept nogil:
    cdef uint32_t i
    n.link = up and not n.na.flags & NAF_ZOMBIE
    for i in range(n.na.n[NR_TX]):
        nic_resume(n, i)


cdef void nic_remove(nic *n) noexcept nogil:
    """The device is pulled out: nobody finds it any more, and those who have it open are told at their next call."""
    if n.na.flags & NAF_ZOMBIE:
        return
    n.link = False
    n.na.flags |= NAF_ZOMBIE
    remove_interface(<standin_state *>n.na.state, n.na)
    adapter_put(n.na)
