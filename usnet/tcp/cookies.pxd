"""SYN cookies (RFC 4987, section 3.6): what a half-open connection would have to remember, in the numbers that its peer sends back.

Below a keyed hash, the initial sequence number holds a count of periods in its top byte, an index of the table of MSS in its low bits, and between them
a hash that knows both; the low bits of the timestamp hold window scale, SACK and ECN, as Linux has them. Without timestamps on both sides a cookie remembers the MSS alone.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.wire.addr cimport ip_addr
from usnet.tcp.tcb cimport tcb

cdef enum:
    COOKIE_OFF = 0              # tcp_config.syncookies: SYNs that find the queue full are dropped
    COOKIE_FULL = 1             # ... are answered by a cookie
    COOKIE_ALWAYS = 2           # every SYN is; no listener has half-open connections
    COOKIE_NO_SCALE = 15        # cookie_terms.wscale: not offered

cdef int64_t COOKIE_PERIOD      # ns
cdef int64_t COOKIE_LIFE        # ns: how long one may be good

cdef struct cookie_terms:
    uint8_t wscale              # shift that the peer offered, 0 to 14, or COOKIE_NO_SCALE
    uint8_t sack
    uint8_t ecn

# The number for the connection between k's ends whose SYN had `seq`, in the period of `now`.
cdef uint32_t cookie_make(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t mss, int64_t now) noexcept nogil
# The MSS that such a number stands for, at most that of the SYN; 0: it is no cookie of this or the last period.
cdef uint32_t cookie_check(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t cookie, int64_t now) noexcept nogil
# The latest time in ms, `now_ms` at most, whose low bits say that.
cdef uint32_t cookie_stamp(uint32_t now_ms, const cookie_terms *m) noexcept nogil
cdef void cookie_unstamp(uint32_t stamp, cookie_terms *out) noexcept nogil
