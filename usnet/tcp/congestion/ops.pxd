"""The interface of congestion controllers (one file a controller) and what each remembers.

The table is indexed by number, so that state holds no pointer. cwnd and ssthresh are written only here, in this folder.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    CC_NEWRENO = 0
    CC_COUNT = 1
    WINDOW_LIMIT = 1 << 30      # bytes: the largest window that RFC 7323 can express

cdef struct cc_state:
    uint32_t cwnd               # bytes; never below one segment
    uint32_t ssthresh           # bytes; WINDOW_LIMIT before the first loss, then never below two segments
    uint32_t mss                # bytes: sender maximum segment size (SMSS)
    uint32_t step               # segments that one ACK lets cwnd grow by in slow start at most (L of RFC 3465); 0: by all that it acknowledges
    uint32_t acked              # bytes acknowledged since cwnd last grew in congestion avoidance (RFC 3465)
    uint64_t priv[2]            # the controller's own

cdef struct cc_ops:
    const char *name
    # A connection starts (or restarts after idling): IW10 (RFC 6928), one segment when the SYN was lost (RFC 5681, 3.1)
    void (*start)(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil
    # The path takes only segments of `mss` bytes from now on: fewer than before (RFC 1191)
    void (*on_mss)(cc_state *cc, uint32_t mss) noexcept nogil
    # `acked` new bytes outside recovery, while cwnd is what limits the flight: else it must not grow, and is not asked
    void (*on_ack)(cc_state *cc, uint32_t acked, int64_t now) noexcept nogil
    # Loss found by duplicate ACKs with `flight` bytes out: a new episode
    void (*on_loss)(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil
    # During recovery: one more duplicate ACK; a partial ACK of `acked` bytes; the end with `flight` bytes out
    void (*on_dupack)(cc_state *cc) noexcept nogil
    void (*on_partial_ack)(cc_state *cc, uint32_t acked) noexcept nogil
    void (*on_recovered)(cc_state *cc, uint32_t flight) noexcept nogil
    # The same with SACK, where the pipe says how much is out and cwnd is not inflated (RFC 6675, section 5): the beginning, and the end with
    # `pipe` bytes out
    void (*on_sack_loss)(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil
    void (*on_sack_recovered)(cc_state *cc, uint32_t pipe) noexcept nogil
    # Routers mark instead of dropping, with `flight` bytes out: one reduction, of both windows at once (RFC 3168, 6.1.2)
    void (*on_ecn)(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil
    # Retransmission timeout with `flight` bytes out; again: of the same segment
    void (*on_rto)(cc_state *cc, uint32_t flight, bint again) noexcept nogil
    # Nothing was sent for longer than an RTO (RFC 5681, 4.1)
    void (*on_idle)(cc_state *cc) noexcept nogil

cdef const cc_ops *cc_table(uint32_t number) noexcept nogil
