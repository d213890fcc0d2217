"""Ports of the simulator."""
from libc.errno cimport EHOSTDOWN, EINVAL, ENOBUFS, ENXIO
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport (
    LINK_DOWN, LINK_GONE, LINK_UP, META_CSUM_NEEDED, PORT_CAN_RECEIVE, PORT_CAN_SEND, PORT_VNET_HDR, RING_RX, RING_TX, port_stats, slot_meta,
)
from usnet.backends.ring_memory cimport FRAME_MAX, ring_check, ring_put, ring_reset, ring_side, ring_take, ring_taken
from usnet.backends.sim.frames cimport frame, frame_bytes, frame_give, frame_take
from usnet.backends.sim.link cimport link_send
from usnet.backends.sim.scheduler cimport HOST_OFF, HOST_STALLED, host_clock, host_touch
from usnet.wire.eth cimport ETH_HLEN
from usnet.wire.gso cimport csum_complete, gso_cut, gso_open, gso_plan
from usnet.wire.peek cimport eth_header_len


cdef void offer(port_end *e, const slot_meta *m, const uint8_t *p, uint32_t length) noexcept nogil:
    """A frame to the link (which counts it even when it is down), as a card with offloads would: cut into segments, with complete checksums."""
    cdef gso_plan g
    cdef uint32_t i
    if e.segment != NULL and m.gso_size and length > ETH_HLEN and gso_open(p, length, eth_header_len(p), m.gso_type, m.gso_size, &g) > 1:
        for i in range(g.segments):
            link_send(e.out, e.segment, gso_cut(&g, p, i, e.segment))
        return
    if e.segment != NULL and m.flags & META_CSUM_NEEDED:
        memcpy(e.segment, p, length)
        csum_complete(e.segment, length, m.csum_start, m.csum_offset)
        p = e.segment
    link_send(e.out, p, length)


cdef int sim_tx_sync(void *self, uint32_t ring_number) noexcept nogil:
    cdef port_end *e = <port_end *>self
    cdef const uint8_t *p = NULL
    cdef uint32_t length = 0
    cdef uint32_t at, first
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    if ring_number != 0:
        return -EINVAL
    if e.h.state == HOST_STALLED:
        return 0
    status = ring_check(e.tx, &e.p.stats)
    if status < 0:
        return status
    at = e.tx.head
    while True:
        first = at
        status = ring_take(e.tx.r, &at, e.tx.r.head, e.scratch, &p, &length)
        if status == 0:
            break
        if status < 0 or length == 0 or e.p.link != LINK_UP or e.h.state == HOST_OFF:
            e.p.stats.tx_errors += 1
        else:
            e.p.stats.tx_frames += 1
            e.p.stats.tx_bytes += length
        if status > 0 and length and e.out != NULL and e.h.state != HOST_OFF:
            offer(e, &e.tx.meta[first], p, length)
    ring_taken(e.tx)
    return 0


cdef int sim_rx_sync(void *self, uint32_t ring_number) noexcept nogil:
    cdef port_end *e = <port_end *>self
    cdef uint32_t arrived = e.rx.tail
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    if ring_number != 0:
        return -EINVAL
    e.rx.tail = e.shown         # the user must not have taken what it was not shown
    status = ring_check(e.rx, &e.p.stats)
    if status == 0:
        e.rx.head = e.rx.r.head
        e.rx.tail = arrived
        drain_fifo(e)
        e.rx.r.tail = e.rx.tail
    e.shown = e.rx.tail
    return status


cdef int sim_arm(void *self, bint for_tx) noexcept nogil:
    """The host is always woken; transmit slots are free at every sync."""
    return -ENXIO if (<port_end *>self).p.link == LINK_GONE else 0


cdef void restore_buffers(port_end *e, uint32_t length) noexcept nogil:
    """The slots about to be filled are the port's: whatever their user wrote there since the last sync is undone."""
    cdef uint32_t i = e.rx.tail
    cdef uint32_t left = length // e.rx.buf_size + 1
    while left and i != e.rx.num_slots:
        e.rx.r.slots[i].buf_idx = e.rx.good[i]
        i += 1
        left -= 1
    for i in range(left if left < e.rx.num_slots else 0):
        e.rx.r.slots[i].buf_idx = e.rx.good[i]


cdef int put_frame(port_end *e, const uint8_t *p, uint32_t length, int64_t time_ns) noexcept nogil:
    cdef int status
    restore_buffers(e, length)
    status = ring_put(e.rx, p, length, time_ns, &e.p.stats)
    e.rx.r.tail = e.shown
    return status


cdef void drain_fifo(port_end *e) noexcept nogil:
    cdef frame *f
    while e.fifo_first != NULL:
        f = e.fifo_first
        if e.put(e, frame_bytes(f), f.length, f.due) == -ENOBUFS:
            break
        e.fifo_first = f.next
        e.fifo_frames -= 1
        frame_give(e.frames, f)


cdef int join_fifo(port_end *e, const uint8_t *p, uint32_t length) noexcept nogil:
    cdef frame *f
    if e.fifo_frames >= e.fifo_max:
        return -ENOBUFS
    f = frame_take(e.frames, length)
    if f == NULL:
        return -ENOBUFS
    memcpy(frame_bytes(f), p, length)
    f.due = host_clock(e.h)
    if e.fifo_first == NULL:
        e.fifo_first = f
    else:
        e.fifo_last.next = f
    e.fifo_last = f
    e.fifo_frames += 1
    return 0


cdef int port_deliver(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil:
    cdef port_end *e = <port_end *>ctx
    cdef int status = -ENOBUFS
    if e.p.link == LINK_GONE:
        return -ENXIO
    if e.h.state == HOST_OFF:
        return -EHOSTDOWN
    if e.fifo_first == NULL:
        status = e.put(e, p, length, host_clock(e.h))
    if status == -ENOBUFS:
        status = join_fifo(e, p, length)
        if status < 0:
            e.p.stats.rx_overruns += 1
    if status == 0:
        host_touch(e.h)
    return status


cdef class Rings:
    def __init__(self, uint32_t tx_slots, uint32_t rx_slots, uint32_t buf_size, uint32_t spares):
        self.tx_slots, self.rx_slots, self.buf_size, self.spares = tx_slots, rx_slots, buf_size, spares

    cdef int attach(self, SimPort port) except -1:
        raise NotImplementedError

    cdef bint reset(self, SimPort port) except -1:
        return False


cdef class OwnRings(Rings):
    cdef int attach(self, SimPort port) except -1:
        self.memory = RingMemory(1, 1, self.tx_slots, self.rx_slots, self.buf_size, self.spares)
        self.memory.attach(&port.p)
        port.e.tx = self.memory.side(RING_TX, 0)
        port.e.rx = self.memory.side(RING_RX, 0)
        port.e.shown = port.e.rx.tail
        port.e.put = put_frame
        port.p.tx_sync = sim_tx_sync
        port.p.rx_sync = sim_rx_sync
        return 0

    cdef bint reset(self, SimPort port) except -1:
        reset_side(port.e.tx)
        reset_side(port.e.rx)
        port.e.shown = port.e.rx.tail
        return True


cdef void reset_side(ring_side *k) noexcept:
    """The user has all buffers that it swapped into slots: those are the slots' from now on."""
    cdef uint32_t i
    for i in range(k.num_slots):
        k.good[i] = k.r.slots[i].buf_idx
    ring_reset(k)


cdef class SimPort(Port):
    """A port of a Network, made by Network.port(). Its host is whoever receives; `host.callback` hears of frames where
    no stack is attached. `rings`: the class of Rings that it gets."""

    def __cinit__(self, network, SimHost host, str name, bytes mac, *, uint32_t mtu=1500, slots=(256, 512),
                  uint32_t buf_size=0, uint32_t spares=64, uint32_t fifo=0, rings=OwnRings, bint offload=False):
        if not 68 <= mtu <= 65535:
            raise ValueError(f"MTU of {mtu} bytes: from 68 to 65535")
        if offload and rings is not OwnRings:
            raise ValueError("only ports with rings of their own have offloads")
        if buf_size == 0:
            buf_size = min(2048 * ((mtu + 18 + 2047) // 2048), 32768)
        self.network = network
        self.host = host
        self.name = "sim:" + name
        self.clock = host.clock
        self.e.scratch = <uint8_t *>malloc(FRAME_MAX)
        if self.e.scratch == NULL:
            raise MemoryError
        if offload:
            self.e.segment = <uint8_t *>malloc(FRAME_MAX)
            if self.e.segment == NULL:
                raise MemoryError
            self.p.caps |= PORT_VNET_HDR
        self.e.p = &self.p
        self.e.h = &host.h
        self.e.fifo_max = fifo
        self.p.self = &self.e
        self.p.arm = sim_arm
        self.p.mtu = mtu
        self.p.caps |= PORT_CAN_SEND | PORT_CAN_RECEIVE
        self.p.link = LINK_DOWN
        memcpy(self.p.mac, <const uint8_t *>mac, 6)
        tx_slots, rx_slots = (slots, slots) if isinstance(slots, int) else slots
        self.rings = <Rings?>rings(tx_slots, rx_slots, buf_size, spares)
        self.rings.attach(self)

    def __dealloc__(self):
        free(self.e.scratch)
        free(self.e.segment)

    cdef void set_link(self, int state):
        if self.p.link != LINK_GONE and self.p.link != state:
            self.p.link = state
            host_touch(&self.host.h)

    cdef bint reset(self) except -1:
        """As new, without a link yet. False: it cannot be, it has vanished or is none of ours alone."""
        cdef frame *f
        while self.e.fifo_first != NULL:
            f = self.e.fifo_first
            self.e.fifo_first = f.next
            frame_give(self.e.frames, f)
        self.e.fifo_frames = 0
        if self.p.link == LINK_GONE or not self.rings.reset(self):
            return False
        self.p.link = LINK_DOWN
        memset(&self.p.stats, 0, sizeof(port_stats))
        return True

    def vanish(self):
        """The device goes away under its user: every sync says so from now on (ENXIO), and the host runs to see it."""
        self.set_link(LINK_GONE)


def open_port(address, **settings):
    """The backend of "sim:NAME": a new port on the switch NAME of the process's default network; both are made as
    needed.

    `settings` are those of Network.port(). ValueError for a bad name.
    """
    from usnet.backends.sim.network import default_network
    return default_network().join(address.removeprefix("sim:"), **settings)


def probe():
    """It works everywhere."""
    return True, "the simulator"
