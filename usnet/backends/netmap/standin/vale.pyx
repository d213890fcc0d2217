"""VALE: how frames go through a switch.

A sync of a transmit ring takes all its frames, in batches: each is given the ring of the port it goes to, then one ring after the other is filled.
What a ring has no room for is lost; the sender's slots are free again at once, whatever became of the frames.
"""
from libc.errno cimport ENOMEM
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from usnet.backends.netmap.abi cimport NS_INDIRECT
from usnet.backends.netmap.standin.adapter cimport (
    NAF_FORCE_RECLAIM, NAF_ON, NR_RX, NR_TX, adapter, k_next, k_offset, k_offset_set, k_prev, kring, krings_create, krings_delete, real_rings,
)
from usnet.backends.netmap.standin.memory cimport region_buf_at, region_buf_size
from usnet.backends.netmap.standin.offload cimport offload_deliver
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, slot

cdef enum:
    BUF_ALIGN = 64


cdef int fwd_new(kring *k) noexcept nogil:
    # A batch ends with the first frame that reaches its size, and that frame may be all the ring
    cdef uint32_t i
    cdef fwd *f = <fwd *>calloc(1, sizeof(fwd))
    if f == NULL:
        return -ENOMEM
    f.slots = <fwd_slot *>calloc(BDG_BATCH + k.num_slots, sizeof(fwd_slot))
    if f.slots == NULL:
        free(f)
        return -ENOMEM
    for i in range(FWD_QUEUES):
        f.queues[i].head = f.queues[i].tail = FWD_NULL
    k.ft = f
    return 0


cdef void fwd_free(kring *k) noexcept nogil:
    cdef fwd *f = <fwd *>k.ft
    if f != NULL:
        free(f.slots)
        free(f)
        k.ft = NULL


cdef int vale_krings_create(adapter *na) noexcept nogil:
    cdef uint32_t i
    cdef int status = krings_create(na)
    if status < 0:
        return status
    for i in range(real_rings(na, NR_TX)):
        status = fwd_new(&na.krings[NR_TX][i])
        if status < 0:
            vale_krings_delete(na)
            return status
    return 0


cdef void vale_krings_delete(adapter *na) noexcept nogil:
    cdef uint32_t i
    for i in range(real_rings(na, NR_TX)):
        fwd_free(&na.krings[NR_TX][i])
    krings_delete(na)


cdef uint32_t mac_hash(const uint8_t *mac) noexcept nogil:
    """Jenkins' mix of the six bytes, as in the learning bridges of the BSDs: it decides which addresses displace each other."""
    cdef uint32_t a = 0x9e3779b9u + mac[0] + (<uint32_t>mac[1] << 8) + (<uint32_t>mac[2] << 16) + (<uint32_t>mac[3] << 24)
    cdef uint32_t b = 0x9e3779b9u + mac[4] + (<uint32_t>mac[5] << 8)
    cdef uint32_t c = 0
    a = (a - b - c) ^ (c >> 13)
    b = (b - c - a) ^ (a << 8)
    c = (c - a - b) ^ (b >> 13)
    a = (a - b - c) ^ (c >> 12)
    b = (b - c - a) ^ (a << 16)
    c = (c - a - b) ^ (b >> 5)
    a = (a - b - c) ^ (c >> 3)
    b = (b - c - a) ^ (a << 10)
    c = (c - a - b) ^ (b >> 15)
    return c & (BDG_HASH - 1)


cdef uint64_t mac_number(const uint8_t *mac) noexcept nogil:
    return (mac[0] | <uint64_t>mac[1] << 8 | <uint64_t>mac[2] << 16 | <uint64_t>mac[3] << 24 | <uint64_t>mac[4] << 32 | <uint64_t>mac[5] << 40)


cdef uint32_t learn(const fwd_slot *s, vale_port *source) noexcept nogil:
    """Remembers where the sender sits; the port that the frame goes to. Nothing ages, and NS_NO_LEARN is not looked at: the module does neither."""
    cdef const uint8_t *frame = s.buf + s.offset
    cdef hash_entry *table = source.sw.table
    cdef hash_entry *e
    cdef uint64_t mac
    if s.len < s.offset + 14:
        return BDG_NO_PORT
    mac = mac_number(frame + 6)
    if not frame[6] & 1 and mac != source.last_smac:
        e = table + mac_hash(frame + 6)
        e.mac = mac
        e.port = source.port
        source.last_smac = mac
    if not frame[0] & 1:
        e = table + mac_hash(frame)
        if e.mac == mac_number(frame):
            return <uint32_t>e.port
    return BDG_BROADCAST


cdef uint32_t sort_batch(fwd *f, uint32_t n, vale_port *source, uint32_t ring_id) noexcept nogil:
    """Queues the frames of the batch by destination. How many destinations there are, broadcasts not counted."""
    cdef uint32_t i = 0
    cdef uint32_t first
    cdef uint32_t n_targets = 0
    cdef uint32_t target
    cdef uint32_t hdr = source.na.virt_hdr_len
    cdef fwd_slot *s
    cdef fwd_queue *q
    while i < n:
        first = i
        s = &f.slots[i]
        i += s.frags
        if hdr < s.len:
            s.offset = <uint16_t>hdr
            target = learn(s, source)
        elif hdr == s.len and s.flags & NS_MOREFRAG:
            s.offset = s.len
            target = learn(s + 1, source)
        else:
            continue                    # no Ethernet header where it is looked for
        if target >= BDG_NO_PORT or target == source.port:
            continue
        if target == BDG_BROADCAST:
            q = &f.queues[BDG_BROADCAST * BDG_MAX_RINGS]
        elif source.sw.ports[target] == NULL:
            continue
        else:
            target = target * BDG_MAX_RINGS + (ring_id & 0xff)
            q = &f.queues[target]
            if q.head == FWD_NULL:
                f.targets[n_targets] = target
                n_targets += 1
        if q.head == FWD_NULL:
            q.head = first
        else:
            f.slots[q.tail].follow = first
        q.tail = first
        q.slots += s.frags
    return n_targets


cdef void flush(fwd *f, uint32_t n, vale_port *source, uint32_t ring_id) noexcept nogil:
    cdef bridge *sw = source.sw
    cdef uint32_t n_targets = sort_batch(f, n, source, ring_id)
    cdef fwd_queue *everyone = &f.queues[BDG_BROADCAST * BDG_MAX_RINGS]
    cdef fwd_queue *q
    cdef uint32_t i
    if everyone.head != FWD_NULL:
        for i in range(sw.active):
            if sw.index[i] != source.port and f.queues[sw.index[i] * BDG_MAX_RINGS].head == FWD_NULL:
                f.targets[n_targets] = sw.index[i] * BDG_MAX_RINGS
                n_targets += 1
    for i in range(n_targets):
        q = &f.queues[f.targets[i]]
        fill(f, f.targets[i], q, everyone, source)
        q.head = q.tail = FWD_NULL
        q.slots = 0
    everyone.head = everyone.tail = FWD_NULL
    everyone.slots = 0


cdef kring *ring_of(bridge *sw, uint32_t queue, vale_port **target) noexcept nogil:
    """The receive ring that a queue goes to; NULL when it takes nothing."""
    cdef kring *k
    cdef adapter *na
    if queue / BDG_MAX_RINGS >= BDG_MAX_PORTS or sw.ports[queue / BDG_MAX_RINGS] == NULL:
        return NULL
    target[0] = sw.ports[queue / BDG_MAX_RINGS]
    na = target[0].na
    if not na.flags & NAF_ON or na.krings[NR_RX] == NULL:
        return NULL
    k = &na.krings[NR_RX][(queue % BDG_MAX_RINGS) % na.n[NR_RX]]
    return NULL if k.r == NULL or not k.on else k


cdef void fill(fwd *f, uint32_t queue, const fwd_queue *own, const fwd_queue *everyone, vale_port *source) noexcept nogil:
    """Moves the frames of a queue and the broadcasts, in the order they were sent in, to their ring."""
    cdef vale_port *target = NULL
    cdef kring *k = ring_of(source.sw, queue, &target)
    cdef uint32_t needed = own.slots + everyone.slots
    cdef uint32_t heads[2]
    cdef uint32_t room, start
    cdef bint unlike
    cdef int retries = source.sw.all_.retries
    if k == NULL:
        return
    heads[0] = own.head
    heads[1] = everyone.head
    unlike = target.na.virt_hdr_len != source.na.virt_hdr_len
    if unlike and target.mfs < source.mfs:
        needed = needed * source.mfs / (target.mfs - WORST_GSO_HEADER) + 1
    while True:
        if target.retry and retries:
            k.notify(k, NAF_FORCE_RECLAIM)      # what has left a NIC's ring makes room
        if k.stopped:
            return
        start = k.hwtail
        room = k.num_slots - 1 - (start - k.hwcur if start >= k.hwcur else start + k.num_slots - k.hwcur)
        if needed <= room:
            room = needed
            retries = 0
        k.hwtail = move_frames(f, heads, source, target, k, start, &room, &needed, unlike)
        if k.hwtail == start:
            return
        k.notify(k, 0)
        if not target.retry or not retries:
            return
        retries -= 1


cdef uint32_t move_frames(fwd *f, uint32_t *heads, vale_port *source, vale_port *target, kring *k, uint32_t j, uint32_t *room, uint32_t *needed,
                          bint unlike) noexcept nogil:
    """Takes frames from the two queues, the one that was sent first first, while there is room. The slot behind the last.

    A frame that does not fit is lost, and ends it.
    """
    cdef const fwd_slot *s
    cdef uint32_t which
    cdef uint32_t used
    while room[0] and (heads[0] != FWD_NULL or heads[1] != FWD_NULL):
        which = 0 if heads[0] < heads[1] else 1
        s = &f.slots[heads[which]]
        heads[which] = s.follow
        if s.frags > room[0]:
            return j
        if unlike:
            used = offload_deliver(source, target, s, k, j, room[0])
        else:
            copy_frame(s, k, j)
            used = s.frags
            needed[0] -= used
        room[0] -= used
        j += used
        if j >= k.num_slots:
            j -= k.num_slots
    return j


cdef void copy_frame(const fwd_slot *s, kring *k, uint32_t j) noexcept nogil:
    """Between ports with headers of the same length. The number of slots stands in the upper byte of the flags.

    A frame keeps its place against lines of 64 bytes: where rings have offsets, the receiver finds it at another one than it left in the slot.
    """
    cdef uint32_t frags = s.frags
    cdef uint32_t i
    cdef uint64_t size = region_buf_size(k.na.mem)
    cdef uint64_t offset, place
    cdef uint16_t length
    cdef uint8_t *to
    cdef slot *d = NULL
    for i in range(frags):
        d = &k.r.slots[j]
        to = region_buf_at(k.na.mem, d.buf_idx)
        offset = k_offset(k, d)
        place = <uintptr_t>s[i].buf % BUF_ALIGN
        length = s[i].len
        if <uintptr_t>(to + offset) % BUF_ALIGN < place:
            place += BUF_ALIGN
        place += offset / BUF_ALIGN * BUF_ALIGN
        if place > size or length > size - place:
            length = 0
            place = offset
        # What lies at a user's own address goes to the start of the buffer, whatever the slot says then
        memcpy(to if s[i].flags & NS_INDIRECT else to + place, s[i].buf, length)
        d.len = length
        d.flags = <uint16_t>(frags << 8 | NS_MOREFRAG)
        k_offset_set(k, d, place)
        j = k_next(k, j)
    d.flags = <uint16_t>(frags << 8)


cdef void take_slot(kring *k, slot *s, fwd_slot *f) noexcept nogil:
    f.len = s.len
    f.flags = s.flags
    f.offset = 0
    f.follow = FWD_NULL
    f.frags = 0
    s.flags &= ~NS_BUF_CHANGED
    if s.flags & NS_INDIRECT:
        f.buf = <const uint8_t *><uintptr_t>s.ptr
    else:
        f.buf = region_buf_at(k.na.mem, s.buf_idx) + k_offset(k, s)
    if f.buf == NULL or s.len > region_buf_size(k.na.mem) - k_offset(k, s):
        f.buf = region_buf_at(k.na.mem, 0)
        f.len = 0
        f.flags = 0


cdef uint32_t forward(kring *k, vale_port *source, uint32_t end, uint32_t batch) noexcept nogil:
    cdef fwd *f = <fwd *>k.ft
    cdef uint32_t n = 0
    cdef uint32_t frags = 1
    cdef uint32_t j = k.hwcur
    cdef slot *s
    while j != end:
        s = &k.r.slots[j]
        take_slot(k, s, &f.slots[n])
        n += 1
        j = k_next(k, j)
        if s.flags & NS_MOREFRAG:
            frags += 1
            continue
        f.slots[n - frags].frags = frags
        frags = 1
        if n >= batch:
            flush(f, n, source, k.ring_id)
            n = 0
    if frags > 1:                       # cut short by head: sent as far as it goes
        frags -= 1
        f.slots[n - 1].flags &= ~NS_MOREFRAG
        f.slots[n - frags].frags = frags
    if n:
        flush(f, n, source, k.ring_id)
    return j


cdef int vale_txsync(kring *k, int flags) noexcept nogil:
    cdef vale_port *source = <vale_port *>k.na.own
    cdef uint32_t *batch
    if source.sw != NULL:
        batch = source.sw.all_.batch
        if <int>batch[0] > 0:           # else all is taken and dropped
            if batch[0] > BDG_BATCH:
                batch[0] = BDG_BATCH
            forward(k, source, k.rhead, batch[0])
    k.hwcur = k.rhead
    k.hwtail = k_prev(k, k.hwcur)
    return 0


cdef int vale_rxsync(kring *k, int flags) noexcept nogil:
    # Frames are in the ring already, put there by their senders
    cdef uint32_t i = k.hwcur
    while i != k.rhead:
        k.r.slots[i].flags &= ~NS_BUF_CHANGED
        i = k_next(k, i)
    k.hwcur = k.rhead
    return 0
