"""What all connections of a stack share: tables, pools, settings, counters."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.ip.state cimport ip_state
from usnet.memory.arena cimport arena, arena_at
from usnet.memory.chunks cimport chunk_pool
from usnet.memory.hash cimport hash_table
from usnet.memory.idset cimport idset
from usnet.memory.pieces cimport piece_pool
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.tcb cimport tcb

# Why a segment (or what was in it) was discarded: index of tcp_state.drops, named in tcp/names.py in the same order.
cdef enum tcp_drop:
    TDROP_SHORT
    TDROP_OFFSET
    TDROP_CHECKSUM
    TDROP_PORT_ZERO
    TDROP_NO_CONNECTION         # for no connection and no listener: answered by RST unless it is one
    TDROP_LISTEN_FLAGS          # to a listener, neither SYN nor answerable
    TDROP_SYN_QUEUE_FULL
    TDROP_ACCEPT_QUEUE_FULL
    TDROP_NO_MEMORY             # no TCB, no chunk
    TDROP_BAD_ACK               # ACK of something never sent
    TDROP_OLD_ACK               # ACK from before the window (RFC 5961, section 5)
    TDROP_WINDOW                # outside the receive window
    TDROP_PAWS                  # RFC 7323, section 5
    TDROP_RST_SEQ               # RST that is not exactly at rcv_nxt (RFC 5961, section 3)
    TDROP_SYN_IN_WINDOW         # SYN in a synchronized state (RFC 5961, section 4)
    TDROP_NO_ACK                # neither ACK nor anything allowed without it
    TDROP_DUPLICATE             # all of its bytes were here
    TDROP_PAST_WINDOW           # bytes past the window, cut off
    TDROP_OOO_LIMIT             # would make one gap too many
    TDROP_AFTER_FIN             # bytes behind the peer's FIN
    TDROP_TIME_WAIT
    TDROP_ICMP                  # ICMP error that fits no connection, is outside its window, or is not acted upon (RFC 5461: soft ones)
    TCP_DROPS

cdef struct tcp_config:
    uint32_t sndbuf             # bytes, at most 1 GiB; default 1 MiB
    uint32_t rcvbuf             # bytes, at most 1 GiB; default 1 MiB
    uint32_t max_backlog        # of listen(); default 4096
    uint32_t max_syn_queue      # half-open connections a listener; default 1024
    uint16_t mss                # 0: from the interface's MTU
    uint8_t syn_retries         # SYNs sent again; default 6
    uint8_t synack_retries      # SYN-ACKs sent again; default 5
    uint8_t data_retries        # default 15 (R2 of RFC 9293, 3.8.3)
    uint8_t orphan_retries      # the same for a connection that nobody holds any more; default 7
    uint8_t timestamps          # 1: offered
    uint8_t window_scaling      # 1: offered
    uint8_t sack                # 1: offered
    uint8_t short_way           # 1: expected segments take it (tcp/predict, ip/way); the same ones leave and arrive without
    uint8_t option_layout       # LAYOUT_* (wire/tcp.pxd): in which order a SYN has its options
    uint8_t window_scale        # least shift of our window, 0 to 14: room for buffers that are made larger later
    uint8_t round_rcvbuf        # 1: a receive buffer is rounded up to full segments when their size is known
    uint8_t all_room            # 1: windows say all the room there is, as in FreeBSD; 0: the edge moves by segments (RFC 9293, 3.8.6.2.2)
    uint8_t cc                  # CC_*
    uint8_t keepalive           # 1: every connection has SO_KEEPALIVE; default 0
    int64_t rto_initial         # ns; default 1 s (RFC 6298, 2.1)
    int64_t rto_min             # ns; default 200 ms (Linux's; RFC 6298, 2.4 says 1 s: an option); beyond SRTT where that is as long
    int64_t rto_max             # ns; default 60 s
    int64_t delack              # ns; default 40 ms (at most 500 ms)
    int64_t msl                 # ns; default 30 s: TIME-WAIT lasts two
    int64_t fin_wait_2          # ns an orphan waits there; default 60 s
    int64_t keep_idle           # ns; default 2 h
    int64_t keep_interval       # ns; default 75 s
    uint8_t keep_count          # unanswered probes that end a connection; default 9
    int64_t granularity         # ns: clock granularity G of RFC 6298; default 1 ms

cdef struct tcp_counters:
    uint64_t segments_in
    uint64_t segments_out
    uint64_t bytes_in           # of payload, in order
    uint64_t bytes_out          # of payload, first transmissions
    uint64_t retransmits        # segments sent again
    uint64_t fast_retransmits
    uint64_t rto_count          # retransmission timeouts
    uint64_t probes             # zero-window probes
    uint64_t dupacks_in
    uint64_t ooo_in             # segments that arrived ahead of rcv_nxt
    uint64_t sacks_in           # segments with SACK blocks
    uint64_t sacks_out          # segments with SACK blocks
    uint64_t sacks_bad          # blocks that cannot be: reversed, of what was never sent, or at snd_una and below it
    uint64_t sacks_full         # blocks that would have made one range too many of a scoreboard
    uint64_t sacks_reneged      # times that a peer turned out not to have what it had reported
    uint64_t dsacks_in          # blocks that report what arrived twice (RFC 2883)
    uint64_t rescues            # retransmissions by rule 4 of RFC 6675's NextSeg
    uint64_t acks_out           # pure ACKs
    uint64_t rsts_out
    uint64_t rsts_in
    uint64_t active_opens
    uint64_t passive_opens
    uint64_t attempt_fails
    uint64_t resets             # ESTABLISHED or CLOSE-WAIT to CLOSED
    uint64_t accepted
    uint64_t challenge_acks
    uint64_t keep_probes
    uint64_t established        # now in ESTABLISHED or CLOSE-WAIT (a gauge)

# Bytes of payload, by what was done with them. Copied: all but in_kept, in_handed, out_committed and out_lent.
cdef struct tcp_copies:
    uint64_t in_small           # on arrival, to a chunk: less than half a buffer
    uint64_t in_short           # ... no spare to put into the slot, or the connection has its share
    uint64_t in_apart           # ... the frame does not lie in one buffer that could be kept: several slots, fragments, loopback, no spares at all
    uint64_t in_gap             # ... out of order, or while something is missing
    uint64_t in_kept            # stayed in the buffer that it came in
    uint64_t in_read            # to the application, from such a buffer
    uint64_t in_read_chunk      # to the application, from chunks
    uint64_t in_handed          # handed out in its buffer
    uint64_t in_packed          # handed out, from chunks
    uint64_t in_left            # to memory of our own when a port went (on either way)
    uint64_t in_aside           # to chunks, from the buffers that were held for longest, since spares were short
    uint64_t out_placed         # from the application, to where it is sent from
    uint64_t out_chunk          # from the application, to a chunk
    uint64_t out_committed      # written by the application where it is sent from
    uint64_t out_lent           # sent as it lies, for the first time
    uint64_t out_first          # to a transmit slot, for the first time
    uint64_t out_again          # to a transmit slot, not for the first time
    uint64_t out_aside          # as in_aside: not acknowledged for longest, or not sent
    uint64_t out_waiting        # not sent again: it was still in the ring

cdef struct listener:
    uint32_t backlog            # connections that may wait for accept
    uint32_t n_syn              # half-open ones
    uint32_t n_ready            # waiting for accept
    uint32_t ready_head         # tcb, linked by next
    uint32_t ready_tail
    uint32_t syn_head           # half-open ones, linked by next and prev

cdef struct tcp_state:
    ip_state *ip
    chunk_pool *chunks
    piece_pool *pieces
    wheel *timers
    idset *notify               # owners with news
    rng *random
    arena tcbs                  # of tcb
    arena listeners             # of listener
    arena ooos                  # of ranges
    arena boards                # of scoreboard
    hash_table conns            # by both ends
    hash_table ports            # by local port: bound and listening
    hash_table ends             # by local port: of the connections that share it, one of each address and SO_REUSE*
    idset output                # connections that may have something to send
    uint64_t hash_key[2]        # SipHash: what flow_key is drawn from
    uint64_t flow_key[4]        # table of connections, choice among listeners that share a port (hash_three)
    uint64_t isn_key[2]         # SipHash: initial sequence numbers (RFC 6528), timestamp offsets, ports (RFC 6056)
    uint32_t port_hint
    tcp_config config
    tcp_counters counters
    tcp_copies copies
    uint64_t drops[32]          # [tcp_drop]


cdef inline tcb *tcb_at(tcp_state *t, uint32_t c) noexcept nogil:
    return <tcb *>arena_at(&t.tcbs, c)


cdef inline scoreboard *board_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <scoreboard *>arena_at(&t.boards, k.board)


cdef inline listener *listener_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <listener *>arena_at(&t.listeners, i)


cdef inline void count_drop(tcp_state *t, int reason) noexcept nogil:
    """A segment, or part of one, was discarded for that reason (tcp_drop)."""
    t.drops[reason] += 1
