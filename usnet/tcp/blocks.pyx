"""Which blocks a segment reports: the one that grew last, then those that grew before it, each as it is now."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.memory.arena cimport arena_at
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


cdef void blocks_report(tcp_state *t, const tcb *k, uint32_t n, tcp_repr *r) noexcept nogil:
    """A FIN that waits behind the last byte of a block counts with it: it is held, and will not be dropped."""
    cdef const ranges *have = <const ranges *>arena_at(&t.ooos, k.ooo)
    cdef const byte_range *one = newest_before(have, have.stamp + 1)
    cdef uint32_t fit = blocks_fit(k, n)
    while one != NULL and r.n_sack < fit:
        r.sack[r.n_sack].left = number(k, one.start)
        r.sack[r.n_sack].right = number(k, one.end) + (1 if k.flags & TF_FIN_HELD and one.end == k.fin_pos else 0)
        r.n_sack += 1
        one = newest_before(have, one.age)
    if r.n_sack:
        r.options |= TCPO_SACK
