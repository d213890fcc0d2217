"""Queues of chunks and pieces."""
from libc.errno cimport ENOBUFS, ENOMEM
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.memory.arena cimport (
    NONE, arena_free, arena_give, arena_init, arena_live, arena_reset,
)
from usnet.memory.buffers cimport buffer_release
from usnet.memory.chunks cimport (
    CHUNK_BYTES, chain_clear, chain_drop, chain_init, chain_peek, chain_write, chunk_bytes, chunk_give, chunk_pool,
    chunk_take,
)


cdef int pieces_init(piece_pool *pool, chunk_pool *chunks, uint32_t max_pieces) noexcept nogil:
    memset(pool, 0, sizeof(piece_pool))
    pool.chunks = chunks
    pool.given = NONE
    forget_ages(pool)
    if arena_init(&pool.items, sizeof(piece), max_pieces, 8) or pool.items.item_size != sizeof(piece):
        return -ENOMEM
    return 0


cdef void free_heap(piece_pool *pool) noexcept nogil:
    cdef uint32_t i
    for i in range(pool.items.used):
        if arena_live(&pool.items, i) and piece_at(pool, i).where == OWN_HEAP:
            free(piece_at(pool, i).bytes)


cdef void forget_ages(piece_pool *pool) noexcept nogil:
    cdef uint32_t i
    for i in range(SETS):
        pool.oldest[i] = pool.newest[i] = NONE


cdef void pieces_free(piece_pool *pool) noexcept nogil:
    cdef uint32_t i
    if pool.items.base != NULL:
        free_heap(pool)
    for i in range(SETS):
        free(pool.sets[i].state)
        pool.sets[i].state = NULL
    arena_free(&pool.items)


cdef void pieces_reset(piece_pool *pool) noexcept nogil:
    cdef uint32_t i
    cdef piece *p
    free_heap(pool)
    for i in range(pool.items.used):
        p = piece_at(pool, i)
        if arena_live(&pool.items, i) and p.where < SETS:
            buffer_release(&pool.sets[p.where], p.buf)
    arena_reset(&pool.items)
    pool.given = NONE
    forget_ages(pool)


cdef void piece_release_later(piece_pool *pool, uint32_t i) noexcept nogil:
    piece_at(pool, i).next = pool.given
    piece_at(pool, i).flags = 0
    pool.given = i


cdef void pieces_collect(piece_pool *pool) noexcept nogil:
    cdef uint32_t i
    while pool.given != NONE:
        i = pool.given
        pool.given = piece_at(pool, i).next
        piece_release(pool, i)


cdef uint32_t pieces_leave(piece_pool *pool, uint32_t number, uint64_t *copied) noexcept nogil:
    cdef uint32_t i, out = 0
    cdef uint8_t *own
    cdef piece *p
    for i in range(pool.items.used):
        p = piece_at(pool, i)
        if not arena_live(&pool.items, i) or p.where != number:
            continue
        own = NULL if p.flags & PIECE_OUT else <uint8_t *>malloc(p.length + 1)
        if own == NULL:
            out += 1
            continue
        memcpy(own, p.bytes, p.length)
        copied[0] += p.length
        buffer_release(&pool.sets[number], p.buf)
        end_aging(pool, i)
        p.where = OWN_HEAP
        p.buf = <uint32_t>0
        p.room = p.length
        # `head` bytes before the payload are gone, and whatever was cut off at its front
        p.bytes = own
    return out


cdef uint32_t piece_take_chunk(piece_pool *pool, uint32_t start) noexcept nogil:
    cdef uint32_t buf = chunk_take(pool.chunks), i
    if buf == NONE:
        return NONE
    i = piece_over(pool, OWN_CHUNK, buf, chunk_bytes(pool.chunks, buf) + start, 0)
    if i == NONE:
        chunk_give(pool.chunks, buf)
    return i


cdef void piece_release_own(piece_pool *pool, uint32_t i) noexcept nogil:
    cdef piece *p = piece_at(pool, i)
    if p.where == OWN_CHUNK:
        chunk_give(pool.chunks, p.buf)
    else:
        free(p.bytes - p.buf)
    arena_give(&pool.items, i)


# --- Queues -----------------------------------------------------------------------------------------------------------------

cdef void queue_init(piece_queue *q) noexcept nogil:
    memset(q, 0, sizeof(piece_queue) - NEAR_BYTES)
    chain_init(&q.c)
    q.first = q.last = q.cursor = NONE


cdef void queue_clear(piece_pool *pool, piece_queue *q) noexcept nogil:
    cdef uint32_t i = q.first, following
    while i != NONE:
        following = piece_at(pool, i).next
        piece_release(pool, i)
        i = following
    chain_clear(pool.chunks, &q.c)
    queue_init(q)


cdef int queue_spill(piece_pool *pool, piece_queue *q) noexcept nogil:
    if q.near:
        if chain_write(pool.chunks, &q.c, 0, queue_near(q), q.near):
            return -ENOBUFS
        q.near = q.near_at = 0
    return 0


cdef uint32_t chunk_behind(piece_pool *pool, piece_queue *q, uint32_t i, const uint8_t *src, uint32_t n) noexcept nogil:
    """A piece of n bytes behind piece i, over a chunk of which there is one."""
    cdef uint32_t chunk = chunk_take(pool.chunks)
    cdef uint32_t made = piece_over(pool, OWN_CHUNK, chunk, chunk_bytes(pool.chunks, chunk), n)
    cdef piece *p = piece_at(pool, made)
    cdef piece *front = piece_at(pool, i)
    memcpy(p.bytes, src, n)
    p.room = n
    p.pos = front.pos + front.length
    p.before = front.before + front.length
    p.next = front.next
    p.owner = front.owner
    front.next = made
    if q.last == i:
        q.last = made
    return made


cdef int queue_aside(piece_pool *pool, piece_queue *q, uint32_t i) noexcept nogil:
    cdef piece *p = piece_at(pool, i)
    cdef const uint8_t *src = p.bytes
    cdef uint32_t at = p.length if p.length < CHUNK_BYTES else CHUNK_BYTES, total = p.length, where = p.where, buf = p.buf, n
    cdef uint32_t more = (total - at + CHUNK_BYTES - 1) // CHUNK_BYTES, chunk
    if (pool.chunks.heads.live + more + 1 > pool.chunks.heads.capacity
            or pool.items.live + more > pool.items.capacity):
        return -ENOBUFS
    end_aging(pool, i)
    q.true_bytes += (more + 1) * CHUNK_BYTES - true_size(pool, p)
    chunk = chunk_take(pool.chunks)
    p.where = OWN_CHUNK
    p.buf = chunk
    p.bytes = chunk_bytes(pool.chunks, chunk)
    memcpy(p.bytes, src, at)
    p.length = p.room = at
    p.flags = 0
    while at < total:
        n = total - at if total - at < CHUNK_BYTES else CHUNK_BYTES
        i = chunk_behind(pool, q, i, src + at, n)
        at += n
    buffer_release(&pool.sets[where], buf)
    return 0


cdef uint32_t queue_find(piece_pool *pool, piece_queue *q, uint32_t at) noexcept nogil:
    cdef uint32_t x = q.front + at, i = q.cursor, following
    if i == NONE or <int32_t>(x - piece_at(pool, i).pos) < 0:
        i = q.first
        if i == NONE or <int32_t>(x - piece_at(pool, i).pos) < 0:
            return NONE
    while True:
        following = piece_at(pool, i).next
        if following == NONE or <int32_t>(x - piece_at(pool, following).pos) < 0:
            break
        i = following
    q.cursor = i
    return i


cdef uint8_t *queue_peek_pieces(piece_pool *pool, piece_queue *q, uint32_t at, uint32_t *n) noexcept nogil:
    cdef uint32_t i, following, inside, placed = 0, left
    cdef uint8_t *run
    cdef piece *p = NULL
    n[0] = 0
    if at >= q.span:
        return NULL
    left = q.span - at
    i = queue_find(pool, q, at)
    following = q.first
    if i != NONE:
        p = piece_at(pool, i)
        inside = q.front + at - p.pos
        if inside < p.length:
            n[0] = p.length - inside
            return p.bytes + inside
        placed = p.before + p.length - q.gone
        following = p.next
    if following != NONE:
        left = piece_at(pool, following).pos - (q.front + at)
    run = chain_peek(pool.chunks, &q.c, at - placed, n)
    if n[0] > left:
        n[0] = left
    return run


cdef uint32_t queue_read(piece_pool *pool, piece_queue *q, uint8_t *dst, uint32_t n) noexcept nogil:
    cdef uint32_t at = 0, run = 0, placed = 0, i
    cdef uint8_t *p
    while at < n:
        p = queue_peek(pool, q, at, &run)
        if run == 0:
            break
        if q.first != NONE:
            i = q.cursor
            if i != NONE and p >= piece_at(pool, i).bytes and p < piece_at(pool, i).bytes + piece_at(pool, i).length:
                placed += run if run < n - at else n - at
        if run > n - at:
            run = n - at
        memcpy(dst + at, p, run)
        at += run
    return placed


cdef void cut_front(piece_queue *q, piece *p, uint32_t n) noexcept nogil:
    """The first n bytes of the first piece are done with, and it stays."""
    p.bytes += n
    p.pos += n
    p.before += n
    p.length -= n
    p.room -= n if p.room > n else p.room
    p.flags &= ~<uint8_t>PIECE_WHOLE
    if p.where == OWN_HEAP:
        p.buf += n                          # where its memory begins
    q.front += n
    q.gone += n
    q.span -= n
    q.placed -= n


cdef void queue_drop_pieces(piece_pool *pool, piece_queue *q, uint32_t n) noexcept nogil:
    cdef uint32_t i, run
    cdef piece *p
    while n:
        i = q.first
        run = n
        if i != NONE:
            p = piece_at(pool, i)
            run = p.pos - q.front
            if run == 0:
                if p.length > n:
                    cut_front(q, p, n)
                    return
                n -= p.length
                queue_shift(pool, q)
                piece_release(pool, i)
                continue
            if run > n:
                run = n
        chain_drop(pool.chunks, &q.c, run)
        q.front += run
        q.span -= run
        n -= run
