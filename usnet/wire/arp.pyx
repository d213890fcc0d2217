"""ARP for IPv4 over Ethernet (RFC 826)."""
from libc.errno cimport EBADMSG, ENOBUFS
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from usnet.wire.bytes cimport load16, store16
from usnet.wire.eth cimport ETH_P_IP

cdef enum:
    HARDWARE_ETHERNET = 1
    SIZES = 0x0604          # bytes of a hardware and of a protocol address


cdef int arp_parse(const uint8_t *p, uint32_t n, arp_repr *out) noexcept nogil:
    if n < ARP_LEN:
        return -EBADMSG
    if load16(p) != HARDWARE_ETHERNET or load16(p + 2) != ETH_P_IP or load16(p + 4) != SIZES:
        return -EBADMSG
    out.op = load16(p + 6)
    memcpy(out.sender_mac, p + 8, 6)
    memcpy(out.sender_ip, p + 14, 4)
    memcpy(out.target_mac, p + 18, 6)
    memcpy(out.target_ip, p + 24, 4)
    return 0


cdef int arp_emit(uint8_t *p, uint32_t room, const arp_repr *r) noexcept nogil:
    if room < ARP_LEN:
        return -ENOBUFS
    store16(p, HARDWARE_ETHERNET)
    store16(p + 2, ETH_P_IP)
    store16(p + 4, SIZES)
    store16(p + 6, r.op)
    memcpy(p + 8, r.sender_mac, 6)
    memcpy(p + 14, r.sender_ip, 4)
    memcpy(p + 18, r.target_mac, 6)
    memcpy(p + 24, r.target_ip, 4)
    return ARP_LEN
