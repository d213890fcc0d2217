"""A port that harms the frames of another one, by rules."""
import os

from libc.errno cimport EINVAL, ENOBUFS, ENXIO, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.clock cimport Clock
from usnet.backends.fates cimport Fates, fate, fate_flip, fate_mangle, fate_set, fates_decide
from usnet.backends.ring cimport (
    LINK_GONE, META_CSUM_NEEDED, META_CSUM_VALID, NS_MOREFRAG, PORT_FILENO, PORT_VNET_HDR, Port, port, ring, ring_buf,
    ring_next, ring_room, ring_space, slot_meta,
)
from usnet.backends.ring_memory cimport (
    FRAME_MAX, RingMemory, ring_check, ring_put, ring_settle, ring_side, ring_take, side_room, side_take,
)
from usnet.backends.timerfd cimport CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_NONBLOCK, itimerspec, timerfd_create, timerfd_settime
from usnet.backends.wrappers.holding cimport (
    held, holding, holding_add, holding_due, holding_free, holding_init, holding_next, holding_remove,
)

from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.gso cimport csum_complete, gso_cut, gso_open, gso_plan
from usnet.wire.peek cimport eth_header_len

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int fd, int op, int of, epoll_event *event)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN
cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

cdef enum:
    OUT = 0                     # direction a->b: what is sent through this port
    IN = 1
    MAX_COPIES = 64             # of one frame

cdef struct fault_port:
    port *outer
    port *inner
    ring_side *tx
    ring_side *rx
    fate_set *rules
    void *clock
    holding waiting[2]          # of each direction
    uint32_t max_held           # of both
    uint8_t *scratch            # FRAME_MAX bytes: a frame gathered
    uint8_t *segment            # FRAME_MAX bytes: one of those of a frame
    uint8_t *harmed             # FRAME_MAX bytes: one with flipped bits
    uint64_t passed[2]          # frames of each direction that went on
    uint64_t dropped[2]
    uint64_t overflow           # dropped because too many were held
    uint64_t too_long           # of the inner port's, already counted here
    uint64_t refused            # longer than the inner port can send
    int timer_fd
    int epoll_fd


cdef inline int64_t clock_of(fault_port *e) noexcept nogil:
    return (<Clock>e.clock).read((<Clock>e.clock).self_)


cdef inline uint32_t n_held(const fault_port *e) noexcept nogil:
    return e.waiting[OUT].n[0] + e.waiting[IN].n[0]


cdef void hold(fault_port *e, int direction, uint32_t number, const uint8_t *frame, uint32_t length, const slot_meta *meta,
               int64_t due, uint64_t behind) noexcept nogil:
    cdef held *h = holding_add(&e.waiting[direction], frame, length, due, behind) if n_held(e) < e.max_held else NULL
    if h == NULL:
        e.overflow += 1
        return
    h.ring_number = number
    h.meta = meta[0]


cdef int put_inner(fault_port *e, uint32_t number, const uint8_t *frame, uint32_t length,
                   const slot_meta *meta) noexcept nogil:
    """Into the inner port's transmit ring: 0 or -ENOBUFS."""
    cdef ring *r = e.inner.tx[number]
    cdef uint32_t room = ring_room(r, r.head)
    cdef uint32_t need = (length + room - 1) // room if room else r.num_slots
    cdef uint32_t left = length
    cdef uint32_t part
    if need < 1:
        need = 1
    if need > r.num_slots - 1:
        e.refused += 1
        return 0
    if need > ring_space(r):
        e.inner.tx_sync(e.inner.self, number)
        if need > ring_space(r):
            return -ENOBUFS
    e.inner.tx_meta[number][r.head] = meta[0]
    while True:
        part = left if left < room else room
        memcpy(ring_buf(r, r.head), frame + (length - left), part)
        left -= part
        r.slots[r.head].len = <uint16_t>part
        r.slots[r.head].flags = NS_MOREFRAG if left else 0
        r.head = ring_next(r, r.head)
        if left == 0:
            break
    r.cur = r.head
    return 0


cdef int deliver(fault_port *e, int direction, uint32_t number, const uint8_t *frame, uint32_t length,
                 const slot_meta *meta) noexcept nogil:
    """On to where it goes: 0 (passed, or can never pass) or -ENOBUFS."""
    cdef ring_side *k
    cdef uint32_t at
    cdef int status
    if direction == OUT:
        status = put_inner(e, number, frame, length, meta)
    else:
        k = &e.rx[number]
        at = k.tail
        status = ring_put(k, frame, length, meta.time_ns, &e.outer.stats)
        if status == 0:
            k.meta[at] = meta[0]
    if status == -ENOBUFS:
        return status
    e.passed[direction] += 1
    return 0


cdef bint release(fault_port *e, int direction, int64_t now) noexcept nogil:
    """Lets go of all held frames of a direction whose time or turn has come. False when one found no room."""
    cdef holding *q = &e.waiting[direction]
    cdef held *h = holding_next(q, now, e.passed[direction])
    while h != NULL:
        if direction == IN and now > h.meta.time_ns:
            h.meta.time_ns = now            # it arrives only now
        if deliver(e, direction, h.ring_number, h.frame, h.length, &h.meta) < 0:
            return False
        holding_remove(q, h)
        h = holding_next(q, now, e.passed[direction])       # one that passed may be what another waited for
    return True


cdef void release_out(fault_port *e, int64_t now) noexcept nogil:
    """Sends what is due also when the user only receives."""
    cdef uint64_t before = e.passed[OUT]
    cdef uint32_t i
    release(e, OUT, now)
    if e.passed[OUT] != before:
        for i in range(e.inner.n_tx):
            e.inner.tx_sync(e.inner.self, i)


cdef void strike(fault_port *e, int direction, uint32_t number, const uint8_t *frame, uint32_t length,
                 const slot_meta *meta, int64_t now) noexcept nogil:
    """Decides about a frame and does it."""
    cdef fate f
    cdef slot_meta m = meta[0]
    cdef uint32_t i
    cdef uint32_t copies
    fates_decide(e.rules, frame, length, now, direction, &f)
    if f.drop:
        e.dropped[direction] += 1
        return
    if (f.n_bits or f.n_edits) and length <= FRAME_MAX:
        memcpy(e.harmed, frame, length)
        fate_mangle(&f, e.harmed, length)
        fate_flip(&f, e.harmed, length)
        frame = e.harmed
        if f.n_bits:
            m.flags &= ~META_CSUM_VALID
    copies = f.copies if f.copies < MAX_COPIES else MAX_COPIES
    if f.hold:
        hold(e, direction, number, frame, length, &m, now + f.delay + f.hold_ns, e.passed[direction] + f.hold)
    elif f.delay > 0:
        hold(e, direction, number, frame, length, &m, now + f.delay, 0)
    elif deliver(e, direction, number, frame, length, &m) < 0:
        hold(e, direction, number, frame, length, &m, now, 0)
    for i in range(copies):
        if f.delay + f.gap > 0 or deliver(e, direction, number, frame, length, &m) < 0:
            hold(e, direction, number, frame, length, &m, now + f.delay + f.gap * (i + 1), 0)


cdef void strike_all(fault_port *e, int direction, uint32_t number, const uint8_t *frame, uint32_t length,
                     const slot_meta *meta, int64_t now) noexcept nogil:
    """Decides about each segment of a frame by itself, with complete checksums: what is corrupted must be seen to be."""
    cdef gso_plan g
    cdef slot_meta m = meta[0]
    cdef uint32_t i
    if not e.outer.caps & PORT_VNET_HDR:
        strike(e, direction, number, frame, length, meta, now)
        return
    if meta.gso_size and length > ETH_HLEN and gso_open(frame, length, eth_header_len(frame), meta.gso_type, meta.gso_size, &g) > 1:
        m.gso_type = 0
        m.gso_size = 0
        m.flags = (m.flags & ~<uint32_t>META_CSUM_NEEDED) | META_CSUM_VALID
        for i in range(g.segments):
            strike(e, direction, number, e.segment, gso_cut(&g, frame, i, e.segment), &m, now)
        return
    if meta.flags & META_CSUM_NEEDED and length <= FRAME_MAX:
        memcpy(e.segment, frame, length)
        if csum_complete(e.segment, length, meta.csum_start, meta.csum_offset):
            frame = e.segment
            m.flags = (m.flags & ~<uint32_t>META_CSUM_NEEDED) | META_CSUM_VALID
    strike(e, direction, number, frame, length, &m, now)


cdef void mirror(fault_port *e) noexcept nogil:
    e.outer.link = e.inner.link
    e.outer.stats.rx_overruns = e.inner.stats.rx_overruns
    e.outer.stats.rx_too_long += e.inner.stats.rx_too_long - e.too_long
    e.too_long = e.inner.stats.rx_too_long
    e.outer.stats.tx_errors = e.inner.stats.tx_errors + e.refused


cdef int fault_tx_sync(void *self, uint32_t number) noexcept nogil:
    cdef fault_port *e = <fault_port *>self
    cdef ring_side *k
    cdef const uint8_t *frame
    cdef uint32_t i, first, length
    cdef int64_t now
    cdef int got, status
    if e.outer.link == LINK_GONE:
        return -ENXIO
    if number >= e.outer.n_tx or ring_check(&e.tx[number], &e.outer.stats) < 0:
        return -EINVAL
    k = &e.tx[number]
    now = clock_of(e)
    i = k.done
    while release(e, OUT, now) and n_held(e) + MAX_COPIES < e.max_held:
        first = i
        got = side_take(k, &i, k.r.head, e.scratch, &frame, &length)
        if got == 0:
            break
        k.done = i
        if got < 0:
            e.refused += 1
            continue
        e.outer.stats.tx_frames += 1
        e.outer.stats.tx_bytes += length
        strike_all(e, OUT, number, frame, length, &k.meta[first], now)
    ring_settle(k)
    status = e.inner.tx_sync(e.inner.self, number)
    mirror(e)
    return status if status == -ENXIO else 0


cdef int fault_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef fault_port *e = <fault_port *>self
    cdef ring_side *k
    cdef ring *r
    cdef const uint8_t *frame
    cdef uint32_t i, first, length
    cdef int64_t now
    cdef int got, status
    if e.outer.link == LINK_GONE:
        return -ENXIO
    if number >= e.outer.n_rx or ring_check(&e.rx[number], &e.outer.stats) < 0:
        return -EINVAL
    k = &e.rx[number]
    k.head = k.r.head
    r = e.inner.rx[number]
    status = e.inner.rx_sync(e.inner.self, number)
    now = clock_of(e)
    release_out(e, now)
    i = r.head
    while release(e, IN, now) and n_held(e) + MAX_COPIES < e.max_held and side_room(k):
        first = i
        got = ring_take(r, &i, r.tail, e.scratch, &frame, &length)
        if got == 0:
            break
        r.head = i
        r.cur = i
        if got == 1:
            strike_all(e, IN, number, frame, length, &e.inner.rx_meta[number][first], now)
        else:
            e.outer.stats.rx_too_long += 1
    mirror(e)
    return status if status == -ENXIO else 0


cdef int fault_arm(void *self, bint for_tx) noexcept nogil:
    cdef fault_port *e = <fault_port *>self
    cdef itimerspec t
    cdef int64_t wait = 0
    if e.timer_fd >= 0:
        memset(&t, 0, sizeof(t))
        if n_held(e):
            wait = min(holding_due(&e.waiting[OUT]), holding_due(&e.waiting[IN])) - clock_of(e)
            if wait < 1:
                wait = 1
            t.it_value.tv_sec = wait // 1000000000
            t.it_value.tv_nsec = wait % 1000000000
        timerfd_settime(e.timer_fd, 0, &t, NULL)
    return e.inner.arm(e.inner.self, for_tx)


cdef class FaultPort(Port):
    """`FaultPort(inner, rules, seed=0)`: frames sent through it (a->b) and arriving through it (b->a) meet the fates
    that `rules` say.

    Each segment of a frame of several (TSO) is a frame to the rules, and goes on alone, with a complete checksum.

    rules: `Fate`s or tables, or a `Fates`. It has rings of its own, of the same sizes; use only this port from then
    on. Up to `max_held` frames are held back for a delay or for others to pass, copies at a time; more are dropped and
    counted. A wait wakes for a held frame when the inner port has a descriptor; else it moves on at the next sync.
    close() closes the inner port too.
    """
    cdef fault_port e
    cdef readonly Port inner
    cdef readonly Fates fates
    cdef RingMemory memory
    cdef bint made

    def __cinit__(self, Port inner not None, rules=(), seed=0, *, max_held=4096):
        cdef ring *r = inner.p.tx[0] if inner.p.n_tx else inner.p.rx[0]
        if r == NULL:
            raise ValueError(f"{inner.name} has no rings")
        if max_held <= MAX_COPIES:
            raise ValueError(f"max_held is above {MAX_COPIES}, not {max_held}")
        self.e.timer_fd = self.e.epoll_fd = -1
        self.made = True
        self.inner = inner
        self.fates = rules if isinstance(rules, Fates) else Fates(rules, seed)
        self.name, self.clock = inner.name, inner.clock
        self.memory = RingMemory(inner.p.n_tx, inner.p.n_rx, inner.p.tx[0].num_slots if inner.p.n_tx else 2,
                                 inner.p.rx[0].num_slots if inner.p.n_rx else 2, r.nr_buf_size, inner.p.n_spare)
        self.memory.attach(&self.p)
        self.e.outer, self.e.inner, self.e.rules = &self.p, &inner.p, &self.fates.s
        self.e.tx, self.e.rx = self.memory.tx, self.memory.rx
        self.e.clock = <void *>self.clock
        self.e.max_held = max_held
        self.e.scratch = <uint8_t *>malloc(FRAME_MAX)
        self.e.segment = <uint8_t *>malloc(FRAME_MAX)
        self.e.harmed = <uint8_t *>malloc(FRAME_MAX)
        if holding_init(&self.e.waiting[OUT], max_held) or holding_init(&self.e.waiting[IN], max_held) \
                or self.e.scratch == NULL or self.e.segment == NULL or self.e.harmed == NULL:
            raise MemoryError("no memory for frames to be held")
        self.p.self = &self.e
        self.p.tx_sync, self.p.rx_sync, self.p.arm = fault_tx_sync, fault_rx_sync, fault_arm
        self.p.caps |= inner.p.caps & ~PORT_FILENO
        self.p.mtu, self.p.link, self.p.mac = inner.p.mtu, inner.p.link, inner.p.mac
        if inner.p.caps & PORT_FILENO:
            self._open_descriptors()

    cdef object _open_descriptors(self):
        cdef epoll_event event
        cdef int inner_fd = self.inner.fileno()
        event.events = EPOLLIN
        self.e.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
        self.e.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.e.timer_fd < 0 or self.e.epoll_fd < 0 or epoll_ctl(self.e.epoll_fd, EPOLL_CTL_ADD, inner_fd,
                                                                   &event) < 0 \
                or epoll_ctl(self.e.epoll_fd, EPOLL_CTL_ADD, self.e.timer_fd, &event) < 0:
            raise OSError(errno, os.strerror(errno), self.name)
        self.p.caps |= PORT_FILENO

    def __dealloc__(self):
        holding_free(&self.e.waiting[OUT])
        holding_free(&self.e.waiting[IN])
        free(self.e.scratch)
        free(self.e.segment)
        free(self.e.harmed)
        self._close_descriptors()

    cdef void _close_descriptors(self) noexcept:
        if self.made and self.e.timer_fd >= 0:
            c_close(self.e.timer_fd)
        if self.made and self.e.epoll_fd >= 0:
            c_close(self.e.epoll_fd)
        self.e.timer_fd = self.e.epoll_fd = -1

    @property
    def link_up(self):
        up = self.inner.link_up
        self.p.link = self.inner.p.link if self.p.link != LINK_GONE else LINK_GONE
        return up and self.p.link != LINK_GONE

    def fault_counts(self):
        """What was done: frames dropped in each direction (a->b, b->a), held now, dropped because too many were held;
        and (matched, fired) of each rule."""
        return {"dropped": tuple(self.e.dropped), "held": n_held(&self.e), "overflow": self.e.overflow,
                "rules": self.fates.counts()}

    def fileno(self):
        if self.e.epoll_fd < 0:
            return super().fileno()
        return self.e.epoll_fd

    def close(self):
        super().close()
        self._close_descriptors()
        self.inner.close()
