"""What middleboxes do to TCP headers on their way: options struck out, fields rewritten, the checksum mended (RFC 1624), so that one that was right
stays right and a wrong one wrong. The length stays: a struck option becomes NOPs."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    # Options and fields by name
    MANGLE_MSS = 1
    MANGLE_WSCALE = 2
    MANGLE_SACK = 3             # SACK-permitted and SACK blocks
    MANGLE_TIMESTAMPS = 4
    MANGLE_WINDOW = 5           # the field of the header: cannot be struck
    MANGLE_ECN = 6              # the ECN field of the IP header (ip_mark): only rewritten

# p, n: a TCP header and what follows. How many options were struck, or fields changed; nothing happens to what lies beyond n or is malformed.
cdef uint32_t tcp_strike(uint8_t *p, uint32_t n, int what) noexcept nogil
# Only MSS, window scale and window hold a value. `most`: it is lowered, never raised.
cdef uint32_t tcp_rewrite(uint8_t *p, uint32_t n, int what, uint32_t value, bint most) noexcept nogil
# The ECN field of an Ethernet frame with an IPv4 packet (RFC 3168): CE for what is ECN-capable alone, anything else for all. 1 if it is another now.
cdef uint32_t ip_mark(uint8_t *frame, uint32_t n, uint32_t field) noexcept nogil
