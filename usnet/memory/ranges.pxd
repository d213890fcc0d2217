"""A small sorted set of disjoint half-open ranges of 64-bit positions: which bytes of a stream are here."""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    RANGES_MAX = 128        # pieces; beyond it a new piece is refused, so that tiny ones cannot make it slow

cdef struct byte_range:
    uint64_t start
    uint64_t end            # the position behind the last
    uint32_t age            # stamp of the newest addition that touched it, for SACK (RFC 2018, section 4)

cdef struct ranges:
    uint32_t n
    uint32_t stamp          # counts additions
    byte_range r[128]           # sorted, disjoint, not adjacent, none empty

cdef void ranges_init(ranges *s) noexcept nogil
# Adds [start, end), joining what touches it. 0, or -ENOSPC when it would be one piece too many; bytes_new (may be
# NULL) counts bytes that were not in the set before.
cdef int ranges_add(ranges *s, uint64_t start, uint64_t end, uint64_t *bytes_new) noexcept nogil
# Takes away everything before `position`.
cdef void ranges_trim(ranges *s, uint64_t position) noexcept nogil
# The end of the range that holds `position`, or `position` itself when none does.
cdef uint64_t ranges_end(const ranges *s, uint64_t position) noexcept nogil
cdef uint64_t ranges_bytes(const ranges *s) noexcept nogil
