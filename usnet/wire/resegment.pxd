"""What middleboxes do to the borders of TCP segments: two that follow each other become one, one becomes several (Honda et al. 2011). Sums are computed
anew, so a segment whose sum is wrong is left as it is."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.wire.gso cimport gso_plan

# Whether the Ethernet frame is a TCP segment with data that may be joined and cut: flags but ACK, PSH, FIN and ECE are not for that; `size` goes into g.
cdef bint tcp_divisible(const uint8_t *frame, uint32_t n, uint32_t size, gso_plan *g) noexcept nogil
# Puts the payload of the second frame behind that of the first, when both are one flow's, follow each other, differ in nothing but what lies in the nature of
# that (numbers, windows, times), and have up to `most` bytes of payload together: the length of the first, or 0. ACK, window, echoed time and PSH or FIN
# are then the second's, its own time the first's (RFC 7323, 4.3: the earliest counts).
cdef uint32_t tcp_join(uint8_t *frame, uint32_t n, const uint8_t *second, uint32_t n_second, uint32_t most) noexcept nogil
