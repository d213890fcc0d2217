"""The interface of congestion controllers (one file a controller) and what each remembers.

The table is indexed by number, so that state holds no pointer. cwnd and ssthresh are written only here, in this folder.

Who calls what: tcp/recovery finds that something is lost, that an episode is over, or that it was none; tcp/ecn that a router marks; this folder decides
what the windows become. An episode begins with one of on_loss, on_sack_loss, ssthresh, on_ecn and on_rto, each of which keeps what on_undo brings back.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.random cimport rng

cdef enum:
    CC_NEWRENO = 0
    CC_CUBIC = 1
    CC_NONE = 2
    CC_DCTCP = 3
    CC_BBR = 4
    CC_BUILT_IN = 5             # those above are registered by programs
    CC_MOST = 32
    CC_NAME_MAX = 16            # bytes of a name, with the zero behind it (TCP_CA_NAME_MAX)
    WINDOW_LIMIT = 1 << 30      # bytes: the largest window that RFC 7323 can express
    CC_WORDS = 12               # of cc_state.priv
    CC_BLOCK = 384              # bytes of the largest block that a controller may ask for (cc_ops.block)

# cc_ops.wants and cc_state.wants: what a connection pays for only if its controller asks for it
cdef enum:
    CC_RATE = 0x01              # on_rate with each ACK
    CC_PACED = 0x02             # its segments are spread over time: pacing_rate
    CC_WINDOW = 0x04            # it sets cwnd in a recovery too: nobody else (PRR, RFC 6582's inflation) touches it
    CC_ECT = 0x08               # its segments are ECT once ECN is agreed on, and marks are counted for it (rate_sample.ce): on_ecn is not called
    CC_HYSTART = 0x10           # its slow start may be that of congestion/hystart: each ACK says what round trip it measured
    # Of cc_state.wants only: output takes the long way
    CC_PACER = 0x20             # it has a struct pacer (tcp/pacing)
    CC_FALLIBLE = 0x40          # its controller may fail
    CC_FAILED = 0x80            # it cannot go on: the connection ends

# HyStart++ (RFC 9406): a slow start that ends before it has overrun the path. All zero: nothing measured yet.
cdef struct hystart:
    int64_t last_min            # ns: lastRoundMinRTT; 0: none
    int64_t this_min            # ns: currentRoundMinRTT; 0: none
    int64_t baseline            # ns: cssBaselineMinRtt; 0: not in Conservative Slow Start
    uint32_t end                # windowEnd: the round is over when this is acknowledged
    uint8_t began               # 1: `end` means something
    uint8_t samples             # rttSampleCount, saturating
    uint8_t rounds              # rounds of Conservative Slow Start so far
    uint8_t left                # bytes that growth has left over, of CSS_GROWTH_DIVISOR

cdef struct cc_state:
    uint32_t cwnd               # bytes; never below one segment
    uint32_t ssthresh           # bytes; WINDOW_LIMIT before the first loss, then never below two segments
    uint32_t mss                # bytes: sender maximum segment size (SMSS)
    uint8_t step                # segments that one ACK lets cwnd grow by in slow start at most (L of RFC 3465); 0: by all that it acknowledges
    uint8_t hystart             # HYSTART_* (congestion/hystart)
    uint8_t wants               # CC_*
    uint8_t number              # cc_ops.number
    # From here on all is 0 in a connection that nothing has happened to
    uint32_t acked              # bytes acknowledged since cwnd last grew in congestion avoidance (RFC 3465)
    uint32_t prior_cwnd         # bytes: before the episode of losses or marks that runs, or ran last (RFC 4015); 0: there was none
    int64_t epoch               # ns when this congestion avoidance began, for controllers that count by time; 0: none runs
    int64_t limited_since       # ns since when it is not cwnd that holds the sender back, while `epoch` runs; 0: it is
    uint64_t pacing_rate        # bytes a second; 0: what may leave leaves at once
    uint32_t prior_ssthresh     # bytes: the same
    hystart hs
    uint64_t priv[12]           # [CC_WORDS] the controller's own; zero when it starts

# An ACK of something new outside of recovery.
cdef struct cc_ack:
    int64_t now                 # ns
    int64_t rtt                 # ns: what it measured; 0: nothing
    int64_t srtt                # ns: smoothed; 0 before the first measurement
    uint32_t acked              # bytes that are acknowledged, or reported, for the first time
    uint32_t una                # snd_una, behind it
    uint32_t nxt                # snd_max: the end of what was sent
    uint32_t flight             # bytes that were out before it

# Any ACK, with what it says about the rate at which the path delivers (draft-cheng-iccrg-delivery-rate-estimation).
cdef struct rate_sample:
    int64_t now                 # ns
    int64_t interval            # ns that it took to deliver `delivered`; 0: the sample says nothing about rates
    int64_t rtt                 # ns: what this ACK measured; 0: nothing
    int64_t srtt                # ns: smoothed
    uint64_t total              # bytes delivered in the connection's life
    uint64_t prior_delivered    # ... when what the sample is about was sent
    uint32_t delivered          # bytes delivered over `interval`
    uint32_t acked              # bytes that this ACK acknowledges or reports for the first time
    uint32_t lost               # bytes that it showed to be lost
    uint32_t tx_lost            # bytes lost since what the sample is about was sent
    uint32_t ce                 # bytes of `acked` that arrived with CE
    uint32_t prior_in_flight    # bytes in flight before it
    uint32_t in_flight          # ... and now
    uint32_t tx_in_flight       # ... when what the sample is about was sent
    uint32_t una                # snd_una
    uint32_t nxt                # snd_max
    uint8_t app_limited         # 1: the application had nothing to send meanwhile
    uint8_t recovery            # 1: a recovery runs
    rng *random                 # the stack's generator
    void *block                 # cc_ops.block bytes of the connection's own, zero at first; NULL where there is no memory, or none were asked for

cdef struct cc_ops:
    const char *name
    uint32_t wants              # CC_*
    uint8_t number              # for its own use, where one file makes several: connections have it in cc_state. Not 0: it may fail (CC_FAILED)
    uint32_t block              # bytes that it needs beyond cc_state.priv, at most CC_BLOCK (0: none)
    # A connection starts (or restarts after idling, or with another controller): IW10 (RFC 6928), one segment when the SYN was lost (RFC 5681, 3.1)
    void (*start)(cc_state *cc, uint32_t mss, bint syn_lost) noexcept nogil
    # The controller takes over a connection that has windows already: what it remembers of its own begins anew. NULL: nothing to do
    void (*adopt)(cc_state *cc) noexcept nogil
    # The connection ends, or has another controller from now on. NULL: nothing to do
    void (*stop)(cc_state *cc) noexcept nogil
    # The path takes only segments of `mss` bytes from now on: fewer than before (RFC 1191)
    void (*on_mss)(cc_state *cc, uint32_t mss) noexcept nogil
    # New bytes outside recovery, while cwnd is what limits the flight: else it must not grow, and is not asked
    void (*on_ack)(cc_state *cc, const cc_ack *a) noexcept nogil
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
    # A new episode whose cwnd somebody else brings down to ssthresh (PRR, RFC 9937): sets ssthresh, and says what it is; cwnd stays
    uint32_t (*ssthresh)(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil
    # Routers mark instead of dropping, with `flight` bytes out: one reduction, of both windows at once (RFC 3168, 6.1.2), for an episode of marks,
    # which is the caller's to know
    void (*on_ecn)(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil
    # The last episode was none: what seemed lost had arrived (RFC 4015, RFC 3708, RFC 5682). Windows are as they were, or larger
    void (*on_undo)(cc_state *cc) noexcept nogil
    # Retransmission timeout with `flight` bytes out; again: of the same segment
    void (*on_rto)(cc_state *cc, uint32_t flight, bint again) noexcept nogil
    # Nothing was sent for longer than an RTO (RFC 5681, 4.1)
    void (*on_idle)(cc_state *cc) noexcept nogil
    # Each ACK, in recovery too (CC_RATE); NULL without. Comes after the others that the same ACK gives cause to
    void (*on_rate)(cc_state *cc, const rate_sample *s) noexcept nogil

cdef const cc_ops *cc_table(uint32_t number) noexcept nogil
# The number of a controller, by its name or an alias ("reno"); -ENOENT.
cdef int cc_find(const char *name) noexcept nogil
# A controller of somebody else's joins the table of this process, for good: its number. -EEXIST where the name is taken, -EINVAL where a function is
# missing that is not said to be NULL without, or the name is empty or too long, -ENOSPC where there are too many.
cdef int cc_register(const cc_ops *ops) noexcept nogil


cdef inline void cc_keep(cc_state *cc) noexcept nogil:
    """An episode begins: what it takes away may have to come back."""
    cc.prior_cwnd = cc.cwnd
    cc.prior_ssthresh = cc.ssthresh


cdef inline void cc_bring_back(cc_state *cc) noexcept nogil:
    """The episode was none. What was gained meanwhile stays."""
    if cc.cwnd < cc.prior_cwnd:
        cc.cwnd = cc.prior_cwnd
    if cc.ssthresh < cc.prior_ssthresh:
        cc.ssthresh = cc.prior_ssthresh


cdef inline void cc_forget(cc_state *cc) noexcept nogil:
    """What a controller remembers of its own is not the next one's."""
    cc.acked = 0
    cc.pacing_rate = 0
    cc.epoch = cc.limited_since = 0
    memset(&cc.hs, 0, sizeof(hystart))
    memset(cc.priv, 0, sizeof(cc.priv))


cdef inline void cc_clear(cc_state *cc) noexcept nogil:
    """Forgets all but the windows, the segment and the settings."""
    cc.prior_cwnd = cc.prior_ssthresh = 0
    cc_forget(cc)


cdef inline bint cc_untouched(const cc_state *cc) noexcept nogil:
    """Whether nothing has happened but that it started, and all it has are its windows."""
    cdef uint32_t i
    if (cc.ssthresh != WINDOW_LIMIT or cc.acked or cc.prior_cwnd or cc.prior_ssthresh or cc.pacing_rate or cc.epoch or cc.limited_since
            or cc.hs.began):
        return False
    for i in range(CC_WORDS):
        if cc.priv[i]:
            return False
    return True
