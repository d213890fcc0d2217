"""Segments in: RFC 9293, section 3.10.7, step by step."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state
from usnet.wire.flow cimport flow
from usnet.wire.tcp cimport tcp_repr

# What is left of a segment while it goes through the steps.
cdef struct text:
    const uint8_t *p            # payload
    uint32_t n                  # bytes of it
    uint32_t seq                # of its first byte
    uint32_t size               # of each of the segments that the frame carries; n if it carries one
    uint32_t segments           # that the frame carries
    uint8_t fin                 # a FIN follows the last byte
    uint8_t syn
    uint16_t flags              # of the header

# A segment that was read: to whom it is.
cdef void dispatch(tcp_state *t, const packet *p, const tcp_repr *r, text *s, int64_t now) noexcept nogil
cdef void tcp_input(tcp_state *t, const packet *p, int64_t now) noexcept nogil
# The same, but for what its parsing and looking up would say: a segment other than a SYN, whole and summed, for c, which is past SYN-SENT.
cdef void tcp_known(tcp_state *t, uint32_t c, const flow *f, int64_t now) noexcept nogil
