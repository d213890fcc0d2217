"""What a stack's connections look like from outside: one flat record each. The dtype of the same name (CONNECTION) is NumPy's view of it."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.sockets.table cimport net

cdef struct connection_record:
    uint8_t protocol            # IPPROTO_TCP (6) or IPPROTO_UDP (17)
    uint8_t state               # tcp_phase; UDP: CLOSED, or ESTABLISHED when it has a peer
    uint16_t lport
    uint16_t rport
    uint8_t snd_wscale          # shifts of the windows
    uint8_t rcv_wscale
    uint8_t laddr[16]           # IPv4 mapped; all zero: any
    uint8_t raddr[16]
    int32_t fd                  # descriptor that holds it, or -1: its program has closed it, or has not accepted it yet
    uint32_t recv_queue         # bytes that can be read; a listener: connections that wait for accept
    uint32_t send_queue         # bytes that are not acknowledged; a listener: how many may wait
    uint32_t in_flight          # bytes that are sent and not acknowledged
    uint32_t sndbuf             # bytes
    uint32_t rcvbuf             # bytes
    uint32_t mss                # bytes of payload
    uint32_t cwnd               # bytes
    uint32_t ssthresh           # bytes
    uint32_t snd_wnd            # bytes that the peer offers
    uint32_t rcv_wnd            # bytes that are offered to the peer
    uint32_t backoff            # retransmission timeouts or probes in a row
    uint32_t congestion         # controller (CC_* of usnet.tcp.congestion.ops)
    int64_t srtt                # ns; 0: never measured
    int64_t rttvar              # ns
    int64_t min_rtt             # ns
    int64_t rto                 # ns
    int64_t idle                # ns since the last segment from the peer; -1: none yet
    uint64_t retransmits        # segments sent again

# Fills `out` with up to `most` records, in the order of the stack's tables; how many there are (which may be more than most).
cdef uint32_t inspect_connections(net *n, connection_record *out, uint32_t most, int64_t now) noexcept nogil
