"""Hosts that we talk to: what was found out about one when a frame went there, as long as nothing has changed that it depends on (ip_state.ways). New
connections need not look for it again. It decides nothing: where it says nothing, the tables say the same."""
from libc.stdint cimport uint32_t

from usnet.ip.state cimport ip_state, known_host, tx_frame
from usnet.wire.addr cimport addr_as_it_lies, addr_is_v4, addr_v4, ip_addr


cdef inline known_host *known_at(ip_state *ip, uint32_t lying) noexcept nogil:
    """Where it would stand. lying: its address as on the wire."""
    return &ip.known[lying * <uint32_t>0x9e3779b1 >> 24]


cdef inline const known_host *known_find(const ip_state *ip, const ip_addr *dst) noexcept nogil:
    """The host, which is one other than us, and its way; or NULL: nothing is known."""
    cdef uint32_t lying = addr_as_it_lies(dst)
    cdef const known_host *h = known_at(<ip_state *>ip, lying)
    return h if h.ways == ip.ways and h.addr == lying and addr_is_v4(dst) else NULL


cdef inline bint known_both(const ip_state *ip, uint32_t theirs, uint32_t ours) noexcept nogil:
    """Whether that is such a host, and that an address of ours; both as they lie on the wire."""
    cdef const known_host *h = known_at(<ip_state *>ip, theirs)
    return h.ways == ip.ways and h.addr == theirs and h.from_ == ours


cdef inline void known_put(ip_state *ip, const tx_frame *f) noexcept nogil:
    """A frame went to a neighbour, from an address of ours, on a way that is worth remembering (ip/way)."""
    cdef known_host *h = known_at(ip, addr_as_it_lies(&f.dst))
    if addr_v4(&f.dst) >> 24 == 0:
        return                              # nobody may have such an address
    h.addr = addr_as_it_lies(&f.dst)
    h.from_ = addr_as_it_lies(&f.src)
    h.best = 0
    h.mtu = ip.netifs[f.netif].mtu
    h.hop = f.neighbour
    h.netif = f.netif
    h.ways = ip.ways
