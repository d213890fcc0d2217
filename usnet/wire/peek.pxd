"""The few places of a header that are read or changed where they lie, without parsing the rest."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.wire.bytes cimport load16, load32, store16
from usnet.wire.eth cimport ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_VLAN_HLEN
from usnet.wire.tcp cimport TCP_HLEN

cdef enum:
    ECN_CE = 3                  # congestion experienced (RFC 3168, section 5); 0: the ends do not understand any of it


cdef inline const uint8_t *eth_dst(const uint8_t *l2) noexcept nogil:
    return l2


cdef inline const uint8_t *eth_src(const uint8_t *l2) noexcept nogil:
    return l2 + 6


cdef inline bint mac_is_group(const uint8_t *mac) noexcept nogil:
    """The address of several stations, or of all (IEEE 802.3, 3.2.3)."""
    return mac[0] & 1


cdef inline uint64_t mac_number(const uint8_t *mac) noexcept nogil:
    """A MAC address as a number of 48 bits."""
    return <uint64_t>load16(mac) << 32 | load32(mac + 2)


cdef inline uint32_t eth_header_len(const uint8_t *l2) noexcept nogil:
    """Bytes in front of the network header in a frame of at least 14: one tag is looked behind."""
    cdef uint16_t type = load16(l2 + 12)
    return ETH_VLAN_HLEN if type == ETH_P_8021Q or type == ETH_P_8021AD else ETH_HLEN


cdef inline void ipv4_decrement_ttl(uint8_t *l3) noexcept nogil:
    """One hop less, with the header's checksum brought up to date (RFC 1624, equation 3)."""
    cdef uint32_t old = load16(l3 + 8)
    cdef uint32_t total
    l3[8] -= 1
    total = (<uint32_t>load16(l3 + 10) ^ 0xffff) + (old ^ 0xffff) + load16(l3 + 8)
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    store16(l3 + 10, total ^ 0xffff)


cdef inline int ecn_at(const uint8_t *l3) noexcept nogil:
    """The two bits of ECN of an IPv4 or IPv6 header (RFC 3168, section 5)."""
    return l3[1] & 3 if l3[0] >> 4 == 4 else l3[1] >> 4 & 3


cdef inline void ecn_set_ce(uint8_t *l3) noexcept nogil:
    """Congestion experienced, with IPv4's header checksum brought up to date (RFC 1624, equation 3)."""
    cdef uint32_t old = load16(l3), total
    if l3[0] >> 4 != 4:
        l3[1] |= ECN_CE << 4
        return
    l3[1] |= ECN_CE
    total = (<uint32_t>load16(l3 + 10) ^ 0xffff) + (old ^ 0xffff) + load16(l3)
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    store16(l3 + 10, total ^ 0xffff)


cdef inline bint tcp_header_whole(const uint8_t *l4, uint32_t n) noexcept nogil:
    """Whether n bytes hold the TCP header and its options."""
    return n >= TCP_HLEN and n >= <uint32_t>(l4[12] >> 4) * 4


cdef inline uint16_t l4_src_port(const uint8_t *l4) noexcept nogil:
    """Of TCP and UDP alike, as of the next."""
    return load16(l4)


cdef inline uint16_t l4_dst_port(const uint8_t *l4) noexcept nogil:
    return load16(l4 + 2)


cdef inline uint32_t tcp_seq(const uint8_t *l4) noexcept nogil:
    return load32(l4 + 4)
