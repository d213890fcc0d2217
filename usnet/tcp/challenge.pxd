"""What is answered, and what is believed, although it may be somebody else's: the limit of challenge ACKs, and SYNs that meet TIME-WAIT."""
from libc.stdint cimport int64_t, uint32_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state
from usnet.wire.tcp cimport tcp_repr

# Whether the stack as a whole may send one more challenge ACK now (config.challenge_limit; RFC 5961, section 7); counts it.
cdef bint challenge_allowed(tcp_state *t, int64_t now) noexcept nogil
# Whether a SYN has taken the place of c, a connection in TIME-WAIT (RFC 9293, 3.6.1; RFC 6191): c is gone.
cdef bint time_wait_reused(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r, uint32_t n, int64_t now) noexcept nogil
