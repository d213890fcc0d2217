"""Queues of whole IP packets in a chain: those that wait for a neighbour, and those on their way from the stack to
itself."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.memory.chunks cimport chain, chunk_pool

# Puts the packet that consists of h_len bytes at `header` and n at `body` behind the others: 0, or -ENOBUFS and
# nothing changed.
cdef int queue_put(chunk_pool *pool, chain *c, const uint8_t *header, uint32_t h_len, const uint8_t *body,
                   uint32_t n) noexcept nogil
# bytes of the first packet, 0 when there is none
cdef uint32_t queue_front(chunk_pool *pool, const chain *c) noexcept nogil
# Copies at most `room` bytes of the first packet; returns how many.
cdef uint32_t queue_peek(chunk_pool *pool, const chain *c, uint8_t *dst, uint32_t room) noexcept nogil
cdef void queue_pop(chunk_pool *pool, chain *c) noexcept nogil
