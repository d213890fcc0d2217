"""Chains of chunks."""
from libc.errno cimport ENOBUFS, ENOMEM
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.memory.arena cimport (NONE, arena_at, arena_free, arena_give, arena_init, arena_reset, arena_take)
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.memory.poison cimport poison, unpoison

cdef enum:
    SPAN_MAX = 0x7fffffff   # bytes of a chain at most, so that no sum of positions overflows


cdef inline uint32_t *next_of(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    return <uint32_t *>arena_at(&pool.heads, chunk)


cdef inline uint8_t *bytes_of(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    return pool.bytes + <uint64_t>chunk * CHUNK_BYTES


cdef int chunks_init(chunk_pool *pool, uint32_t max_chunks) noexcept nogil:
    cdef int status
    memset(pool, 0, sizeof(chunk_pool))
    status = arena_init(&pool.heads, 8, max_chunks, 8)
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
    poison(bytes_of(pool, chunk), CHUNK_BYTES)
    arena_give(&pool.heads, chunk)


cdef uint32_t chunk_take(chunk_pool *pool) noexcept nogil:
    cdef uint32_t chunk = arena_take(&pool.heads)
    if chunk != NONE:
        unpoison(bytes_of(pool, chunk), CHUNK_BYTES)
    return chunk


cdef void chunk_give(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    give(pool, chunk)


cdef uint8_t *chunk_bytes(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    return bytes_of(pool, chunk)


cdef void give_from(chunk_pool *pool, uint32_t chunk) noexcept nogil:
    """Gives back `chunk` and all that follow it."""
    cdef uint32_t following
    while chunk != NONE:
        following = next_of(pool, chunk)[0]
        give(pool, chunk)
        chunk = following


cdef void chain_clear(chunk_pool *pool, chain *c) noexcept nogil:
    give_from(pool, c.first)
    chain_init(c)


cdef int grow(chunk_pool *pool, chain *c, uint32_t n_chunks) noexcept nogil:
    """Appends chunks until there are n_chunks: 0, or -ENOBUFS and nothing changed."""
    cdef uint32_t chunk
    if n_chunks <= c.n_chunks:
        return 0
    if n_chunks - c.n_chunks > pool.heads.capacity - pool.heads.live:
        return -ENOBUFS
    while c.n_chunks < n_chunks:
        chunk = arena_take(&pool.heads)
        unpoison(bytes_of(pool, chunk), CHUNK_BYTES)
        next_of(pool, chunk)[0] = NONE
        if c.first == NONE:
            c.first = chunk
        else:
            next_of(pool, c.last)[0] = chunk
        c.last = chunk
        c.n_chunks += 1
    return 0


cdef uint32_t chunk_at(chunk_pool *pool, chain *c, uint32_t number) noexcept nogil:
    """The chunk with `number` < n_chunks others before it. The last one and those from the cursor on are near."""
    cdef uint32_t chunk = c.first
    cdef uint32_t i = 0
    if number + 1 == c.n_chunks:
        return c.last
    if c.cursor != NONE and c.cursor_no <= number:
        chunk = c.cursor
        i = c.cursor_no
    while i < number:
        chunk = next_of(pool, chunk)[0]
        i += 1
    c.cursor = chunk
    c.cursor_no = number
    return chunk


cdef int chain_write(chunk_pool *pool, chain *c, uint32_t at, const uint8_t *src, uint32_t n) noexcept nogil:
    cdef uint64_t end = <uint64_t>at + n
    cdef uint32_t chunk, inside, piece
    if n == 0:
        return 0
    if end > SPAN_MAX or grow(pool, c, <uint32_t>((c.offset + end + CHUNK_BYTES - 1) // CHUNK_BYTES)) != 0:
        return -ENOBUFS
    if end > c.span:
        c.span = <uint32_t>end
    chunk = chunk_at(pool, c, (c.offset + at) // CHUNK_BYTES)
    inside = (c.offset + at) % CHUNK_BYTES
    while True:
        piece = CHUNK_BYTES - inside
        if piece >= n:
            memcpy(bytes_of(pool, chunk) + inside, src, n)
            return 0
        memcpy(bytes_of(pool, chunk) + inside, src, piece)
        src += piece
        n -= piece
        inside = 0
        chunk = next_of(pool, chunk)[0]


cdef uint8_t *chain_peek(chunk_pool *pool, const chain *c, uint32_t at, uint32_t *n) noexcept nogil:
    cdef uint32_t position, inside
    if at >= c.span:
        n[0] = 0
        return NULL
    position = c.offset + at
    inside = position % CHUNK_BYTES
    n[0] = CHUNK_BYTES - inside
    if n[0] > c.span - at:
        n[0] = c.span - at
    # Only the cursor changes, which is a matter of speed: for the caller the chain stays as it is.
    return bytes_of(pool, chunk_at(pool, <chain *>c, position // CHUNK_BYTES)) + inside


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
        c.first = next_of(pool, chunk)[0]
        give(pool, chunk)
        gone -= 1


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
    give_from(pool, next_of(pool, chunk)[0])
    next_of(pool, chunk)[0] = NONE
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
