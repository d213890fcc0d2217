"""Losses that come in bursts: chains of states that each frame moves on by one (Gilbert 1960, Elliott 1963; Salsano et al. 2012).

A draw decides each step, and another whether the frame is lost in a state that loses some; both are looked up by the number of the frame, and each frame that is
offered moves the chain, whatever becomes of it.
"""
from libc.stdint cimport uint64_t

cdef enum:
    BURSTS_NONE = 0
    BURSTS_GE = 1               # two states, each with a probability of its own
    BURSTS_MARKOV = 2           # four: gaps, what arrives in bursts, what is lost in them, single losses
    KEYED_STEP = 20             # a purpose of keyed draws
    # States of four
    GAP = 1                     # good, between bursts
    BURST_GOOD = 2
    BURST_LOST = 3
    SINGLE = 4                  # lost alone, in a gap

cdef struct bursts:             # probabilities are numbers out of 2^64; 2^64 - 1 stands for 1
    int kind
    uint64_t p[5]               # BURSTS_GE: p, r, 1 - k, 1 - h; BURSTS_MARKOV: p13, p31, p32, p23, p14
    int state                   # GE: 0 good, 1 bad

# Whether the next frame is lost. `seed`, `stream`: of the link and direction.
cdef bint bursts_next(bursts *b, uint64_t seed, uint64_t stream, uint64_t index) noexcept nogil
cdef void bursts_reset(bursts *b) noexcept nogil
