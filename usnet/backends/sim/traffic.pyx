"""Hosts without a stack."""
from libc.stdint cimport INT64_MAX, uint8_t
from libc.string cimport memcpy, memset

from usnet.backends.ring cimport ring, ring_buf, ring_next, ring_room, ring_space
from usnet.backends.sim.port cimport SimPort
from usnet.wire.eth cimport ETH_ALEN, ETH_HLEN

from usnet.backends.sim import units


cdef bint quiet(void *ctx) noexcept nogil:
    return False


cdef bint put(port *p, const uint8_t *frame, uint32_t length) noexcept nogil:
    """Copies a frame of one slot into the transmit ring."""
    cdef ring *tx = p.tx[0]
    if ring_space(tx) == 0 or length > ring_room(tx, tx.head):
        return False
    memcpy(ring_buf(tx, tx.head), frame, length)
    tx.slots[tx.head].len = <unsigned short>length
    tx.slots[tx.head].flags = 0
    tx.head = ring_next(tx, tx.head)
    tx.cur = tx.head
    return True


cdef uint64_t skip_received(port *p) noexcept nogil:
    cdef ring *rx = p.rx[0]
    cdef uint64_t n
    p.rx_sync(p.self, 0)
    n = ring_space(rx)
    rx.head = rx.tail
    rx.cur = rx.tail
    return n


cdef int64_t source_run(void *ctx, int64_t now) noexcept nogil:
    cdef source *s = <source *>ctx
    cdef ring *tx = s.p.tx[0]
    s.received += skip_received(s.p)
    while s.left and s.due <= now and ring_space(tx):
        # The frame is made in place: broadcast, numbered by what is left, zeros behind.
        memset(ring_buf(tx, tx.head), 0, s.size)
        memset(ring_buf(tx, tx.head), 0xff, ETH_ALEN)
        memcpy(ring_buf(tx, tx.head) + ETH_ALEN, s.p.mac, ETH_ALEN)
        memcpy(ring_buf(tx, tx.head) + ETH_HLEN, &s.left, sizeof(uint64_t))
        tx.slots[tx.head].len = <unsigned short>s.size
        tx.slots[tx.head].flags = 0
        tx.head = ring_next(tx, tx.head)
        tx.cur = tx.head
        s.left -= 1
        s.due += s.gap
    s.p.tx_sync(s.p.self, 0)
    if s.left == 0:
        return INT64_MAX
    return s.due if s.due > now else now


cdef int64_t reflector_run(void *ctx, int64_t now) noexcept nogil:
    cdef reflector *r = <reflector *>ctx
    cdef ring *rx = r.p.rx[0]
    cdef uint8_t mac[6]
    cdef uint8_t *frame
    r.p.rx_sync(r.p.self, 0)
    while rx.head != rx.tail:
        frame = ring_buf(rx, rx.head)
        if rx.slots[rx.head].len >= ETH_HLEN:
            memcpy(mac, frame, ETH_ALEN)
            memcpy(frame, frame + ETH_ALEN, ETH_ALEN)
            memcpy(frame + ETH_ALEN, r.p.mac, ETH_ALEN)
        if put(r.p, frame, rx.slots[rx.head].len):
            r.reflected += 1
        else:
            r.lost += 1
        rx.head = ring_next(rx, rx.head)
        rx.cur = rx.head
    r.p.rx_sync(r.p.self, 0)
    r.p.tx_sync(r.p.self, 0)
    return INT64_MAX


cdef class Source:
    """Source(port, frames, size=1514, gap="0ns"): broadcasts so many frames of `size` bytes, one each `gap`, and
    discards what it receives."""

    def __init__(self, SimPort port not None, frames, uint32_t size=1514, gap="0ns"):
        if not 64 <= size <= port.p.tx[0].nr_buf_size:
            raise ValueError(f"frames of {size} bytes: from 64 to {port.p.tx[0].nr_buf_size}")
        self.port = port
        self.s.p = &port.p
        self.s.left = frames
        self.s.size = size
        self.s.gap = units.time(gap)
        self.s.due = port.network.now
        port.host.attach(source_run, &self.s, quiet, NULL, self)

    @property
    def left(self):
        return self.s.left

    @property
    def received(self):
        return self.s.received


cdef class Reflector:
    """Reflector(port): sends each frame back to where it came from."""

    def __init__(self, SimPort port not None):
        self.port = port
        self.r.p = &port.p
        port.host.attach(reflector_run, &self.r, quiet, NULL, self)

    @property
    def reflected(self):
        return self.r.reflected

    @property
    def lost(self):
        return self.r.lost
