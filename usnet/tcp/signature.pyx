"""Keys, and what is signed with them."""
from libc.errno cimport EINVAL, ENOBUFS, ENOENT
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from usnet.ip.state cimport packet
from usnet.memory.arena cimport NONE, arena_at, arena_give, arena_take
from usnet.tcp.congestion.ops cimport cc_table
from usnet.tcp.state cimport TDROP_MD5_FAILURE, TDROP_MD5_NOT_FOUND, TDROP_MD5_UNEXPECTED, count_drop, tcb_at, tcp_state
from usnet.tcp.tcb cimport TCPS_ESTABLISHED, tcb
from usnet.wire.addr cimport addr_is_v4, ip_addr
from usnet.wire.bytes cimport store16, store32
from usnet.wire.ipv4 cimport IPPROTO_TCP
from usnet.wire.md5 cimport MD5_BYTES, md5_add, md5_begin, md5_end, md5_state
from usnet.wire.tcp cimport TCP_CSUM_AT, TCP_HLEN, TCP_MD5_AT, TCPO_MD5, TCPOLEN_MD5_APPA, tcp_repr


cdef inline signer *signer_at(tcp_state *t, uint32_t number) noexcept nogil:
    return <signer *>arena_at(&t.signers, number - 1)


cdef bint shares(const ip_addr *a, const ip_addr *b, uint32_t bits) noexcept nogil:
    """Whether the first `bits` bits are the same."""
    cdef const uint8_t *x = <const uint8_t *>a
    cdef const uint8_t *y = <const uint8_t *>b
    cdef uint32_t whole = bits >> 3, rest = bits & 7
    if memcmp(x, y, whole):
        return False
    return rest == 0 or (x[whole] ^ y[whole]) >> (8 - rest) == 0


cdef const signer *signature_find(tcp_state *t, const tcb *k, const ip_addr *peer) noexcept nogil:
    cdef const signer *best = NULL
    cdef const signer *s
    cdef uint32_t i = k.signer
    while i:
        s = signer_at(t, i)
        if shares(&s.net, peer, s.prefix) and (best == NULL or s.prefix > best.prefix):
            best = s
        i = s.next
    return best


cdef uint32_t *place_of(tcp_state *t, tcb *k, const ip_addr *net, uint8_t prefix) noexcept nogil:
    """Where the number of that key stands, or 0 at the end of the list."""
    cdef uint32_t *at = &k.signer
    cdef signer *s
    while at[0]:
        s = signer_at(t, at[0])
        if s.prefix == prefix and shares(&s.net, net, prefix):
            break
        at = &s.next
    return at


cdef void sign_from_now(tcp_state *t, tcb *k) noexcept nogil:
    """A connection has other keys: it leaves the short way, whose headers are unsigned, and its segments have room for the signature."""
    cdef uint8_t before = k.signs
    k.signs = signature_find(t, k, &k.raddr) != NULL
    k.way = 0
    if k.state < TCPS_ESTABLISHED or k.signs == before:
        return
    k.mss = k.mss - TCPOLEN_MD5_APPA if k.signs else k.mss + TCPOLEN_MD5_APPA
    cc_table(k.cc_ops).on_mss(&k.cc, k.mss)


cdef int signature_set(tcp_state *t, uint32_t c, const ip_addr *net, uint8_t prefix, const uint8_t *key, uint32_t n) noexcept nogil:
    cdef tcb *k = tcb_at(t, c)
    cdef uint32_t *at = place_of(t, k, net, prefix)
    cdef uint32_t i
    cdef signer *s
    if n > SIGNATURE_KEY or prefix > 128:
        return -EINVAL
    if n == 0 and at[0] == 0:
        return -ENOENT
    if n == 0:
        i = at[0]
        at[0] = signer_at(t, i).next
        arena_give(&t.signers, i - 1)
    else:
        if at[0] == 0:
            i = arena_take(&t.signers)
            if i == NONE:
                return -ENOBUFS
            at[0] = i + 1
        s = signer_at(t, at[0])
        s.net, s.prefix, s.n = net[0], prefix, <uint8_t>n
        memcpy(s.key, key, n)
    if k.rport:
        sign_from_now(t, k)
    return 0


cdef void signature_borrow(tcp_state *t, tcb *k, const tcb *parent) noexcept nogil:
    k.signs = parent.signer != 0 and signature_find(t, parent, &k.raddr) != NULL
    k.signer = parent.signer if k.signs else 0


cdef bint signature_inherit(tcp_state *t, tcb *k) noexcept nogil:
    cdef const signer *given = signature_find(t, k, &k.raddr)
    cdef uint32_t i
    cdef signer *s
    if k.signer == 0:
        return True
    k.signer = 0
    i = arena_take(&t.signers)
    if i == NONE:
        k.signs = 0
        return False
    s = signer_at(t, i + 1)
    s[0] = given[0]
    s.next = 0
    s.net, s.prefix = k.raddr, 128
    k.signer = i + 1
    return True


cdef void signature_free(tcp_state *t, tcb *k) noexcept nogil:
    cdef uint32_t i
    while k.signer:
        i = k.signer
        k.signer = signer_at(t, i).next
        arena_give(&t.signers, i - 1)


cdef void digest(const signer *s, const uint8_t *l4, uint32_t header_len, uint32_t n, const ip_addr *src, const ip_addr *dst,
                 uint8_t *out) noexcept nogil:
    """RFC 2385, 2.0: pseudo header, header without options and checksum, data, key."""
    cdef uint8_t head[40]
    cdef uint8_t bare[20]
    cdef uint32_t size
    cdef md5_state m
    memset(head, 0, sizeof(head))
    if addr_is_v4(src):
        memcpy(head, <const uint8_t *>src + 12, 4)
        memcpy(head + 4, <const uint8_t *>dst + 12, 4)
        head[9] = IPPROTO_TCP
        store16(head + 10, header_len + n)
        size = 12
    else:
        memcpy(head, src, 16)
        memcpy(head + 16, dst, 16)
        store32(head + 32, header_len + n)
        head[39] = IPPROTO_TCP
        size = 40
    memcpy(bare, l4, TCP_HLEN)
    store16(bare + TCP_CSUM_AT, 0)
    md5_begin(&m)
    md5_add(&m, head, size)
    md5_add(&m, bare, TCP_HLEN)
    md5_add(&m, l4 + header_len, n)
    md5_add(&m, s.key, s.n)
    md5_end(&m, out)


cdef void signature_put(const signer *s, uint8_t *l4, uint32_t header_len, uint32_t n, const ip_addr *src, const ip_addr *dst) noexcept nogil:
    digest(s, l4, header_len, n, src, dst, l4 + TCP_MD5_AT)


cdef bint same(const uint8_t *a, const uint8_t *b) noexcept nogil:
    """Of two digests, in a time that does not tell where they differ."""
    cdef uint32_t i, x = 0
    for i in range(MD5_BYTES):
        x |= a[i] ^ b[i]
    return x == 0


cdef bint signature_holds(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r) noexcept nogil:
    cdef const signer *s = signature_find(t, tcb_at(t, c), &p.src)
    cdef uint8_t out[16]
    if s == NULL and r.options & TCPO_MD5:
        count_drop(t, TDROP_MD5_UNEXPECTED)
        return False
    if s == NULL:
        return True
    if not r.options & TCPO_MD5:
        count_drop(t, TDROP_MD5_NOT_FOUND)
        return False
    digest(s, p.l4, r.header_len, p.l4_len - r.header_len, &p.src, &p.dst, out)
    if same(out, p.l4 + r.md5_at):
        return True
    count_drop(t, TDROP_MD5_FAILURE)
    return False
