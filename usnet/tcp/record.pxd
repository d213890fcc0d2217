"""What is always there of a connection, and how all of one that is idle fits into it.

A connection is *awake*, with a whole TCB (tcp/tcb.pxd), or *at rest*, in its record alone: then nothing of it is queued, in flight, out of order or
owed, and what its record does not say has the value that it has in any such connection. Which of both it is decides nothing that can be seen: tcb_at
wakes whoever is asked for. tcp/state.pyx packs and unpacks.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport cc_state
from usnet.wire.addr cimport ip_addr

# record.state, above the tcp_phase
cdef enum:
    REST_STATE = 0x0f
    REST_KEEP = 0x10            # T_KEEP is armed
    REST_LINGER = 0x20          # T_LINGER is armed
    REST_LATER = 0x40           # ... for history.deadline; else for when the timer of the wheel fires
    REST_RECOVER = 0x80         # `recover` is one before snd_una; else snd_una itself

# record.quick, above the number
cdef enum:
    REST_QUICK = 0x3f
    REST_ACTIVE = 0x40          # nothing but the handshake, which we began: no tally is needed
    REST_PASSIVE = 0x80         # nothing but the handshake, which the peer began

cdef struct record:             # 128 bytes, two cache lines; fields are those of tcb
    # Always
    uint32_t like_next          # while TF_HASHED: connections with the same laddr, lport and SO_REUSE*, of which the first stands in a table
    uint32_t like_prev
    # At rest
    uint32_t flags
    uint32_t owner
    uint32_t timer
    uint32_t history            # its struct history, or NONE
    uint16_t lport
    uint16_t rport
    uint16_t terms              # its struct terms
    uint8_t state               # and REST_*
    uint8_t quick               # and REST_ACTIVE, REST_PASSIVE
    ip_addr raddr
    uint32_t snd_nxt            # and snd_una, snd_max
    uint32_t rcv_nxt            # and last_ack_sent
    uint32_t snd_wnd
    uint32_t rcv_adv
    uint32_t ts_recent
    uint32_t ts_offset
    uint32_t iss
    uint32_t irs
    uint32_t max_window
    uint32_t cwnd
    uint32_t srtt
    uint32_t rttvar
    uint32_t min_rtt
    uint32_t rto
    uint32_t way
    uint32_t hop
    uint16_t rcv_mss
    uint16_t wl1_before         # rcv_nxt - snd_wl1
    int32_t sent_before         # ns, last_recv - last_send
    int64_t last_recv           # and ts_recent_at

# What many connections of a stack have in common: those with the same address, peer's offer and settings share one.
cdef struct terms:
    ip_addr laddr
    int64_t keep_idle
    int64_t keep_interval
    int64_t user_timeout
    int64_t linger2
    uint32_t sndbuf
    uint32_t rcvbuf
    uint32_t cc_mss
    uint16_t mss
    uint16_t peer_mss
    uint16_t user_mss
    uint8_t snd_wscale
    uint8_t rcv_wscale
    uint8_t cc_ops
    uint8_t netif
    uint8_t syn_retries
    uint8_t keep_count
    uint8_t ttl
    uint8_t tos
    uint8_t fastopen
    uint8_t uto
    uint8_t ecn
    uint8_t locked
    uint8_t timed
    uint32_t refs               # connections that have it; from here on nothing is compared
    uint32_t tag                # in the table of terms

# Lifetime counters of a connection at rest that has done more than shake hands (tcp_config.lifetime_counters).
cdef struct tally:
    uint32_t segs_in
    uint32_t segs_out
    uint32_t data_segs_in
    uint32_t data_segs_out
    int64_t busy
    int64_t last_data

# Of a connection at rest to which something has happened: losses, more than 4 GiB, silence for longer than a second behind its last data.
cdef struct history:
    cc_state cc
    uint32_t pacer
    uint32_t cc_block
    uint32_t recover
    uint32_t snd_wl1
    uint32_t snd_wl2
    uint64_t rcv_pos
    uint64_t retransmits
    int64_t rexmt_at
    uint64_t snd_pos
    uint64_t bytes_retrans
    int64_t rwnd_limited
    int64_t sndbuf_limited
    uint32_t dsacks
    uint32_t reord_seen
    uint16_t reordering
    uint8_t reo_wnd_steps
    uint8_t reo_wnd_persist
    uint16_t ato
    uint16_t last_seg
    uint8_t acks
    uint32_t rtt_round
    int64_t rto_var
    int64_t mdev_max
    uint32_t ooo_segs
    uint32_t total_rto
    uint32_t delivered_ce
    uint32_t accecn
    uint32_t search
    int64_t last_oow_ack
    int64_t last_send
    int64_t ts_recent_at
    uint64_t tune_at
    int64_t tune_since
    int64_t deadline            # of T_KEEP or T_LINGER
