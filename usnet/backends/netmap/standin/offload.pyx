"""What a switch does for a frame between ports of unlike virtio-net headers.

Towards a port without headers, checksums left to be done are done, and frames of several segments are cut. Between 10 and 12 bytes the first 10 are
kept; towards a port with headers from one without, the header is zeros.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.netmap.standin.adapter cimport k_next, kring
from usnet.backends.netmap.standin.memory cimport region, region_buf_at, region_buf_size
from usnet.backends.netmap.standin.vale cimport fwd_slot, vale_port
from usnet.backends.ring cimport NS_MOREFRAG
from usnet.wire.bytes cimport load16, load32, store16, store32
from usnet.wire.checksum cimport csum_add, csum_fold, csum_number

cdef enum:
    VNET_HDR = 10
    # struct virtio_net_hdr: flags 0, gso_type 1, hdr_len 2, gso_size 4, csum_start 6, csum_offset 8, in the machine's order
    CSUM_START = 6
    CSUM_OFFSET = 8
    F_NEEDS_CSUM = 1
    F_DATA_VALID = 2
    GSO_NONE = 0
    GSO_TCPV4 = 1
    GSO_UDP = 3
    GSO_TCPV6 = 4
    GSO_ECN = 0x80
    ETHERTYPE_VLAN = 0x8100
    ETHERTYPE_IPV4 = 0x0800
    ETHERTYPE_IPV6 = 0x86dd
    TCP_FIN_PSH = 0x09

cdef struct reader:             # of a frame's slots
    const fwd_slot *s
    const fwd_slot *end
    const uint8_t *at
    uint32_t left               # bytes of this slot

cdef struct segments:           # headers of a frame that is cut
    const uint8_t *hdr
    uint32_t hdr_len
    uint32_t eth_len
    uint32_t ip_len
    bint ipv4
    bint tcp


cdef inline uint16_t native16(const uint8_t *p) noexcept nogil:
    cdef uint16_t x
    memcpy(&x, p, 2)
    return x


cdef inline void next_slot(reader *r) noexcept nogil:
    r.s += 1
    if r.s != r.end:
        r.at = r.s.buf
        r.left = r.s.len


cdef uint64_t room_behind(region *m, uint8_t *p) noexcept nogil:
    """Bytes from p to the end of the region: a header put in front of a full buffer runs on into the next one, as in the module."""
    return m.base + m.size - p


cdef uint32_t offload_deliver(const vale_port *source, const vale_port *target, const fwd_slot *f, kring *k, uint32_t j,
                              uint32_t room) noexcept nogil:
    cdef uint32_t source_hdr = source.na.virt_hdr_len
    cdef uint32_t target_hdr = target.na.virt_hdr_len
    cdef const uint8_t *vnet = NULL
    cdef uint8_t *to = region_buf_at(k.na.mem, k.r.slots[j].buf_idx)
    cdef reader r
    r.s = f
    r.end = f + f.frags
    r.at = f.buf
    r.left = f.len
    if source_hdr and not target_hdr:
        vnet = f.buf
        if not known(vnet):
            return 0
    memset(to, 0, target_hdr)
    if source_hdr and target_hdr:
        memcpy(to, f.buf, VNET_HDR)
    r.at += source_hdr
    r.left -= source_hdr
    if not r.left and not target_hdr:
        next_slot(&r)                   # the header had a slot for itself
    if vnet != NULL and vnet[1] != GSO_NONE:
        return cut(&r, (vnet[1] & ~GSO_ECN) != GSO_UDP, target.mfs, k, j, room)
    return pass_on(&r, vnet, target_hdr, k, j)


cdef bint known(const uint8_t *vnet) noexcept nogil:
    cdef int gso = vnet[1] & ~GSO_ECN
    return (gso == GSO_NONE or gso == GSO_TCPV4 or gso == GSO_UDP or gso == GSO_TCPV6) and not vnet[0] & ~(F_NEEDS_CSUM | F_DATA_VALID)


cdef uint32_t pass_on(reader *r, const uint8_t *vnet, uint32_t hdr, kring *k, uint32_t j) noexcept nogil:
    """A frame of one segment, slot by slot, after the `hdr` bytes of header that are written. The checksum counts each slot from an even byte on."""
    cdef uint8_t *check = NULL
    cdef uint8_t *to
    cdef uint64_t total = 0
    cdef uint64_t n
    cdef uint32_t start = 0
    cdef uint32_t used = 0
    cdef uint32_t i = j
    cdef bint sum_up = vnet != NULL and vnet[0] & F_NEEDS_CSUM
    if sum_up:
        start = native16(vnet + CSUM_START)
        n = start + native16(vnet + CSUM_OFFSET)
        to = region_buf_at(k.na.mem, k.r.slots[j].buf_idx)
        if n <= r.left and n + 2 <= room_behind(k.na.mem, to):
            check = to + n
    while r.s != r.end:
        to = region_buf_at(k.na.mem, k.r.slots[i].buf_idx) + hdr
        if sum_up and start <= r.left:
            total = csum_number(csum_fold(csum_add(total, r.at + start, r.left - start)) ^ 0xffff)
        start = 0
        n = room_behind(k.na.mem, to)
        memcpy(to, r.at, r.left if r.left < n else n)
        k.r.slots[i].len = <uint16_t>(hdr + r.left)
        hdr = 0
        used += 1
        i = k_next(k, i)
        next_slot(r)
    if check != NULL:
        store16(check, csum_fold(total))
    i = j
    for n in range(used):
        k.r.slots[i].flags = <uint16_t>(used << 8 | (NS_MOREFRAG if n + 1 < used else 0))
        i = k_next(k, i)
    return used


cdef bint read_headers(const reader *r, segments *g) noexcept nogil:
    """What the headers in the frame's first slot say; False when they are not all there, or not IP."""
    cdef const uint8_t *ip
    g.hdr = r.at
    g.eth_len = 14
    while True:
        if r.left < g.eth_len:
            return False
        if load16(r.at + g.eth_len - 2) != ETHERTYPE_VLAN:
            break
        g.eth_len += 4
    ip = r.at + g.eth_len
    g.ipv4 = load16(ip - 2) == ETHERTYPE_IPV4
    if g.ipv4:
        if r.left < g.eth_len + 20:
            return False
        g.ip_len = 4 * (ip[0] & 0x0f)
    elif load16(ip - 2) == ETHERTYPE_IPV6:
        g.ip_len = 40
    else:
        return False
    g.hdr_len = g.eth_len + g.ip_len
    if g.tcp:
        if r.left < g.hdr_len + 20:
            return False
        g.hdr_len += 4 * (r.at[g.hdr_len + 12] >> 4)
    else:
        g.hdr_len += 8
    return r.left >= g.hdr_len


cdef uint32_t cut(reader *r, bint tcp, uint32_t mfs, kring *k, uint32_t j, uint32_t room) noexcept nogil:
    """Into frames of at most mfs bytes, one a slot. gso_size is not looked at."""
    cdef segments g
    cdef uint8_t *to
    cdef uint32_t used = 0
    cdef uint32_t done = 0              # payload in finished segments
    cdef uint32_t length = 0            # of the segment being filled
    cdef uint32_t n
    cdef bint last
    g.tcp = tcp
    if mfs > region_buf_size(k.na.mem):
        mfs = region_buf_size(k.na.mem)
    if not room or r.s == r.end or not read_headers(r, &g) or g.hdr_len >= mfs:
        return 0
    r.at += g.hdr_len
    r.left -= g.hdr_len
    if not r.left:
        next_slot(r)
    while r.s != r.end:
        if used >= room:
            return 0                    # not all of it fits
        to = region_buf_at(k.na.mem, k.r.slots[j].buf_idx)
        if not length:
            memcpy(to, g.hdr, g.hdr_len)
            length = g.hdr_len
        n = r.left if length + r.left <= mfs else mfs - length
        memcpy(to + length, r.at, n)
        length += n
        r.at += n
        r.left -= n
        last = not r.left and r.s + 1 == r.end
        if length >= mfs or last:
            finish_segment(to + g.eth_len, length - g.eth_len, &g, used, done, last)
            k.r.slots[j].len = <uint16_t>length
            k.r.slots[j].flags = 0
            done += length - g.hdr_len
            used += 1
            length = 0
            j = k_next(k, j)
        if not r.left:
            next_slot(r)
    return used


cdef void finish_segment(uint8_t *ip, uint32_t n, const segments *g, uint32_t number, uint32_t done, bint last) noexcept nogil:
    """Lengths, identification, sequence number, flags and checksums of one segment. ip: its IP header, n: bytes from there on."""
    cdef uint8_t *l4 = ip + g.ip_len
    cdef uint8_t *check
    cdef uint64_t total
    if g.ipv4:
        store16(ip + 2, n)
        store16(ip + 4, load16(ip + 4) + number)
        store16(ip + 10, 0)
        store16(ip + 10, csum_fold(csum_add(0, ip, 20)))        # options are not counted
        total = csum_add(csum_number(ip[9]), ip + 12, 8)
    else:
        store16(ip + 4, n - g.ip_len)
        total = csum_add(csum_number(ip[6]), ip + 8, 32)
    if g.tcp:
        store32(l4 + 4, load32(l4 + 4) + done)
        if not last:
            l4[13] &= ~TCP_FIN_PSH
        check = l4 + 16
    else:
        store16(l4 + 4, n - g.ip_len)
        check = l4 + 6
    store16(check, 0)
    # A sum of zero stays zero, for UDP too
    store16(check, csum_fold(csum_add(total + csum_number(n - g.ip_len), l4, n - g.ip_len)))
