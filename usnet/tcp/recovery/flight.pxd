"""When what is out was sent: not a record a segment but one a burst, that is, for all that left for the first time at one moment.

The newest burst has no record: it ends at snd_max, and tcb.burst_at says when it was sent. Those before it stand in a struct flight, which a connection has
from when a second burst leaves while one is out. So what has one burst out at a time, as requests and answers do, needs none. Records of what was
acknowledged go when the next burst begins. Where there are more than fit, neighbours become one, which knows the first and the last time of what it is
of: a FLIGHT_MAX / 4th of the flight's time apart at most. Whoever judges by them takes the one that is kinder: what is out was sent at the last, what has
arrived at the first.

Each record has room for what a delivery-rate sample needs (draft-cheng-iccrg-delivery-rate-estimation, 3.1): filled by the controllers that want it.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_at
from usnet.tcp.congestion.rates cimport rates_sent
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef enum:
    FLIGHT_MAX = 64             # bursts but for the newest; a power of two

# What is known of a burst when it leaves.
cdef struct burst:
    uint32_t end                # sequence number behind its last; of flight.newest: not used
    uint8_t app_limited         # there was not enough to fill the window
    int64_t sent_at             # ns; of flight.newest: not used, tcb.burst_at is
    int64_t since               # ns: the same, but where several became one, when the first of them was sent
    # Of the connection at that time, for rate samples
    uint64_t delivered          # bytes delivered (C.delivered)
    int64_t delivered_at        # ns of the newest of them (C.delivered_time)
    int64_t first_sent_at       # ns: beginning of the interval of sending that it belongs to (C.first_send_time)
    uint64_t lost               # bytes found to be lost
    uint32_t in_flight          # bytes, with this burst

cdef struct flight:
    uint32_t head               # of r: the oldest record
    uint32_t n                  # records
    burst newest                # of the newest burst, where rates are sampled
    # Of the connection, where rates are sampled
    uint64_t delivered
    int64_t delivered_at
    int64_t first_sent_at
    uint64_t lost
    uint32_t rate_delivered     # the newest sample (TCP_INFO): bytes
    uint8_t rate_app_limited
    int64_t rate_interval       # ... in ns; 0: there is none
    uint64_t app_limited        # `delivered` at which what was limited by the program will have been delivered; 0: it is not
    burst r[64]                 # [FLIGHT_MAX] a ring, from `head` on, oldest first: `end` ascends, sent_at does not fall

# Before a burst leaves at another time than the newest: that one gets its record.
cdef void flight_close(tcp_state *t, tcb *k) noexcept nogil
# When `seq`, which is out or was just acknowledged, was sent for the first time, ns: not later than what is said, and not before.
cdef int64_t flight_sent_at(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil
cdef int64_t flight_sent_since(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil
# The sequence number behind all that was sent for the first time at `at` or before; snd_una at least.
cdef uint32_t flight_until(tcp_state *t, const tcb *k, int64_t at) noexcept nogil
# The record of the burst that seq belongs to; &flight.newest for the newest. NULL: the connection has no struct flight.
cdef burst *flight_burst(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil
# One that stays while k.timed has FLIGHT_RATES, so that there is somewhere to keep what is delivered; NULL: no memory.
cdef flight *flight_need(tcp_state *t, tcb *k) noexcept nogil
cdef void flight_give(tcp_state *t, tcb *k) noexcept nogil

# tcb.timed: who wants to know
cdef enum:
    FLIGHT_RACK = 1             # recovery/rack
    FLIGHT_RATES = 2            # the controller: cc_ops.on_rate
    FLIGHT_HELD = 4             # it has a struct flight
    FLIGHT_WATCHED = 16         # congestion/validation, or tcp_config.wide_growth: how much of cwnd is used; needs no times
    FLIGHT_RTT = 8              # the controller: the round trip of each ACK, in slow start


cdef inline flight *flight_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that has one."""
    return <flight *>arena_at(&t.flights, k.flight)


cdef inline void flight_leaves(tcp_state *t, tcb *k, uint32_t seq, int64_t now) noexcept nogil:
    """A segment from seq on leaves for the first time, and is not counted in snd_max yet."""
    k.last_seq = seq
    if now != k.burst_at:
        if k.timed & FLIGHT_HELD or (k.timed & ~<uint8_t>FLIGHT_WATCHED and k.snd_max != k.snd_una):
            flight_close(t, k)
        k.burst_at = now
        if k.timed & FLIGHT_RATES:
            rates_sent(t, k, now)
