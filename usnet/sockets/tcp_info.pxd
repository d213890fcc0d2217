"""TCP_INFO: what a connection knows of itself, in the layout of Linux's struct tcp_info up to tcpi_total_retrans."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.tcp.state cimport tcp_state

cdef struct tcp_info:               # 104 bytes
    uint8_t state                   # Linux's numbers: ESTABLISHED is 1, LISTEN 10
    uint8_t ca_state                # 0 open, 3 in fast recovery, 4 after a timeout
    uint8_t retransmits             # timeouts in a row
    uint8_t probes                  # window probes in a row
    uint8_t backoff
    uint8_t options                 # 1 timestamps, 4 window scaling, 32 data of the SYN was acknowledged with it (RFC 7413)
    uint8_t wscale                  # low nibble: the peer's shift; high: ours
    uint8_t flags                   # bits 1 and 2: tcpi_fastopen_client_fail
    uint32_t rto                    # us
    uint32_t ato                    # us: how long an ACK may be put off
    uint32_t snd_mss                # bytes
    uint32_t rcv_mss                # bytes
    uint32_t unacked                # segments out; of a listener: connections that wait for accept
    uint32_t sacked                 # 0; of a listener: its backlog
    uint32_t lost                   # 0
    uint32_t retrans                # 0
    uint32_t fackets                # 0
    uint32_t last_data_sent         # ms ago
    uint32_t last_ack_sent          # 0
    uint32_t last_data_recv         # ms since anything was heard
    uint32_t last_ack_recv          # the same
    uint32_t pmtu                   # bytes
    uint32_t rcv_ssthresh           # bytes that may still come
    uint32_t rtt                    # us, smoothed
    uint32_t rttvar                 # us
    uint32_t snd_ssthresh           # segments; 0x7fffffff before the first loss
    uint32_t snd_cwnd               # segments
    uint32_t advmss                 # bytes
    uint32_t reordering             # segments: what is taken for reordering, not loss
    uint32_t rcv_rtt                # 0: not measured
    uint32_t rcv_space              # bytes: the receive buffer
    uint32_t total_retrans          # segments sent again

cdef void tcp_info_of(tcp_state *t, uint32_t c, int64_t now, tcp_info *info) noexcept nogil
