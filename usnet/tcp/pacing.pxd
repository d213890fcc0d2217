"""Pacing: what may leave leaves in short bursts with time between them, at a rate, and not a window at once.

A connection is paced where its controller asks for it (CC_PACED), where the setting `pacing` does so for all, and where SO_MAX_PACING_RATE names a limit.
Only then it has a struct pacer; others pay a comparison for it in output's long way, and none in the short one.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef struct pacer:
    int64_t next_at             # ns: when the next burst may leave
    int64_t began               # ns: when the newest did
    int64_t deadline            # ns: when output is asked for again, since bytes wait for next_at; 0: none do
    uint64_t max_rate           # bytes a second at most (SO_MAX_PACING_RATE); 0: no limit
    uint32_t left               # bytes that it may still have, at that time

# What the connection's controller and settings come to: takes a struct pacer or gives it back.
cdef void pacing_settle(tcp_state *t, tcb *k) noexcept nogil
cdef void pacing_give(tcp_state *t, tcb *k) noexcept nogil
# SO_MAX_PACING_RATE: 0 or -ENOBUFS.
cdef int pacing_limit(tcp_state *t, tcb *k, uint64_t rate) noexcept nogil
# How many of n > 0 bytes may leave at `now`, a segment at least; 0: none, and output is called again in time.
cdef uint32_t pacing_room(tcp_state *t, tcb *k, uint32_t n, int64_t now) noexcept nogil
# n bytes left at `now`.
cdef void pacing_sent(tcp_state *t, tcb *k, uint32_t n, int64_t now) noexcept nogil
# The connection's timer fired. True if bytes waited for it.
cdef bint pacing_due(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# Bytes a second; 0: no limit is known yet.
cdef uint64_t pacing_rate(tcp_state *t, const tcb *k) noexcept nogil


cdef inline pacer *pacer_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <pacer *>arena_at(&t.pacers, k.pacer)
