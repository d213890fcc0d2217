"""What the port keeps of one ring of netmap's, and what it does to it around each sync.

The module checks rings too, but says nothing when it finds them broken, and goes on with buffers zeroed and indices half set; so it is never
shown any: everything that the user hands over is checked here first. What the user must not write is put back, since the module complains of it in
its log.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.ring cimport port_stats, ring, slot_meta

cdef enum:
    # flags of a slot that the user may hand to the module: no indirect buffers, no forwarding between NIC and host
    SIDE_SLOT_FLAGS = 0x0023    # NS_BUF_CHANGED, NS_REPORT, NS_MOREFRAG

cdef struct nm_side:
    ring *r
    slot_meta *meta             # num_slots of them
    # num_slots of them: the buffer that the module has in each slot. Drivers look at buf_idx only where NS_BUF_CHANGED is set, so that it must be
    # wherever the two differ
    uint32_t *good
    void *desc                  # Descriptor that is bound to this ring, and to no other of its direction
    # The ring's header, as it was at the start
    int64_t buf_ofs
    uint64_t offset_mask        # as the user sees it: not 0 also where a virtio-net header is hidden
    uint64_t own_mask           # as the module set it
    uint64_t max_offset         # largest good offset of a frame in its buffer
    uint32_t num_slots
    uint32_t buf_size
    uint32_t n_bufs             # of the region
    bint moves                  # a pipe: slots come back with other buffers than they went with
    uint32_t hdr                # bytes of virtio-net header: 0, 10, 12
    uint32_t flags
    uint16_t ringid
    uint16_t dir                # as the module numbers directions (transmit 1, receive 0)
    bint tx                     # transmits
    # Where it stands
    uint32_t head               # slots before it are the module's
    uint32_t tail               # where the user's part ends, in the module's eyes
    uint32_t shown              # where it ends in the user's eyes: from here to tail lies the beginning of a frame (receive side)
    uint32_t user_cur           # cur, where arming moved it
    uint64_t part_bytes         # of that beginning
    bint inside                 # the next new slot goes on with a frame
    bint skipping               # ... of which nothing is shown
    bint armed                  # the module may have synced the ring since the last sync, from inside poll()
    bint cur_moved
    bint broken                 # set up anew while being armed: the next sync says so
    uint32_t watch              # number of the port's descriptor that it is waited for by

# Transmit side, before tx_check: poll() may have given slots back since the ring was armed, and its user has seen that and filled them
cdef void tx_absorb(nm_side *k) noexcept nogil
# 1 when all that was handed over since the last sync keeps the rules of ring.pxd, else 0. `frames` and `bytes` count it
cdef bint tx_check(nm_side *k, uint32_t *frames, uint64_t *bytes) noexcept nogil
cdef bint rx_check(nm_side *k) noexcept nogil
# As new, as far as its user can do that: what was handed over and not synced comes back (tx), frames that wait are dropped (rx)
cdef void side_reset(nm_side *k) noexcept nogil
# Puts back what the user must not write, so that the module may look
cdef void side_publish(nm_side *k) noexcept nogil
# Virtio-net headers in front of the frames handed over; frames are moved where they do not lie behind their header
cdef void tx_headers(nm_side *k) noexcept nogil
# What was handed over comes back unsent
cdef void tx_take_back(nm_side *k) noexcept nogil
# After the module's sync: 0; -EINVAL when it found indices broken, which it does not say
cdef int tx_settle(nm_side *k, port_stats *st) noexcept nogil
cdef int rx_settle(nm_side *k, port_stats *st, int64_t now) noexcept nogil
# The user's view again, where the module did nothing
cdef void rx_hide(nm_side *k) noexcept nogil


cdef inline uint32_t side_distance(const nm_side *k, uint32_t start, uint32_t end) noexcept nogil:
    """Slots from `start` to before `end`."""
    return end - start if end >= start else end + k.num_slots - start


cdef inline uint32_t side_after(const nm_side *k, uint32_t i) noexcept nogil:
    return 0 if i + 1 == k.num_slots else i + 1


cdef inline bint side_full(const nm_side *k) noexcept nogil:
    """Transmit side: all slots are the module's, but for the unused one."""
    return k.head == k.tail
