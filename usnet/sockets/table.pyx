"""Descriptors: the lowest free one in a few steps, by a tree of bit words, each bit of which says whether something
below it is free.
"""
from libc.errno cimport EMFILE, ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_free, arena_give, arena_init, arena_reset, arena_take
from usnet.memory.mapping cimport map_release, map_reserve
from usnet.stack cimport stack

cdef extern from *:
    int __builtin_ctzll(unsigned long long x) noexcept nogil


cdef int net_init(net *n, stack *s) noexcept nogil:
    cdef int level
    cdef size_t words
    memset(n, 0, sizeof(net))
    n.s = s
    n.capacity = s.notify.capacity
    words = n.capacity
    n.socks = <sock *>map_reserve(<uint64_t>n.capacity * sizeof(sock))
    if n.socks == NULL:
        return -ENOMEM
    for level in range(FD_LEVELS):
        words = (words + 63) // 64
        n.free_bits[level] = <uint64_t *>calloc(words, sizeof(uint64_t))
        if n.free_bits[level] == NULL:
            net_free(n)
            return -ENOMEM
    if (arena_init(&n.epolls, sizeof(ep), n.capacity, 8) != 0
            or arena_init(&n.items, sizeof(ep_item), 4 * n.capacity, 8) != 0
            or arena_init(&n.waiters, sizeof(waiter), n.capacity, 8) != 0
            or arena_init(&n.times, sizeof(sock_times), n.capacity, 8) != 0):
        net_free(n)
        return -ENOMEM
    fd_all_free(n)
    return 0


cdef void net_free(net *n) noexcept nogil:
    cdef int level
    map_release(n.socks, <uint64_t>n.capacity * sizeof(sock))
    for level in range(FD_LEVELS):
        free(n.free_bits[level])
    if n.epolls.base != NULL:
        arena_free(&n.epolls)
    if n.items.base != NULL:
        arena_free(&n.items)
    if n.waiters.base != NULL:
        arena_free(&n.waiters)
    if n.times.base != NULL:
        arena_free(&n.times)
    memset(n, 0, sizeof(net))


cdef void net_reset(net *n) noexcept nogil:
    memset(n.socks, 0, n.capacity * sizeof(sock))
    arena_reset(&n.epolls)
    arena_reset(&n.items)
    arena_reset(&n.waiters)
    arena_reset(&n.times)
    n.n_socks = n.n_woken = n.n_any = 0
    fd_all_free(n)


cdef void fd_all_free(net *n) noexcept nogil:
    """Sets the bits of all descriptors from FIRST_FD on, and those above them."""
    cdef int level
    cdef uint32_t bits = n.capacity, i
    for level in range(FD_LEVELS):
        memset(n.free_bits[level], 0xff, bits // 64 * 8)
        if bits % 64:
            n.free_bits[level][bits // 64] = (<uint64_t>1 << (bits % 64)) - 1
        bits = (bits + 63) // 64
    for i in range(FIRST_FD):
        fd_clear(n, i)


cdef void fd_clear(net *n, uint32_t fd) noexcept nogil:
    cdef int level
    for level in range(FD_LEVELS):
        n.free_bits[level][fd // 64] &= ~(<uint64_t>1 << (fd % 64))
        if n.free_bits[level][fd // 64] != 0:
            return
        fd //= 64


cdef int fd_take(net *n, uint8_t kind) noexcept nogil:
    cdef int level
    cdef uint32_t fd = 0
    cdef uint64_t word
    cdef sock *so
    for level in range(FD_LEVELS - 1, -1, -1):
        word = n.free_bits[level][fd]
        if word == 0:
            return -EMFILE
        fd = fd * 64 + <uint32_t>__builtin_ctzll(word)
    fd_clear(n, fd)
    so = &n.socks[fd]
    memset(so, 0, sizeof(sock))
    so.pcb = so.items = so.times = NONE
    so.waiters = NONE
    so.kind = kind
    n.n_socks += 1
    return <int>fd


cdef void fd_give(net *n, uint32_t fd) noexcept nogil:
    cdef int level
    if n.socks[fd].times != NONE:
        arena_give(&n.times, n.socks[fd].times)
    n.socks[fd].kind = KIND_FREE
    n.n_socks -= 1
    for level in range(FD_LEVELS):
        n.free_bits[level][fd // 64] |= <uint64_t>1 << (fd % 64)
        fd //= 64


cdef sock_times *fd_times(net *n, sock *so) noexcept nogil:
    if so.times == NONE:
        so.times = arena_take(&n.times)
    return times_at(n, so)
