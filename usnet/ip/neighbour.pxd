"""Neighbours: ARP (RFC 826, RFC 1122 section 2.3.2). Packets wait for an answer; entries expire, are confirmed again,
and are updated."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.wire.addr cimport ip_addr

# The entry for addr, made (and asked for) if need be: its index, or NONE when out of memory. Its state says whether
# it can be used.
cdef uint32_t neighbour_use(ip_state *ip, uint32_t netif, const ip_addr *addr, int64_t now) noexcept nogil
# One that a packet is about to leave to, when it needs no asking: the last that is forgotten.
cdef void neighbour_touch(ip_state *ip, uint32_t index) noexcept nogil
# Puts a packet (from its IP header on, in two pieces, the first of which may be empty) behind an INCOMPLETE entry: 0 or -ENOBUFS; the oldest waiting one gives way.
cdef int neighbour_put(ip_state *ip, uint32_t index, const uint8_t *header, uint32_t h_len, const uint8_t *body,
                       uint32_t n_body) noexcept nogil
# without making or asking: its index, or NONE
cdef uint32_t neighbour_find(ip_state *ip, uint32_t netif, const ip_addr *addr) noexcept nogil
# forgets all, static ones too
cdef void neighbour_clear(ip_state *ip) noexcept nogil
# One ARP message. Known senders are updated; an unknown one gets an entry only by asking for an address of ours.
cdef void neighbour_input(ip_state *ip, uint32_t netif, const uint8_t *arp, uint32_t n, int64_t now) noexcept nogil
cdef void neighbour_timeout(ip_state *ip, uint32_t index, int64_t now) noexcept nogil      # TIMER_NEIGHBOUR
# A static entry (never expires) or a change of one: 0 or -ENOMEM.
cdef int neighbour_set(ip_state *ip, uint32_t netif, const ip_addr *addr, const uint8_t mac[6]) noexcept nogil
