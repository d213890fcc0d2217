"""Packetisation-layer path MTU discovery (RFC 4821, RFC 8899): what gets through is found by segments that are larger than others."""
from libc.stdint cimport int32_t, int64_t, uint32_t

from usnet.memory.arena cimport NONE, arena_at
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef enum:                      # tcp_config.mtu_probing: the numbers of Linux's net.ipv4.tcp_mtu_probing
    MTU_OFF = 0
    MTU_BLACKHOLE = 1           # once a path has swallowed segments
    MTU_ALWAYS = 2

cdef struct mtu_search:         # sizes: bytes of an IP packet
    uint32_t low                # gets through, as far as is known: eff_pmtu of RFC 4821
    uint32_t high               # more than that is not tried
    uint32_t size               # of the probe that is out; 0: none
    uint32_t probe_start        # its sequence numbers
    uint32_t probe_end
    int64_t ended_at            # ns when the search was over: larger ones are tried again mtu_raise later; 0: it goes on

# The handshake is over, and the congestion window not opened yet.
cdef void mtu_established(tcp_state *t, tcb *k) noexcept nogil
# A router said what it takes. True if that was about a probe, and is all that follows from it.
cdef bint mtu_told(tcp_state *t, uint32_t c, uint32_t seq, uint32_t mtu, int64_t now) noexcept nogil
# A retransmission timeout, before it is counted: segments may be smaller from now on.
cdef void mtu_timed_out(tcp_state *t, tcb *k) noexcept nogil
# New data may leave, as far as `window` bytes behind snd_una, of a connection that searches. Bytes of the probe that begins it; 0: none now; below 0:
# nothing leaves, there will be room for one.
cdef int32_t mtu_probe_due(tcp_state *t, tcb *k, uint32_t window, int64_t now) noexcept nogil
# It has so many bytes, from seq on. mtu_probe_undone: it has not left after all.
cdef void mtu_probe_begin(tcp_state *t, tcb *k, uint32_t seq, uint32_t n) noexcept nogil
cdef void mtu_probe_undone(tcp_state *t, tcb *k) noexcept nogil
# snd_una has moved, of a connection that searches.
cdef void mtu_acked(tcp_state *t, tcb *k) noexcept nogil
# A loss was found at snd_una: whether it is the probe's, which is no sign of congestion. It is sent again in segments.
cdef bint mtu_probe_lost(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
# Bytes of the longest packet that leaves, for TCP_INFO.
cdef uint32_t mtu_of(tcp_state *t, const tcb *k) noexcept nogil


cdef inline mtu_search *search_at(tcp_state *t, const tcb *k) noexcept nogil:
    """Of a connection that searches."""
    return <mtu_search *>arena_at(&t.searches, k.search)


cdef inline bint mtu_probing(tcp_state *t, const tcb *k) noexcept nogil:
    """Whether a probe is out."""
    return k.search != NONE and search_at(t, k).size != 0
