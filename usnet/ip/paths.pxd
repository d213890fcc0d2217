"""Path MTUs that ICMP reported for datagrams (RFC 1191): a small table, each entry for a while."""
from libc.stdint cimport int64_t, uint32_t

from usnet.ip.state cimport ip_state
from usnet.wire.addr cimport ip_addr

cdef enum:
    PATH_MTU_FLOOR = 552        # bytes; nobody can make us go below (CVE-2004-1060)

# bytes; 65535 when nothing is known
cdef uint32_t path_mtu(ip_state *ip, const ip_addr *dst, int64_t now) noexcept nogil
cdef void path_learn(ip_state *ip, const ip_addr *dst, uint32_t mtu, int64_t now) noexcept nogil
cdef uint32_t path_slot(ip_state *ip, const ip_addr *dst) noexcept nogil                    # 0 .. 63, keyed
