"""Ethernet II frames and 802.1Q tags."""
from libc.errno cimport EBADMSG, ENOBUFS
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from usnet.wire.bytes cimport load16, store16

cdef enum:
    FIRST_TYPE = 0x0600     # smaller values of the type field are lengths (IEEE 802.3, 3.2.6)
    VID_MASK = 0x0fff
    VID_RESERVED = 0x0fff


cdef inline bint is_tag(uint16_t type) noexcept nogil:
    return type == ETH_P_8021Q or type == ETH_P_8021AD


cdef int eth_parse(const uint8_t *p, uint32_t n, eth_repr *out) noexcept nogil:
    cdef uint16_t type
    if n < ETH_HLEN:
        return -EBADMSG
    memcpy(out.dst, p, ETH_ALEN)
    memcpy(out.src, p + 6, ETH_ALEN)
    type = load16(p + 12)
    out.vlan = VLAN_NONE
    out.header_len = ETH_HLEN
    if type == ETH_P_8021Q:
        if n < ETH_VLAN_HLEN:
            return -EBADMSG
        out.vlan = load16(p + 14)
        if (out.vlan & VID_MASK) == VID_RESERVED:
            return -EBADMSG
        out.header_len = ETH_VLAN_HLEN
        type = load16(p + 16)
        if is_tag(type):
            return -EBADMSG
    elif type == ETH_P_8021AD:
        return -EBADMSG
    if type < FIRST_TYPE:
        return -EBADMSG
    out.type = type
    return 0


cdef int eth_emit(uint8_t *p, uint32_t room, const eth_repr *r) noexcept nogil:
    cdef uint32_t length = ETH_HLEN if r.vlan == VLAN_NONE else ETH_VLAN_HLEN
    if room < length:
        return -ENOBUFS
    memcpy(p, r.dst, ETH_ALEN)
    memcpy(p + 6, r.src, ETH_ALEN)
    if r.vlan != VLAN_NONE:
        store16(p + 12, ETH_P_8021Q)
        store16(p + 14, r.vlan)
    store16(p + length - 2, r.type)
    return <int>length
