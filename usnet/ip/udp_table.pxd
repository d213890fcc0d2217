"""UDP endpoints by local port: who gets a datagram, which ports are free, who hears of an error."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.ip.udp cimport udp_pcb
from usnet.memory.arena cimport arena_at
from usnet.wire.addr cimport ip_addr


cdef inline udp_pcb *udp_at(ip_state *ip, uint32_t u) noexcept nogil:
    return <udp_pcb *>arena_at(&ip.udp, u)


cdef int table_insert(ip_state *ip, uint32_t u) noexcept nogil      # under its lport; 0 or -ENOSPC
cdef void table_remove(ip_state *ip, uint32_t u) noexcept nogil
# Whether an endpoint on laddr:port would clash with another than u: same port, an address in common, and not both
# allow sharing.
cdef bint table_clash(ip_state *ip, uint32_t u, const ip_addr *laddr, uint16_t port, uint8_t reuse) noexcept nogil
# A free port of 32768..60999, drawn at random (RFC 6056, section 3.3.1), or 0.
cdef uint16_t table_free_port(ip_state *ip, uint32_t u, const ip_addr *laddr) noexcept nogil
# The most specific endpoint for a datagram src:sport -> dst:dport (connected, then bound to the address, then any);
# among equals that share, one chosen by the flow. NONE: nobody.
cdef uint32_t table_lookup(ip_state *ip, const ip_addr *src, uint16_t sport, const ip_addr *dst,
                           uint16_t dport) noexcept nogil
# Whether the endpoint would take such a datagram: 0 no, else the higher the more specific.
cdef int table_score(const udp_pcb *p, const ip_addr *src, uint16_t sport, const ip_addr *dst,
                     uint16_t dport) noexcept nogil
cdef void udp_notify(ip_state *ip, const udp_pcb *p) noexcept nogil
cdef void udp_wake_blocked(ip_state *ip) noexcept nogil             # there is room to send again
# An ICMP error quoted a datagram of ours from lport to raddr:rport. True if it was from an endpoint of ours.
cdef bint udp_icmp_error(ip_state *ip, const ip_addr *raddr, uint16_t rport, uint16_t lport, int32_t err) noexcept nogil
