"""What the peer has reported above its cumulative ACK: sorted, disjoint ranges of sequence numbers, and what RFC 6675 reads out of them.

A board exists only while something is reported, or a recovery runs (design: what an idle connection does not need, it does not hold).
Ends of ranges are exclusive. Nothing here decides when to send, and nothing knows the network.
"""
from libc.errno cimport ENOSPC
from libc.stdint cimport uint32_t

cdef enum:
    BOARD_MAX = 128             # ranges; what would be one more is not remembered, and so counts as missing: it may be sent twice
    DUPTHRESH = 3               # RFC 5681, section 3.2; RFC 6675, section 2

cdef struct board_range:
    uint32_t left               # first sequence number
    uint32_t right              # the one behind the last

cdef struct scoreboard:
    uint32_t n
    uint32_t sacked             # sequence numbers in all ranges
    uint32_t high_rxt           # HighRxt: what is missing below this has been sent again in this recovery
    uint32_t rescue             # RescueRxt: a rescue may leave once snd_una is above this
    board_range r[128]          # sorted, not touching each other, none empty, all above snd_una

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
