"""TCP Fast Open (RFC 7413), both sides: data that goes with a SYN, and comes with one. What it remembers: tcp/fast.

Calls are for sockets; steps are called by the rooms of the handshake, and only where a connection has a `fast`, or bits in `fastopen`.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from usnet.ip.state cimport packet
from usnet.memory.arena cimport arena_at
from usnet.tcp.fast cimport FAST_CLIENT, fast_open
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.addr cimport ip_addr
from usnet.wire.tcp cimport tcp_repr

# How a client opens
cdef enum:
    FAST_WAITS = 1              # the caller waits for the outcome: all that the send buffer holds is taken, though only some of it goes with the SYN
    FAST_NO_COOKIE = 2          # TCP_FASTOPEN_NO_COOKIE
    FAST_DEFER = 4              # TCP_FASTOPEN_CONNECT: with a cookie, the SYN waits for data

# --- Calls

# As tcp_connect, with the first n bytes of the stream. How many were taken: those that the SYN carries, or what FAST_WAITS says; -EINPROGRESS: none,
# the connection opens all the same (there was no cookie, which is asked for now, or no data); or an errno of tcp_connect. With FAST_DEFER 0: the SYN
# waits for fastopen_begin.
cdef int64_t fastopen_connect(tcp_state *t, uint32_t c, const ip_addr *addr, uint16_t port, const uint8_t *p, uint32_t n, uint32_t how,
                              int64_t now) noexcept nogil
# The first data of a connection whose SYN waits.
cdef int64_t fastopen_begin(tcp_state *t, uint32_t c, const uint8_t *p, uint32_t n, uint32_t how, int64_t now) noexcept nogil
# TCP_FASTOPEN: how many may be pending; 0: off. -EINVAL connected, or below 0.
cdef int fastopen_set_limit(tcp_state *t, uint32_t c, int64_t value) noexcept nogil
cdef int64_t fastopen_limit(tcp_state *t, uint32_t c) noexcept nogil
# TCP_FASTOPEN_KEY of one socket: 16 bytes, or 32 with the key before. -EINVAL another length, or connected.
cdef int fastopen_set_keys(tcp_state *t, uint32_t c, const uint8_t *raw, uint32_t n) noexcept nogil
# 0, 16 or 32 bytes: those that hold for it.
cdef uint32_t fastopen_keys(tcp_state *t, uint32_t c, uint8_t *raw) noexcept nogil
# TCP_FASTOPEN_NO_COOKIE of a socket that may listen. -EINVAL connected.
cdef int fastopen_set_no_cookie(tcp_state *t, uint32_t c, bint on) noexcept nogil

# --- Steps

# It listens now.
cdef void fastopen_listening(tcp_state *t, uint32_t c, uint32_t backlog) noexcept nogil
# A SYN made c, in SYN-RECEIVED. True if its data, or its cookie, lets it be accepted at once.
cdef bint fastopen_arrived(tcp_state *t, uint32_t c, uint32_t parent, const packet *p, const tcp_repr *r, int64_t now) noexcept nogil
# Adds to a SYN or SYN-ACK what belongs there: bytes of the send queue that it carries.
cdef uint32_t fastopen_syn(tcp_state *t, tcb *k, tcp_repr *r) noexcept nogil
# It left: the same number, when that was the first time.
cdef uint32_t fastopen_syn_left(tcp_state *t, tcb *k) noexcept nogil
# Our SYN was acknowledged, by a segment with a SYN: the cookie, and what of the data it acknowledges. The connection is ESTABLISHED.
cdef void fastopen_answered(tcp_state *t, uint32_t c, const tcp_repr *r, int64_t now) noexcept nogil
# The ACK of a SYN-ACK came.
cdef void fastopen_confirmed(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# The peer reset a TFO_PASSIVE one: it counts as pending for a minute more, against those who forge addresses (RFC 7413, section 5.1).
cdef void fastopen_was_reset(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# A timeout of one that TFO_ASKED, `limit` of which end it: perhaps the path swallows such connections.
cdef void fastopen_timed_out(tcp_state *t, const tcb *k, uint32_t limit, int64_t now) noexcept nogil
# One that TFO_ASKED is over: what that says about the path.
cdef void fastopen_ended(tcp_state *t, const tcb *k) noexcept nogil
# The SYN with its data was too long for the path.
cdef void fastopen_too_long(tcp_state *t, uint32_t c, uint32_t mtu) noexcept nogil
# `fast` is needed no more.
cdef void fastopen_over(tcp_state *t, tcb *k) noexcept nogil


cdef inline fast_open *fast_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <fast_open *>arena_at(&t.fast.opens, i)


cdef inline bint fastopen_deferred(tcp_state *t, const tcb *k) noexcept nogil:
    """Of one with a `fast`: its SYN waits for data."""
    return fast_at(t, k.fast).role == FAST_CLIENT and fast_at(t, k.fast).deferred
