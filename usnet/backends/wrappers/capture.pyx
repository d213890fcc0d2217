"""A port that writes down what passes through another one."""
import time

from libc.errno cimport EINVAL
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.backends.clock cimport Clock, MonotonicClock
from usnet.backends.ring cimport (
    LINK_GONE, META_CSUM_NEEDED, NS_MOREFRAG, PORT_VNET_HDR, RING_RX, RING_TX, Port, port, ring, ring_buf, ring_next, slot_meta,
)
from usnet.backends.ring_memory cimport ring_keeps_rules
from usnet.backends.wrappers.pcapng cimport (
    CAPTURE_IN, CAPTURE_OUT, PcapngWriter, capture_add, capture_begin, capture_end, capture_finish, capture_out,
)

cdef struct capture_port:
    port *outer
    port *inner
    capture_out *out
    void *clock
    uint32_t interface
    int64_t offset              # ns, from the port's clock to the times in the file
    uint32_t tx_seen[16]        # of each transmit ring: slots before it were written
    uint32_t tx_tail[16]        # ... where the user's part ended after the last sync
    uint32_t rx_seen[16]        # of each receive ring
    uint32_t slots              # of a transmit ring, bytes of its buffers, where its slots keep offsets: the ring's own words can be spoilt
    uint32_t buf_size
    uint64_t offset_mask


cdef void write_frames(capture_port *e, ring *r, uint32_t i, uint32_t end, int64_t now, int direction,
                       uint32_t number) noexcept nogil:
    """The whole frames of slots [i, end), a frame of several segments as one. Checksums that the port is to complete are completed in the file."""
    cdef uint32_t first, length
    cdef int64_t when
    cdef const slot_meta *m
    cdef bint vnet = (e.inner.caps & PORT_VNET_HDR) != 0
    while i != end:
        first = i
        length = r.slots[i].len
        while r.slots[i].flags & NS_MOREFRAG and ring_next(r, i) != end:
            i = ring_next(r, i)
            length += r.slots[i].len
        i = ring_next(r, i)
        m = &e.inner.tx_meta[number][first] if direction == RING_TX else &e.inner.rx_meta[number][first]
        when = 0 if direction == RING_TX else m.time_ns
        if capture_begin(e.out, e.interface, (when if when else now) + e.offset, length) < 0:
            continue
        while first != i:
            capture_add(e.out, ring_buf(r, first), r.slots[first].len)
            first = ring_next(r, first)
        if m.flags & META_CSUM_NEEDED and vnet:
            capture_finish(e.out, length, m.csum_start, m.csum_offset)
        capture_end(e.out, length, CAPTURE_OUT if direction == RING_TX else CAPTURE_IN)


cdef inline int64_t clock_of(capture_port *e) noexcept nogil:
    return (<Clock>e.clock).read((<Clock>e.clock).self_)


cdef inline void mirror(capture_port *e) noexcept nogil:
    e.outer.link = e.inner.link
    e.outer.stats = e.inner.stats


cdef int capture_tx_sync(void *self, uint32_t number) noexcept nogil:
    cdef capture_port *e = <capture_port *>self
    cdef ring *r
    cdef int status
    if number >= e.inner.n_tx:
        return e.inner.tx_sync(e.inner.self, number)
    r = e.inner.tx[number]
    # Written before the sync, after which the buffers may be anybody's; broken indices are left to the port
    if r.num_slots == e.slots and r.nr_buf_size == e.buf_size and r.offset_mask == e.offset_mask and e.inner.link != LINK_GONE:
        if ring_keeps_rules(r, e.slots, e.buf_size, e.inner.n_bufs, e.offset_mask, e.tx_seen[number], e.tx_tail[number], True):
            if e.tx_seen[number] != r.head:
                write_frames(e, r, e.tx_seen[number], r.head, clock_of(e), RING_TX, number)
    status = e.inner.tx_sync(e.inner.self, number)
    if status == 0 or status == -EINVAL:
        e.tx_seen[number] = r.head
        e.tx_tail[number] = r.tail
    mirror(e)
    return status


cdef int capture_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef capture_port *e = <capture_port *>self
    cdef ring *r
    cdef uint32_t head = e.inner.rx[number].head if number < e.inner.n_rx else 0
    cdef int status = e.inner.rx_sync(e.inner.self, number)
    mirror(e)
    if number >= e.inner.n_rx:
        return status
    r = e.inner.rx[number]
    if status == -EINVAL or r.head != head:
        e.rx_seen[number] = r.head          # set up anew
    if status == 0 and e.rx_seen[number] != r.tail:
        write_frames(e, r, e.rx_seen[number], r.tail, clock_of(e), RING_RX, number)
        e.rx_seen[number] = r.tail
    return status


cdef int capture_arm(void *self, bint for_tx) noexcept nogil:
    cdef capture_port *e = <capture_port *>self
    return e.inner.arm(e.inner.self, for_tx)


cdef bint still_looked_at(void *user) noexcept nogil:
    return True


cdef class CapturePort(Port):
    """`CapturePort(inner, file)`: the same rings as `inner`, of which all frames are written to a pcapng file as they
    are sent or arrive.

    file: a path, a binary file, or a PcapngWriter that several ports share (then it stays open). Use only this port
    from then on. Times are the port's clock; with CLOCK_MONOTONIC they are moved to the time of day, or by `offset_ns`
    if given. `flush()`; close() closes the inner port too.
    """
    cdef capture_port e
    cdef readonly Port inner
    cdef readonly PcapngWriter writer
    cdef bint ours

    def __cinit__(self, Port inner not None, file, *, offset_ns=None):
        cdef uint32_t i
        self.inner = inner
        self.ours = not isinstance(file, PcapngWriter)
        self.writer = PcapngWriter(file) if self.ours else file
        self.name, self.clock = inner.name, inner.clock
        if offset_ns is None:
            offset_ns = time.time_ns() - self.clock.now() if isinstance(self.clock, MonotonicClock) else 0
        self.e.outer, self.e.inner, self.e.out = &self.p, &inner.p, &self.writer.c
        self.e.clock = <void *>self.clock
        self.e.offset = offset_ns
        self.e.interface = self.writer.add_interface(inner.name, inner.mac)
        memcpy(&self.p, &inner.p, sizeof(port))
        self.p.self = &self.e
        self.p.tx_sync, self.p.rx_sync, self.p.arm = capture_tx_sync, capture_rx_sync, capture_arm
        if inner.p.n_tx:
            self.e.slots, self.e.buf_size, self.e.offset_mask = inner.p.tx[0].num_slots, inner.p.tx[0].nr_buf_size, inner.p.tx[0].offset_mask
        for i in range(inner.p.n_tx):
            self.e.tx_seen[i], self.e.tx_tail[i] = inner.p.tx[i].head, inner.p.tx[i].tail
        for i in range(inner.p.n_rx):
            self.e.rx_seen[i] = inner.p.rx[i].tail

    @property
    def link_up(self):
        up = self.inner.link_up
        mirror(&self.e)
        return up

    def statistics(self):
        mirror(&self.e)
        return super().statistics()

    def fileno(self):
        return self.inner.fileno()

    def flush(self):
        """Hands what was captured to the file. OSError when writing failed."""
        self.writer.flush()

    def close(self):
        if self._leave():
            self.inner.p.leaving = still_looked_at
        self.inner.p.n_spare = self.p.n_spare
        super().close()
        try:
            self.writer.close() if self.ours else self.writer.flush()
        finally:
            self.inner.close()
            self.p.tx, self.p.rx, self.p.n_bufs = self.inner.p.tx, self.inner.p.rx, self.inner.p.n_bufs
