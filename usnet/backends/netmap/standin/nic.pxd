"""A NIC as netmap's drivers run it, with a wire and the system's own stack behind it, both of them callbacks.

It behaves as Intel's e1000 does under netmap: it reads a slot's buffer index only where NS_BUF_CHANGED says that it changed, keeps frames while the
link is down, and sends at once.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.standin.adapter cimport adapter, frames, kring
from usnet.backends.netmap.standin.state cimport standin_state

# A frame leaves on ring `ring`: 0, or anything else when the wire cannot take it now; nic_resume() offers it again
ctypedef int (*nic_transmit)(void *ctx, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil
cdef struct nic

# A frame for receive ring k, which is in netmap mode: 0 or -errno, counted
ctypedef int (*nic_fill)(nic *n, kring *k, const uint8_t *frame, uint32_t length) noexcept nogil
# A frame for the system's own stack
ctypedef void (*nic_to_host)(void *ctx, const uint8_t *frame, uint32_t length) noexcept nogil

cdef struct nic_slot:           # a descriptor of the device's own
    uint32_t buf_idx
    uint32_t length
    uint64_t offset
    bint more                   # the frame goes on in the next

cdef struct nic_ring:
    nic_slot *slots
    uint32_t at                 # rx: next slot to fill, from hwtail on; tx: first that has not left, up to hwcur
    bint pending                # frames came, and no sync has shown them
    uint8_t *scratch            # tx: a frame that spans slots
    uint32_t gathered           # bytes in it

cdef struct nic_stats:
    uint64_t sent
    uint64_t received
    uint64_t no_room            # dropped: no slot was the NIC's to fill
    uint64_t too_long
    uint64_t down               # came while the link was down, or the NIC gone
    uint64_t bad_length         # not sent: no bytes, or more than a frame has

cdef struct nic:
    adapter *na
    bint link
    bint busy                   # the wire that keeps frames takes none
    nic_ring *rings[2]
    nic_fill fill
    nic_transmit transmit
    void *transmit_ctx
    nic_to_host to_host
    void *to_host_ctx
    nic_stats stats
    frames sent                 # kept for whoever asks, while no other wire is plugged in
    frames up                   # the same, while no other stack is there

# One reference is the caller's, to be given back by adapter_put(n.na). flags: NAF_OFFSETS, NAF_MOREFRAG. NULL: no memory, or the name is taken
cdef nic *nic_new(standin_state *s, const char *name, const uint32_t *rings, const uint32_t *slots, uint32_t mtu, uint32_t flags) noexcept nogil
cdef void nic_plug(nic *n, nic_transmit transmit, void *ctx) noexcept nogil
# A frame arrives from the wire: 0, -ENETDOWN, -EMSGSIZE or -ENOBUFS, all of them counted
cdef int nic_receive(nic *n, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil
# The system's own stack sends, from a queue of its own: 0, -ENOBUFS or -ENETDOWN
cdef int nic_host_send(nic *n, uint32_t queue, const uint8_t *frame, uint32_t length) noexcept nogil
# The wire has room again
cdef void nic_resume(nic *n, uint32_t ring) noexcept nogil
cdef void nic_set_link(nic *n, bint up) noexcept nogil
cdef void nic_remove(nic *n) noexcept nogil
# For drivers: takes slot k.hwcur over; sends what the wire takes, which moves rings[NR_TX][k.ring_id].at: whether anything left
cdef void nic_take(nic *n, kring *k) noexcept nogil
cdef bint nic_drain(nic *n, kring *k) noexcept nogil
