"""Header prediction (Jacobson, 1990): the segment that is expected, in ESTABLISHED and with nothing else going on, goes straight to its queue."""
from libc.stdint cimport int64_t

from usnet.tcp.state cimport tcp_state
from usnet.wire.flow cimport flow

# Takes a segment other than a SYN of a connection past SYN-SENT, if its checksums hold: what is expected at once, others by the steps of RFC 9293 (tcp_known).
# False: nothing was done; it goes the long way, which does the same with it.
cdef bint tcp_predict(tcp_state *t, const flow *f, int64_t now) noexcept nogil
