"""UDP endpoints (RFC 768, RFC 1122 section 4.1): calls return what they say or -errno, and never block."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.memory.chunks cimport chain
from usnet.wire.addr cimport ip_addr
from usnet.wire.ipv4 cimport ipv4_repr

cdef enum:
    UDP_REUSEADDR = 1           # SO_REUSEADDR
    UDP_REUSEPORT = 2           # SO_REUSEPORT: datagrams are spread over those that have it
    UDP_MAX = 65507             # bytes of payload: a datagram of 65535 less both headers
    UDP_RCVBUF = 212992         # bytes, default of udp_pcb.rcvbuf

cdef struct udp_pcb:
    ip_addr laddr               # unspecified (all zero): any of ours
    ip_addr raddr               # unspecified: not connected
    uint16_t lport              # 0: not bound
    uint16_t rport
    uint32_t owner              # socket that is told of news, or NONE
    int32_t error               # errno of an ICMP error on a connected endpoint, told once; 0
    uint8_t reuse               # UDP_REUSE*: may share its address with others that allow the same
    uint8_t broadcast           # SO_BROADCAST
    uint8_t tos
    uint8_t shut                # shut down for writing: sends say EPIPE
    uint8_t ttl                 # 0: the stack's default; 1 to groups
    uint8_t laddr_auto          # laddr was chosen by udp_connect, not by udp_bind
    uint8_t blocked             # a send was refused with EAGAIN: the owner is told when there is room
    uint32_t rcvbuf             # bytes of queued payload and bookkeeping at most
    uint32_t n_queued           # datagrams
    uint32_t bound_as           # how many were bound before it: of those that share an address, the last gets datagrams
    chain queue                 # each: udp_record, then its payload

cdef struct udp_record:
    ip_addr src
    ip_addr dst
    int64_t time_ns             # arrival
    uint16_t src_port
    uint16_t pad
    uint32_t length             # bytes of payload

cdef uint32_t udp_open(ip_state *ip) noexcept nogil                                         # its index, or NONE
cdef void udp_close(ip_state *ip, uint32_t u) noexcept nogil
# port 0: a random free one; -EADDRNOTAVAIL, -EINVAL (bound already), -EADDRINUSE
cdef int udp_bind(ip_state *ip, uint32_t u, const ip_addr *addr, uint16_t port) noexcept nogil
# all-zero addr: disconnects; -ENETUNREACH
cdef int udp_connect(ip_state *ip, uint32_t u, const ip_addr *addr, uint16_t port) noexcept nogil
# Bytes sent, or -errno: EINVAL (port 0, not IPv4), EDESTADDRREQ, EMSGSIZE (over 65507), EACCES (broadcast not
# allowed), EPIPE, EAGAIN (ring full), ENETUNREACH, EHOSTUNREACH, or a pending error. addr NULL: the connected peer.
cdef int64_t udp_send(ip_state *ip, uint32_t u, const uint8_t *p, uint32_t n, const ip_addr *addr, uint16_t port,
                      int64_t now) noexcept nogil
# One datagram: bytes copied (cut to n; record.length is its true length), or -EAGAIN, or a pending error. peek: it
# stays queued.
cdef int64_t udp_recv(ip_state *ip, uint32_t u, uint8_t *p, uint32_t n, bint peek, udp_record *record) noexcept nogil
# EPOLLIN, EPOLLOUT, EPOLLERR as they stand
cdef uint32_t udp_ready(ip_state *ip, uint32_t u) noexcept nogil
cdef void udp_input(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, bint csum_ok, const uint8_t *l3,
                    uint32_t l3_len,
                    int64_t now) noexcept nogil
# A frame of several datagrams of `size` bytes of payload each.
cdef void udp_input_several(ip_state *ip, const ipv4_repr *r, const uint8_t *l4, uint32_t n, uint32_t size, bint csum_ok, const uint8_t *l3,
                            int64_t now) noexcept nogil
cdef void udp_clear(ip_state *ip) noexcept nogil                    # closes all
