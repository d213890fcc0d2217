"""IPv4 reassembly with limits (RFC 791, RFC 815, RFC 1858): an overlap drops the datagram, as does anything past
65,535 bytes."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from usnet.ip.icmp cimport icmp_error
from usnet.ip.state cimport (
    DROP_FRAG_BAD, DROP_FRAG_LIMIT, DROP_FRAG_OVERLAP, DROP_FRAG_TIMEOUT, MAX_REASSEMBLIES, TIMER_REASSEMBLY,
    ip_state,
)
from usnet.memory.arena cimport NONE, arena_at, arena_give, arena_live, arena_take
from usnet.memory.chunks cimport CHUNK_BYTES, chain_clear, chain_init, chain_peek, chain_read, chain_write
from usnet.memory.ranges cimport ranges_add, ranges_bytes, ranges_init
from usnet.memory.wheel cimport wheel_add, wheel_cancel
from usnet.wire.addr cimport addr_eq, ip_addr
from usnet.wire.icmp cimport ICMP_REASSEMBLY_TIMEOUT, ICMP_TIME_EXCEEDED
from usnet.wire.ipv4 cimport IPPROTO_TCP, IPV4_HLEN, IPV4_MAX_LEN, ipv4_emit, ipv4_repr
from usnet.wire.peek cimport tcp_header_whole
from usnet.wire.tcp cimport TCP_HLEN

cdef enum:
    PER_SOURCE = 16             # datagrams of one source at once
    UNMARKABLE = 1 << 0         # of reassembly.marks: Not-ECT
    MARKED = 1 << 3             # ... CE
    MAX_PIECES = 8192           # fragments of one datagram; 65515 bytes cannot have more of 8 bytes


cdef inline reassembly *at_index(ip_state *ip, uint32_t index) noexcept nogil:
    return <reassembly *>arena_at(&ip.reassemblies, index)


cdef uint32_t held_by(const reassembly *a) noexcept nogil:
    return a.pieces.n_chunks * CHUNK_BYTES


cdef void release(ip_state *ip, uint32_t index) noexcept nogil:
    cdef reassembly *a = at_index(ip, index)
    ip.reassembly_held -= held_by(a)
    chain_clear(ip.chunks, &a.pieces)
    if a.timer != NONE:
        wheel_cancel(ip.timers, a.timer)
    arena_give(&ip.reassemblies, index)


cdef void discard(ip_state *ip, uint32_t index, int why) noexcept nogil:
    """Drops the datagram; each fragment of it is counted."""
    ip.drops[why] += at_index(ip, index).n_pieces
    release(ip, index)


cdef void reassembly_clear(ip_state *ip) noexcept nogil:
    cdef uint32_t i
    for i in range(ip.reassemblies.used):
        if arena_live(&ip.reassemblies, i):
            release(ip, i)


cdef uint32_t find(ip_state *ip, const ipv4_repr *r) noexcept nogil:
    cdef uint32_t i
    cdef reassembly *a
    for i in range(ip.reassemblies.used):
        a = at_index(ip, i)
        if (arena_live(&ip.reassemblies, i) and a.header.ident == r.ident and a.header.proto == r.proto
                and addr_eq(&a.header.src, &r.src) and addr_eq(&a.header.dst, &r.dst)):
            return i
    return NONE


cdef uint32_t oldest(ip_state *ip, const ip_addr *src, uint32_t but, uint32_t *n, uint32_t *held) noexcept nogil:
    """The oldest reassembly, of one source or (src NULL) of all, and how many there are and what they hold; never
    `but`."""
    cdef uint32_t i
    cdef uint32_t found = NONE
    cdef reassembly *a
    n[0] = 0
    held[0] = 0
    for i in range(ip.reassemblies.used):
        a = at_index(ip, i)
        if not arena_live(&ip.reassemblies, i) or (src != NULL and not addr_eq(&a.header.src, src)):
            continue
        n[0] += 1
        held[0] += held_by(a)
        if i != but and (found == NONE or a.order < at_index(ip, found).order):
            found = i
    return found


cdef uint32_t begin(ip_state *ip, const ipv4_repr *r, int64_t now) noexcept nogil:
    cdef uint32_t n, held, index
    cdef uint32_t victim = oldest(ip, &r.src, NONE, &n, &held)
    cdef reassembly *a
    if n >= PER_SOURCE:
        discard(ip, victim, <int>DROP_FRAG_LIMIT)
    if ip.reassemblies.live >= MAX_REASSEMBLIES:
        discard(ip, oldest(ip, NULL, NONE, &n, &held), <int>DROP_FRAG_LIMIT)
    index = arena_take(&ip.reassemblies)
    if index == NONE:
        return NONE
    a = at_index(ip, index)
    a.header = r[0]
    chain_init(&a.pieces)
    ranges_init(&a.present)
    a.order = ip.reassembly_order
    ip.reassembly_order += 1
    a.timer = wheel_add(ip.timers, now + ip.config.reassembly_timeout, TIMER_REASSEMBLY, index)
    if a.timer == NONE:
        arena_give(&ip.reassemblies, index)
        return NONE
    return index


cdef bint piece_equal(ip_state *ip, const reassembly *a, uint32_t at, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint32_t run
    cdef const uint8_t *q
    while n > 0:
        q = chain_peek(ip.chunks, &a.pieces, at, &run)
        if run > n:
            run = n
        if run == 0 or memcmp(q, p, run) != 0:
            return False
        at += run
        p += run
        n -= run
    return True


cdef bint is_copy(ip_state *ip, const reassembly *a, uint32_t start, const uint8_t *p, uint32_t n) noexcept nogil:
    """Whether the same fragment is here already: a network may deliver a packet twice, and that is no attack."""
    cdef fragment_record f
    cdef uint32_t at = 0
    while at < a.pieces.span:
        chain_read(ip.chunks, &a.pieces, at, <uint8_t *>&f, sizeof(f))
        if f.start == start:
            return f.length == n and piece_equal(ip, a, at + sizeof(f), p, n)
        at += sizeof(f) + f.length
    return False


cdef int check(const ipv4_repr *r, const uint8_t *l4, uint32_t n) noexcept nogil:
    """What is wrong with a fragment by itself: a drop, or -1."""
    if n == 0 or (r.more_fragments and n & 7) or r.frag_offset + n > IPV4_MAX_LEN - IPV4_HLEN:
        return <int>DROP_FRAG_BAD
    # A TCP header must be whole in the first fragment, so that nothing overwrites the rest of it later (RFC 1858).
    if r.proto == IPPROTO_TCP and r.frag_offset < TCP_HLEN and (r.frag_offset > 0 or not tcp_header_whole(l4, n)):
        return <int>DROP_FRAG_BAD
    return -1


cdef int add(ip_state *ip, reassembly *a, const ipv4_repr *r, const uint8_t *l4, uint32_t n) noexcept nogil:
    """Takes a fragment in: -1, or the drop that ends the datagram."""
    cdef fragment_record f
    cdef uint64_t fresh = 0
    cdef uint32_t end = r.frag_offset + n
    cdef uint32_t span = a.pieces.span
    cdef uint32_t chunks = a.pieces.n_chunks
    cdef int status
    a.marks |= <uint8_t>(1 << (r.tos & 3))
    if a.marks & MARKED and a.marks & UNMARKABLE:
        return <int>DROP_FRAG_BAD       # a router cannot have marked some of what may not be marked (RFC 3168, section 5.3)
    if a.total != 0 and (end > a.total or (not r.more_fragments and end != a.total)):
        return <int>DROP_FRAG_BAD
    if not r.more_fragments and a.present.n > 0 and a.present.r[a.present.n - 1].end > end:
        return <int>DROP_FRAG_BAD       # the last one ends before another does
    status = ranges_add(&a.present, r.frag_offset, end, &fresh)
    if status < 0 or a.n_pieces >= MAX_PIECES:
        return <int>DROP_FRAG_LIMIT     # too many holes
    if fresh != n:
        return <int>DROP_FRAG_OVERLAP
    f.start = r.frag_offset
    f.length = n
    status = chain_write(ip.chunks, &a.pieces, span, <const uint8_t *>&f, sizeof(f))
    if status == 0:
        status = chain_write(ip.chunks, &a.pieces, span + sizeof(f), l4, n)
    ip.reassembly_held += (a.pieces.n_chunks - chunks) * CHUNK_BYTES
    if status < 0:
        return <int>DROP_FRAG_LIMIT
    a.n_pieces += 1
    if not r.more_fragments:
        a.total = end
    if r.frag_offset == 0:
        a.has_first = 1
        a.header = r[0]
        memset(a.quote, 0, 8)
        memcpy(a.quote, l4, 8 if n >= 8 else n)
    return -1


cdef void limit_bytes(ip_state *ip, uint32_t index) noexcept nogil:
    """The oldest ones give way to the one that grew: of its own source beyond half the memory, of all beyond all of
    it."""
    cdef uint32_t n, held, victim
    while True:
        victim = oldest(ip, &at_index(ip, index).header.src, index, &n, &held)
        if held <= ip.config.reassembly_bytes // 2 or victim == NONE:
            break
        discard(ip, victim, <int>DROP_FRAG_LIMIT)
    while ip.reassembly_held > ip.config.reassembly_bytes:
        victim = oldest(ip, NULL, index, &n, &held)
        if victim == NONE:
            break
        discard(ip, victim, <int>DROP_FRAG_LIMIT)


cdef uint32_t put_together(ip_state *ip, uint32_t index, ipv4_repr *r) noexcept nogil:
    """The datagram into ip.datagram, its header in front and in *r; the reassembly is over."""
    cdef reassembly *a = at_index(ip, index)
    cdef fragment_record f
    cdef uint32_t at = 0
    cdef uint32_t total = a.total
    while at < a.pieces.span:
        chain_read(ip.chunks, &a.pieces, at, <uint8_t *>&f, sizeof(f))
        chain_read(ip.chunks, &a.pieces, at + sizeof(f), ip.datagram + f.start, f.length)
        at += sizeof(f) + f.length
    r[0] = a.header
    r.header_len = IPV4_HLEN
    r.total_len = <uint16_t>(IPV4_HLEN + total)
    r.frag_offset = 0
    r.more_fragments = 0
    if a.marks & MARKED:
        r.tos |= 3
    ipv4_emit(ip.datagram - IPV4_HLEN, IPV4_HLEN, r)
    ip.counters.reassembled += 1
    ip.counters.fragments_used += a.n_pieces
    release(ip, index)
    return total


cdef int reassembly_input(ip_state *ip, ipv4_repr *r, const uint8_t *l4, uint32_t l4_len, int64_t now,
                          uint32_t *n) noexcept nogil:
    cdef uint32_t index = find(ip, r)
    cdef reassembly *a
    cdef int why = check(r, l4, l4_len)
    ip.counters.fragments_in += 1
    if why < 0 and index == NONE:
        index = begin(ip, r, now)
        if index == NONE:
            ip.drops[<int>DROP_FRAG_LIMIT] += 1
            return 0
    if why < 0:
        a = at_index(ip, index)
        if is_copy(ip, a, r.frag_offset, l4, l4_len) and (r.more_fragments or a.total == r.frag_offset + l4_len):
            ip.drops[<int>DROP_FRAG_OVERLAP] += 1
            return 0
        why = add(ip, a, r, l4, l4_len)
    if why >= 0:
        ip.drops[why] += 1
        if index != NONE:
            discard(ip, index, why)
        return 0
    if a.total != 0 and ranges_bytes(&a.present) == a.total:
        n[0] = put_together(ip, index, r)
        return 1
    limit_bytes(ip, index)
    return 0


cdef void reassembly_timeout(ip_state *ip, uint32_t index, int64_t now) noexcept nogil:
    cdef uint8_t quoted[28]
    cdef reassembly *a
    if not arena_live(&ip.reassemblies, index):
        return
    a = at_index(ip, index)
    a.timer = NONE
    if a.has_first:
        # RFC 1122, section 3.3.2: only then does the sender learn of it.
        ipv4_emit(quoted, IPV4_HLEN, &a.header)
        memcpy(quoted + IPV4_HLEN, a.quote, 8)
        icmp_error(ip, ICMP_TIME_EXCEEDED, ICMP_REASSEMBLY_TIMEOUT, 0, quoted, sizeof(quoted), now)
    discard(ip, index, <int>DROP_FRAG_TIMEOUT)
