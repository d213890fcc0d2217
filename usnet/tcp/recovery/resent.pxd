"""What was sent again, and what is lost, on a scoreboard (tcp_config.recovery = RECOVERY_RACK). Sequence numbers [snd_una, snd_max) in pieces, each of one
kind: nothing here knows time or the network."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.recovery.scoreboard cimport scoreboard

cdef enum:
    PIECE_SACKED                # reported
    PIECE_OUT                   # sent once, in flight
    PIECE_LOST                  # not in flight: to be sent again
    PIECE_RESENT                # lost, and in flight again
    PIECE_TWICE                 # in flight twice: sent again though it was not lost, as far as is known

cdef struct piece:
    uint32_t left
    uint32_t right
    uint32_t resent             # its place in scoreboard.resent, or NONE: never sent again
    int kind                    # PIECE_*

cdef struct walk:
    uint32_t at                 # where the next piece begins
    uint32_t i                  # of scoreboard.r
    uint32_t j                  # of scoreboard.resent


cdef inline void walk_from(walk *w, uint32_t at) noexcept nogil:
    w.at = at
    w.i = w.j = 0


# The next piece before `end`; False: there is none.
cdef bint walk_next(const scoreboard *b, walk *w, uint32_t end, piece *p) noexcept nogil
# [left, right), which may hold parts that were sent again before, is sent again at `at`.
cdef void resent_add(scoreboard *b, uint32_t left, uint32_t right, uint32_t top, int64_t at) noexcept nogil
# [left, right) has arrived.
cdef void resent_remove(scoreboard *b, uint32_t left, uint32_t right) noexcept nogil
# What is to be sent again first: its length, at most `most`, and where it begins; 0: nothing is.
cdef uint32_t resent_next(const scoreboard *b, uint32_t una, uint32_t end, uint32_t most, uint32_t *at) noexcept nogil
# Sequence numbers in flight, twice those that are twice: `pipe` of RFC 6675, in_flight of RFC 9937.
cdef uint32_t board_flight(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil
# Of [una, end): how many are lost, in flight again or not, and how many are in flight again.
cdef uint32_t board_lost_out(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil
cdef uint32_t board_resent_out(const scoreboard *b, uint32_t una, uint32_t end) noexcept nogil
# How many segments of at most `mss` the ranges of the board are.
cdef uint32_t board_segments(const scoreboard *b, uint32_t mss) noexcept nogil
