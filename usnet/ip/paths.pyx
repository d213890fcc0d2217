"""Path MTUs that ICMP reported for datagrams (RFC 1191)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.ip.state cimport MAX_PATHS, ip_state, path_entry
from usnet.memory.hash cimport siphash
from usnet.wire.addr cimport addr_eq, ip_addr


cdef uint32_t path_slot(ip_state *ip, const ip_addr *dst) noexcept nogil:
    return <uint32_t>siphash(ip.hash_key, <const uint8_t *>dst, 16) & (MAX_PATHS - 1)


cdef uint32_t path_mtu(ip_state *ip, const ip_addr *dst, int64_t now) noexcept nogil:
    cdef path_entry *e = &ip.paths[path_slot(ip, dst)]
    if e.mtu == 0 or now >= e.expires or not addr_eq(&e.dst, dst):
        return 65535
    return e.mtu


cdef void path_learn(ip_state *ip, const ip_addr *dst, uint32_t mtu, int64_t now) noexcept nogil:
    cdef path_entry *e = &ip.paths[path_slot(ip, dst)]
    if mtu < PATH_MTU_FLOOR:
        mtu = PATH_MTU_FLOOR
    if mtu >= path_mtu(ip, dst, now):
        return                  # nothing new; a longer one is found by letting the entry expire
    e.dst = dst[0]
    e.mtu = mtu
    e.expires = now + ip.config.path_mtu_timeout
