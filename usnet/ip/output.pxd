"""Packets out: route, neighbour, Ethernet header, fragmentation, the transmit ring."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport ip_state, tx_frame
from usnet.wire.addr cimport ip_addr

# Opens a packet of at most l4_len bytes above IP. 0; -EAGAIN: the transmit ring is full even after a sync (nothing is
# lost: come back when it has room); -ENETUNREACH no route; -EHOSTUNREACH the neighbour did not answer lately;
# -EMSGSIZE over the MTU; -ENOBUFS no memory to queue it.
cdef int ip_tx_open(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto, uint32_t l4_len, int64_t now,
                    tx_frame *f) noexcept nogil
# Most bytes above IP of a frame of several segments to dst: 0 where there is none, as the port does not cut, the next hop is asked for, or it is
# ourselves.
cdef uint32_t ip_large_most(ip_state *ip, const ip_addr *src, const ip_addr *dst, int64_t now) noexcept nogil
# Bytes of the longest such packet on an interface, or 0.
cdef uint32_t ip_large_on(ip_state *ip, uint32_t netif) noexcept nogil
# Opens a frame of several TCP segments of gso_size bytes of payload, l4_len bytes with one header of l4_header. As ip_tx_open; also -EMSGSIZE where
# ip_large_most says less. The payload goes in by ip_tx_put; the checksum is partial.
cdef int ip_tx_open_large(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint32_t l4_header, uint32_t l4_len, uint16_t gso_size, int64_t now,
                          tx_frame *f) noexcept nogil
# The next n bytes of its payload.
cdef void ip_tx_put(ip_state *ip, tx_frame *f, const uint8_t *p, uint32_t n) noexcept nogil
# Ends it with l4_len bytes written at f.l4: IP and Ethernet headers, DF set, slot handed to the ring (sent at the
# next flush), or queued behind a neighbour that is being asked for.
cdef void ip_tx_close(ip_state *ip, tx_frame *f, uint32_t l4_len, int64_t now) noexcept nogil
# A whole L4 message from memory, fragmented where it is larger than the MTU (RFC 791; DF clear then). 0 or as
# ip_tx_open; all fragments or none find slots. proto's checksum must stand in it already. `ttl` 0: the default.
cdef int ip_send(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto, const uint8_t *l4,
                 uint32_t l4_len, uint8_t ttl,
                 uint8_t tos, int64_t now) noexcept nogil
# Syncs the transmit rings that were filled since the last time.
cdef void ip_flush(ip_state *ip) noexcept nogil
# Whether a transmit slot of the interface is free (NETIF_LOOPBACK: room in the stack's own queue).
cdef bint ip_tx_room(ip_state *ip, uint32_t netif) noexcept nogil
# Counts an answer of the stack's own (ICMP, RST) that ip_tx_open or ip_send refused with `status`.
cdef void ip_count_lost(ip_state *ip, int status) noexcept nogil
