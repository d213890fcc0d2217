"""The contract between the stack and whatever moves its frames: rings that lie and behave as netmap's.

A port has transmit and receive rings over a pool of buffers of one size. `struct ring` has the layout of `struct
netmap_ring` (API 14 and 15), so netmap's own memory is used as it lies and every other backend lays its memory out
alike.

Who owns what. Slots [head, tail) belong to the user (the stack), the others to the port (the kernel's side). On a
transmit ring the user's slots are free to fill; advancing head hands them over. On a receive ring they hold frames;
advancing head gives their buffers back. `cur` is the wake-up point, head <= cur <= tail. The port looks at a ring only
inside a sync, so nothing is sent or seen between two. One slot always stays unused: at most num_slots - 1 belong to
the user. A sync with indices that break these rules, a slot whose buffer index or length is out of range, or a
transmit frame that head cuts short, has a defined result: -EINVAL, the ring is set up anew (all transmit slots free,
all receive slots empty), and the error is counted.

A frame may span slots: NS_MOREFRAG on all but its last. A frame is handed over whole or not at all.

What netmap keeps elsewhere stands in a parallel array of `slot_meta`, one for each slot of each ring.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    NS_BUF_CHANGED = 0x0001     # buf_idx was swapped by the user
    NS_REPORT = 0x0002
    NS_MOREFRAG = 0x0020        # the frame goes on in the next slot
    RING_RX = 0                 # as the module writes them (the comment in its header says the opposite)
    RING_TX = 1
    PORT_MAX_RINGS = 16         # of each direction
    # slot_meta.flags
    # the L4 checksum is partial: complete it at csum_start + csum_offset (virtio-net NEEDS_CSUM)
    META_CSUM_NEEDED = 0x01
    META_CSUM_VALID = 0x02      # the L4 checksum was verified by the port
    META_VLAN = 0x04            # vlan holds a tag that the port took off, or is to put on
    META_HASH = 0x08            # hash is valid
    # port.caps
    PORT_CAN_SEND = 0x01
    PORT_CAN_RECEIVE = 0x02
    PORT_VNET_HDR = 0x04        # offload headers are honoured in both directions
    PORT_SWAP = 0x08            # buffers may be swapped within the pool
    PORT_FILENO = 0x10          # fileno() is a descriptor that polls readable when frames wait
    # a transmit slot may come back with another buffer than it went with, which is somebody else's then (netmap's pipes)
    PORT_MOVES = 0x20
    # port.link
    LINK_UP = 1
    LINK_DOWN = 0
    LINK_GONE = -1              # the port vanished: every sync returns -ENXIO from now on

cdef struct slot:               # struct netmap_slot, 16 bytes
    uint32_t buf_idx            # buffer of the pool; 0 and 1 are never used for frames
    uint16_t len                # bytes of the frame (or fragment) in it
    uint16_t flags              # NS_*
    # offset of the frame in the buffer where the ring's offset_mask is not 0; else unused. It belongs to what lies in the buffer: swapped with it
    uint64_t ptr

cdef struct ring:               # struct netmap_ring, a 256-byte header and then the slots
    int64_t buf_ofs             # from this struct to buffer 0 of the pool, bytes
    uint32_t num_slots          # any number from 2 on, not only powers of two
    uint32_t nr_buf_size        # bytes a buffer
    uint16_t ringid
    uint16_t dir                # RING_TX or RING_RX
    uint32_t head
    uint32_t cur
    uint32_t tail
    uint32_t flags
    uint32_t pad0
    int64_t ts[2]               # time of the last sync (struct timeval)
    uint64_t offset_mask
    uint64_t buf_align
    uint8_t pad1[56]
    uint8_t sem[128]
    slot slots[1]               # num_slots of them

cdef struct slot_meta:          # 32 bytes, parallel to slots
    int64_t time_ns             # arrival, in the port's clock; 0 when unknown
    uint32_t hash               # of the flow (RSS)
    uint16_t flags              # META_*
    uint16_t vlan               # TCI
    uint16_t csum_start         # bytes from the frame's start
    uint16_t csum_offset        # bytes from csum_start
    uint16_t gso_size           # payload bytes a segment of a frame that carries several; 0 when it carries one
    uint16_t hdr_len            # bytes of headers in front of the first segment's payload
    uint8_t gso_type            # virtio-net's VIRTIO_NET_HDR_GSO_*
    uint8_t pad[7]

cdef struct port_stats:
    uint64_t rx_frames          # put into receive rings
    uint64_t rx_bytes
    uint64_t rx_overruns        # dropped because the receive ring was full
    uint64_t rx_too_long        # dropped because no run of free slots could hold the frame
    uint64_t tx_frames          # taken from transmit rings
    uint64_t tx_bytes
    uint64_t tx_errors          # taken, and refused by the device
    uint64_t ring_resets        # syncs that found broken indices

ctypedef int (*port_sync)(void *self, uint32_t ring_number) noexcept nogil
ctypedef uint32_t (*port_spare)(void *self, uint32_t buf_idx) noexcept nogil
ctypedef bint (*port_leaving)(void *user) noexcept nogil
ctypedef int (*port_arm)(void *self, bint for_tx) noexcept nogil

cdef struct port:
    # What the port can do, as functions; `self` is passed back to them. Both live as long as the Port object that owns
    # this struct.
    void *self
    # gives buffers before head back, brings new frames: 0, or -errno (-ENXIO gone, -EINVAL broken indices)
    port_sync rx_sync
    # sends [.., head), reclaims what has left: 0 or -errno; a link that is down takes frames and drops them, counted
    port_sync tx_sync
    # asks to be woken (fileno readable, or the simulator's event) at the next frame, or when transmit space appears: 0
    # or -errno
    port_arm arm
    # What it is
    uint32_t n_tx
    uint32_t n_rx
    ring *tx[16]
    ring *rx[16]
    slot_meta *tx_meta[16]
    slot_meta *rx_meta[16]
    uint32_t pool               # buffers swap only between rings of ports with the same pool number; 0: not at all
    uint32_t mtu                # bytes of the largest IP packet
    uint32_t caps               # PORT_*
    int32_t link                # LINK_*
    uint8_t mac[6]
    # Spare buffers of the pool, for swapping: indices kept by the user of the port
    uint32_t *spare
    uint32_t n_spare
    uint32_t n_bufs             # buffers of the pool: a good buf_idx is in [2, n_bufs)
    port_stats stats
    # Set by the user of the port, and called before its buffers go: none of them is looked at from then on. True: the user
    # has given some away and cannot help that they are looked at; they must stay readable
    port_leaving leaving
    void *user


cdef class Port:
    """Owner of one port: its memory, its descriptor, its name. Backends and wrappers derive from it."""
    cdef port p
    cdef readonly str name              # the URL-like name that opened it
    cdef readonly object clock          # usnet.backends.clock.Clock that its times and waits go by
    cdef bint _leave(self) noexcept     # its buffers go: tells its user, once. True: they must stay readable
    cdef object _sync(self, int direction, uint32_t n)
    cdef object _take_all(self, uint32_t n, list frames, bint meta)


cdef inline uint32_t ring_next(const ring *r, uint32_t i) noexcept nogil:
    return 0 if i + 1 == r.num_slots else i + 1


cdef inline uint32_t ring_space(const ring *r) noexcept nogil:
    """Slots that belong to the user: free to fill on a transmit ring, holding frames on a receive ring."""
    return r.tail - r.head if r.tail >= r.head else r.tail + r.num_slots - r.head


cdef inline uint8_t *ring_buf(ring *r, uint32_t i) noexcept nogil:
    """Where the frame in slot i begins."""
    return <uint8_t *>r + r.buf_ofs + <uint64_t>r.slots[i].buf_idx * r.nr_buf_size + (r.slots[i].ptr & r.offset_mask)


cdef inline uint32_t ring_room(const ring *r, uint32_t i) noexcept nogil:
    """Bytes that slot i has room for, from where its frame begins: what stands before it is the port's."""
    cdef uint64_t offset = r.slots[i].ptr & r.offset_mask
    return r.nr_buf_size - <uint32_t>offset if offset < r.nr_buf_size else 0
