"""What happens when a connection's deadline passes."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_state

# The wheel's timer of connection c fired. Acts on what is due at `now`, hangs the timer up again for the rest.
cdef void tcp_timeout(tcp_state *t, uint32_t c, int64_t now) noexcept nogil
