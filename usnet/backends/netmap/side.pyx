"""One ring of netmap's between the stack and the module: checked before each sync, read after it. See side.pxd."""
from libc.errno cimport EINVAL
from libc.string cimport memmove, memset

from usnet.backends.vnet cimport vnet_read, vnet_write
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, slot
from usnet.backends.ring_memory cimport FIRST_BUFFER


cdef inline bint indices_good(const nm_side *k, uint32_t head, uint32_t cur, uint32_t end) noexcept nogil:
    """old head <= head <= cur <= end, around the ring."""
    if head >= k.num_slots or cur >= k.num_slots:
        return False
    return side_distance(k, k.head, head) <= side_distance(k, k.head, cur) <= side_distance(k, k.head, end)


cdef inline bint buffer_good(const nm_side *k, uint32_t index) noexcept nogil:
    return index >= FIRST_BUFFER and index < k.n_bufs


cdef inline uint8_t *buffer_at(nm_side *k, uint32_t index) noexcept nogil:
    return <uint8_t *>k.r + k.buf_ofs + <uint64_t>index * k.buf_size


cdef inline void note_slot(nm_side *k, slot *s, uint32_t i) noexcept nogil:
    """A slot that was found good: flags that the port does not offer are taken out, and whoever swapped its buffer need not have said so."""
    if s.flags & ~SIDE_SLOT_FLAGS:
        s.flags &= SIDE_SLOT_FLAGS
    if s.buf_idx != k.good[i]:
        s.flags |= NS_BUF_CHANGED
        k.good[i] = s.buf_idx


cdef bint tx_check(nm_side *k, uint32_t *frames, uint64_t *bytes) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t head = r.head
    cdef uint32_t i = k.head
    cdef uint32_t count = 0
    cdef uint64_t total = 0
    cdef uint64_t offset
    cdef uint32_t room
    cdef bint more = False
    cdef slot *s
    if not indices_good(k, head, r.cur, k.tail):
        return False
    while i != head:
        s = &r.slots[i]
        offset = s.ptr & k.offset_mask
        room = k.buf_size if more else k.buf_size - k.hdr
        if not buffer_good(k, s.buf_idx) or offset > k.max_offset or s.len > room or offset + s.len > k.buf_size:
            return False
        note_slot(k, s, i)
        more = (s.flags & NS_MOREFRAG) != 0
        count += not more
        total += s.len
        i = side_after(k, i)
    frames[0] = count
    bytes[0] = total
    return not more


cdef bint rx_check(nm_side *k) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i = k.head
    cdef uint32_t head = r.head
    cdef slot *s
    if k.cur_moved and r.cur == k.tail:
        r.cur = k.user_cur
    k.cur_moved = False
    if not indices_good(k, head, r.cur, k.shown):
        return False
    while i != head:
        s = &r.slots[i]
        if not buffer_good(k, s.buf_idx) or (k.max_offset and not k.hdr and (s.ptr & k.offset_mask) > k.max_offset):
            return False
        note_slot(k, s, i)
        i = side_after(k, i)
    return True


cdef void restore_header(nm_side *k) noexcept nogil:
    cdef ring *r = k.r
    r.buf_ofs = k.buf_ofs
    r.num_slots = k.num_slots
    r.nr_buf_size = k.buf_size
    r.ringid = k.ringid
    r.dir = k.dir
    r.flags = k.flags
    r.offset_mask = k.offset_mask


cdef void side_reset(nm_side *k) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i
    cdef uint32_t mine = side_distance(k, k.head, k.tail)
    cdef slot *s
    for i in range(k.num_slots):
        s = &r.slots[i]
        if not buffer_good(k, s.buf_idx):
            s.buf_idx = k.good[i]
            s.len = 0
        elif not k.moves and side_distance(k, k.head, i) >= mine:
            s.buf_idx = k.good[i]       # not the user's to write
        if k.own_mask and (s.ptr & k.own_mask) > k.max_offset:
            s.ptr &= ~k.own_mask
        elif k.hdr:
            s.ptr = k.hdr if k.tx else 0
    if k.tx:
        r.head = k.head
    else:
        k.skipping = k.inside
        k.part_bytes = 0
        k.shown = k.tail
        r.head = k.tail
        # Offsets and flags of what goes back are whatever the user made of them
        i = k.head
        while i != k.tail:
            r.slots[i].flags &= SIDE_SLOT_FLAGS
            i = side_after(k, i)
    r.cur = r.head
    r.tail = k.tail
    k.cur_moved = False
    restore_header(k)


cdef void side_publish(nm_side *k) noexcept nogil:
    restore_header(k)
    if not k.armed:             # else the module itself may have moved it
        k.r.tail = k.tail


cdef void move_frame(nm_side *k, slot *s, uint32_t to) noexcept nogil:
    cdef uint8_t *b = buffer_at(k, s.buf_idx)
    cdef uint64_t offset = s.ptr & k.offset_mask
    if offset != to:
        memmove(b + to, b + offset, s.len)


cdef void tx_headers(nm_side *k) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i = k.head
    cdef bint first = True
    cdef slot *s
    while i != r.head:
        s = &r.slots[i]
        move_frame(k, s, k.hdr if first else 0)
        s.ptr = k.hdr
        if first:
            vnet_write(buffer_at(k, s.buf_idx), k.hdr, &k.meta[i])
            s.len += <uint16_t>k.hdr
        first = not s.flags & NS_MOREFRAG
        i = side_after(k, i)


cdef void tx_headers_off(nm_side *k) noexcept nogil:
    cdef uint32_t i = k.head
    cdef bint first = True
    cdef slot *s
    while i != k.r.head:
        s = &k.r.slots[i]
        if first:
            s.len -= <uint16_t>k.hdr
        else:
            s.ptr = 0
        first = not s.flags & NS_MOREFRAG
        i = side_after(k, i)


cdef bint tx_ahead(const nm_side *k) noexcept nogil:
    return k.armed and k.r.head < k.num_slots and side_distance(k, k.head, k.r.head) > side_distance(k, k.head, k.tail)


cdef void tx_ask(nm_side *k) noexcept nogil:
    k.r.head = k.head
    k.r.cur = k.head
    restore_header(k)


cdef void tx_told(nm_side *k, uint32_t head, uint32_t cur) noexcept nogil:
    """Slots before the user's head are as the user made them; those behind it come back as after any sync."""
    cdef uint32_t i
    cdef slot *s
    if tail_believable(k):
        k.armed = False
        k.tail = k.r.tail
        i = head
        while side_distance(k, k.head, i) < side_distance(k, k.head, k.tail):
            s = &k.r.slots[i]
            if s.buf_idx != k.good[i]:
                returned(k, s, i)
            i = side_after(k, i)
    k.r.head = head
    k.r.cur = cur


cdef void tx_take_back(nm_side *k) noexcept nogil:
    k.r.head = k.head
    k.r.cur = k.head


cdef bint tail_believable(const nm_side *k) noexcept nogil:
    """The module's answer: indices as they were given, and a tail that has not gone back."""
    cdef const ring *r = k.r
    return r.head == k.head and r.tail < k.num_slots and side_distance(k, k.head, r.tail) >= side_distance(k, k.head, k.tail)


cdef int set_up_by_module(nm_side *k, port_stats *st) noexcept nogil:
    """The module's silent re-initialisation, which the check before should have made impossible."""
    cdef ring *r = k.r
    if r.head < k.num_slots:
        k.head = r.head
    if r.tail < k.num_slots:
        k.tail = r.tail
    side_reset(k)
    st.ring_resets += 1
    return -EINVAL


cdef void returned(nm_side *k, slot *s, uint32_t i) noexcept nogil:
    """A slot comes back with another buffer than it went with."""
    if not buffer_good(k, s.buf_idx):
        s.buf_idx = k.good[i]
    elif k.moves:
        k.good[i] = s.buf_idx
    elif not s.flags & NS_BUF_CHANGED:
        s.buf_idx = k.good[i]           # the user's doing; where the flag is set, a zero-copy monitor's


cdef int tx_settle(nm_side *k, port_stats *st) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i = k.tail
    cdef slot *s
    k.armed = False
    if not tail_believable(k):
        return set_up_by_module(k, st)
    while i != r.tail:
        s = &r.slots[i]
        if s.buf_idx != k.good[i]:
            returned(k, s, i)
        i = side_after(k, i)
    k.tail = r.tail
    return 0


cdef void rx_slot(nm_side *k, uint32_t i, int64_t now) noexcept nogil:
    """One new slot: what it brings cannot hurt, its header becomes its meta."""
    cdef slot *s = &k.r.slots[i]
    cdef slot_meta *m = &k.meta[i]
    cdef uint64_t offset = s.ptr & k.own_mask
    memset(m, 0, sizeof(slot_meta))
    m.time_ns = now
    if not buffer_good(k, s.buf_idx):           # the other end of a pipe can do that
        s.buf_idx = k.good[i]
        s.len = 0
    elif k.moves:
        k.good[i] = s.buf_idx
    if offset > k.max_offset or offset + s.len > k.buf_size:
        s.ptr &= ~k.own_mask
        s.len = 0
    if k.hdr:
        s.ptr = 0
        if not k.inside:
            if s.len < k.hdr:
                s.len = 0
                return
            vnet_read(buffer_at(k, s.buf_idx), m)
            s.ptr = k.hdr
            s.len -= <uint16_t>k.hdr


cdef void give_up_frame(nm_side *k, port_stats *st) noexcept nogil:
    """The beginning of a frame fills the ring: nobody will ever see its end."""
    st.rx_too_long += 1
    k.skipping = True
    k.part_bytes = 0
    k.shown = k.tail
    k.r.head = k.tail
    k.r.cur = k.tail


cdef int rx_settle(nm_side *k, port_stats *st, int64_t now) noexcept nogil:
    cdef ring *r = k.r
    cdef uint32_t i = k.tail
    cdef uint32_t end = r.tail
    cdef bint more
    k.armed = False
    if not tail_believable(k):
        return set_up_by_module(k, st)
    k.tail = end
    while i != end:
        rx_slot(k, i, now)
        more = (r.slots[i].flags & NS_MOREFRAG) != 0
        k.part_bytes += r.slots[i].len
        i = side_after(k, i)
        if not more and not k.skipping:
            st.rx_frames += 1
            st.rx_bytes += k.part_bytes
        if not more or k.skipping:
            k.shown = i
            k.part_bytes = 0
        if k.skipping:          # the user has nothing: else there would have been room
            r.head = i
            r.cur = i
            k.skipping = more
        k.inside = more
    rx_hide(k)
    if k.inside and r.head == k.shown and side_distance(k, k.shown, k.tail) == k.num_slots - 1:
        give_up_frame(k, st)
        rx_hide(k)
    return 0


cdef void rx_hide(nm_side *k) noexcept nogil:
    k.r.tail = k.shown
