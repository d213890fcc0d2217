"""virtio-net's header in front of a frame (Virtual I/O Device 1.2, 5.1.6), and what the stack keeps of it in slot_meta."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.backends.ring cimport META_CSUM_NEEDED, META_CSUM_VALID, slot_meta

cdef enum:
    VNET_NEEDS_CSUM = 1
    VNET_DATA_VALID = 2
    VNET_GSO_NONE = 0
    VNET_GSO_ECN = 0x80         # beside the type

cdef struct vnet_hdr:           # the machine's own byte order, as netmap and old virtio devices have it
    uint8_t flags               # VNET_NEEDS_CSUM, VNET_DATA_VALID
    uint8_t gso_type
    uint16_t hdr_len
    uint16_t gso_size
    uint16_t csum_start
    uint16_t csum_offset
    uint16_t num_buffers        # only in the header of 12 bytes


cdef inline void vnet_read(const void *at, slot_meta *m) noexcept nogil:
    """What a header says, into the meta of the frame's first slot. Time, VLAN and hash stay as they are."""
    cdef const vnet_hdr *h = <const vnet_hdr *>at
    m.flags &= ~(META_CSUM_NEEDED | META_CSUM_VALID)
    if h.flags & VNET_NEEDS_CSUM:
        m.flags |= META_CSUM_NEEDED
        m.csum_start = h.csum_start
        m.csum_offset = h.csum_offset
    elif h.flags & VNET_DATA_VALID:
        m.flags |= META_CSUM_VALID
    if h.gso_type != VNET_GSO_NONE:
        m.gso_type = h.gso_type
        m.gso_size = h.gso_size
        m.hdr_len = h.hdr_len


cdef inline void vnet_write(void *at, uint32_t length, const slot_meta *m) noexcept nogil:
    """The header of `length` bytes (10 or 12) that a frame's meta asks for."""
    cdef vnet_hdr *h = <vnet_hdr *>at
    memset(at, 0, length)
    if m.flags & META_CSUM_NEEDED:
        h.flags = VNET_NEEDS_CSUM
        h.csum_start = m.csum_start
        h.csum_offset = m.csum_offset
    elif m.flags & META_CSUM_VALID:
        h.flags = VNET_DATA_VALID
    if m.gso_size:
        h.gso_type = m.gso_type
        h.gso_size = m.gso_size
        h.hdr_len = m.hdr_len
