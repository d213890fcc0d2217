"""What connections have learned of their paths, for those that come after them: as Linux's tcp_metrics, a bounded table by both addresses."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.wire.addr cimport ip_addr

cdef enum:
    METRIC_PATHS = 1024         # remembered at most

cdef struct path_metric:
    ip_addr laddr
    ip_addr raddr
    uint64_t used               # in which order they were last asked for or learned; 0: the entry is free
    int64_t stamp               # ns when it was last learned
    int64_t srtt                # ns; 0: not known, as of all others
    int64_t rttvar              # ns
    uint32_t ssthresh           # bytes
    uint32_t cwnd               # bytes
    uint32_t mtu                # bytes of an IP packet
    uint32_t reordering         # segments

cdef struct metrics_state:
    path_metric *paths          # [METRIC_PATHS]; private to the process
    uint64_t key[2]             # SipHash: where a path is kept
    uint64_t uses

cdef int metrics_init(metrics_state *s) noexcept nogil                  # 0 or -ENOMEM
cdef void metrics_free(metrics_state *s) noexcept nogil
cdef void metrics_reset(metrics_state *s, const uint64_t secret[2]) noexcept nogil  # nothing is known
# What is known of a path for no longer than `timeout` ns, or NULL.
cdef path_metric *metrics_find(metrics_state *s, const ip_addr *laddr, const ip_addr *raddr, int64_t timeout, int64_t now) noexcept nogil
# The same, made if need be: the one of its set that was used longest ago gives way.
cdef path_metric *metrics_learn(metrics_state *s, const ip_addr *laddr, const ip_addr *raddr, int64_t timeout, int64_t now) noexcept nogil
