"""IPv4 reassembly with limits (RFC 791, RFC 815, RFC 1858): an overlap drops the datagram, as does anything past
65,535 bytes."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.ip.state cimport ip_state
from usnet.memory.chunks cimport chain
from usnet.memory.ranges cimport ranges
from usnet.wire.ipv4 cimport ipv4_repr

# A datagram being put together. Fragments are kept as they came, so that one far from the others costs no more than
# its own bytes.
cdef struct reassembly:
    ipv4_repr header            # of the first fragment once it is here, else of the one that came first
    chain pieces                # fragment_record and then its bytes, in order of arrival
    ranges present              # bytes above IP that are here
    uint64_t order              # of arrival of its first piece: the oldest gives way
    uint32_t n_pieces
    uint32_t total              # bytes above IP once the last fragment is here, else 0
    uint32_t timer
    uint8_t has_first
    uint8_t marks               # ECN fields of its fragments, a bit each (RFC 3168, section 5.3)
    uint8_t quote[8]            # the first bytes above IP, for the ICMP error

cdef struct fragment_record:
    uint32_t start              # bytes
    uint32_t length

# Takes one fragment. 1 when the datagram is whole: it stands in ip.datagram from its L4 header on, *n bytes; 0 when
# more is missing or the fragment was dropped (and counted, as are those that went with it). *r becomes the datagram's
# header; one that quotes it stands in front of ip.datagram.
cdef int reassembly_input(ip_state *ip, ipv4_repr *r, const uint8_t *l4, uint32_t l4_len, int64_t now,
                          uint32_t *n) noexcept nogil
cdef void reassembly_timeout(ip_state *ip, uint32_t index, int64_t now) noexcept nogil     # TIMER_REASSEMBLY
cdef void reassembly_clear(ip_state *ip) noexcept nogil
