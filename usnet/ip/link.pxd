"""Frames in rings: out into slots of ring 0 of an interface's port, with the Ethernet header in front; in from several slots."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from usnet.backends.ring cimport NS_BUF_CHANGED, ring, ring_next, slot_meta
from usnet.memory.buffers cimport buffer_lend
from usnet.ip.state cimport ip_state, link_cursor, netif
from usnet.wire.eth cimport ETH_HLEN, ETH_VLAN_HLEN, VLAN_NONE

cdef enum:
    LINK_FRAME_MAX = 65536 + 18     # bytes: the largest frame that may span slots

# A received frame of several slots as a run of bytes: where it lies if its buffers lie in a row, else put together in `scratch` (LINK_FRAME_MAX
# bytes). *length is 0 if it is longer than any frame may be; *after is the slot behind it.
cdef const uint8_t *link_gather(ring *r, uint32_t first, uint8_t *scratch, uint32_t *after, uint32_t *length) noexcept nogil

# Whether `count` slots are free, after one sync if need be. If not, the interface is marked tx_wanted.
cdef bint link_free(ip_state *ip, uint32_t number, uint32_t count) noexcept nogil
# The same for a frame of `length` bytes that may span slots, all of which may be written to then: 0; -EAGAIN; -EMSGSIZE when the ring can never hold it.
cdef int link_fits(ip_state *ip, uint32_t number, uint32_t length) noexcept nogil
# Start of the first free slot's buffer, or NULL: full.
cdef uint8_t *link_open(ip_state *ip, uint32_t number) noexcept nogil
# Hands over as link_close does, with its offload header (NULL: none); a frame that is longer than the slot goes on in those behind, which the caller has filled.
cdef void link_close_as(ip_state *ip, uint32_t number, uint32_t length, const slot_meta *meta) noexcept nogil
# Writes n bytes at a place in the slots that are free, and moves it behind them.
cdef void link_put(const netif *n, link_cursor *at, const uint8_t *p, uint32_t length) noexcept nogil
# Whether that slot of the transmit ring is still the port's: its frame has not left.
cdef bint link_queued(const netif *n, uint32_t slot) noexcept nogil
# Writes the Ethernet header (tagged if the interface is) and returns its length.
cdef uint32_t link_header(const netif *n, uint8_t *l2, const uint8_t *dst, uint16_t type) noexcept nogil


cdef inline uint32_t link_header_len(const netif *n) noexcept nogil:
    return ETH_HLEN if n.vlan == VLAN_NONE else ETH_VLAN_HLEN


cdef inline void link_close(netif *n, uint32_t length) noexcept nogil:
    """Hands the first free slot over with a frame of `length` bytes in it; it leaves at the next flush."""
    cdef ring *r = n.link.tx[0]
    cdef uint32_t i = r.head
    r.slots[i].len = <uint16_t>length
    r.slots[i].flags &= NS_BUF_CHANGED
    if n.link.tx_meta[0] != NULL:
        memset(&n.link.tx_meta[0][i], 0, sizeof(slot_meta))
    r.head = ring_next(r, i)
    r.cur = r.head
    n.tx_pending += 1


cdef inline uint32_t link_lend(ip_state *ip, uint32_t number, uint32_t index) noexcept nogil:
    """Instead of the first free slot's buffer one that is held goes out: buffer `index` of the interface's set. The frame must begin where link_frame_at
    says. Returns the slot."""
    cdef ring *r = ip.netifs[number].link.tx[0]
    buffer_lend(&ip.pieces.sets[ip.netifs[number].bufs], index, r.slots[r.head].buf_idx)
    r.slots[r.head].buf_idx = index
    r.slots[r.head].flags |= NS_BUF_CHANGED
    return r.head


cdef inline uint32_t link_frame_at(const netif *n) noexcept nogil:
    """Bytes from the start of a buffer to the frame, in the slot that is filled next."""
    cdef const ring *r = n.link.tx[0]
    return <uint32_t>(r.slots[r.head].ptr & r.offset_mask)
