"""SACK as a passive observer sees it at one end: what it reports, and what it sends although it was reported to it. Offsets as in observe_end."""
from libc.stdint cimport int64_t

from usnet.lab.observe_end cimport End
from usnet.wire.observe cimport Segment, seen_options

# Any segment of the peer's arrived.
cdef void sack_arrives(End e, int64_t t) noexcept
# What has just arrived is ahead of what is in order.
cdef int sack_ahead(End e, int64_t start, int64_t end) except -1
# An ACK leaves: its blocks.
cdef int sack_check(End e, int64_t t, Segment seg, const seen_options *o) except -1
# Whether all that arrived ahead in a burst has been told. Called before the next thing happens at this end.
cdef int sack_check_burst(End e, int64_t t) except -1
# An ACK arrived.
cdef int sack_learn(End e, Segment seg, const seen_options *o) except -1
# A segment leaves, part of which was sent before.
cdef int sack_check_again(End e, int64_t t, Segment seg, int64_t start, int64_t end) except -1
# The same as disjoint ranges that do not touch.
cdef list merged(list ranges)
