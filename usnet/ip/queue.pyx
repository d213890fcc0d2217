"""Queues of whole IP packets in a chain: each stands behind its length, 4 bytes of this machine."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.memory.chunks cimport chain, chain_drop, chain_read, chain_truncate, chain_write, chunk_pool


cdef int queue_put(chunk_pool *pool, chain *c, const uint8_t *header, uint32_t h_len, const uint8_t *body,
                   uint32_t n) noexcept nogil:
    cdef uint32_t length = h_len + n
    cdef uint32_t start = c.span
    cdef int status = chain_write(pool, c, start, <const uint8_t *>&length, 4)
    if status == 0 and h_len > 0:
        status = chain_write(pool, c, start + 4, header, h_len)
    if status == 0 and n > 0:
        status = chain_write(pool, c, start + 4 + h_len, body, n)
    if status < 0 and c.span > start:
        chain_truncate(pool, c, start)
    return status


cdef uint32_t queue_front(chunk_pool *pool, const chain *c) noexcept nogil:
    cdef uint32_t length = 0
    if c.span >= 4:
        chain_read(pool, c, 0, <uint8_t *>&length, 4)
    return length


cdef uint32_t queue_peek(chunk_pool *pool, const chain *c, uint8_t *dst, uint32_t room) noexcept nogil:
    cdef uint32_t n = queue_front(pool, c)
    if n > room:
        n = room
    if n > 0:
        chain_read(pool, c, 4, dst, n)
    return n


cdef void queue_pop(chunk_pool *pool, chain *c) noexcept nogil:
    if c.span >= 4:
        chain_drop(pool, c, 4 + queue_front(pool, c))
