"""Chunks: the fixed-size pieces that queues of bytes are made of, and chains of them. One pool serves a whole stack.

A chain is a run of bytes: what is appended behind comes out in front, and bytes may be written at any distance behind
its front (a gap is filled later). Memory is counted in whole chunks, so a chain never holds more than its span of
bytes needs, however small the pieces.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.memory.arena cimport NONE, arena

cdef enum:
    CHUNK_BYTES = 2048
    HEAD_BYTES = 8          # an item of heads

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
# The n front bytes are done with: chunks that hold none of the rest go back. n <= span.
cdef void chain_drop(chunk_pool *pool, chain *c, uint32_t n) noexcept nogil
# Copies the n front bytes and drops them. n <= span, which is not 0.
cdef void chain_take(chunk_pool *pool, chain *c, uint8_t *dst, uint32_t n) noexcept nogil
# Forgets what was written from `span` on: the chain ends there.
cdef void chain_truncate(chunk_pool *pool, chain *c, uint32_t span) noexcept nogil

# Single chunks, in no chain.
cdef uint32_t chunk_take(chunk_pool *pool) noexcept nogil                           # or NONE
cdef void chunk_give(chunk_pool *pool, uint32_t chunk) noexcept nogil
# For chunk_at: the chunk of that number, which is the cursor's from now on.
cdef uint32_t chunk_seek(chunk_pool *pool, chain *c, uint32_t number) noexcept nogil


cdef inline uint8_t *chunk_bytes(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    return pool.bytes + <uint64_t>chunk * CHUNK_BYTES


cdef inline uint32_t *chunk_next(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    """The chunk behind it in its chain, or NONE."""
    return <uint32_t *>(pool.heads.base + <uint64_t>chunk * HEAD_BYTES)


cdef inline uint32_t chunk_at(chunk_pool *pool, chain *c, uint32_t number) noexcept nogil:
    """The chunk with `number` < n_chunks others before it. The last one and those from the cursor on are near."""
    if number + 1 == c.n_chunks:
        return c.last
    return c.cursor if c.cursor_no == number and c.cursor != NONE else chunk_seek(pool, c, number)


cdef inline uint8_t *chain_peek(chunk_pool *pool, const chain *c, uint32_t at, uint32_t *n) noexcept nogil:
    """The longest contiguous run at `at` behind the front: its address, its length in *n (0 at the end)."""
    cdef uint32_t place = c.offset + at, inside = place % CHUNK_BYTES
    if at >= c.span:
        n[0] = 0
        return NULL
    n[0] = CHUNK_BYTES - inside
    if n[0] > c.span - at:
        n[0] = c.span - at
    # Only the cursor changes, which is a matter of speed: for the caller the chain stays as it is.
    return chunk_bytes(pool, chunk_at(pool, <chain *>c, place // CHUNK_BYTES)) + inside
