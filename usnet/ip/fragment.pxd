"""Fragmentation (RFC 791, section 3.2) and the identification field (RFC 6864)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from usnet.backends.ring cimport slot_meta
from usnet.ip.state cimport ip_state
from usnet.wire.addr cimport ip_addr
from usnet.wire.ipv4 cimport ipv4_repr

# The next identification of a datagram that may be fragmented: unique for a while within (src, dst, proto), not
# predictable from outside it.
cdef uint16_t fragment_ident(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto) noexcept nogil
# How many fragments n bytes above IP make over `mtu`; 0 when the MTU cannot carry any.
cdef uint32_t fragment_count(uint32_t n, uint32_t mtu) noexcept nogil
# Sends n bytes at `l4` as fragments of at most `mtu` bytes with r's addresses, ident, ttl ... (a fragment itself when
# r says so; options are not carried over). All fragments find slots and are handed over, or none: -EAGAIN, or
# -EMSGSIZE when the ring is too small for them ever.
cdef int fragment_send(ip_state *ip, uint32_t number, const uint8_t *mac, const ipv4_repr *r, const uint8_t *l4,
                       uint32_t n, uint32_t mtu) noexcept nogil
# A packet of several segments, in one frame over several slots; `meta`: how the port cuts it, offsets counted from the IP header. 0; -EAGAIN; -EMSGSIZE
# when the ring can never hold it.
cdef int packet_send_large(ip_state *ip, uint32_t number, const uint8_t *mac, const uint8_t *l3, uint32_t n, slot_meta *meta) noexcept nogil
# An IP packet that is complete (header, checksums) to the station `mac`, fragmented if larger than the interface's
# MTU. 0 or -EAGAIN.
cdef int packet_send(ip_state *ip, uint32_t number, const uint8_t *mac, const uint8_t *l3, uint32_t n) noexcept nogil
