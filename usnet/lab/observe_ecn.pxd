"""ECN as a passive observer sees it at one end (RFC 3168, RFC 9768): which segments are marked as capable, what is echoed, for how long."""
from libc.stdint cimport int64_t

from usnet.lab.observe_end cimport End
from usnet.wire.observe cimport Segment

# A segment leaves, whose first byte stands at offset `start`; nothing of it is counted yet.
cdef int ecn_check(End e, int64_t t, Segment seg, int64_t start) except -1
# A segment arrives; `accepted`: with data, something of it new and in the window.
cdef int ecn_learn(End e, int64_t t, Segment seg, bint accepted) except -1
