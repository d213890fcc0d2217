"""What a stack counts of TCP. Gauges say so."""
from libc.stdint cimport uint64_t

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
    uint64_t dsacks_out         # segments sent that report what arrived twice (RFC 2883)
    uint64_t ecn_shs            # handshakes that agreed on ECN (RFC 3168)
    uint64_t accecn_shs         # handshakes that agreed on AccECN (RFC 9768)
    uint64_t accecn_fails       # connections on which AccECN's checks found that the path changes what they say
    uint64_t ecn_ce             # segments with text that arrived with CE, where ECN was agreed on
    uint64_t ecn_rcwnd          # times that marks reduced cwnd
    uint64_t rescues            # retransmissions by rule 4 of RFC 6675's NextSeg
    uint64_t loss_probes        # tail loss probes sent (RFC 8985); Linux's TCPLossProbes
    uint64_t loss_probe_recoveries      # losses that one mended (TCPLossProbeRecovery)
    uint64_t lost_retransmits   # retransmissions found to be lost (TCPLostRetransmit)
    uint64_t sack_reorders      # arrivals of what had been overtaken (TCPSACKReorder)
    uint64_t dsack_undos        # reductions taken back since all that was sent again had arrived twice (TCPDSACKUndo)
    uint64_t full_undos         # ... since the ACK that ended the recovery, or an earlier one, was of the first copy (TCPFullUndo)
    uint64_t partial_undos      # (TCPPartialUndo)
    uint64_t loss_undos         # timeouts taken back (TCPLossUndo)
    uint64_t spurious_rtos      # ... by F-RTO (TCPSpuriousRTOs)
    uint64_t acks_out           # pure ACKs
    uint64_t delayed_acks       # of them, those whose time had come (DelayedACKs)
    uint64_t rsts_out
    uint64_t rsts_in
    uint64_t active_opens
    uint64_t passive_opens
    uint64_t attempt_fails
    uint64_t resets             # ESTABLISHED or CLOSE-WAIT to CLOSED
    uint64_t accepted
    uint64_t challenge_acks
    uint64_t keep_probes
    uint64_t cookies_sent       # SYNs answered by a cookie
    uint64_t cookies_received   # ACKs that brought one back
    uint64_t cookies_failed     # ACKs of nothing, while cookies were out, that did not
    uint64_t challenges_skipped     # that config.challenge_limit did not allow
    uint64_t icmp_hard          # ICMP errors that ended an attempt to connect
    uint64_t icmp_soft          # ... that are remembered in case the connection times out
    uint64_t mtu_probes         # segments sent to try a larger path MTU (RFC 4821)
    uint64_t mtup_success       # ... that arrived
    uint64_t mtup_fail          # ... that did not
    uint64_t mtu_blackholes     # times that segments were made smaller because nothing came back
    uint64_t metrics_hits       # connections that began with what was known of their path
    uint64_t mtu_doubted        # ... that named a smaller path MTU and are not believed yet (config.mtu_patience)
    uint64_t orphan_aborts      # connections reset when they were closed: too many orphans, or TCP_LINGER2 below 0
    uint64_t time_wait_reuses   # connections in TIME-WAIT that another took the ends of
    uint64_t queue_aborts       # RSTs because the queue for accept was full (abort_on_overflow)
    uint64_t rcvbuf_grown       # times that a receive buffer was doubled (tcp/autotune)
    uint64_t sndbuf_grown
    uint64_t orphans            # that nobody holds and that are not over (a gauge)
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
