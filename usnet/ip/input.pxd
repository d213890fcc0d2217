"""Frames in: Ethernet, VLAN, ARP, IPv4, reassembly, ICMP and UDP are handled here and below; TCP is handed up."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.ring cimport slot_meta
from usnet.ip.state cimport ip_state, packet

# One frame of `length` contiguous bytes. Returns a packet_kind; *out is filled unless it is PACKET_NONE. Never reads
# past the frame.
cdef int ip_input(ip_state *ip, uint32_t netif, const uint8_t *frame, uint32_t length, const slot_meta *meta,
                  int64_t now,
                  packet *out) noexcept nogil
# What the stack sent to itself, one packet a call: as ip_input, or -1 when nothing waits. Also PACKET_ICMP_ERROR
# (host unreachable) for segments whose neighbour did not answer; datagrams' endpoints and senders of forwarded
# packets are told here. Call it until -1 after timers and receive rings.
cdef int ip_input_loopback(ip_state *ip, int64_t now, packet *out) noexcept nogil
