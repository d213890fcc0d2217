"""Two ports joined back to back in memory: what one sends the other receives. For tests, benchmarks and tools; both
ends belong to one thread.

Frames on their way stay in the sender's ring until the receiver has room: nothing is lost between the two while the
link is up.
"""
import os

from libc.errno cimport EINVAL, ENOBUFS, ENXIO, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from usnet.backends.clock cimport Clock
from usnet.backends.eventfd cimport EFD_CLOEXEC, EFD_NONBLOCK, eventfd, eventfd_set
from usnet.backends.ring cimport (
    LINK_DOWN, LINK_GONE, LINK_UP, NS_MOREFRAG, PORT_CAN_RECEIVE, PORT_CAN_SEND, PORT_FILENO, PORT_VNET_HDR, Port, port,
)
from usnet.backends.ring_memory cimport (
    FRAME_MAX, RingMemory, ring_check, ring_put, ring_settle, ring_side, ring_take, side_buf, side_len, side_next, side_room,
    side_set, side_take,
)

from usnet.backends.clock import MonotonicClock
from usnet.backends.settings import mac_address, mac_from_name

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

cdef struct pair_end:
    port *p
    ring_side *tx
    ring_side *rx
    pair_end *peer              # NULL when the other end is gone
    uint8_t *scratch            # FRAME_MAX bytes
    void *clock                 # borrowed; the port object holds it
    int fd                      # eventfd, or -1
    bint rung                   # it is readable
    bint wants_rx
    bint wants_tx


cdef void count_sent(pair_end *e, const ring_side *k) noexcept nogil:
    """Frames that are handed over, and were not yet."""
    cdef uint32_t i = k.head, length, frames = 0
    cdef uint64_t total = 0
    cdef const uint8_t *frame
    cdef int got
    while i != k.r.head:
        got = 1
        if k.r.slots[i].flags & NS_MOREFRAG:
            got = ring_take(k.r, &i, k.r.head, e.scratch, &frame, &length)
        else:
            length = k.r.slots[i].len
            i = side_next(k, i)
        if got == 1:
            frames += 1
            total += length
        else:
            e.p.stats.tx_errors += 1
    e.p.stats.tx_frames += frames
    e.p.stats.tx_bytes += total
    if e.p.link != LINK_UP:
        e.p.stats.tx_errors += frames


cdef int pair_tx_sync(void *self, uint32_t number) noexcept nogil:
    cdef pair_end *e = <pair_end *>self
    cdef ring_side *k
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number >= e.p.n_tx:
        return -EINVAL
    k = &e.tx[number]
    if ring_check(k, &e.p.stats) < 0:
        return -EINVAL
    count_sent(e, k)
    if e.p.link != LINK_UP or e.peer == NULL:
        k.done = k.r.head
    elif k.done != k.r.head and e.peer.wants_rx:
        e.peer.wants_rx = False
        eventfd_set(e.peer.fd, &e.peer.rung, True)
    ring_settle(k)
    return 0


cdef inline void move_plain(pair_end *e, ring_side *k, ring_side *source, int64_t now) noexcept nogil:
    """Frames of one slot, up to the first that is not, as far as there is room."""
    cdef uint32_t i = source.done, to = k.tail, room = side_room(k), length, n = 0
    cdef uint64_t total = 0
    while i != source.head and n < room and not source.r.slots[i].flags & NS_MOREFRAG:
        length = side_len(source, i)
        if length > k.buf_size:
            break
        side_set(k, to, side_buf(source, i), length, 0, now)
        if e.p.caps & PORT_VNET_HDR:
            k.meta[to] = source.meta[i]
            k.meta[to].time_ns = now
        total += length
        n += 1
        i = side_next(source, i)
        to = side_next(k, to)
    source.done = i
    k.tail = k.r.tail = to
    e.p.stats.rx_frames += n
    e.p.stats.rx_bytes += total


cdef int pair_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef pair_end *e = <pair_end *>self
    cdef ring_side *k
    cdef ring_side *source
    cdef const uint8_t *frame
    cdef uint32_t i, length, before, first
    cdef int64_t now
    cdef int got
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number >= e.p.n_rx:
        return -EINVAL
    eventfd_set(e.fd, &e.rung, False)
    k = &e.rx[number]
    if ring_check(k, &e.p.stats) < 0:
        return -EINVAL
    k.head = k.r.head
    if e.peer == NULL:
        return 0
    source = &e.peer.tx[number]
    if source.done == source.head:
        return 0
    now = (<Clock>e.clock).read((<Clock>e.clock).self_)
    before = source.done
    move_plain(e, k, source, now)
    i = source.done
    while True:
        source.done = i
        if side_take(source, &i, source.head, e.scratch, &frame, &length) == 0:
            break
        first = k.tail
        got = ring_put(k, frame, length, now, &e.p.stats)
        if got == -ENOBUFS:
            break
        if got == 0 and e.p.caps & PORT_VNET_HDR:
            k.meta[first] = source.meta[source.done]
            k.meta[first].time_ns = now
    if source.done != before and e.peer.wants_tx:
        e.peer.wants_tx = False
        eventfd_set(e.peer.fd, &e.peer.rung, True)
    return 0


cdef bint waiting_for(pair_end *e) noexcept nogil:
    cdef uint32_t i
    if e.peer != NULL:
        for i in range(e.p.n_rx):
            if e.peer.tx[i].done != e.peer.tx[i].head:
                return True
    return False


cdef int pair_arm(void *self, bint for_tx) noexcept nogil:
    cdef pair_end *e = <pair_end *>self
    cdef uint32_t i
    if e.p.link == LINK_GONE:
        return -ENXIO
    if for_tx:
        e.wants_tx = True
        for i in range(e.p.n_tx):
            if e.tx[i].done == e.tx[i].head:        # all has left: a sync gives the slots back
                eventfd_set(e.fd, &e.rung, True)
    elif waiting_for(e):
        eventfd_set(e.fd, &e.rung, True)
    else:
        e.wants_rx = True
    return 0


cdef class PairPort(Port):
    """One end of a pair. Made by make_pair()."""
    cdef pair_end e
    cdef RingMemory memory
    cdef PairPort other
    cdef bint made

    def __cinit__(self, str name, clock, RingMemory memory not None, uint32_t mtu, bytes mac,
                  bint offload=False):
        self.e.fd = -1
        self.made = True
        self.name = name
        self.clock = <Clock?>clock
        self.memory = memory
        memory.attach(&self.p)
        self.e.scratch = <uint8_t *>malloc(FRAME_MAX)
        if self.e.scratch == NULL:
            raise MemoryError("no memory for a frame")
        self.e.p = &self.p
        self.e.tx = memory.tx
        self.e.rx = memory.rx
        self.e.clock = <void *>self.clock
        self.p.self = &self.e
        self.p.tx_sync = pair_tx_sync
        self.p.rx_sync = pair_rx_sync
        self.p.arm = pair_arm
        self.p.caps |= PORT_CAN_SEND | PORT_CAN_RECEIVE | PORT_FILENO | (PORT_VNET_HDR if offload else 0)
        self.p.mtu = mtu
        memcpy(self.p.mac, <const uint8_t *>mac, 6)
        self.e.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.e.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        if self.e.peer != NULL:
            self.e.peer.peer = NULL
        if self.made and self.e.fd >= 0:
            c_close(self.e.fd)
        free(self.e.scratch)

    cdef object _join(self, PairPort other):
        self.other, other.other = other, self
        self.e.peer, other.e.peer = &other.e, &self.e
        self.p.link = other.p.link = LINK_UP

    cdef void _forget(self) noexcept:
        """Frames on their way from here are lost."""
        cdef uint32_t i
        for i in range(self.p.n_tx):
            self.e.tx[i].done = self.e.tx[i].head

    def set_link(self, bint up):
        """Unplugs or plugs the cable between the two; frames on their way are lost when it is pulled."""
        cdef PairPort end
        for end in (self, self.other):
            if end is not None and end.p.link != LINK_GONE:
                end.p.link = LINK_UP if up and self.e.peer != NULL else LINK_DOWN
                if not up:
                    end._forget()

    def vanish(self):
        """This end's device is gone, as if pulled out; the other's link goes down."""
        self.set_link(False)
        self.p.link = LINK_GONE
        if self.e.peer != NULL:
            self.e.peer.peer = NULL
            self.e.peer = NULL

    def fileno(self):
        if self.e.fd < 0:
            raise ValueError(f"{self.name} is closed")
        return self.e.fd

    def close(self):
        self.vanish()
        if self.e.fd >= 0:
            c_close(self.e.fd)
            self.e.fd = -1


def _both(value):
    return value if isinstance(value, tuple) else (value, value)


def make_pair(name="pair", *, rings=1, slots=512, buf_size=2048, spares=0, mtu=1500, mac=(None, None), clock=None,
              offload=False):
    """(a, b): two joined ports. `rings` of each direction of `slots` slots, `spares` spare buffers of `buf_size`
    bytes; MACs are made from the name.

    slots, buf_size, spares, mtu may be pairs, for the two ends. offload: frames cross with their offload headers: partial checksums,
    several segments in one.
    """
    clock = clock if clock is not None else MonotonicClock()
    ends = []
    for end, address, n, size, more, packet in zip("ab", mac, _both(slots), _both(buf_size), _both(spares),
                                                   _both(mtu), strict=True):
        full = f"pair:{name}:{end}"
        memory = RingMemory(rings, rings, n, n, size, more)
        ends.append(PairPort(full, clock, memory, packet,
                             mac_from_name(full) if address is None else mac_address(address), offload))
    (<PairPort>ends[0])._join(<PairPort>ends[1])
    return tuple(ends)


_halves = {}


def open_port(address, **settings):
    """ "pair:NAME": the first to open a name gets one end, the second the other. Settings are those of make_pair(),
    given by the first."""
    if address in _halves:
        return _halves.pop(address)
    first, _halves[address] = make_pair(address, **settings)
    return first


def probe():
    return True, "in memory, always there"
