"""THE connection: every field, its unit, its invariant, its RFC. Names are those of RFC 9293.

Invariants: snd_una <= snd_nxt <= snd_max (modulo 2^32); rcv_nxt <= rcv_adv; the send queue's front byte is snd_una (or iss + 1 while the SYN is
out) and the receive queue's front byte is the first that the application has not read.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.memory.pieces cimport piece_queue
from usnet.tcp.congestion.ops cimport cc_state
from usnet.wire.addr cimport ip_addr
from usnet.wire.flow cimport flow_form
from usnet.wire.tcp cimport TCP_HLEN, TCPOLEN_MD5_APPA, TCPOLEN_TSTAMP_APPA

# RFC 9293, section 3.3.2. Legal transitions: tcp/states.pyx.
cdef enum tcp_phase:
    TCPS_CLOSED = 0
    TCPS_LISTEN = 1
    TCPS_SYN_SENT = 2
    TCPS_SYN_RECEIVED = 3
    TCPS_ESTABLISHED = 4
    TCPS_FIN_WAIT_1 = 5
    TCPS_FIN_WAIT_2 = 6
    TCPS_CLOSE_WAIT = 7
    TCPS_CLOSING = 8
    TCPS_LAST_ACK = 9
    TCPS_TIME_WAIT = 10
    TCP_PHASES = 11

# tcb.flags
cdef enum:
    TF_TIMESTAMPS = 0x0001      # negotiated (RFC 7323): every segment but RST carries them
    TF_WSCALE = 0x0002          # negotiated: windows are shifted
    TF_SACK = 0x0004            # negotiated (RFC 2018): both ends report what arrived out of order
    TF_ACK_NOW = 0x0008         # an ACK is owed at once
    TF_FIN_QUEUED = 0x0010      # the application will write no more: FIN behind the last byte
    TF_FIN_SENT = 0x0020        # a FIN was sent at least once; it takes the number before snd_max
    TF_FIN_RECEIVED = 0x0040    # the peer's FIN was taken in order
    TF_CORK = 0x0080            # TCP_CORK: no segment that is not full, for CORK_LIMIT at most
    TF_NODELAY = 0x0100         # TCP_NODELAY: no Nagle
    TF_KEEPALIVE = 0x0200       # SO_KEEPALIVE
    TF_RECOVERY = 0x0400        # fast recovery until snd_una passes `recover` (RFC 6582), or loss recovery until it gets there (RFC 6675)
    TF_RTT_TIMED = 0x0800       # rtt_seq and rtt_start time one segment (no timestamps)
    TF_PROBE = 0x1000           # the persist timer runs: the window is closed and data waits
    TF_BOUND = 0x2000           # stands in the table of bound ports
    TF_HASHED = 0x4000          # stands in the table of connections
    TF_CONNECTED = 0x8000       # was ESTABLISHED once
    TF_REUSE = 0x10000          # SO_REUSEADDR
    TF_RCV_SHUT = 0x20000       # the application will read no more
    TF_MORE = 0x40000           # MSG_MORE: the same until the next call
    TF_FORCE = 0x80000          # the next output may send a small segment (probe, override of SWS)
    TF_ALL_ROOM = 0x100000      # each segment's window is all the room there is, but a little (tcp_config.all_room)
    TF_MARKS = 0x400000         # has marks in what it sends, or urgent data
    TF_ORPHAN = 0x200000        # counted in tcp_counters.orphans
    TF_ASIDE = 0x40000000       # has a struct aside (tcp/aside.pxd)
    TF_REUSEPORT = 0x800000
    TF_REXMT_NOW = 0x1000000    # recovery asks for the segment at snd_una to be sent again
    TF_FIN_HELD = 0x2000000     # a FIN arrived ahead of data that is missing: fin_pos is valid
    TF_HELD = 0x4000000         # a socket, or the queue for accept, holds it: not freed when it ends
    TF_DELACK = 0x8000000       # an ACK is owed, but may wait for the delayed-ACK timer
    TF_UNPUSHED = 0x20000000    # the last byte came with MSG_MORE, and ends without PSH (tcp_config.more_until_ack)
    TF_PARTIAL = 0x10000000     # this fast recovery has seen a partial ACK
    TF_TRIAL = 0x80000000       # has a struct trial (recovery/trial): an episode of losses that may turn out to be none, without SACK

# tcb.chrono: what the sender waits for while it has something to send
cdef enum:
    CHRONO_NONE = 0             # nothing to send
    CHRONO_BUSY = 1             # the network, or the window of congestion
    CHRONO_RWND = 2             # the peer's window
    CHRONO_SNDBUF = 3           # the application, which waits for room in the send buffer

# tcb.pending
cdef enum:
    REXMT_RTO = 0               # the retransmission timeout (or persist timer)
    REXMT_PROBE = 1             # a tail loss probe (RFC 8985, section 7)
    REXMT_REORDER = 2           # the reordering window (RFC 8985, section 6.3)

# tcb.fastopen (RFC 7413)
cdef enum:
    TFO_SYN_DATA = 0x01         # all data of the SYN was acknowledged by the SYN-ACK, ours or the peer's
    TFO_FAIL = 0x06             # why not, as tcpi_fastopen_client_fail has it, one bit to the left
    TFO_NO_COOKIE = 0x02        # ... there was no cookie
    TFO_NOT_ACKED = 0x04        # ... the SYN-ACK left the data out
    TFO_SYN_AGAIN = 0x06        # ... the SYN had to be sent again
    TFO_ASKED = 0x08            # our SYN had the option, or data
    TFO_GIVES = 0x10            # our first SYN-ACK gives a cookie
    TFO_EXP = 0x20              # ... by the experimental option
    TFO_PASSIVE = 0x40          # taken with its SYN: it may be accepted, and sends, before the handshake ends. snd_una is iss + 1 already
    TFO_SYNACK_DUE = 0x80       # ... and the SYN-ACK must be sent again

# tcb.uto (RFC 5482)
cdef enum:
    UTO_PEERS = 0x01            # user_timeout is what the peer asked for: it may ask for another
    UTO_DUE = 0x02              # ours has changed: the next segment with room says so

# tcb.deadline: which
cdef enum:
    T_REXMT = 0                 # retransmission, or the persist timer while TF_PROBE (RFC 6298; RFC 9293, 3.8.6.1)
    T_DELACK = 1                # delayed ACK (RFC 9293, 3.8.6.3)
    T_KEEP = 2                  # keepalive (RFC 9293, 3.8.4)
    T_LINGER = 3                # 2MSL of TIME-WAIT; the patience of an orphan in FIN-WAIT-2
    T_COUNT = 4

cdef struct tcb:
    # What each segment touches, and what says whether it may rest: a line. Those behind it, up to `laddr`, are nearly all touched too (tcp/warm)
    uint32_t snd_una            # oldest unacknowledged sequence number
    uint32_t snd_nxt            # next to send; goes back to snd_una at a retransmission timeout
    uint32_t snd_max            # highest sent so far, plus one
    uint32_t snd_wnd            # bytes offered by the peer, scaled, counted from snd_una of the update
    uint32_t rcv_nxt            # next expected
    uint32_t rcv_adv            # right edge of the window as last advertised; never goes back
    uint32_t flags              # TF_*
    uint16_t mss                # payload bytes of a full segment, options taken off (RFC 6691)
    uint8_t state               # tcp_phase; changed by tcp_set_state only
    uint8_t snd_wscale          # shift of what the peer offers, 0 to 14
    uint8_t rcv_wscale          # shift of what we offer
    uint8_t dupacks             # in a row, saturating; with SACK those that report something new (RFC 6675, section 2)
    uint8_t backoff             # retransmission timeouts (or probes) in a row; doubles the RTO
    uint8_t delack_segs         # weight of segments in order not acknowledged yet: 4 a full one, 1 a small one
    uint32_t ts_recent          # TSval to echo
    uint32_t id                 # its own number, as sockets, tables and timers know it
    uint32_t older              # in the order in which they woke, or were last seen to have done something; NONE
    uint32_t newer
    uint32_t mark               # what it had done when it was last looked at
    uint32_t timer              # of the wheel, or NONE; fires at timer_at
    uint32_t owner              # socket that is told of news, or NONE
    # The way out
    uint32_t way                # ip_state.ways when it did, if the next one may leave the same way (ip/way); else 0
    uint32_t hop                # neighbour that it went to
    flow_form form              # of its frames, while form.way is `way` (tcp/segment)
    # The rest of what each segment touches: windows, recovery, counters of TCP_INFO (lifetime counters; at rest in struct tally, or in history)
    uint32_t snd_wl1            # seq of the segment of the last window update
    uint32_t snd_wl2            # ack of it
    uint32_t last_ack_sent      # rcv_nxt as last sent (RFC 7323, section 4.3)
    uint32_t rtt_seq            # acknowledging it ends the measurement
    uint32_t ts_offset          # added to the clock in TSval (RFC 7323, section 5.4: per connection)
    uint32_t rcv_ready          # bytes of rcv in order, that is, readable
    uint32_t ooo                # struct ranges of what arrived ahead (positions count from irs + 1), or NONE
    uint32_t board              # struct scoreboard of what the peer reported above snd_una (RFC 6675), or NONE
    uint32_t sndbuf             # bytes of snd at most
    uint32_t rcvbuf             # bytes of rcv at most; the window never promises more
    uint32_t max_window         # largest snd_wnd ever seen (silly-window avoidance, RFC 9293, 3.8.6.2.1)
    uint32_t recover            # RecoveryPoint: snd_max when a recovery, or a timeout, began (RFC 6582; RFC 6675)
    uint32_t most_out           # bytes that were out at once in the window that ends at usage_seq; 0: none yet (FLIGHT_WATCHED)
    uint32_t last_seq           # where the last segment began that was sent for the first time
    uint32_t dsack_left         # what arrived twice and is to be reported by the next segment (RFC 2883): [dsack_left, dsack_right)
    uint32_t dsack_right        # the same as dsack_left: nothing
    int32_t error               # errno that ended it, told once; 0
    uint8_t netif               # that the last segment left through, or NETIF_LOOPBACK
    uint8_t keep_probes         # unanswered keepalive probes
    uint8_t unanswered          # retransmissions or window probes since the peer was last heard
    uint8_t quick               # TCP_QUICKACK: how many more ACKs of data in order are not delayed
    uint16_t rcv_mss            # payload bytes of the peer's full segments, as far as seen: delayed ACKs count by it
    uint8_t chrono              # CHRONO_*
    uint8_t no_room             # the last send found the buffer full
    uint32_t segs_in
    uint32_t segs_out
    uint32_t data_segs_in
    uint32_t data_segs_out
    uint8_t pending             # REXMT_*: what T_REXMT is armed for, while something is out
    uint8_t timed               # FLIGHT_*: who wants to know when what is out was sent; 0: nobody
    uint8_t cc_ops              # which controller
    uint8_t fastopen            # TFO_*
    uint8_t ecn                 # ECN_* (tcp/ecn.pxd)
    uint8_t acks                # ACK_* (tcp/delack)
    uint16_t ato                # ms that an ACK waits for, about (tcp/delack); 0: no data yet, or not tcp_config.adaptive_acks
    uint32_t search             # its struct mtu_search (tcp/mtu) while the path MTU is looked for; NONE
    # When, and how much
    int64_t timer_at            # ns; never later than the earliest of deadline[]
    int64_t last_recv           # ns of the last segment (keepalive)
    int64_t ts_recent_at        # ns when ts_recent was taken (RFC 7323, section 5.5)
    int64_t rtt_start           # ns when rtt_seq was sent
    int64_t srtt                # ns; 0 before the first sample (RFC 6298)
    int64_t rttvar              # ns
    int64_t min_rtt             # ns: the shortest ever measured; 0 before the first sample
    int64_t ack_rtt             # ns: what the newest ACK measured; 0: nothing
    int64_t rto                 # ns, without backoff
    int64_t stalled_since       # ns of the first unanswered retransmission or probe; 0 (RFC 9293, 3.8.3: R2)
    int64_t last_send           # ns when data was last sent (RFC 5681, section 4.1)
    int64_t burst_at            # ns when data was last sent for the first time: the newest burst (recovery/flight)
    uint64_t rcv_pos            # position of rcv_nxt in the stream
    uint64_t snd_pos            # snd_una - iss - 1 without wrapping
    int64_t chrono_since        # ns when `chrono` began
    int64_t busy                # ns with something to send, limited or not, until chrono_since
    int64_t last_data           # ns of the last segment with data; of the handshake before there was one
    uint64_t tune_at            # position in the stream that, once read, another half of rcvbuf has been read at (tcp/autotune); 0: it does not grow
    int64_t deadline[4]         # ns, [T_*]; 0: off
    # Congestion: the front of it is touched by each segment
    cc_state cc                 # what the controller remembers
    # Who
    ip_addr laddr
    ip_addr raddr
    uint16_t lport
    uint16_t rport
    # What few segments touch
    uint32_t usage_seq
    uint32_t validator          # struct validator (congestion/validation); NONE
    uint32_t snd_sml            # end of the last segment sent that was not full (tcp_config.minshall)
    uint16_t last_seg           # bytes of the last segment, if it was shorter than rcv_mss and may be the peer's full one (tcp/delack); else 0
    uint32_t pacer              # struct pacer (tcp/pacing) of one that is paced; NONE
    uint32_t cc_block           # CC_BLOCK bytes of its controller's; NONE
    uint32_t flight             # struct flight of when what is out was sent, or NONE (recovery/flight)
    uint32_t trial              # its struct trial while TF_TRIAL, or NONE
    uint32_t iss                # initial sequence number of ours
    uint32_t irs                # of the peer
    uint64_t fin_pos            # position of the peer's FIN while TF_FIN_HELD
    int64_t rexmt_at            # ns when a segment was last sent again; 0: never
    int64_t last_oow_ack        # ns of the last ACK in answer to an empty segment outside the window (rate limit)
    int64_t rwnd_limited        # ns of them
    int64_t sndbuf_limited
    # What waits: begins with a line; of each queue's bytes that are near a message or two of 60 bytes are in the first line behind it
    piece_queue snd             # bytes from snd_una on, unsent ones too
    piece_queue rcv             # bytes that the application has not read; its chain goes on with what arrived ahead, gaps included
    # Opening, ending
    uint32_t parent             # listener that made it, until it is accepted; NONE
    uint32_t next               # in the listener's list of half-open connections, or its queue of those waiting for accept
    uint32_t prev               # in the former
    uint32_t listener           # its struct listener while in LISTEN; NONE
    uint32_t signer             # its keys (tcp/signature): 1 + the number of the first; 0: none
    uint8_t signs               # 1: one of them is for raddr
    uint8_t uto                 # UTO_*
    int32_t soft_error          # errno of the last ICMP error, told if it times out with snd_una at soft_una still; 0
    uint32_t soft_una
    uint16_t peer_mss           # as in its SYN; 536 when absent
    uint8_t syn_retries         # SYNs or SYN-ACKs sent again
    # Settings of this connection
    uint8_t locked              # LOCK_*: buffers that do not grow by themselves (tcp/autotune)
    uint8_t keep_count          # unanswered probes that end it; 0: the stack's setting
    uint8_t ttl                 # IP_TTL; 0: the stack's setting
    uint8_t tos                 # IP_TOS without the ECN bits
    uint16_t user_mss           # TCP_MAXSEG: the most that is offered and sent, bytes of payload; 0: no limit
    int64_t keep_idle           # ns
    int64_t keep_interval       # ns
    int64_t user_timeout        # ns (RFC 5482); 0: none, the number of retries decides alone
    int64_t rto_var             # ns that the RTO exceeds SRTT by (tcp_config.rto_spread); so for the next two
    int64_t mdev_max            # ns: four times the largest mean deviation of this round, or rto_min; 0: nothing was measured
    uint32_t rtt_round          # snd_max when the round began
    int64_t linger2             # ns (TCP_LINGER2): that an orphan waits in FIN-WAIT-2; 0: the stack's setting; below 0: not at all
    int64_t tune_since          # ns of the last segment when that was so the last time; 0: it was not yet
    # More of what TCP_INFO tells
    uint64_t retransmits        # segments sent again
    uint64_t bytes_retrans
    uint32_t dsacks             # reports of what arrived twice
    uint32_t reord_seen         # times that reordering was seen
    uint32_t dsack_round        # RACK.dsack_round, while dsack_waits
    uint16_t reordering         # largest distance seen, segments; 0: none above 3
    uint8_t reo_wnd_steps       # RACK.reo_wnd_mult, less 1
    uint8_t reo_wnd_persist     # RACK.reo_wnd_persist
    uint8_t dsack_waits         # DSACKs until dsack_round is acknowledged change nothing
    uint32_t ooo_segs           # segments that arrived out of order
    uint32_t total_rto          # retransmission timeouts, and above 16 bits those of them that were not of the same segment again
    uint32_t terms              # those it rested with last, or NONE
    uint32_t fast               # its struct fast_open (tcp/fast) while a handshake by Fast Open runs, and of a listener; NONE
    uint32_t accecn             # its struct accecn (tcp/accecn) where ECN_ACCECN; NONE
    uint32_t cwr_high           # snd_max when ECN_CWR began
    uint32_t delivered_ce       # segments acknowledged with ECE

cdef inline uint32_t tcb_header_len(const tcb *k) noexcept nogil:
    """Bytes of the header that every segment but SYN and RST has; with SACK blocks it is longer."""
    return TCP_HLEN + (TCPOLEN_TSTAMP_APPA if k.flags & TF_TIMESTAMPS else 0) + (TCPOLEN_MD5_APPA if k.signs else 0)
