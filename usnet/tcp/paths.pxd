"""What connections keep of their paths beside their TCBs: AccECN's counters, searches for the path MTU; and what is left of it for those to come."""
from libc.stdint cimport int64_t, uint32_t

from usnet.tcp.state cimport tcp_config, tcp_state
from usnet.tcp.tcb cimport tcb

cdef void paths_defaults(tcp_config *g) noexcept nogil
cdef int paths_init(tcp_state *t, uint32_t max_connections) noexcept nogil          # 0 or -ENOMEM
cdef void paths_free(tcp_state *t) noexcept nogil
cdef void paths_reset(tcp_state *t) noexcept nogil
cdef void paths_drop(tcp_state *t, tcb *k) noexcept nogil                           # its connection goes
# The handshake is over, and the congestion window open: what is known of the path counts (tcp_config.metrics).
cdef void paths_begin(tcp_state *t, tcb *k, int64_t now) noexcept nogil
# All was sent and acknowledged: what it has learned is kept.
cdef void paths_end(tcp_state *t, tcb *k, int64_t now) noexcept nogil
