"""Chunks: the fixed-size pieces that queues of bytes are made of, and chains of them. One pool serves a whole stack.

A chain is a run of bytes: what is appended behind comes out in front, and bytes may be written at any distance behind
its front (a gap is filled later). Memory is counted in whole chunks, so a chain never holds more than its span of
bytes needs, however small the pieces.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport arena

cdef enum:
    CHUNK_BYTES = 2048

cdef struct chunk_pool:
    arena heads             # of uint32_t: next chunk of the chain
    uint8_t *bytes          # CHUNK_BYTES a chunk, parallel to heads; private mapping
    uint64_t mapped

cdef struct chain:
    uint32_t first          # chunk of the front byte, or NONE when the chain is empty
    uint32_t last           # last chunk
    uint32_t offset         # of the front byte in the first chunk
    uint32_t span           # bytes from the front to the end of what was ever written
    uint32_t n_chunks
    uint32_t cursor         # chunk found last, or NONE: reads that go on from there do not walk from the front
    uint32_t cursor_no      # chunks between the first and it

cdef int chunks_init(chunk_pool *pool, uint32_t max_chunks) noexcept nogil          # 0 or -ENOMEM
cdef void chunks_free(chunk_pool *pool) noexcept nogil
cdef void chunks_reset(chunk_pool *pool) noexcept nogil

cdef void chain_init(chain *c) noexcept nogil
cdef void chain_clear(chunk_pool *pool, chain *c) noexcept nogil                    # gives all chunks back
# Writes n bytes at `at` bytes behind the front, growing the chain as needed. 0, or -ENOBUFS: then nothing was written.
cdef int chain_write(chunk_pool *pool, chain *c, uint32_t at, const uint8_t *src, uint32_t n) noexcept nogil
# Copies n bytes from `at` behind the front; what passes span is left out.
cdef void chain_read(chunk_pool *pool, const chain *c, uint32_t at, uint8_t *dst, uint32_t n) noexcept nogil
# The longest contiguous run at `at` behind the front: its address, its length in *n (0 at the end).
cdef uint8_t *chain_peek(chunk_pool *pool, const chain *c, uint32_t at, uint32_t *n) noexcept nogil
# The n front bytes are done with: chunks that hold none of the rest go back. n <= span.
cdef void chain_drop(chunk_pool *pool, chain *c, uint32_t n) noexcept nogil
# Forgets what was written from `span` on: the chain ends there.
cdef void chain_truncate(chunk_pool *pool, chain *c, uint32_t span) noexcept nogil

# Single chunks, in no chain.
cdef uint32_t chunk_take(chunk_pool *pool) noexcept nogil                           # or NONE
cdef void chunk_give(chunk_pool *pool, uint32_t chunk) noexcept nogil
cdef uint8_t *chunk_bytes(chunk_pool *pool, uint32_t chunk) noexcept nogil
