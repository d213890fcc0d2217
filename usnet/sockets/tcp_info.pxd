"""TCP_INFO: what a connection knows of itself, in the layout of Linux's struct tcp_info (6.18). What is not measured is 0, and said so."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.tcp.state cimport tcp_state

cdef struct tcp_info:               # 280 bytes
    uint8_t state                   # Linux's numbers: ESTABLISHED is 1, LISTEN 10
    uint8_t ca_state                # 0 open, 2 slowed down by marks (RFC 3168), 1 something out of order, 3 in fast recovery, 4 after a timeout
    uint8_t retransmits             # timeouts in a row
    uint8_t probes                  # window probes in a row
    uint8_t backoff
    uint8_t options                 # 1 timestamps, 2 SACK, 4 window scaling, 8 ECN was agreed on, 16 something arrived ECT, 32 data of the SYN was acknowledged with it (RFC 7413)
    uint8_t wscale                  # low nibble: the peer's shift; high: ours
    uint8_t flags                   # bit 0: delivery_rate was limited by the program; bits 1 and 2: tcpi_fastopen_client_fail
    uint32_t rto                    # us
    uint32_t ato                    # us: how long an ACK may be put off
    uint32_t snd_mss                # bytes
    uint32_t rcv_mss                # bytes
    uint32_t unacked                # segments out; of a listener: connections that wait for accept
    uint32_t sacked                 # segments that the peer has reported; of a listener: its backlog
    uint32_t lost                   # segments taken for lost (RFC 6675), sent again or not
    uint32_t retrans                # segments sent again, and not acknowledged
    uint32_t fackets                # 0
    uint32_t last_data_sent         # ms ago
    uint32_t last_ack_sent          # 0
    uint32_t last_data_recv         # ms ago; of the handshake before there was data
    uint32_t last_ack_recv          # ms since anything was heard
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
    uint64_t pacing_rate            # bytes/s; all ones: not paced
    uint64_t max_pacing_rate        # the same
    uint64_t bytes_acked            # of payload, by the peer
    uint64_t bytes_received         # of payload, in order
    uint32_t segs_out
    uint32_t segs_in
    uint32_t notsent_bytes          # that wait to be sent for the first time
    uint32_t min_rtt                # us; all ones before the first measurement
    uint32_t data_segs_in
    uint32_t data_segs_out
    uint64_t delivery_rate          # bytes a second; 0: not measured (setting delivery_rate)
    uint64_t busy_time              # us with something to send
    uint64_t rwnd_limited           # us of them, held back by the peer's window
    uint64_t sndbuf_limited         # us of them, with all sent, while the program waited for room
    uint32_t delivered              # segments that arrived, the SYN among them; what is out counts as full segments
    uint32_t delivered_ce           # segments that arrived with CE, as far as the peer tells
    uint64_t bytes_sent             # of payload, what was sent again too
    uint64_t bytes_retrans
    uint32_t dsack_dups             # reports of what arrived twice
    uint32_t reord_seen             # 0: reordering is not measured
    uint32_t rcv_ooopack            # segments that arrived out of order
    uint32_t snd_wnd                # bytes that the peer offers
    uint32_t rcv_wnd                # bytes that we do
    uint32_t rehash                 # 0
    uint16_t total_rto              # retransmission timeouts
    uint16_t total_rto_recoveries   # not in a row
    uint32_t total_rto_time         # 0: not measured
    uint32_t accecn[7]              # AccECN (RFC 9768): packets that arrived with CE; bytes of ECT(1), ECT(0), CE that the peer told of; that arrived
    uint16_t accecn_fail_mode
    uint16_t accecn_opt_seen

cdef void tcp_info_of(tcp_state *t, uint32_t c, int64_t now, tcp_info *info) noexcept nogil
