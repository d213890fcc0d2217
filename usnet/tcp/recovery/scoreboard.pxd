"""What the peer has reported above its cumulative ACK: sorted, disjoint ranges of sequence numbers, and what RFC 6675 reads out of them.

A board exists only while something is reported, or a recovery runs (design: what an idle connection does not need, it does not hold).
Ends of ranges are exclusive. Nothing here decides when to send, and nothing knows the network.
"""
from libc.errno cimport ENOSPC
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from usnet.tcp.congestion.prr cimport prr

cdef enum:
    BOARD_MAX = 128             # ranges; what would be one more is not remembered, and so counts as missing: it may be sent twice
    RESENT_MAX = 160            # more than there can be holes: of two in one hole, where there are more, it is not known any more which is later

# scoreboard.ca_state: Linux's enum tcp_ca_state
cdef enum:
    CA_OPEN = 0                 # nothing is amiss
    CA_DISORDER = 1             # something is reported, nothing is lost yet
    CA_CWR = 2                  # cwnd comes down since a router marks, or a probe mended a loss
    CA_RECOVERY = 3
    CA_LOSS = 4                 # behind a timeout

# scoreboard.probe
cdef enum:
    PROBE_NEW = 1               # of new data
    PROBE_AGAIN = 2             # of what was out already

cdef struct board_range:
    uint32_t left               # first sequence number
    uint32_t right              # the one behind the last

cdef struct resent_range:
    uint32_t left
    uint32_t right
    int64_t sent_at             # ns when it was sent again last
    uint32_t top                # snd_max then: what lies above was sent later, be it at the same time
    uint8_t lost                # that is lost too: it is to be sent once more

cdef struct scoreboard:
    uint32_t n
    uint32_t sacked             # sequence numbers in all ranges
    uint32_t high_rxt           # HighRxt: what is missing below this has been sent again in this recovery
    uint32_t rescue             # RescueRxt: a rescue may leave once snd_una is above this
    uint8_t dupthresh           # DupThresh: tcp_config.reordering
    board_range r[128]          # sorted, not touching each other, none empty, all above snd_una
    # Where tcp_config.recovery is RECOVERY_RACK; all 0 in a new one but lost_to, which is snd_una
    uint8_t ca_state            # CA_*
    uint8_t undo                # 1: the windows may be brought back, should the episode turn out to be none (Linux's undo_marker)
    uint8_t stamped             # 1: resent_ts is valid
    uint8_t frto                # FRTO_* (recovery/episode): a timeout is on trial (RFC 5682, 3.1); 0: none
    uint8_t hold                # 1: ... new data goes out now, nothing is sent again
    uint8_t probe               # PROBE_*: the tail loss probe that is out (RFC 8985, 7.3); 0: none
    uint8_t rack_again          # 1: RACK.segment was sent again
    uint8_t rack_advanced       # 1: RACK.segment has changed since losses were looked for
    uint32_t lost_to            # what is missing below this was lost when it was sent for the first time
    uint32_t undo_una           # snd_una when the episode began
    uint32_t undo_end           # snd_max when it was over: until that is acknowledged a DSACK may still undo it
    int32_t undo_again          # segments of the episode that were sent again and are not reported as duplicates; below 0: none was sent yet
    uint32_t resent_ts          # TSval of the first of them
    uint32_t probe_end          # TLP.end_seq
    uint32_t rack_end           # RACK.segment.end_seq
    int64_t rack_sent_at        # ns, RACK.segment.xmit_ts; 0: there is none
    int64_t rack_rtt            # ns, RACK.rtt
    prr reduction               # of an episode that brings cwnd down
    uint32_t n_resent
    resent_range resent[160]    # what was sent again and not acknowledged: sorted, disjoint, none empty

# Adds [left, right): 0, or -ENOSPC when it would be one range too many. news counts the numbers that were not there before.
cdef int board_add(scoreboard *b, uint32_t left, uint32_t right, uint32_t *news) noexcept nogil
# snd_una moved: forgets what is below. False when una itself is reported: the peer had it, and has it no more (it reneged).
cdef bint board_trim(scoreboard *b, uint32_t una) noexcept nogil
cdef void board_clear(scoreboard *b) noexcept nogil
# Sequence numbers reported below `seq`.
cdef uint32_t board_below(const scoreboard *b, uint32_t seq) noexcept nogil
# From seq on: the first number that is not reported; and how many of the n from there on are not, up to the next range.
cdef uint32_t board_skip(const scoreboard *b, uint32_t seq) noexcept nogil
cdef uint32_t board_room(const scoreboard *b, uint32_t seq, uint32_t n) noexcept nogil
# IsLost (RFC 6675, section 4) for all at once: what is missing below this is lost; una when nothing is.
cdef uint32_t board_lost(const scoreboard *b, uint32_t una, uint32_t mss) noexcept nogil
# SetPipe: sequence numbers of [una, max) that are in the network.
cdef uint32_t board_pipe(const scoreboard *b, uint32_t una, uint32_t max, uint32_t mss) noexcept nogil
# What is missing first in [from, below): its length, at most `most`, and where it starts; 0 when nothing is.
cdef uint32_t board_hole(const scoreboard *b, uint32_t start, uint32_t below, uint32_t most, uint32_t *at) noexcept nogil
# The same for what is missing last in [una, max): at most `most` numbers up to its end.
cdef uint32_t board_last_hole(const scoreboard *b, uint32_t una, uint32_t max, uint32_t most, uint32_t *at) noexcept nogil


cdef inline uint32_t board_top(const scoreboard *b, uint32_t una) noexcept nogil:
    """Where the highest range begins: what is missing below it is older than something that arrived. una when there is none."""
    return b.r[b.n - 1].left if b.n else una
