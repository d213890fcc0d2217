"""A router's work on a packet that is for somebody else (RFC 1812, section 5.2)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.ring cimport slot_meta
from usnet.ip.state cimport ip_state
from usnet.wire.ipv4 cimport ipv4_repr

# Sends the packet `l3` (its length is r.total_len; `frame` is where its frame begins) on its way, or drops it,
# counted, with the ICMP error that is due. Packets that must be fragmented lose their IP options.
cdef void forward_input(ip_state *ip, const ipv4_repr *r, const uint8_t *frame, const uint8_t *l3,
                        const slot_meta *meta, int64_t now) noexcept nogil
