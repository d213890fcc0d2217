"""Rings and buffers laid out as netmap lays them out, for every port that has no memory of its own; and the checks
that a sync begins with."""
from libc.errno cimport ENOBUFS
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport NS_MOREFRAG, port, port_stats, ring, ring_next, slot, slot_meta

cdef enum:
    # bytes of the largest frame that crosses a ring: a 65535-byte packet, Ethernet header, tags
    FRAME_MAX = 65664
    FIRST_BUFFER = 2            # buffers 0 and 1 are never used for frames

cdef struct ring_side:
    # What the port itself knows of one ring: its user can spoil the shared header, not this
    ring *r
    slot_meta *meta             # num_slots of them
    uint32_t *good              # num_slots of them: the last good buf_idx of each slot; what the port itself goes by
    int64_t buf_ofs             # as in the ring
    uint32_t num_slots
    uint32_t buf_size
    uint32_t n_bufs             # buffers of the pool
    uint32_t head               # slots before it were handed over and seen
    uint32_t tail               # where the user's part ends
    uint32_t done               # transmit side: slots before it have left; [done, head) is on its way
    uint16_t ringid
    uint16_t dir                # RING_TX or RING_RX

# Whether what a user hands over keeps the rules: indices in [old head, tail], good buffers; on a transmit ring good
# lengths and whole frames
cdef bint ring_keeps_rules(const ring *r, uint32_t num_slots, uint32_t buf_size, uint32_t n_bufs,
                           uint64_t offset_mask, uint32_t old_head, uint32_t tail, bint tx) noexcept nogil
# A sync begins here: 0 when old head <= head <= cur <= tail (mod num_slots) and every slot of [side.head, ring.head)
# names a buffer of the pool and, on a transmit ring, has a length within it and the last one ends a frame. Else the
# ring is set up anew, `ring_resets` counted, and -EINVAL returned. Header fields that the user must not write (tail,
# sizes) are put back. The port then works on [side.head, ring.head) and advances side.head itself.
cdef int ring_check(ring_side *k, port_stats *st) noexcept nogil
# All transmit slots free, all receive slots empty; every slot has a good buffer
cdef void ring_reset(ring_side *k) noexcept nogil
# Frames that may need several slots: see ring_put, ring_take, side_take
cdef int ring_put_spanning(ring_side *k, const uint8_t *frame, uint32_t length, int64_t time_ns, port_stats *st) noexcept nogil
cdef int ring_take_spanning(ring *r, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame,
                            uint32_t *length) noexcept nogil
cdef int side_take_spanning(ring_side *k, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame,
                            uint32_t *length) noexcept nogil
# Transmit side: takes over what the user handed over ([.., ring.head)) and gives back what has left ([.., side.done))
cdef void ring_settle(ring_side *k) noexcept nogil
# The same when everything has left
cdef void ring_taken(ring_side *k) noexcept nogil


cdef inline uint32_t side_room(const ring_side *k) noexcept nogil:
    """Receive side: slots that can be filled, one always staying unused."""
    return (k.head - k.tail - 1) if k.head > k.tail else k.num_slots - 1 - (k.tail - k.head)


cdef inline uint32_t side_next(const ring_side *k, uint32_t i) noexcept nogil:
    return 0 if i + 1 == k.num_slots else i + 1


cdef inline uint8_t *side_buf(const ring_side *k, uint32_t i) noexcept nogil:
    """The buffer of a slot that is the port's: as it was checked, whatever the user has written into the slot since."""
    return <uint8_t *>k.r + k.buf_ofs + <uint64_t>(k.good[i] if k.good != NULL else k.r.slots[i].buf_idx) * k.buf_size


cdef inline uint32_t side_len(const ring_side *k, uint32_t i) noexcept nogil:
    """The length of a slot that is the port's, never beyond its buffer."""
    return k.r.slots[i].len if k.r.slots[i].len < k.buf_size else k.buf_size


cdef inline void side_set(ring_side *k, uint32_t i, const uint8_t *p, uint32_t n, uint16_t flags, int64_t time_ns) noexcept nogil:
    """Puts n bytes, no more than a buffer holds, into slot i, which the caller knows to be free, and does not hand it over."""
    cdef slot *s = &k.r.slots[i]
    s.buf_idx = k.good[i]
    s.len = <uint16_t>n
    s.flags = flags
    memcpy(<uint8_t *>k.r + k.buf_ofs + <uint64_t>s.buf_idx * k.buf_size, p, n)
    memset(&k.meta[i], 0, sizeof(slot_meta))
    k.meta[i].time_ns = time_ns


cdef inline void side_fill(ring_side *k, const uint8_t *p, uint32_t n, uint16_t flags, int64_t time_ns) noexcept nogil:
    """Puts them into the slot at side.tail, and hands it over."""
    side_set(k, k.tail, p, n, flags, time_ns)
    k.tail = side_next(k, k.tail)
    k.r.tail = k.tail


cdef inline int ring_put(ring_side *k, const uint8_t *frame, uint32_t length, int64_t time_ns, port_stats *st) noexcept nogil:
    """Receive side: puts one frame at side.tail, over as many slots as it needs. 0; -ENOBUFS: no room now (nothing counted: wait or count
    rx_overruns); -EMSGSIZE: the ring can never hold it (rx_too_long counted)."""
    if length > k.buf_size:
        return ring_put_spanning(k, frame, length, time_ns, st)
    if side_room(k) == 0:
        return -ENOBUFS
    side_fill(k, frame, length, 0, time_ns)
    st.rx_frames += 1
    st.rx_bytes += length
    return 0


cdef inline int ring_take(ring *r, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame, uint32_t *length) noexcept nogil:
    """The frame that begins at at[0], which moves behind it; `end`: where to stop (ring.head of a transmit ring). A frame of one slot is pointed to
    where it lies, others are gathered in `scratch` (FRAME_MAX bytes). Right after ring_check, or for a ring that belongs to the caller. 1: a frame; 0:
    none left; -EMSGSIZE: longer than FRAME_MAX: skipped."""
    cdef uint32_t i = at[0]
    if i == end:
        return 0
    if r.slots[i].flags & NS_MOREFRAG:
        return ring_take_spanning(r, at, end, scratch, frame, length)
    frame[0] = <uint8_t *>r + r.buf_ofs + <uint64_t>r.slots[i].buf_idx * r.nr_buf_size
    length[0] = r.slots[i].len if r.slots[i].len < r.nr_buf_size else r.nr_buf_size
    at[0] = ring_next(r, i)
    return 1


cdef inline int side_take(ring_side *k, uint32_t *at, uint32_t end, uint8_t *scratch, const uint8_t **frame, uint32_t *length) noexcept nogil:
    """The same for slots that stayed in the port between syncs, where the user may have written into them: goes by what was checked."""
    cdef uint32_t i = at[0]
    if i == end:
        return 0
    if k.r.slots[i].flags & NS_MOREFRAG:
        return side_take_spanning(k, at, end, scratch, frame, length)
    frame[0] = side_buf(k, i)
    length[0] = side_len(k, i)
    at[0] = side_next(k, i)
    return 1


cdef class RingMemory:
    """One mapping with rings, slots and buffers of one port. The rings stay where they are while this object lives."""
    cdef uint8_t *base
    cdef uint64_t size
    cdef uint64_t buffers                   # offset of buffer 0
    cdef ring_side tx[16]
    cdef ring_side rx[16]
    cdef slot_meta *metas
    cdef uint32_t *good
    cdef uint32_t *spare
    cdef readonly uint32_t n_tx
    cdef readonly uint32_t n_rx
    cdef readonly uint32_t n_bufs
    cdef readonly uint32_t n_spare
    cdef readonly uint32_t buf_size         # bytes
    cdef readonly uint32_t pool             # a number of its own
    cdef ring_side *side(self, int direction, uint32_t i) noexcept nogil
    cdef void attach(self, port *p) noexcept nogil      # enters rings, pool and spare buffers into a port
    cdef void _lay_out(self, uint32_t tx_slots, uint32_t rx_slots, uint64_t tx_bytes, uint64_t rx_bytes) noexcept
    cdef void _ring(self, ring_side *k, uint64_t at, uint64_t done, uint32_t slots, uint32_t number,
                    int direction) noexcept
