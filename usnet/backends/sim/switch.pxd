"""A learning bridge (IEEE 802.1D without a spanning tree): frames leave through the link of the port behind which their destination was last heard."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.backends.sim.frames cimport frame
from usnet.backends.sim.link cimport link_dir

cdef struct mac_entry:
    uint64_t mac                # 48 bits; UINT64_MAX: never used
    int64_t heard               # ns
    uint32_t number             # port

cdef struct switch_counters:
    uint64_t forwarded          # to one port
    uint64_t flooded            # to all others: broadcast, multicast, or an unknown destination
    uint64_t filtered           # the destination is where the frame came from
    uint64_t too_short          # without a whole Ethernet header
    uint64_t table_full         # sources that could not be learned

cdef struct switch_state:
    link_dir **out              # by port; NULL: not connected
    uint32_t n_ports
    uint32_t room_ports
    mac_entry *table
    uint32_t table_room         # a power of two; three quarters are used at most
    uint32_t table_used
    int64_t ageing              # ns
    switch_counters n

# frame_sink, and what it goes on to.
cdef int switch_accept(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil
cdef bint switch_forward(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil


cdef class Switch:
    cdef switch_state w
    cdef readonly str name
    cdef readonly object network
    cdef void reset(self) noexcept
    cdef int add_port(self, link_dir *out) except -1
