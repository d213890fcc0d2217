"""Chains of chunks."""
from libc.errno cimport ENOBUFS, ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.memory.arena cimport (NONE, arena_free, arena_give, arena_init, arena_reset, arena_take_any)
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.memory.poison cimport poison, unpoison

cdef enum:
    SPAN_MAX = 0x7fffffff   # bytes of a chain at most, so that no sum of positions overflows


cdef int chunks_init(chunk_pool *pool, uint32_t max_chunks) noexcept nogil:
    cdef int status
    memset(pool, 0, sizeof(chunk_pool))
    status = arena_init(&pool.heads, HEAD_BYTES, max_chunks, 8)
    if status:
        return -ENOMEM
    pool.mapped = page_round(<uint64_t>max_chunks * CHUNK_BYTES)
    pool.bytes = <uint8_t *>map_reserve(pool.mapped)
    if pool.bytes == NULL:
        arena_free(&pool.heads)
        return -ENOMEM
    return 0


cdef void chunks_free(chunk_pool *pool) noexcept nogil:
    if pool.bytes != NULL:
        unpoison(pool.bytes, <uint64_t>pool.heads.touched * CHUNK_BYTES)
    map_release(pool.bytes, pool.mapped)
    pool.bytes = NULL
    pool.mapped = 0
    arena_free(&pool.heads)


cdef void chunks_reset(chunk_pool *pool) noexcept nogil:
    poison(pool.bytes, <uint64_t>pool.heads.used * CHUNK_BYTES)
    arena_reset(&pool.heads)


cdef void chain_init(chain *c) noexcept nogil:
    c.first = NONE
    c.last = NONE
    c.offset = 0
    c.span = 0
    c.n_chunks = 0
    c.cursor = NONE
    c.cursor_no = 0


cdef inline void give(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    poison(chunk_bytes(pool, chunk), CHUNK_BYTES)
    arena_give(&pool.heads, chunk)


cdef uint32_t chunk_take(chunk_pool *pool) noexcept nogil:
    cdef uint32_t chunk = arena_take_any(&pool.heads)
    if chunk != NONE:
        unpoison(chunk_bytes(pool, chunk), CHUNK_BYTES)
    return chunk


cdef void chunk_give(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    give(pool, chunk)


cdef void give_from(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    """Gives back `chunk` and all that follow it."""
    cdef uint32_t following
    while chunk != NONE:
        following = chunk_next(pool, chunk)[0]
        give(pool, chunk)
        chunk = following


cdef void chain_clear(chunk_pool *pool, chain *c) noexcept nogil:
    give_from(pool, c.first)
    chain_init(c)


cdef inline int grow(chunk_pool *pool, chain *c, uint32_t n_chunks) noexcept nogil:
    """Appends chunks until there are n_chunks: 0, or -ENOBUFS and nothing changed."""
    cdef uint32_t chunk
    if n_chunks - c.n_chunks > pool.heads.capacity - pool.heads.live:
        return -ENOBUFS
    while c.n_chunks < n_chunks:
        chunk = arena_take_any(&pool.heads)
        unpoison(chunk_bytes(pool, chunk), CHUNK_BYTES)
        chunk_next(pool, chunk)[0] = NONE
        if c.first == NONE:
            c.first = chunk
        else:
            chunk_next(pool, c.last)[0] = chunk
        c.last = chunk
        c.n_chunks += 1
    return 0


cdef uint32_t chunk_seek(chunk_pool *pool, chain *c, uint32_t number) noexcept nogil:
    cdef uint32_t chunk = c.first
    cdef uint32_t i = 0
    if c.cursor != NONE and c.cursor_no <= number:
        chunk = c.cursor
        i = c.cursor_no
    while i < number:
        chunk = chunk_next(pool, chunk)[0]
        i += 1
    c.cursor = chunk
    c.cursor_no = number
    return chunk


cdef int chain_write(chunk_pool *pool, chain *c, uint32_t at, const uint8_t *src, uint32_t n) noexcept nogil:
    cdef uint64_t end = <uint64_t>at + n
    cdef uint32_t need = <uint32_t>((c.offset + end + CHUNK_BYTES - 1) // CHUNK_BYTES)
    cdef uint32_t chunk, inside, piece
    if n == 0:
        return 0
    if end > SPAN_MAX or (need > c.n_chunks and grow(pool, c, need) != 0):
        return -ENOBUFS
    if end > c.span:
        c.span = <uint32_t>end
    chunk = chunk_at(pool, c, (c.offset + at) // CHUNK_BYTES)
    inside = (c.offset + at) % CHUNK_BYTES
    while True:
        piece = CHUNK_BYTES - inside
        if piece >= n:
            memcpy(chunk_bytes(pool, chunk) + inside, src, n)
            return 0
        memcpy(chunk_bytes(pool, chunk) + inside, src, piece)
        src += piece
        n -= piece
        inside = 0
        chunk = chunk_next(pool, chunk)[0]


cdef void chain_read(chunk_pool *pool, const chain *c, uint32_t at, uint8_t *dst, uint32_t n) noexcept nogil:
    cdef uint32_t piece
    cdef uint8_t *p
    while n:
        p = chain_peek(pool, c, at, &piece)
        if piece == 0:
            return
        if piece > n:
            piece = n
        memcpy(dst, p, piece)
        dst += piece
        at += piece
        n -= piece


cdef void chain_drop(chunk_pool *pool, chain *c, uint32_t n) noexcept nogil:
    cdef uint32_t chunk, gone
    if n >= c.span:
        chain_clear(pool, c)
        return
    c.span -= n
    gone = (c.offset + n) // CHUNK_BYTES
    c.offset = (c.offset + n) % CHUNK_BYTES
    c.n_chunks -= gone
    if c.cursor_no < gone:
        c.cursor = NONE
        c.cursor_no = 0
    else:
        c.cursor_no -= gone
    while gone:
        chunk = c.first
        c.first = chunk_next(pool, chunk)[0]
        give(pool, chunk)
        gone -= 1


cdef void chain_take(chunk_pool *pool, chain *c, uint8_t *dst, uint32_t n) noexcept nogil:
    cdef uint32_t run, chunk
    c.span -= n
    while True:
        chunk = c.first
        run = CHUNK_BYTES - c.offset
        if run > n:
            memcpy(dst, chunk_bytes(pool, chunk) + c.offset, n)
            c.offset += n
            break
        memcpy(dst, chunk_bytes(pool, chunk) + c.offset, run)
        dst += run
        n -= run
        c.offset = 0
        c.first = chunk_next(pool, chunk)[0]
        c.n_chunks -= 1
        c.cursor = NONE if c.cursor_no == 0 else c.cursor
        c.cursor_no -= c.cursor_no != 0
        give(pool, chunk)
        if n == 0:
            break
    if c.span == 0:
        chain_clear(pool, c)


cdef void chain_truncate(chunk_pool *pool, chain *c, uint32_t span) noexcept nogil:
    cdef uint32_t keep, chunk
    if span >= c.span:
        return
    if span == 0:
        chain_clear(pool, c)
        return
    keep = (c.offset + span + CHUNK_BYTES - 1) // CHUNK_BYTES
    c.span = span
    if keep == c.n_chunks:
        return
    chunk = chunk_at(pool, c, keep - 1)     # also the chunk found last from now on, which stays
    give_from(pool, chunk_next(pool, chunk)[0])
    chunk_next(pool, chunk)[0] = NONE
    c.last = chunk
    c.n_chunks = keep


cdef class ChunkPool:
    """A pool for tests, tools and the REPL: `ChunkPool(max_chunks)`; len() counts the chunks in use."""
    cdef chunk_pool pool

    def __cinit__(self, uint32_t max_chunks):
        if chunks_init(&self.pool, max_chunks):
            raise MemoryError("address space")

    def __dealloc__(self):
        chunks_free(&self.pool)

    def __len__(self):
        return self.pool.heads.live


cdef class Chain:
    """A chain of one pool: `Chain(pool)`. It gives its chunks back when it goes."""
    cdef ChunkPool pool
    cdef chain c

    def __cinit__(self, ChunkPool pool not None):
        self.pool = pool
        chain_init(&self.c)

    def __dealloc__(self):
        if self.pool is not None:
            chain_clear(&self.pool.pool, &self.c)

    def __len__(self):
        """The span: bytes from the front to the end of what was written."""
        return self.c.span

    @property
    def chunks(self):
        return self.c.n_chunks

    def write(self, uint32_t at, bytes data not None):
        """False when the pool has too few chunks; then nothing was written."""
        return chain_write(&self.pool.pool, &self.c, at, data, <uint32_t>len(data)) == 0

    def append(self, bytes data not None):
        return self.write(self.c.span, data)

    def read(self, uint32_t at, uint32_t n):
        cdef uint32_t there = self.c.span - at if at < self.c.span else 0
        cdef bytearray out = bytearray(min(n, there))
        chain_read(&self.pool.pool, &self.c, at, out, <uint32_t>len(out))
        return bytes(out)

    def peek(self, uint32_t at):
        """The longest contiguous run at `at`."""
        cdef uint32_t n
        cdef uint8_t *p = chain_peek(&self.pool.pool, &self.c, at, &n)
        return p[:n] if n else b""

    def drop(self, uint32_t n):
        chain_drop(&self.pool.pool, &self.c, n)

    def truncate(self, uint32_t span):
        chain_truncate(&self.pool.pool, &self.c, span)
