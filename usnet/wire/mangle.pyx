"""Rewriting TCP headers in flight; mangle.pxd says what for."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.wire.bytes cimport load16, store16
from usnet.wire.checksum cimport csum_add, csum_fold, csum_number
from usnet.wire.eth cimport ETH_HLEN, ETH_P_IP
from usnet.wire.ipv4 cimport IPV4_HLEN
from usnet.wire.peek cimport eth_header_len
from usnet.wire.tcp cimport TCP_CSUM_AT, TCP_HLEN

cdef enum:
    KIND_END = 0
    KIND_NOP = 1
    KIND_MSS = 2
    KIND_WSCALE = 3
    KIND_SACK_OK = 4
    KIND_SACK = 5
    KIND_TIMESTAMP = 8
    WINDOW_AT = 14


cdef uint32_t header_of(const uint8_t *p, uint32_t n) noexcept nogil:
    """Bytes of the header; 0 when it is none."""
    cdef uint32_t header
    if n < TCP_HLEN:
        return 0
    header = (p[12] >> 4) * 4
    return header if TCP_HLEN <= header <= n else 0


cdef bint is_option(uint8_t kind, int what) noexcept nogil:
    if what == MANGLE_SACK:
        return kind == KIND_SACK_OK or kind == KIND_SACK
    return (what == MANGLE_MSS and kind == KIND_MSS or what == MANGLE_WSCALE and kind == KIND_WSCALE
            or what == MANGLE_TIMESTAMPS and kind == KIND_TIMESTAMP)


cdef uint32_t find_option(const uint8_t *p, uint32_t header, uint32_t at, int what) noexcept nogil:
    """Where the next option of that kind begins, from `at` on; 0: nowhere."""
    cdef uint8_t length
    while at < header and p[at] != KIND_END:
        if p[at] == KIND_NOP:
            at += 1
            continue
        if at + 1 >= header:
            return 0
        length = p[at + 1]
        if length < 2 or length > header - at:
            return 0
        if is_option(p[at], what):
            return at
        at += length
    return 0


cdef void mend(uint8_t *p, uint64_t before, uint64_t after) noexcept nogil:
    """RFC 1624, equation 3. `before`, `after`: sums of the header, the checksum field in it being the same."""
    cdef uint64_t sum_ = csum_number(load16(p + TCP_CSUM_AT) ^ 0xffff) + csum_number(csum_fold(before)) + after
    store16(p + TCP_CSUM_AT, <uint32_t>csum_fold(sum_))


cdef uint32_t tcp_strike(uint8_t *p, uint32_t n, int what) noexcept nogil:
    cdef uint32_t header = header_of(p, n)
    cdef uint64_t before
    cdef uint32_t struck = 0
    cdef uint32_t at
    if header == 0:
        return 0
    before = csum_add(0, p, header)
    at = find_option(p, header, TCP_HLEN, what)
    while at:
        memset(p + at, KIND_NOP, p[at + 1])
        struck += 1
        at = find_option(p, header, at, what)
    if struck:
        mend(p, before, csum_add(0, p, header))
    return struck


cdef uint32_t put(uint8_t *p, uint32_t size, uint32_t value, bint most) noexcept nogil:
    cdef uint32_t was = load16(p) if size == 2 else p[0]
    if value == was or (most and value > was):
        return 0
    if size == 2:
        store16(p, value)
    else:
        p[0] = <uint8_t>value
    return 1


cdef uint32_t tcp_rewrite(uint8_t *p, uint32_t n, int what, uint32_t value, bint most) noexcept nogil:
    cdef uint32_t header = header_of(p, n)
    cdef uint64_t before
    cdef uint32_t changed = 0
    cdef uint32_t at
    if header == 0:
        return 0
    before = csum_add(0, p, header)
    if what == MANGLE_WINDOW:
        changed = put(p + WINDOW_AT, 2, value, most)
    elif what == MANGLE_MSS or what == MANGLE_WSCALE:
        at = find_option(p, header, TCP_HLEN, what)
        if at and p[at + 1] == (4 if what == MANGLE_MSS else 3):
            changed = put(p + at + 2, 2 if what == MANGLE_MSS else 1, value, most)
    if changed:
        mend(p, before, csum_add(0, p, header))
    return changed


cdef uint32_t ip_mark(uint8_t *frame, uint32_t n, uint32_t field) noexcept nogil:
    cdef uint8_t *l3
    cdef uint64_t before
    cdef uint32_t at
    if n < ETH_HLEN:
        return 0
    at = eth_header_len(frame)
    l3 = frame + at
    if n < at + IPV4_HLEN or load16(l3 - 2) != ETH_P_IP or l3[0] >> 4 != 4 or l3[1] & 3 == field or (field == 3 and l3[1] & 3 == 0):
        return 0
    before = csum_add(0, l3, 2)
    l3[1] = <uint8_t>(l3[1] & 0xfc | field)
    store16(l3 + 10, csum_fold(csum_number(load16(l3 + 10) ^ 0xffff) + csum_number(csum_fold(before)) + csum_add(0, l3, 2)))
    return 1


NAMES = {"mss": MANGLE_MSS, "wscale": MANGLE_WSCALE, "sack": MANGLE_SACK, "timestamps": MANGLE_TIMESTAMPS, "window": MANGLE_WINDOW}
"""What can be struck or rewritten."""


def strike(segment, str what):
    """A TCP segment without the option `what` (a key of NAMES), as bytes."""
    cdef bytearray b = bytearray(segment)
    cdef uint8_t *p = b
    tcp_strike(p, <uint32_t>len(b), NAMES[what])
    return bytes(b)


def rewrite(segment, str what, uint32_t value, bint most=False):
    """A TCP segment with another value, as bytes; with `most` only where it was larger."""
    cdef bytearray b = bytearray(segment)
    cdef uint8_t *p = b
    tcp_rewrite(p, <uint32_t>len(b), NAMES[what], value, most)
    return bytes(b)


def mark(frame, uint32_t field):
    """An Ethernet frame with another ECN field (0 to 3), as bytes; CE only where it is ECN-capable."""
    cdef bytearray b = bytearray(frame)
    cdef uint8_t *p = b
    ip_mark(p, <uint32_t>len(b), field)
    return bytes(b)
