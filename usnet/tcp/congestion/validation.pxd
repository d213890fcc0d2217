"""What becomes of a congestion window that its connection does not fill (tcp_config.cwnd_validation): it says nothing of the path any more.

- VALIDATION_OFF: it stays.
- VALIDATION_RESTART: after an RTO without sending it is that of a start (RFC 5681, 4.1).
- VALIDATION_LINUX: for each RTO without sending it halves, down to that of a start; and after an RTO in which it was not full it comes half of the way down
  to what was out at most. ssthresh remembers three quarters of it (tcp_cwnd_restart and tcp_cwnd_validate of Linux; RFC 2861).
- VALIDATION_PIPEACK: it stays, but does not grow while less than half of it is used, and a loss then takes it down to what was used; after five minutes of
  that it halves (RFC 7661). Two things the RFC leaves open: what was used in a round trip is compared with the window at its beginning, since slow start
  doubles that meanwhile, and a silence begins when the last segment left.

A connection has a struct validator for the last two while its window is larger than that of a start, and does not rest then. Controllers that set their
windows themselves (CC_WINDOW) are told of silences, and of nothing else.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from usnet.memory.arena cimport arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef enum:
    VALIDATION_OFF = 0
    VALIDATION_RESTART = 1
    VALIDATION_LINUX = 2
    VALIDATION_PIPEACK = 3
    PIPE_BINS = 4

cdef struct validator:
    # VALIDATION_LINUX
    int64_t stamp               # ns: snd_cwnd_stamp: when cwnd was full, or something new was acknowledged, the last time
    uint32_t used               # bytes: snd_cwnd_used: the most that was out since
    # VALIDATION_PIPEACK
    uint32_t pipe_ack           # bytes: pipeACK; 0: undefined
    uint32_t round_una          # where snd_una was when this round trip began
    uint32_t round_end          # it ends when this is acknowledged
    uint32_t round_cwnd         # bytes: cwnd when it began; 0: none runs
    uint32_t loss               # bytes: max(pipeACK, LossFlightSize) of a recovery that began in the non-validated phase; 0: none
    uint64_t retrans            # tcb.bytes_retrans when that began
    int64_t since               # ns: the non-validated phase began; 0: this is the other one
    uint32_t bin[4]             # bytes: the largest samples of the last PIPE_BINS parts of the sampling period
    int64_t bin_at[4]           # ns: when each began; 0: there is none

# All for connections with FLIGHT_WATCHED, but the first.
# Data is to leave, nothing is out, and nothing has left for longer than an RTO.
cdef void validation_idle(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# `acked` bytes are acknowledged outside of a recovery. limited: cwnd was not what held the sender back. Whether it must not grow.
cdef bint validation_acked(tcp_state *t, tcb *k, bint limited, uint32_t acked, int64_t now) noexcept nogil
# An output pass is over.
cdef void validation_sent(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# What a reduction begins with, `flight` bytes being out.
cdef uint32_t validation_flight(tcp_state *t, tcb *k, uint32_t flight) noexcept nogil
# A recovery is over (recovered), and cwnd what it leaves; or a timeout has struck.
cdef void validation_over(tcp_state *t, tcb *k, bint recovered) noexcept nogil
# What it holds goes.
cdef void validation_give(tcp_state *t, tcb *k) noexcept nogil


cdef inline validator *validator_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <validator *>arena_at(&t.validators, k.validator)
