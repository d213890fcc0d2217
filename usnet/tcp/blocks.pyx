"""Which blocks a segment reports: the one that grew last, then those that grew before it, each as it is now."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena_at
from usnet.memory.ranges cimport byte_range, ranges
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TF_FIN_HELD, tcb
from usnet.wire.tcp cimport TCPO_SACK, tcp_repr


cdef inline uint32_t number(const tcb *k, uint64_t position) noexcept nogil:
    return k.rcv_nxt + <uint32_t>(position - k.rcv_pos)


cdef const byte_range *newest_before(const ranges *have, uint32_t age) noexcept nogil:
    """Of those that last grew before `age` the one that did so last. No two have the same age."""
    cdef const byte_range *best = NULL
    cdef uint32_t i
    for i in range(have.n):
        if have.r[i].age < age and (best == NULL or have.r[i].age > best.age):
            best = &have.r[i]
    return best


cdef void put(tcp_repr *r, uint32_t left, uint32_t right) noexcept nogil:
    r.sack[r.n_sack].left = left
    r.sack[r.n_sack].right = right
    r.n_sack += 1


cdef void blocks_report(tcp_state *t, tcb *k, uint32_t n, tcp_repr *r) noexcept nogil:
    """What arrived twice goes first (RFC 2883, section 4), once. A FIN that waits behind the last byte of a block counts with it: it is held, and
    will not be dropped."""
    cdef const ranges *have
    cdef const byte_range *one
    cdef uint32_t fit = blocks_fit(k, n)
    if k.dsack_left != k.dsack_right and fit:
        put(r, k.dsack_left, k.dsack_right)
        k.dsack_left = k.dsack_right
        t.counters.dsacks_out += 1
    if k.ooo != NONE:
        have = <const ranges *>arena_at(&t.ooos, k.ooo)
        one = newest_before(have, have.stamp + 1)
        while one != NULL and r.n_sack < fit:
            put(r, number(k, one.start), number(k, one.end) + (1 if k.flags & TF_FIN_HELD and one.end == k.fin_pos else 0))
            one = newest_before(have, one.age)
    if r.n_sack:
        r.options |= TCPO_SACK
