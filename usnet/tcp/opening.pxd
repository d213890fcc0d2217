"""SYNs and SYN-ACKs of the usual kind, with hosts that are known, the short way."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.tcp.state cimport tcp_state
from usnet.wire.flow cimport flow

# Takes a frame of that kind; *f is room. False: nothing was done; it goes the long way, which does the same with it.
cdef bint tcp_opening(tcp_state *t, uint32_t netif, const uint8_t *frame, uint32_t length, flow *f, int64_t now) noexcept nogil
