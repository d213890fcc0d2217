"""IPv4 reassembly with limits (RFC 791, RFC 815, RFC 1858): an overlap drops the datagram, as does anything past 65,535 bytes."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.wire.ipv4 cimport ipv4_repr

# Takes one fragment. 1 when the datagram is whole: it stands in ip.datagram from its L4 header on, *n bytes; 0 when more is missing or the fragment
# was dropped (and counted).
cdef int reassembly_input(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t l4_len, int64_t now, uint32_t *n) noexcept nogil
cdef void reassembly_timeout(ip_state *ip, uint32_t index, int64_t now) noexcept nogil     # TIMER_REASSEMBLY
