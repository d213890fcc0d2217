"""Fragmentation (RFC 791, section 3.2) and the identification field (RFC 6864)."""
from libc.errno cimport EAGAIN, EMSGSIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.backends.ring cimport slot_meta
from usnet.ip.link cimport link_close, link_close_as, link_cursor, link_fits, link_free, link_header, link_open, link_put
from usnet.ip.state cimport ip_state, netif
from usnet.memory.hash cimport siphash
from usnet.wire.addr cimport ip_addr
from usnet.wire.eth cimport ETH_P_IP
from usnet.wire.ipv4 cimport IPV4_HLEN, ipv4_emit, ipv4_parse, ipv4_repr


cdef uint16_t fragment_ident(ip_state *ip, const ip_addr *src, const ip_addr *dst, uint8_t proto) noexcept nogil:
    cdef uint8_t key[33]
    cdef uint64_t h
    cdef uint16_t *counter
    memcpy(key, src, 16)
    memcpy(key + 16, dst, 16)
    key[32] = proto
    h = siphash(ip.hash_key, key, 33)
    counter = &ip.ident[(h >> 32) & 63]
    counter[0] = <uint16_t>(counter[0] + 1)
    return <uint16_t>(h + counter[0])


cdef uint32_t fragment_count(uint32_t n, uint32_t mtu) noexcept nogil:
    cdef uint32_t piece
    if mtu < IPV4_HLEN + 8:
        return 0
    piece = (mtu - IPV4_HLEN) & ~<uint32_t>7
    return (n + piece - 1) // piece


cdef int fragment_send(ip_state *ip, uint32_t number, const uint8_t *mac, const ipv4_repr *r, const uint8_t *l4,
                       uint32_t n, uint32_t mtu) noexcept nogil:
    cdef ipv4_repr f = r[0]
    cdef uint32_t count = fragment_count(n, mtu)
    cdef uint32_t piece = (mtu - IPV4_HLEN) & ~<uint32_t>7
    cdef uint32_t at = 0
    cdef uint32_t size, head
    cdef uint8_t *l2
    if count == 0 or ip.netifs[number].link.n_tx == 0 or count >= ip.netifs[number].link.tx[0].num_slots:
        return -EMSGSIZE
    if not link_free(ip, number, count):
        return -EAGAIN
    f.header_len = IPV4_HLEN
    f.dont_fragment = 0
    while at < n:
        size = n - at if n - at <= piece else piece
        f.frag_offset = <uint16_t>(r.frag_offset + at)
        f.more_fragments = 1 if at + size < n else r.more_fragments
        f.total_len = <uint16_t>(IPV4_HLEN + size)
        l2 = link_open(ip, number)
        if l2 == NULL:
            return -EAGAIN
        head = link_header(&ip.netifs[number], l2, mac, ETH_P_IP)
        ipv4_emit(l2 + head, IPV4_HLEN, &f)
        memcpy(l2 + head + IPV4_HLEN, l4 + at, size)
        link_close(&ip.netifs[number], head + IPV4_HLEN + size)
        ip.counters.tx_packets += 1
        ip.counters.tx_bytes += IPV4_HLEN + size
        ip.counters.fragments_out += 1
        at += size
    return 0


cdef int packet_send_large(ip_state *ip, uint32_t number, const uint8_t *mac, const uint8_t *l3, uint32_t n, slot_meta *meta) noexcept nogil:
    cdef netif *nif = &ip.netifs[number]
    cdef uint8_t header[18]
    cdef uint32_t head = link_header(nif, header, mac, ETH_P_IP)
    cdef int status = link_fits(ip, number, head + n)
    cdef link_cursor at
    if status < 0:
        return status
    at.slot = nif.link.tx[0].head
    at.byte = 0
    link_put(nif, &at, header, head)
    link_put(nif, &at, l3, n)
    meta.csum_start += <uint16_t>head
    meta.hdr_len += <uint16_t>head
    link_close_as(ip, number, head + n, meta)
    ip.counters.tx_packets += 1
    ip.counters.tx_bytes += n
    return 0


cdef int packet_send(ip_state *ip, uint32_t number, const uint8_t *mac, const uint8_t *l3, uint32_t n) noexcept nogil:
    cdef netif *nif = &ip.netifs[number]
    cdef ipv4_repr r
    cdef uint8_t *l2
    cdef uint32_t head
    if n > nif.mtu:
        if ipv4_parse(l3, n, &r, 0) < 0:
            return 0            # cannot be: it was emitted or checked by us
        return fragment_send(ip, number, mac, &r, l3 + r.header_len, r.total_len - r.header_len, nif.mtu)
    l2 = link_open(ip, number)
    if l2 == NULL:
        return -EAGAIN
    head = link_header(nif, l2, mac, ETH_P_IP)
    memcpy(l2 + head, l3, n)
    link_close(&ip.netifs[number], head + n)
    ip.counters.tx_packets += 1
    ip.counters.tx_bytes += n
    return 0
