"""What links do with frames; link.pxd says in which order."""
from libc.errno cimport EHOSTDOWN, ENOMEM
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.fates cimport fate, fate_flip, fate_mangle, fates_decide
from usnet.backends.keyed cimport KEYED_DELAY, KEYED_LOSS, keyed_below, keyed_draw
from usnet.backends.sim.delays cimport delays_of
from usnet.backends.sim.digest cimport digest_feed, digest_words
from usnet.backends.sim.frames cimport frame_again, frame_bytes, frame_give, frame_take
from usnet.backends.sim.journal cimport (
    ALTERED_BITS, ALTERED_BY_RULE, DROP_DOWN, DROP_FATE, DROP_LOSS, DROP_MTU, DROP_NONE, DROP_OVERRUN, DROP_QUEUE, FRAME_DELIVERED, FRAME_DROPPED,
    FRAME_SENT, happening, observe,
)
from usnet.backends.sim.scheduler cimport event, sched_place, sched_pop, sched_push, sched_push_at, sched_register, sched_replace
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.peek cimport eth_header_len

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *p) noexcept nogil

cdef enum:
    NS_PER_S = 1000000000


cdef int link_dir_init(link_dir *d, world *w, uint32_t link, uint32_t direction) noexcept nogil:
    cdef int kind
    memset(d, 0, sizeof(link_dir))
    d.w = w
    d.link = link
    d.direction = direction
    d.up = d.plain = True
    d.limit_packets = d.limit_bytes = <uint64_t>-1
    kind = sched_register(w.s, frame_due, frame_stale, frame_dropped, d)
    if kind < 0:
        return kind
    d.kind = <uint32_t>kind
    w.s.kinds[kind].takes = True
    return 0


cdef void link_dir_free(link_dir *d) noexcept nogil:
    free(d.queue)
    d.queue = NULL


cdef void link_dir_reset(link_dir *d) noexcept nogil:
    cdef frame *f
    cdef size_t i
    while d.row != NULL:
        f = d.row
        d.row = f.next
        if f.events == 0:
            frame_give(&d.w.frames, f)
    for i in range(d.w.s.n):
        if d.w.s.heap[i].kind == d.kind:
            f = <frame *>d.w.s.heap[i].arg
            f.events -= 1
            if f.events == 0:
                frame_give(&d.w.frames, f)
    d.held = NULL
    d.up = True
    d.plain = d.shaped == NULL
    d.index = d.remainder = d.last_delivered = d.queue_bytes = 0
    d.epoch = d.queue_first = d.queue_packets = 0
    d.busy_until = d.last_arrival = 0
    memset(&d.n, 0, sizeof(link_counters))


cdef inline void note(
    link_dir *d, int what, int cause, uint64_t index, const uint8_t *p, uint32_t length, uint8_t altered, bint new,
) noexcept nogil:
    """new: bytes that no link has carried yet; those of a frame that goes on as it came are in the digest."""
    if what == FRAME_DROPPED:
        d.n.dropped[cause] += 1
    digest_words(&d.w.digest, <uint64_t>d.w.s.now, <uint64_t>d.link << 32 | <uint64_t>d.direction << 16 | <uint64_t>what << 8 | <uint64_t>cause)
    if new:
        digest_feed(&d.w.digest, index, <uint64_t>1 << 32 | length, p, length)
    else:
        digest_words(&d.w.digest, index, length)
    if d.w.log.on or d.w.tap != NULL:
        show(d, what, cause, index, p, length, altered)


cdef void link_note(link_dir *d, int what, int cause, frame *f) noexcept nogil:
    note(d, what, cause, f.index, frame_bytes(f), f.length, f.altered, False)


cdef void show(link_dir *d, int what, int cause, uint64_t index, const uint8_t *p, uint32_t length, uint8_t altered) noexcept nogil:
    cdef happening h
    h.time = d.w.s.now
    h.index = index
    h.link = d.link
    h.length = length
    h.queue_packets = d.queue_packets if d.q == NULL else d.q.packets
    h.queue_bytes = <uint32_t>(d.queue_bytes if d.q == NULL else d.q.bytes)
    h.direction = <uint8_t>d.direction
    h.what = <uint8_t>what
    h.cause = <uint8_t>cause
    h.altered = altered
    h.pad = 0
    observe(d.w, &h, p)


cdef void link_void(link_dir *d) noexcept nogil:
    d.w.s.error = ENOMEM
    d.w.s.interrupted = True


# The queue

cdef inline waiting *queue_at(link_dir *d, uint32_t i) noexcept nogil:
    return &d.queue[(d.queue_first + i) & (d.queue_room - 1)]


cdef waiting *link_waiting(link_dir *d, uint32_t i) noexcept nogil:
    return queue_at(d, i)


cdef int queue_grow(link_dir *d) noexcept nogil:
    cdef uint32_t room = d.queue_room * 2 if d.queue_room else 64
    cdef waiting *queue = <waiting *>malloc(room * sizeof(waiting))
    cdef uint32_t i
    if queue == NULL:
        return -ENOMEM
    for i in range(d.queue_packets):
        queue[i] = queue_at(d, i)[0]
    free(d.queue)
    d.queue = queue
    d.queue_room = room
    d.queue_first = 0
    return 0


cdef void link_update_queue(link_dir *d) noexcept nogil:
    cdef waiting *q
    while d.queue_packets:
        q = queue_at(d, 0)
        if q.start > d.w.s.now:
            break
        d.queue_bytes -= q.length
        d.queue_packets -= 1
        d.queue_first = (d.queue_first + 1) & (d.queue_room - 1)


cdef waiting *queue_append(link_dir *d, uint32_t length, int64_t start) noexcept nogil:
    cdef waiting *q
    if d.queue_packets == d.queue_room and queue_grow(d) < 0:
        link_void(d)
        return NULL
    q = queue_at(d, d.queue_packets)
    q.start = start
    q.before = d.last_arrival
    q.length = length
    q.f = NULL
    d.queue_packets += 1
    d.queue_bytes += length
    if d.queue_packets > d.n.queue_packets_max:
        d.n.queue_packets_max = d.queue_packets
    if d.queue_bytes > d.n.queue_bytes_max:
        d.n.queue_bytes_max = d.queue_bytes
    return q


cdef inline bint queue_full(link_dir *d, uint32_t length) noexcept nogil:
    return d.busy_until > d.w.s.now and (d.queue_packets >= d.limit_packets or d.queue_bytes + length > d.limit_bytes)


cdef int64_t link_transmission(link_dir *d, uint32_t length, bint idle) noexcept nogil:
    """Nanoseconds that a frame takes; what is left over is carried to the next while the link stays busy."""
    cdef uint64_t work
    cdef int64_t size = <int64_t>length + d.overhead
    if d.rate == 0 or size <= 0:
        return 0
    work = <uint64_t>size * 8 * NS_PER_S + (0 if idle else d.remainder)
    d.remainder = work % d.rate
    return <int64_t>(work // d.rate)


# Sending

cdef inline bint lucky(link_dir *d, const chance *c, uint64_t purpose, uint64_t index) noexcept nogil:
    """Whether a thing of that chance happens to this frame."""
    if c.always:
        return True
    return c.below != 0 and draw(d, purpose, index) < c.below


cdef inline uint64_t draw(link_dir *d, uint64_t purpose, uint64_t index) noexcept nogil:
    return keyed_draw(d.w.seed, <uint64_t>d.link << 1 | d.direction, purpose, index)


cdef bint link_too_large(link_dir *d, const uint8_t *p, uint32_t length) noexcept nogil:
    if d.mtu == 0 or length <= ETH_HLEN + d.mtu:
        return False
    return length > eth_header_len(p) + d.mtu


cdef inline void nothing_befalls(fate *f) noexcept nogil:
    """What is read of a fate, and no more: this is for each frame."""
    f.drop = False
    f.copies = f.hold = f.n_bits = f.n_edits = 0
    f.gap = f.delay = f.hold_ns = 0


cdef void link_send(link_dir *d, const uint8_t *p, uint32_t length) noexcept nogil:
    send(d, p, length, NULL, True)


cdef bint link_forward(link_dir *d, frame *f) noexcept nogil:
    return send(d, frame_bytes(f), f.length, f if f.events == 0 else NULL, False)


cdef bint send(link_dir *d, const uint8_t *p, uint32_t length, frame *given, bint new) noexcept nogil:
    """given: NULL, or the frame where the bytes lie, which may be taken: then True. new: as note() says."""
    cdef uint64_t index = d.index
    cdef fate f
    cdef int cause = DROP_NONE
    d.index += 1
    d.n.sent += 1
    d.n.sent_bytes += length
    link_update_queue(d)
    note(d, FRAME_SENT, DROP_NONE, index, p, length, 0, new)
    if d.fates == NULL:
        nothing_befalls(&f)
    else:
        fates_decide(d.fates, p, length, d.w.s.now, <int>d.direction, &f)
    if not d.plain:
        cause = DROP_DOWN if d.unusual == NULL else d.unusual(d, p, length, index, &f)
        if cause == DROP_NONE:
            return False
    elif link_too_large(d, p, length):
        cause = DROP_MTU
    elif f.drop:
        cause = DROP_FATE
    elif queue_full(d, length):
        cause = DROP_QUEUE
    elif transmit(d, p, length, index, &f, given):
        return given != NULL and f.copies == 0
    else:
        cause = DROP_LOSS
    note(d, FRAME_DROPPED, cause, index, p, length, 0, False)
    return False


cdef bint transmit(link_dir *d, const uint8_t *p, uint32_t length, uint64_t index, fate *f, frame *given) noexcept nogil:
    """Takes the frame's time on the wire and puts it under way; False when the wire loses it."""
    cdef int64_t now = d.w.s.now
    cdef bint idle = d.busy_until <= now
    cdef int64_t start = now if idle else d.busy_until
    cdef int64_t took = link_transmission(d, length, idle)
    cdef waiting *q = NULL
    cdef frame *first
    d.busy_until = start + took
    d.n.busy_ns += <uint64_t>took
    if start > now:
        q = queue_append(d, length, start)
    if lucky(d, &d.loss, KEYED_LOSS, index):
        return False
    if lucky(d, &d.duplicate, KEYED_DUPLICATE, index):
        f.copies += 1
    first = launch(d, p, length, index, f, 0, given if f.copies == 0 else NULL)
    if q != NULL:
        q.f = first
    if f.copies:
        launch_copies(d, p, length, index, f, first)
    return True


cdef void launch_copies(link_dir *d, const uint8_t *p, uint32_t length, uint64_t index, const fate *f, frame *first) noexcept nogil:
    cdef uint32_t i
    for i in range(f.copies):
        if first == NULL:
            break
        d.n.duplicated += 1
        first.copy = launch(d, p, length, index, f, i + 1, NULL)
        first = first.copy


cdef void link_depart(link_dir *d, frame *f, fate *fate_, bint lost) noexcept nogil:
    cdef uint8_t altered = f.altered
    cdef frame *first
    if lost or lucky(d, &d.loss, KEYED_LOSS, f.index):
        link_note(d, FRAME_DROPPED, DROP_LOSS, f)
        frame_give(&d.w.frames, f)
        return
    if lucky(d, &d.duplicate, KEYED_DUPLICATE, f.index):
        fate_.copies += 1
    first = launch(d, frame_bytes(f), f.length, f.index, fate_, 0, f if fate_.copies == 0 else NULL)
    if fate_.copies:
        launch_copies(d, frame_bytes(f), f.length, f.index, fate_, first)
        frame_give(&d.w.frames, f)
    while first != NULL:
        first.altered |= altered
        first = first.copy


cdef frame *launch(
    link_dir *d, const uint8_t *p, uint32_t length, uint64_t index, const fate *fate_, uint32_t copy, frame *given,
) noexcept nogil:
    """Puts one frame, or copy of it, on its way; the transmission ends at busy_until. given: where its bytes lie already, or NULL."""
    cdef frame *f = given
    if f != NULL:
        frame_again(f)
    else:
        f = frame_take(&d.w.frames, length)
        if f == NULL:
            link_void(d)
            return NULL
        memcpy(frame_bytes(f), p, length)
    f.index = index
    f.epoch = d.epoch
    spoil(d, f, fate_)
    f.after = d.delay + fate_.delay + copy * fate_.gap
    if d.jitter:
        f.after = chance_delay(d, index, f.after)
    f.loose = d.reorder or fate_.delay != 0 or fate_.hold != 0 or (copy != 0 and fate_.gap != 0)
    if fate_.hold and copy == 0:
        f.hold = fate_.hold
        f.after += fate_.hold_ns
        f.next = d.held
        d.held = f
    link_schedule(d, f, d.busy_until)
    if not f.hold:
        release_held(d, f.due)
    return f


cdef int64_t chance_delay(link_dir *d, uint64_t index, int64_t after) noexcept nogil:
    if d.spread == NULL:
        return after + <int64_t>keyed_below(draw(d, KEYED_DELAY, index), <uint64_t>d.jitter + 1)
    after += delays_of(d.spread, draw(d, KEYED_DELAY, index), index)
    return after if after > 0 else 0


cdef void spoil(link_dir *d, frame *f, const fate *fate_) noexcept nogil:
    """Rewrites and corrupts the frame, as its fate and the link have it."""
    cdef uint64_t bit
    cdef bint flipped = fate_.n_bits != 0
    if fate_.n_edits and fate_mangle(fate_, frame_bytes(f), f.length):
        f.altered = ALTERED_BY_RULE
        d.n.rewritten += 1
    if flipped:
        fate_flip(fate_, frame_bytes(f), f.length)
    if lucky(d, &d.corrupt, KEYED_CORRUPT, f.index) and f.length > ETH_HLEN:
        bit = keyed_below(draw(d, KEYED_CORRUPT_BIT, f.index), <uint64_t>(f.length - ETH_HLEN) * 8)
        frame_bytes(f)[ETH_HLEN + bit // 8] ^= <uint8_t>(0x80 >> (bit & 7))
        flipped = True
    if flipped:
        f.altered |= ALTERED_BITS
    d.n.corrupted += flipped


cdef void link_schedule(link_dir *d, frame *f, int64_t end) noexcept nogil:
    """Sets when the frame arrives, its transmission ending at `end`."""
    f.due = end + f.after
    if not f.loose:
        if f.due < d.last_arrival:
            f.due = d.last_arrival
        d.last_arrival = f.due
        if d.row == NULL or f.due >= d.row_last.due:
            join_row(d, f)
            return
    push_frame(d, f)


cdef void join_row(link_dir *d, frame *f) noexcept nogil:
    """It arrives behind all of the row: its event is put in when it is the first, at the place among ties that it has from now on."""
    f.order = sched_place(d.w.s)
    f.in_row = True
    f.next = NULL
    if d.row == NULL:
        d.row = f
        push_first(d)
    else:
        d.row_last.next = f
    d.row_last = f


cdef inline void push_first(link_dir *d) noexcept nogil:
    if sched_push_at(d.w.s, d.row.due, d.row.order, d.kind, <uint64_t>d.row) == 0:
        d.row.events += 1


cdef inline void leave_row(link_dir *d) noexcept nogil:
    """The first of the row arrives: the next one's event takes the place of its own."""
    cdef frame *f = d.row.next
    d.row = f
    if f == NULL:
        sched_pop(d.w.s)
        return
    f.events += 1
    sched_replace(d.w.s, f.due, f.order, d.kind, <uint64_t>f)
    if f.next != NULL:
        prefetch(f.next)


cdef void link_break_row(link_dir *d) noexcept nogil:
    """Times are about to change: each of the row gets an event of its own."""
    cdef frame *f = d.row
    while f != NULL:
        f.in_row = False
        d.row = f.next
        if d.row != NULL:
            push_first(d)
        f = d.row


cdef void push_frame(link_dir *d, frame *f) noexcept nogil:
    if sched_push(d.w.s, f.due, d.kind, <uint64_t>f) == 0:
        f.events += 1


cdef void release_held(link_dir *d, int64_t due) noexcept nogil:
    """One more frame passes those that are held: one that has let enough of them pass arrives right behind it."""
    cdef frame **at = &d.held
    cdef frame *f
    while at[0] != NULL:
        f = at[0]
        f.hold -= 1
        if f.hold:
            at = &f.next
            continue
        at[0] = f.next
        f.pinned = True
        if due < f.due:
            f.due = due
            push_frame(d, f)


# Arriving

cdef bint frame_stale(void *ctx, const event *e) noexcept nogil:
    """Out of date: the frame arrives, or has arrived, at another time or by another event."""
    cdef frame *f = <frame *>e.arg
    return f.done or f.due != e.t


cdef void frame_dropped(void *ctx, const event *e) noexcept nogil:
    cdef frame *f = <frame *>e.arg
    f.events -= 1
    if f.done and f.events == 0:
        frame_give(&(<link_dir *>ctx).w.frames, f)


cdef void frame_due(void *ctx, uint64_t arg, int64_t now) noexcept nogil:
    cdef link_dir *d = <link_dir *>ctx
    cdef frame *f = <frame *>arg
    f.events -= 1
    f.done = True
    if f.in_row:
        leave_row(d)
    else:
        sched_pop(d.w.s)
    if f.hold:
        forget_held(d, f)
    if not arrive(d, f, now) and f.events == 0:
        frame_give(&d.w.frames, f)


cdef void forget_held(link_dir *d, frame *f) noexcept nogil:
    cdef frame **at = &d.held
    while at[0] != NULL and at[0] != f:
        at = &at[0].next
    if at[0] != NULL:
        at[0] = f.next


cdef bint arrive(link_dir *d, frame *f, int64_t now) noexcept nogil:
    """True: the frame is under way again."""
    cdef int status
    link_update_queue(d)
    if f.epoch != d.epoch:
        note(d, FRAME_DROPPED, DROP_DOWN, f.index, frame_bytes(f), f.length, f.altered, False)
        return False
    status = d.sink(d.sink_ctx, d.sink_number, frame_bytes(f), f.length, now)
    if status < 0:
        note(d, FRAME_DROPPED, DROP_DOWN if status == -EHOSTDOWN else DROP_OVERRUN, f.index, frame_bytes(f), f.length, f.altered, False)
    else:
        d.n.delivered += 1
        d.n.delivered_bytes += f.length
        if f.index + 1 < d.last_delivered:
            d.n.reordered += 1
        else:
            d.last_delivered = f.index + 1
        note(d, FRAME_DELIVERED, DROP_NONE, f.index, frame_bytes(f), f.length, f.altered, f.altered != 0)
        if d.go_on != NULL:
            return d.go_on(d.sink_ctx, d.sink_number, f, now)
    return False
