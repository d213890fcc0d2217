"""Frames that are held back. The contract is in holding.pxd."""
from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cdef enum:
    BY_TIME = 0
    BY_TURN = 1


cdef bint goes_before(const holding *q, int by, uint32_t a, uint32_t b) noexcept nogil:
    cdef const held *x = &q.items[a]
    cdef const held *y = &q.items[b]
    if by == BY_TIME and x.due != y.due:
        return x.due < y.due
    if by == BY_TURN and x.behind != y.behind:
        return x.behind < y.behind
    return x.number < y.number


cdef void put(holding *q, int by, uint32_t at, uint32_t item) noexcept nogil:
    q.heap[by][at] = item
    q.items[item].at[by] = at


cdef void rise(holding *q, int by, uint32_t at) noexcept nogil:
    cdef uint32_t item = q.heap[by][at], up
    while at:
        up = (at - 1) // 2
        if not goes_before(q, by, item, q.heap[by][up]):
            break
        put(q, by, at, q.heap[by][up])
        at = up
    put(q, by, at, item)


cdef void sink(holding *q, int by, uint32_t at) noexcept nogil:
    cdef uint32_t item = q.heap[by][at], down
    while True:
        down = 2 * at + 1
        if down >= q.n[by]:
            break
        if down + 1 < q.n[by] and goes_before(q, by, q.heap[by][down + 1], q.heap[by][down]):
            down += 1
        if not goes_before(q, by, q.heap[by][down], item):
            break
        put(q, by, at, q.heap[by][down])
        at = down
    put(q, by, at, item)


cdef void enter(holding *q, int by, uint32_t item) noexcept nogil:
    put(q, by, q.n[by], item)
    q.n[by] += 1
    rise(q, by, q.n[by] - 1)


cdef void leave(holding *q, int by, uint32_t item) noexcept nogil:
    """The last one takes its place."""
    cdef uint32_t at = q.items[item].at[by], last
    q.n[by] -= 1
    last = q.heap[by][q.n[by]]
    q.heap[by][q.n[by]] = item
    if last != item:
        put(q, by, at, last)
        rise(q, by, at)
        sink(q, by, q.items[last].at[by])


cdef int holding_init(holding *q, uint32_t most) noexcept nogil:
    cdef uint32_t i
    q.items = <held *>calloc(most, sizeof(held))
    q.heap[BY_TIME] = <uint32_t *>calloc(most, sizeof(uint32_t))
    q.heap[BY_TURN] = <uint32_t *>calloc(most, sizeof(uint32_t))
    if q.items == NULL or q.heap[BY_TIME] == NULL or q.heap[BY_TURN] == NULL:
        return -ENOMEM
    q.most = most
    for i in range(most):
        q.heap[BY_TIME][i] = i
    return 0


cdef void holding_free(holding *q) noexcept nogil:
    cdef uint32_t i
    for i in range(q.n[BY_TIME]):
        free(q.items[q.heap[BY_TIME][i]].frame)
    free(q.items)
    free(q.heap[BY_TIME])
    free(q.heap[BY_TURN])


cdef held *holding_add(holding *q, const uint8_t *frame, uint32_t length, int64_t due, uint64_t behind) noexcept nogil:
    cdef uint32_t item
    cdef held *h
    if q.n[BY_TIME] == q.most:
        return NULL
    item = q.heap[BY_TIME][q.n[BY_TIME]]
    h = &q.items[item]
    h.frame = <uint8_t *>malloc(length + 1)
    if h.frame == NULL:
        return NULL
    memcpy(h.frame, frame, length)
    h.length = length
    h.due, h.behind, h.number = due, behind, q.coming
    q.coming += 1
    enter(q, BY_TIME, item)
    if behind:
        enter(q, BY_TURN, item)
    return h


cdef held *holding_next(holding *q, int64_t now, uint64_t passed) noexcept nogil:
    if holding_due(q) <= now and q.n[BY_TIME]:
        return &q.items[q.heap[BY_TIME][0]]
    if q.n[BY_TURN] and q.items[q.heap[BY_TURN][0]].behind <= passed:
        return &q.items[q.heap[BY_TURN][0]]
    return NULL


cdef void holding_remove(holding *q, held *h) noexcept nogil:
    cdef uint32_t item = <uint32_t>(h - q.items)
    leave(q, BY_TIME, item)
    if h.behind:
        leave(q, BY_TURN, item)
    free(h.frame)
    h.frame = NULL


cdef int64_t holding_due(const holding *q) noexcept nogil:
    return q.items[q.heap[BY_TIME][0]].due if q.n[BY_TIME] else INT64_MAX
