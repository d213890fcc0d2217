"""Invariants of the state itself, looked at behind every event: for each stack of a world, each of its connections."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.scheduler cimport host
from usnet.stack cimport stack
from usnet.tcp.tcb cimport tcb

cdef enum:
    MOST_FOUND = 16

cdef enum:                      # which rule: index of watcher.found, in the order of RULES
    WATCH_PROGRESS
    WATCH_OWED_ACK
    WATCH_TIMER
    WATCH_NUMBERS
    WATCH_QUEUES
    WATCH_MEMORY
    WATCH_SILENT_WINDOW
    WATCH_CWND
    WATCH_REDUCTION
    WATCH_RTO
    WATCH_RTT
    WATCH_BACKOFF
    WATCH_UNUSED
    WATCH_RULES

cdef struct past:               # of a connection, as it was at the last look
    uint32_t generation
    uint32_t sacked             # bytes that its peer had reported
    tcb k
    uint32_t most_out[2]        # bytes in flight, at most: in this round trip, or two milliseconds, and in the one before
    int64_t turned              # ns: when this one began

cdef struct finding:
    int64_t t                   # ns
    uint32_t rule
    uint32_t stack              # number of it
    uint32_t connection
    int64_t seen                # of what the rule speaks of
    int64_t limit
    tcb k

cdef struct watched_stack:
    stack *s
    host *h
    past *seen                  # [capacity of tcbs]
    uint64_t rto_count          # counters at the last look
    uint64_t episodes           # recoveries, losses that probes mended, and those of either that were taken back

cdef struct watcher:
    watched_stack stacks[32]
    uint32_t n_stacks
    bint every                  # all stacks behind each event, not only the one that ran
    const link_dir *ways[2]     # of the only link between two hosts; NULL: there is more
    int64_t least[2]            # ns: their delays so far
    uint64_t looks
    bint busy                   # at the last look something was not acknowledged
    int64_t last                # ns: of the last look
    int64_t largest_gap         # ns between two looks, the first of which found something to do
    uint64_t found[13]          # [WATCH_*]
    finding first[16]
    uint32_t n_first
