"""Queues of bytes that lie partly in chunks and partly in pieces: buffers of a port that became part of the queue, so that nobody copies what is in
them.

The bytes of a queue in their order are those of its chain with the pieces between them. A chain may go on behind the queue's end (with what arrived
ahead); pieces are only ever added at the end. A queue of a few bytes has them near, in itself: then it has no chunk and no piece.
"""
from libc.errno cimport ENOBUFS
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.memory.arena cimport NONE, arena, arena_give, arena_take_any
from usnet.memory.buffers cimport buffer_at, buffer_release, buffer_take, buffers
from usnet.memory.chunks cimport CHUNK_BYTES, chain, chain_drop, chain_peek, chain_take, chain_write, chunk_pool

cdef enum:
    SETS = 8                    # of buffers a stack
    NEAR_BYTES = 128            # of a queue that needs no chunk
    OWN_CHUNK = 254             # piece.where: a chunk of the stack
    OWN_HEAP = 255              # memory of its own, since its port is gone
    PIECE_WHOLE = 0x01          # nothing was cut off: `sum` is the sum of its bytes
    PIECE_SENT = 0x02           # went out as it lies, in transmit slot `slot`
    PIECE_OUT = 0x04            # the application has it: in no queue
    PIECE_OUTBOUND = 0x20       # its owner's: in the queue of what is sent
    PIECE_AGING = 0x10          # in a queue, over a buffer of a port: stands in the list by age
    PIECE_FILL = 0x08           # ... to fill it and give it to `pos`, a connection of generation `before`

cdef struct piece:
    uint8_t *bytes              # private: the first one
    uint64_t sum                # partial checksum
    uint32_t next               # in its queue, or NONE
    uint32_t pos                # in its queue's stream
    uint32_t before             # bytes of all pieces before it in that stream
    uint32_t length             # bytes
    uint32_t room               # bytes that it may become
    uint32_t buf                # buffer or chunk
    uint32_t head               # bytes from the frame's start to the payload
    uint32_t slot
    uint32_t owner              # whose queue it is in: the user's own number
    uint32_t older              # while PIECE_AGING, or NONE
    uint32_t newer
    uint8_t where               # set of buffers, or OWN_*
    uint8_t flags

cdef struct piece_pool:
    arena items
    chunk_pool *chunks          # the stack's
    uint32_t given              # pieces that are to be released, linked by next, or NONE
    buffers sets[8]
    uint32_t oldest[8]          # of each set: the piece that has been in a queue for longest, or NONE
    uint32_t newest[8]

cdef struct piece_queue:
    chain c
    uint32_t span               # bytes of the queue
    uint32_t front              # position of the first
    uint32_t gone               # bytes of pieces that are behind us
    uint32_t placed             # bytes in pieces now
    uint32_t true_bytes         # what these pieces take, in whole buffers
    uint32_t first              # piece, or NONE
    uint32_t last
    uint32_t cursor             # piece found last, or NONE
    uint16_t near               # bytes that are near: then these are all there are; 0: they are elsewhere
    uint16_t near_at            # where they begin; 0 while there are none
    uint64_t nearby[16]         # NEAR_BYTES bytes

cdef int pieces_init(piece_pool *pool, chunk_pool *chunks, uint32_t max_pieces) noexcept nogil     # 0 or -ENOMEM
cdef void pieces_free(piece_pool *pool) noexcept nogil
# Forgets all, and makes all buffers spare again that were.
cdef void pieces_reset(piece_pool *pool) noexcept nogil
# The port of set `number` goes: what lies in its buffers is copied to memory of our own (bytes: *copied), the buffers become spare. What the
# application has cannot move: how many such pieces there are.
cdef uint32_t pieces_leave(piece_pool *pool, uint32_t number, uint64_t *copied) noexcept nogil

# For piece_take and piece_release: those that lie in no buffer of a port.
cdef uint32_t piece_take_chunk(piece_pool *pool, uint32_t start) noexcept nogil
cdef void piece_release_own(piece_pool *pool, uint32_t i) noexcept nogil
# Has it released by the next pieces_collect: for whoever cannot know whether the port's memory is still there.
cdef void piece_release_later(piece_pool *pool, uint32_t i) noexcept nogil
cdef void pieces_collect(piece_pool *pool) noexcept nogil

cdef void queue_init(piece_queue *q) noexcept nogil
cdef void queue_clear(piece_pool *pool, piece_queue *q) noexcept nogil
# What was near moves to the chain, as whoever adds to it by other ways than queue_write must have it. 0 or -ENOBUFS.
cdef int queue_spill(piece_pool *pool, piece_queue *q) noexcept nogil
# Copies what piece i of the queue has in a port's buffer to chunks, and gives the buffer back. 0, or -ENOBUFS: then nothing happened.
cdef int queue_aside(piece_pool *pool, piece_queue *q, uint32_t i) noexcept nogil
# The last piece that begins at or before `at` bytes behind the front, or NONE.
cdef uint32_t queue_find(piece_pool *pool, piece_queue *q, uint32_t at) noexcept nogil
# For queue_peek and queue_drop, where there are pieces.
cdef uint8_t *queue_peek_pieces(piece_pool *pool, piece_queue *q, uint32_t at, uint32_t *n) noexcept nogil
cdef void queue_drop_pieces(piece_pool *pool, piece_queue *q, uint32_t n) noexcept nogil
# Copies n <= span bytes from the front; returns how many of them lay in pieces.
cdef uint32_t queue_read(piece_pool *pool, piece_queue *q, uint8_t *dst, uint32_t n) noexcept nogil


cdef inline piece *piece_at(piece_pool *pool, uint32_t i) noexcept nogil:
    return <piece *>pool.items.base + i      # as arena_at, whose items are no larger: a size that the compiler knows


cdef inline void begin_aging(piece_pool *pool, uint32_t i) noexcept nogil:
    cdef piece *p = piece_at(pool, i)
    p.flags |= PIECE_AGING
    p.newer = NONE
    p.older = pool.newest[p.where]
    if p.older == NONE:
        pool.oldest[p.where] = i
    else:
        piece_at(pool, p.older).newer = i
    pool.newest[p.where] = i


cdef inline void end_aging(piece_pool *pool, uint32_t i) noexcept nogil:
    cdef piece *p = piece_at(pool, i)
    if not p.flags & PIECE_AGING:
        return
    p.flags &= ~<uint8_t>PIECE_AGING
    if p.older == NONE:
        pool.oldest[p.where] = p.newer
    else:
        piece_at(pool, p.older).newer = p.newer
    if p.newer == NONE:
        pool.newest[p.where] = p.older
    else:
        piece_at(pool, p.newer).older = p.older


cdef inline uint32_t piece_over(piece_pool *pool, uint32_t where, uint32_t buf, uint8_t *p, uint32_t n) noexcept nogil:
    """A piece over a buffer that the caller already holds; NONE: there is none."""
    cdef uint32_t i = arena_take_any(&pool.items)
    cdef piece *made
    if i == NONE:
        return NONE
    made = piece_at(pool, i)
    made.bytes = p
    made.sum = 0
    made.room = made.head = 0
    made.length = n
    made.where = <uint8_t>where
    made.buf = buf
    made.flags = 0
    return i


cdef inline uint32_t piece_take(piece_pool *pool, uint32_t where, uint32_t leave, uint32_t start) noexcept nogil:
    """A piece over a spare buffer that leaves `leave` others, or over a chunk; NONE: there is none. Its bytes begin at `start` of that."""
    cdef uint32_t buf, i
    if where == OWN_CHUNK:
        return piece_take_chunk(pool, start)
    buf = buffer_take(&pool.sets[where], leave)
    if buf == 0:
        return NONE
    i = piece_over(pool, where, buf, buffer_at(&pool.sets[where], buf) + start, 0)
    if i == NONE:
        buffer_release(&pool.sets[where], buf)
    return i


cdef inline void piece_release(piece_pool *pool, uint32_t i) noexcept nogil:
    cdef piece *p = piece_at(pool, i)
    end_aging(pool, i)
    if p.where < SETS:
        buffer_release(&pool.sets[p.where], p.buf)
        arena_give(&pool.items, i)
    else:
        piece_release_own(pool, i)


cdef inline uint32_t true_size(const piece_pool *pool, const piece *p) noexcept nogil:
    return pool.sets[p.where].size if p.where < SETS else CHUNK_BYTES


cdef inline void queue_add(piece_pool *pool, piece_queue *q, uint32_t i) noexcept nogil:
    """Appends a piece to a queue that has nothing near."""
    cdef piece *p = piece_at(pool, i)
    p.next = NONE
    p.pos = q.front + q.span
    p.before = q.gone + q.placed
    if q.first == NONE:
        q.first = i
    else:
        piece_at(pool, q.last).next = i
    q.last = i
    q.span += p.length
    q.placed += p.length
    q.true_bytes += true_size(pool, p)
    if p.where < SETS:
        begin_aging(pool, i)


cdef inline void queue_shift(piece_pool *pool, piece_queue *q) noexcept nogil:
    """Takes a piece off that stands at the very front."""
    cdef uint32_t i = q.first
    cdef piece *p = piece_at(pool, i)
    cdef uint32_t size = true_size(pool, p)
    end_aging(pool, i)
    q.first = p.next
    if q.first == NONE:
        q.last = NONE
        q.true_bytes = size
    if q.cursor == i:
        q.cursor = NONE
    q.front += p.length
    q.gone += p.length
    q.span -= p.length
    q.placed -= p.length
    q.true_bytes = q.true_bytes - size if q.true_bytes > size else 0     # a piece that lost its port may count otherwise now


cdef inline uint32_t queue_at(piece_pool *pool, piece_queue *q, uint32_t at) noexcept nogil:
    """queue_find for those who go on from piece to piece."""
    cdef uint32_t i = q.cursor
    if i != NONE and piece_at(pool, i).next != NONE and piece_at(pool, piece_at(pool, i).next).pos == q.front + at:
        q.cursor = piece_at(pool, i).next
        return q.cursor
    return queue_find(pool, q, at)


cdef inline uint8_t *queue_near(piece_queue *q) noexcept nogil:
    """Where the bytes that are near begin."""
    return <uint8_t *>q.nearby + q.near_at


cdef inline bint queue_fits_near(const piece_queue *q, uint32_t n) noexcept nogil:
    """Whether n more bytes would be near."""
    return q.near == q.span and q.c.first == NONE and n <= NEAR_BYTES - q.near_at - <uint32_t>q.near


cdef inline uint32_t queue_chained(const piece_queue *q) noexcept nogil:
    """Bytes of the queue in its chain: whatever the chain has behind them is not the queue's yet."""
    return q.span - q.placed - q.near


cdef inline void drop_near(piece_queue *q, uint32_t n) noexcept nogil:
    q.near -= n
    q.near_at = 0 if q.near == 0 else q.near_at + n
    q.front += n
    q.span -= n


cdef inline void queue_take_near(piece_queue *q, uint8_t *dst, uint32_t n) noexcept nogil:
    """queue_take of a queue whose bytes are near."""
    memcpy(dst, queue_near(q), n)
    drop_near(q, n)


cdef inline void put_near(piece_queue *q, const uint8_t *src, uint32_t n) noexcept nogil:
    memcpy(queue_near(q) + q.near, src, n)
    q.near += n


cdef inline void queue_write_near(piece_queue *q, const uint8_t *src, uint32_t n) noexcept nogil:
    """queue_write of what fits near."""
    put_near(q, src, n)
    q.span += n


cdef inline uint8_t *queue_peek(piece_pool *pool, piece_queue *q, uint32_t at, uint32_t *n) noexcept nogil:
    """The longest run at `at`; *n is its length (0 at the end)."""
    cdef uint8_t *run
    if q.near:
        n[0] = q.near - at if at < q.near else 0
        return queue_near(q) + at
    if q.first != NONE:
        return queue_peek_pieces(pool, q, at, n)
    n[0] = 0
    if at >= q.span:
        return NULL
    run = chain_peek(pool.chunks, &q.c, at, n)
    if n[0] > q.span - at:
        n[0] = q.span - at
    return run


cdef inline void queue_drop(piece_pool *pool, piece_queue *q, uint32_t n) noexcept nogil:
    """The n <= span bytes at the front are done with."""
    if q.near:
        drop_near(q, n)
        return
    if q.first != NONE:
        queue_drop_pieces(pool, q, n)
        return
    chain_drop(pool.chunks, &q.c, n)
    q.front += n
    q.span -= n


cdef inline uint32_t queue_take(piece_pool *pool, piece_queue *q, uint8_t *dst, uint32_t n) noexcept nogil:
    """Both: copies 0 < n <= span bytes from the front, with which it is done then; how many of them lay in pieces."""
    cdef uint32_t placed
    if q.near:
        queue_take_near(q, dst, n)
        return 0
    if q.first != NONE:
        placed = queue_read(pool, q, dst, n)
        queue_drop_pieces(pool, q, n)
        return placed
    chain_take(pool.chunks, &q.c, dst, n)
    q.front += n
    q.span -= n
    return 0


cdef inline int queue_put(piece_pool *pool, piece_queue *q, const uint8_t *src, uint32_t n) noexcept nogil:
    """queue_write for those who keep the span themselves: they make it longer by n at once."""
    if queue_fits_near(q, n):
        put_near(q, src, n)
        return 0
    if q.near and queue_spill(pool, q):
        return -ENOBUFS
    return chain_write(pool.chunks, &q.c, queue_chained(q), src, n)


cdef inline int queue_write(piece_pool *pool, piece_queue *q, const uint8_t *src, uint32_t n) noexcept nogil:
    """Appends bytes where nothing stands behind the queue's end. 0 or -ENOBUFS."""
    if queue_put(pool, q, src, n):
        return -ENOBUFS
    q.span += n
    return 0
