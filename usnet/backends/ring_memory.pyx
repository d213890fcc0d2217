"""Rings and buffers laid out as netmap lays them out, and the checks that a sync begins with."""
from libc.errno cimport EINVAL, EMSGSIZE, ENOBUFS
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport (
    NS_MOREFRAG, PORT_MAX_RINGS, PORT_SWAP, RING_RX, RING_TX, port, port_stats, ring, slot, slot_meta,
)
from usnet.memory.mapping cimport map_release, map_reserve, page_round

cdef enum:
    HEADER = 256                # bytes of struct ring before its slots
    LINE = 64

cdef uint32_t last_pool = 0x1000        # netmap's own region numbers stay below


cdef uint32_t new_pool() noexcept:
    global last_pool
    last_pool += 1
    return last_pool


cdef void restore_header(ring_side *k) noexcept nogil:
    cdef ring *r = k.r
    r.buf_ofs = k.buf_ofs
    r.num_slots = k.num_slots
    r.nr_buf_size = k.buf_size
    r.ringid = k.ringid
    r.dir = k.dir
    r.tail = k.tail
    r.offset_mask = 0


cdef void ring_reset(ring_side *k) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i
    for i in range(k.num_slots):
        if r.slots[i].buf_idx < FIRST_BUFFER or r.slots[i].buf_idx >= k.n_bufs:
            r.slots[i].buf_idx = k.good[i]
        r.slots[i].len = 0
        r.slots[i].flags = 0
    k.head = 0
    k.done = 0
    k.tail = k.num_slots - 1 if k.dir == RING_TX else 0
    r.head = 0
    r.cur = 0
    r.flags = 0
    memset(k.meta, 0, k.num_slots * sizeof(slot_meta))
    restore_header(k)


cdef inline bint order_kept(const ring *r, uint32_t num_slots, uint32_t old_head, uint32_t tail) noexcept nogil:
    """Whether old head <= head <= cur <= tail."""
    cdef uint32_t head = r.head, cur = r.cur
    if head >= num_slots or cur >= num_slots:
        return False
    head = head - old_head if head >= old_head else head + num_slots - old_head
    cur = cur - old_head if cur >= old_head else cur + num_slots - old_head
    tail = tail - old_head if tail >= old_head else tail + num_slots - old_head
    return head <= cur <= tail


cdef inline bint slot_good(const slot *s, uint32_t buf_size, uint32_t n_bufs, uint64_t offset_mask, bint tx) noexcept nogil:
    cdef uint64_t offset = s.ptr & offset_mask
    if s.buf_idx - FIRST_BUFFER >= n_bufs - FIRST_BUFFER or (tx and s.len > buf_size):
        return False
    return offset_mask == 0 or (offset <= buf_size and not (tx and offset + s.len > buf_size))


cdef inline bint slots_good(const ring *r, uint32_t num_slots, uint32_t buf_size, uint32_t n_bufs, uint64_t offset_mask, uint32_t i,
                            bint tx) noexcept nogil:
    """Those from i to head, and a transmit ring's last one ends a frame."""
    cdef uint32_t more = 0
    while i != r.head:
        if not slot_good(&r.slots[i], buf_size, n_bufs, offset_mask, tx):
            return False
        more = r.slots[i].flags
        i = 0 if i + 1 == num_slots else i + 1
    return not (tx and more & NS_MOREFRAG)


cdef bint ring_keeps_rules(const ring *r, uint32_t num_slots, uint32_t buf_size, uint32_t n_bufs,
                           uint64_t offset_mask, uint32_t old_head, uint32_t tail, bint tx) noexcept nogil:
    return order_kept(r, num_slots, old_head, tail) and slots_good(r, num_slots, buf_size, n_bufs, offset_mask, old_head, tx)


cdef inline bint take_over(ring_side *k) noexcept nogil:
    """slots_good() of what was handed over, whose buffers are noted on the way."""
    cdef const slot *slots = k.r.slots
    cdef uint32_t i = k.head, head = k.r.head, most = k.buf_size if k.dir == RING_TX else 0xffff, n_bufs = k.n_bufs - FIRST_BUFFER, more = 0
    while i != head:
        if slots[i].buf_idx - FIRST_BUFFER >= n_bufs or slots[i].len > most:
            return False
        more = slots[i].flags
        k.good[i] = slots[i].buf_idx
        i = side_next(k, i)
    return not (more & NS_MOREFRAG and k.dir == RING_TX)


cdef int ring_check(ring_side *k, port_stats *st) noexcept nogil:
    if order_kept(k.r, k.num_slots, k.head, k.tail) and take_over(k):
        restore_header(k)
        return 0
    ring_reset(k)
    st.ring_resets += 1
    return -EINVAL


cdef int ring_put_spanning(ring_side *k, const uint8_t *frame, uint32_t length, int64_t time_ns, port_stats *st) noexcept nogil:
    cdef uint32_t size = k.buf_size
    cdef uint32_t need = (length + size - 1) // size
    cdef uint32_t part
    if need > k.num_slots - 1:
        st.rx_too_long += 1
        return -EMSGSIZE
    if need > side_room(k):
        return -ENOBUFS
    st.rx_frames += 1
    st.rx_bytes += length
    while length:
        part = length if length < size else size
        length -= part
        side_fill(k, frame, part, NS_MOREFRAG if length else 0, time_ns)
        frame += part
    return 0


cdef int side_take_spanning(ring_side *k, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame,
                            uint32_t *length) noexcept nogil:
    cdef uint32_t i = at[0]
    cdef uint32_t total = 0
    cdef uint32_t part
    cdef bint more = True
    cdef bint fits = True
    while more and i != end:
        part = side_len(k, i)
        if fits and total + part <= FRAME_MAX:
            memcpy(scratch + total, side_buf(k, i), part)
            total += part
        else:
            fits = False
        more = (k.r.slots[i].flags & NS_MOREFRAG) != 0
        i = side_next(k, i)
    at[0] = i
    frame[0] = scratch
    length[0] = total
    return 1 if fits else -EMSGSIZE


cdef int ring_take_spanning(ring *r, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame,
                            uint32_t *length) noexcept nogil:
    cdef ring_side k
    k.r = r
    k.good = NULL               # believe the slots
    k.num_slots = r.num_slots
    k.buf_size = r.nr_buf_size
    k.buf_ofs = r.buf_ofs
    return side_take_spanning(&k, at, end, scratch, frame, length)


cdef void ring_settle(ring_side *k) noexcept nogil:
    k.head = k.r.head
    k.tail = k.num_slots - 1 if k.done == 0 else k.done - 1
    k.r.tail = k.tail


cdef void ring_taken(ring_side *k) noexcept nogil:
    k.done = k.r.head
    ring_settle(k)


cdef class RingMemory:
    """Memory of one port's rings: `n_tx` and `n_rx` rings of `tx_slots` and `rx_slots` slots (2 or more), buffers of
    `buf_size` bytes (64 to 65535), one for each slot and `n_spare` more for swapping.

    Raises ValueError for numbers out of range, MemoryError when the system has no room.
    """
    def __cinit__(self, uint32_t n_tx=1, uint32_t n_rx=1, uint32_t tx_slots=512, uint32_t rx_slots=512,
                  uint32_t buf_size=2048, uint32_t n_spare=0):
        cdef uint64_t tx_bytes, rx_bytes, slots, ring_bytes
        if n_tx > PORT_MAX_RINGS or n_rx > PORT_MAX_RINGS:
            raise ValueError(f"at most {PORT_MAX_RINGS} rings of each direction, not {max(n_tx, n_rx)}")
        if not 2 <= tx_slots <= 1 << 20 or not 2 <= rx_slots <= 1 << 20:
            raise ValueError(f"a ring has from 2 to {1 << 20} slots, not {tx_slots} and {rx_slots}")
        if not 64 <= buf_size <= 65535:
            raise ValueError(f"buf_size is from 64 to 65535 bytes, not {buf_size}")
        if n_spare > 1 << 24:
            raise ValueError(f"at most {1 << 24} spare buffers, not {n_spare}")
        tx_bytes = (HEADER + sizeof(slot) * tx_slots + LINE - 1) & ~<uint64_t>(LINE - 1)
        rx_bytes = (HEADER + sizeof(slot) * rx_slots + LINE - 1) & ~<uint64_t>(LINE - 1)
        ring_bytes = n_tx * tx_bytes + n_rx * rx_bytes
        slots = <uint64_t>n_tx * tx_slots + <uint64_t>n_rx * rx_slots
        self.n_tx, self.n_rx, self.buf_size, self.n_spare = n_tx, n_rx, buf_size, n_spare
        self.n_bufs = <uint32_t>(FIRST_BUFFER + slots + n_spare)
        self.buffers = page_round(ring_bytes)
        self.size = self.buffers + <uint64_t>self.n_bufs * buf_size
        self.base = <uint8_t *>map_reserve(self.size)
        if self.base == NULL:
            raise MemoryError(f"no {self.size} bytes for rings and buffers")
        self.metas = <slot_meta *>calloc(slots + 1, sizeof(slot_meta))
        self.good = <uint32_t *>calloc(slots + 1, sizeof(uint32_t))
        self.spare = <uint32_t *>calloc(n_spare + 1, sizeof(uint32_t))
        if self.metas == NULL or self.good == NULL or self.spare == NULL:
            raise MemoryError("no memory for the slots of a port")
        self.pool = new_pool()
        self._lay_out(tx_slots, rx_slots, tx_bytes, rx_bytes)

    cdef void _lay_out(self, uint32_t tx_slots, uint32_t rx_slots, uint64_t tx_bytes, uint64_t rx_bytes) noexcept:
        cdef uint64_t at = 0
        cdef uint64_t done = 0              # slots laid out so far
        cdef uint32_t i
        for i in range(self.n_tx):
            self._ring(&self.tx[i], at, done, tx_slots, i, RING_TX)
            at += tx_bytes
            done += tx_slots
        for i in range(self.n_rx):
            self._ring(&self.rx[i], at, done, rx_slots, i, RING_RX)
            at += rx_bytes
            done += rx_slots
        for i in range(self.n_spare):
            self.spare[i] = <uint32_t>(FIRST_BUFFER + done + i)

    cdef void _ring(self, ring_side *k, uint64_t at, uint64_t done, uint32_t slots, uint32_t number,
                    int direction) noexcept:
        cdef uint32_t i
        k.r = <ring *>(self.base + at)
        k.meta = self.metas + done
        k.good = self.good + done
        k.buf_ofs = <int64_t>(self.buffers - at)
        k.num_slots = slots
        k.buf_size = self.buf_size
        k.n_bufs = self.n_bufs
        k.ringid = <uint16_t>number
        k.dir = <uint16_t>direction
        for i in range(slots):
            k.good[i] = <uint32_t>(FIRST_BUFFER + done + i)
            k.r.slots[i].buf_idx = k.good[i]
        ring_reset(k)

    def __dealloc__(self):
        if self.base != NULL:
            map_release(self.base, self.size)
        free(self.metas)
        free(self.good)
        free(self.spare)

    cdef ring_side *side(self, int direction, uint32_t i) noexcept nogil:
        return &self.tx[i] if direction == RING_TX else &self.rx[i]

    cdef void attach(self, port *p) noexcept nogil:
        cdef uint32_t i
        p.n_tx = self.n_tx
        p.n_rx = self.n_rx
        for i in range(self.n_tx):
            p.tx[i] = self.tx[i].r
            p.tx_meta[i] = self.tx[i].meta
        for i in range(self.n_rx):
            p.rx[i] = self.rx[i].r
            p.rx_meta[i] = self.rx[i].meta
        p.pool = self.pool
        p.spare = self.spare
        p.n_spare = self.n_spare
        p.n_bufs = self.n_bufs
        p.caps |= PORT_SWAP
