"""FQ-CoDel: classification, the two lists of flows, and the drop from the longest queue (RFC 8290, section 4)."""
from libc.errno cimport ENOMEM
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from usnet.backends.keyed cimport keyed_below, keyed_draw, keyed_mix
from usnet.backends.sim.codel cimport codel_next, codel_shed_one
from usnet.backends.sim.frames cimport frame_bytes
from usnet.backends.sim.queue cimport KEYED_FLOW, REASON_FULL, disc_hold, list_append, parcel
from usnet.wire.glance cimport frame_glance, glance


cdef inline void put_last(flow_list *l, flow_queue *f) noexcept nogil:
    f.next = NULL
    if l.first == NULL:
        l.first = f
    else:
        l.last.next = f
    l.last = f


cdef inline void take_off(flow_list *l) noexcept nogil:
    l.first = l.first.next


cdef uint32_t flow_of(const disc *q, const parcel *p, uint32_t flows) noexcept nogil:
    """The five-tuple, hashed with a key; what has no ports goes by its addresses, what has none by its type (section 4.1.1)."""
    cdef frame_glance g
    cdef uint64_t h, word
    cdef uint32_t i, side, size
    glance(frame_bytes(p.f), p.length, &g)
    word = <uint64_t>g.protocol << 48 | <uint64_t>g.version << 40
    if g.ports:
        word |= <uint64_t>g.port[0] << 16 | g.port[1]
    h = keyed_draw(q.seed, q.stream, KEYED_FLOW, word if g.version else <uint64_t>g.type << 16)
    if g.version == 0:
        return <uint32_t>keyed_below(h, flows)
    size = 4 if g.version == 4 else 16
    for side in range(2):
        for i in range(0, size, 4):
            word = 0
            memcpy(&word, g.addr[side] + i, 4)
            h = keyed_mix(h ^ word)
    return <uint32_t>keyed_below(h, flows)


cdef void drop_from_longest(disc *q, fq_codel *k) noexcept nogil:
    """The queue with the most bytes loses its first frame (section 4.1)."""
    cdef flow_queue *longest = &k.flows[0]
    cdef parcel *p
    cdef uint32_t i
    for i in range(1, k.n):
        if k.flows[i].c.bytes > longest.c.bytes:
            longest = &k.flows[i]
    p = codel_shed_one(q, &longest.c)
    if p != NULL:
        q.drop(q.drop_ctx, p, REASON_FULL)


cdef int fq_enqueue(disc *q, parcel *p, int64_t now) noexcept nogil:
    cdef fq_codel *k = <fq_codel *>q.own
    cdef flow_queue *f
    p.flow = flow_of(q, p, k.n)
    f = &k.flows[p.flow]
    disc_hold(q, p)
    f.c.bytes += p.length
    list_append(&f.c.waiting, p)
    if f.state == FLOW_IDLE:
        f.state = FLOW_NEW
        f.credits = k.quantum
        put_last(&k.new_flows, f)
    while q.packets > q.limit_packets or q.bytes > q.limit_bytes:
        drop_from_longest(q, k)
    return 0


cdef parcel *fq_dequeue(disc *q, int64_t now) noexcept nogil:
    cdef fq_codel *k = <fq_codel *>q.own
    cdef flow_list *line
    cdef flow_queue *f
    cdef parcel *p
    while True:
        line = &k.new_flows if k.new_flows.first != NULL else &k.old_flows
        f = line.first
        if f == NULL:
            return NULL
        if f.credits <= 0:
            f.credits += k.quantum
            take_off(line)
            f.state = FLOW_OLD
            put_last(&k.old_flows, f)
            continue
        p = codel_next(q, &k.m, &f.c, now)
        if p != NULL:
            f.credits -= p.length
            return p
        take_off(line)
        if f.state == FLOW_NEW:             # once around before it is new again, or it would starve the others
            f.state = FLOW_OLD
            put_last(&k.old_flows, f)
        else:
            f.state = FLOW_IDLE


cdef parcel *fq_shed(disc *q) noexcept nogil:
    cdef fq_codel *k = <fq_codel *>q.own
    cdef uint32_t i
    if q.packets:
        for i in range(k.n):
            if k.flows[i].c.waiting.first != NULL:
                return codel_shed_one(q, &k.flows[i].c)
    return NULL


cdef void fq_reset(disc *q) noexcept nogil:
    cdef fq_codel *k = <fq_codel *>q.own
    memset(k.flows, 0, k.n * sizeof(flow_queue))
    k.new_flows.first = k.old_flows.first = NULL


cdef int fq_codel_init(disc *q, const codel_model *model, uint32_t flows, uint32_t quantum) noexcept nogil:
    cdef fq_codel *k = <fq_codel *>calloc(1, sizeof(fq_codel))
    if k != NULL:
        k.flows = <flow_queue *>calloc(flows, sizeof(flow_queue))
    if k == NULL or k.flows == NULL:
        fq_codel_free(k)
        return -ENOMEM
    k.m = model[0]
    k.n = flows
    k.quantum = quantum
    q.own = k
    q.free_own = fq_codel_free
    q.enqueue = fq_enqueue
    q.dequeue = fq_dequeue
    q.shed = fq_shed
    q.reset = fq_reset
    return 0


cdef void fq_codel_free(void *own) noexcept nogil:
    if own != NULL:
        free((<fq_codel *>own).flows)
    free(own)
