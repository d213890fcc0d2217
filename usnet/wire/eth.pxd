"""Ethernet II frames and 802.1Q tags (IEEE 802.3, 802.1Q; RFC 894)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ETH_ALEN = 6            # bytes of a MAC address
    ETH_HLEN = 14           # bytes of an untagged header
    ETH_VLAN_HLEN = 18      # bytes of a header with one tag
    ETH_P_IP = 0x0800
    ETH_P_ARP = 0x0806
    ETH_P_8021Q = 0x8100
    ETH_P_8021AD = 0x88a8
    ETH_P_IPV6 = 0x86dd
    VLAN_NONE = 0xffff      # repr.vlan of an untagged frame

cdef struct eth_repr:
    uint8_t dst[6]
    uint8_t src[6]
    uint16_t type           # of the payload, behind any tag
    uint16_t vlan           # TCI of the one tag (12 bits identifier, then priority above), or VLAN_NONE
    uint16_t header_len     # bytes: ETH_HLEN or ETH_VLAN_HLEN

# 0, or -EBADMSG when the frame is too short, carries a second tag or an 802.1ad one or the reserved VLAN
# 4095, or is 802.3 with a length in place of a type.
cdef int eth_parse(const uint8_t *p, uint32_t n, eth_repr *out) noexcept nogil
# Bytes written (header_len from vlan), or -ENOBUFS.
cdef int eth_emit(uint8_t *p, uint32_t room, const eth_repr *r) noexcept nogil
