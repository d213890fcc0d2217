"""netmap as a port of the stack: NICs, host rings, VALE ports and pipes, on the kernel's module or the stand-in."""
import os
import select
import weakref

cimport cython
from libc.errno cimport EINVAL, EIO, ENODEV, ENXIO
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from usnet.backends.clock cimport Clock
from usnet.backends.netmap.abi cimport NETMAP_API, NETMAP_REQ_PORT_INFO_GET, NIOCCTRL
from usnet.backends.netmap.descriptor cimport Descriptor
from usnet.backends.netmap.device cimport NM_POLLERR, NM_POLLIN, NM_POLLOUT, Device, KernelDevice
from usnet.backends.netmap.link cimport Interface
from usnet.backends.netmap.side cimport (
    nm_side, rx_check, rx_hide, rx_settle, side_full, side_publish, side_reset, tx_check, tx_headers, tx_settle, tx_take_back,
)
from usnet.backends.ring cimport (
    LINK_DOWN, LINK_GONE, LINK_UP, PORT_CAN_RECEIVE, PORT_CAN_SEND, PORT_FILENO, PORT_MAX_RINGS, PORT_MOVES, PORT_SWAP, PORT_VNET_HDR,
    RING_RX, RING_TX, Port, ring, slot_meta,
)
from usnet.backends.ring_memory cimport FIRST_BUFFER

cdef enum:
    OWN_POOLS = 1 << 16         # numbers of pools that are not the kernel's regions begin here

cdef uint32_t last_pool = OWN_POOLS
open_ports = weakref.WeakSet()


# The link: whether the module still moves frames

cdef int interface_state(nm_port *e) noexcept nogil:
    """1 up, 0 down, -1 gone, as the interface says, or (where there is none) the device."""
    cdef int status
    if e.interface != NULL:
        return (<Interface>e.interface).state()
    status = (<Device>e.device).ioctl(e.query_fd, NIOCCTRL, &e.query)
    return -1 if status == -ENXIO or status == -ENODEV else 0


cdef int sync_failed(nm_port *e, int status) noexcept nogil:
    """What a sync that the module refused returns. EIO is a ring that is stopped: the interface is down, or gone."""
    if status == -ENXIO or status == -ENODEV or (status == -EIO and interface_state(e) < 0):
        e.p.link = LINK_GONE
        return -ENXIO
    if status == -EIO:
        e.p.link = LINK_DOWN
        return 0
    return status


cdef bint came_back(nm_port *e) noexcept nogil:
    """Whether a link that was down may be tried again. Sets LINK_GONE when it is that."""
    cdef int up
    if e.interface == NULL:
        return True             # the sync will tell
    up = (<Interface>e.interface).state()
    if up == 1:
        e.p.link = LINK_UP
    elif up < 0:
        e.p.link = LINK_GONE
    return up == 1


# The contract's functions

cdef int broken_rules(nm_port *e, nm_side *k) noexcept nogil:
    side_reset(k)
    e.p.stats.ring_resets += 1
    return -EINVAL


cdef int drop_all(nm_port *e, nm_side *k, uint32_t frames, uint64_t bytes) noexcept nogil:
    """The link is down: what was handed over is taken, and goes nowhere."""
    if e.p.link == LINK_GONE:
        return -ENXIO
    e.p.stats.tx_frames += frames
    e.p.stats.tx_bytes += bytes
    e.p.stats.tx_errors += frames
    tx_take_back(k)
    return 0


cdef int netmap_tx_sync(void *self, uint32_t number) noexcept nogil:
    cdef nm_port *e = <nm_port *>self
    cdef nm_side *k = &e.tx[number]
    cdef uint32_t frames = 0
    cdef uint32_t before
    cdef uint64_t bytes = 0
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number >= e.p.n_tx:
        return -EINVAL
    if not tx_check(k, &frames, &bytes):
        return broken_rules(e, k)
    if e.p.link == LINK_DOWN and not came_back(e):
        side_publish(k)
        return drop_all(e, k, frames, bytes)
    if k.hdr:
        tx_headers(k)
    side_publish(k)
    before = k.head
    k.head = k.r.head
    status = (<Descriptor>k.desc).txsync()
    if status < 0:
        k.head = before
        status = sync_failed(e, status)
        return drop_all(e, k, frames, bytes) if status == 0 else status
    if e.p.link == LINK_DOWN and e.interface == NULL:
        e.p.link = LINK_UP
    e.p.stats.tx_frames += frames
    e.p.stats.tx_bytes += bytes
    before = k.tail
    status = tx_settle(k, &e.p.stats)
    if k.tail == before and side_full(k) and e.interface != NULL and (<Interface>e.interface).state() != 1:
        e.p.link = LINK_DOWN        # nothing leaves any more, and drivers do not say why
    return status


cdef int netmap_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef nm_port *e = <nm_port *>self
    cdef nm_side *k = &e.rx[number]
    cdef uint32_t before
    cdef int64_t now = 0
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number >= e.p.n_rx:
        return -EINVAL
    if k.broken:
        k.broken = False
        return -EINVAL
    if not rx_check(k):
        return broken_rules(e, k)
    if e.p.link == LINK_DOWN and not came_back(e) and e.p.link == LINK_GONE:
        return -ENXIO
    side_publish(k)
    before = k.head
    k.head = k.r.head
    status = (<Descriptor>k.desc).rxsync()
    if status < 0:
        k.head = before
        rx_hide(k)
        return sync_failed(e, status)
    if e.p.link == LINK_DOWN and e.interface == NULL:
        e.p.link = LINK_UP
    if k.r.tail != k.tail:
        now = (<Clock>e.clock).read((<Clock>e.clock).self_)
    return rx_settle(k, &e.p.stats, now)


cdef void arm_rx(nm_port *e, nm_side *k) noexcept nogil:
    """poll() syncs receive rings, so it must find them as a sync would."""
    if k.broken:
        return
    if not rx_check(k):
        broken_rules(e, k)
        k.broken = True
        return
    side_publish(k)
    k.head = k.r.head
    if k.shown != k.tail:       # the beginning of a frame is nothing to wake up for
        k.user_cur = k.r.cur
        k.r.cur = k.tail
        k.cur_moved = True
    k.armed = True


cdef int netmap_arm(void *self, bint for_tx) noexcept nogil:
    cdef nm_port *e = <nm_port *>self
    cdef nm_side *k
    cdef uint32_t i
    cdef int events[32]
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    for i in range(e.n_descs):
        events[i] = 0
    for i in range(e.p.n_rx):
        arm_rx(e, &e.rx[i])
        events[e.rx[i].watch] |= NM_POLLIN
    for i in range(e.p.n_tx):
        # Room is nearly always there: only for a ring that has none is it worth waking up
        k = &e.tx[i]
        if side_full(k) and k.r.head == k.head and e.p.link == LINK_UP:
            k.r.cur = k.head
            side_publish(k)
            k.armed = True
            events[k.watch] |= NM_POLLOUT
    for i in range(e.n_descs):
        # Each time, also when it is the same again: what was ready may not be any more
        status = (<Device>e.device).watch((<Descriptor>e.descs[i]).fd, events[i])
        if status < 0:
            return status
    return 0


cdef uint32_t pool_number(NetmapPort mine, Descriptor d):
    """The same for all ports of one memory region: the kernel's own number; of other devices, one of ours."""
    global last_pool
    cdef NetmapPort other
    if isinstance(mine.device, KernelDevice):
        return d.mem_id
    for other in open_ports:
        if other.device is mine.device and (<Descriptor>other.descriptors[0]).mem_id == d.mem_id:
            return other.p.pool
    last_pool += 1
    return last_pool


@cython.no_gc_clear             # it goes by its descriptors, and they by their device, until the last
cdef class NetmapPort(Port):
    """A port of netmap's. `descriptors` (Descriptor, open; the port closes them): each is bound to one ring of a direction, or of both. Closing the
    port gives everything back."""

    def __cinit__(self, str name not None, Device device not None, request, list descriptors not None, uint32_t mtu, bytes mac not None, clock,
                  Interface interface=None):
        cdef Descriptor d
        cdef uint32_t i
        self.e.query_fd = self.wait_fd = -1
        self.device, self.request, self.descriptors, self.interface = device, request, tuple(descriptors), interface
        self.e.interface = <void *>interface if interface is not None else NULL
        self.name = name
        self.clock = <Clock?>clock
        self.e.p, self.e.device, self.e.clock = &self.p, <void *>device, <void *>self.clock
        self.nothing = <ring *>calloc(1, sizeof(ring) + 64)
        if self.nothing == NULL:
            raise MemoryError("no memory for an empty ring")
        if not 0 < len(descriptors) <= 32:
            raise ValueError(f"{len(descriptors)} descriptors: from 1 to 32")
        for d in descriptors:
            self.e.descs[self.e.n_descs] = <void *>d
            if d.n_tx > 1 or d.n_rx > 1:
                raise ValueError(f"{d.name} is bound to {max(d.n_tx, d.n_rx)} rings: each ring of a port needs a descriptor of its own")
            for i in range(d.n_tx):
                self._enter(RING_TX, d, i)
            for i in range(d.n_rx):
                self._enter(RING_RX, d, i)
            self.e.n_descs += 1
        d = descriptors[0]
        self.p.self = &self.e
        self.p.tx_sync, self.p.rx_sync, self.p.arm = netmap_tx_sync, netmap_rx_sync, netmap_arm
        self.p.caps |= (PORT_CAN_SEND if self.p.n_tx else 0) | (PORT_CAN_RECEIVE if self.p.n_rx else 0) | PORT_FILENO
        self.p.caps |= PORT_SWAP | (PORT_VNET_HDR if d.hdr_len else 0) | (PORT_MOVES if request.pipe else 0)
        self.p.pool, self.p.n_bufs = pool_number(self, d), d.n_bufs
        self.p.spare, self.p.n_spare = d.extra, d.n_extra
        self.p.mtu = mtu
        memcpy(self.p.mac, <const uint8_t *>mac, 6)
        if interface is None:
            self._open_query()
        self._watch()
        self.p.link = LINK_UP
        self.link_up            # asks
        open_ports.add(self)

    cdef object _enter(self, int direction, object descriptor, uint32_t of):
        """Enters ring `of` of a descriptor into the port."""
        cdef Descriptor d = descriptor
        cdef uint32_t n = self.p.n_tx if direction == RING_TX else self.p.n_rx
        cdef nm_side *k
        cdef ring *r = d.tx[of] if direction == RING_TX else d.rx[of]
        cdef uint32_t i
        if n == PORT_MAX_RINGS:
            raise ValueError(f"{self.name} has more than {PORT_MAX_RINGS} rings of one direction: open single ones, as in netmap:em0-1, "
                             f"or give the interface fewer queues")
        k = &self.e.tx[n] if direction == RING_TX else &self.e.rx[n]
        k.r, k.desc, k.watch = r, self.e.descs[self.e.n_descs], self.e.n_descs
        k.buf_ofs, k.num_slots, k.buf_size, k.n_bufs = r.buf_ofs, r.num_slots, r.nr_buf_size, d.n_bufs
        k.moves, k.tx = bool(self.request.pipe), direction == RING_TX
        k.ringid, k.dir, k.flags, k.hdr = r.ringid, r.dir, r.flags, d.hdr_len
        k.own_mask = r.offset_mask if d.max_offset else 0
        k.offset_mask = ~<uint64_t>0 if k.hdr else k.own_mask
        k.max_offset = k.buf_size if k.hdr else d.max_offset
        k.head = r.head
        k.tail = k.shown = r.tail if direction == RING_TX else r.head
        k.meta = <slot_meta *>calloc(k.num_slots, sizeof(slot_meta))
        k.good = <uint32_t *>calloc(k.num_slots, sizeof(uint32_t))
        if k.meta == NULL or k.good == NULL:
            raise MemoryError("no memory for the slots of a port")
        for i in range(k.num_slots):
            k.good[i] = r.slots[i].buf_idx
            if k.hdr:
                r.slots[i].ptr = k.hdr if direction == RING_TX else 0
        r.offset_mask = k.offset_mask
        if direction == RING_TX:
            self.p.tx[n], self.p.tx_meta[n] = r, k.meta
            self.p.n_tx += 1
        else:
            self.p.rx[n], self.p.rx_meta[n] = r, k.meta
            self.p.n_rx += 1
            rx_settle(k, &self.p.stats, self.clock.now())       # frames that wait already

    cdef object _open_query(self):
        """What the device is asked with whether the port is still there."""
        cdef bytes name = self.request.name.encode("utf-8", "surrogateescape")
        self.e.query_fd = self.device.open()
        if self.e.query_fd < 0:
            raise OSError(-self.e.query_fd, os.strerror(-self.e.query_fd), self.device.path)
        self.e.query.nr_version, self.e.query.nr_reqtype = NETMAP_API, NETMAP_REQ_PORT_INFO_GET
        self.e.query.nr_body = <uint64_t>&self.e.info
        memcpy(self.e.query.nr_name, <const char *>name, len(name))

    cdef int _watch(self) except -1:
        """Makes the descriptor that is readable when any ring has frames."""
        cdef uint32_t i
        cdef int fd
        watched = []
        for i in range(self.e.n_descs):
            fd = self.device.watch((<Descriptor>self.e.descs[i]).fd, NM_POLLIN)
            if fd < 0:
                raise OSError(-fd, os.strerror(-fd), self.name)
            watched.append(fd)
        self.wait_fd = watched[0]
        if len(watched) > 1:
            self.waiter = select.epoll() if hasattr(select, "epoll") else select.kqueue()
            for fd in watched:
                if hasattr(select, "epoll"):
                    self.waiter.register(fd, select.EPOLLIN)
                else:
                    self.waiter.control([select.kevent(fd, select.KQ_FILTER_READ, select.KQ_EV_ADD)], 0)
            self.wait_fd = self.waiter.fileno()
        return 0

    def __dealloc__(self):
        cdef uint32_t i
        self._close()
        for i in range(PORT_MAX_RINGS):
            free(self.e.tx[i].meta)
            free(self.e.tx[i].good)
            free(self.e.rx[i].meta)
            free(self.e.rx[i].good)
        free(self.nothing)

    cdef void _close(self) noexcept:
        cdef uint32_t i
        if self._leave():
            (<Descriptor>self.descriptors[0]).hold()
        if self.e.n_descs and self.wait_fd >= 0:
            self._keep_extra()
        for i in range(self.p.n_tx):
            if self.p.tx[i] != self.nothing:
                self.p.tx[i].offset_mask = self.e.tx[i].own_mask
        for i in range(self.p.n_rx):
            if self.p.rx[i] != self.nothing:
                self.p.rx[i].offset_mask = self.e.rx[i].own_mask
        if self.waiter is not None:
            self.waiter.close()
        for i in range(self.e.n_descs):
            (<Descriptor>self.descriptors[i]).shut()
        if self.e.query_fd >= 0:
            self.device.close(self.e.query_fd)
        self.e.query_fd = self.wait_fd = -1
        self.e.n_descs = 0
        self.waiter = None
        # Whoever still looks at the rings finds empty ones
        for i in range(PORT_MAX_RINGS):
            self.p.tx[i] = self.p.rx[i] = self.nothing
        self.nothing.num_slots = 2
        self.p.n_bufs = self.p.n_spare = 0
        self.p.spare = NULL

    cdef void _keep_extra(self) noexcept:
        """What goes back with the descriptor as extra buffers: spare ones that are in no ring, each once. The others go back with the rings."""
        cdef Descriptor d = self.descriptors[0]
        cdef uint32_t i, n
        cdef set seen = set()
        for i in range(self.p.n_tx):
            seen.update([self.p.tx[i].slots[n].buf_idx for n in range(self.e.tx[i].num_slots)])
        for i in range(self.p.n_rx):
            seen.update([self.p.rx[i].slots[n].buf_idx for n in range(self.e.rx[i].num_slots)])
        n = 0
        for i in range(min(self.p.n_spare, d.n_extra)):
            if FIRST_BUFFER <= d.extra[i] < d.n_bufs and d.extra[i] not in seen:
                seen.add(d.extra[i])
                d.extra[n] = d.extra[i]
                n += 1
        d.n_extra = n

    @property
    def link_up(self):
        """Asks the interface, or the device where there is none: it is up."""
        cdef int up, ready
        if self.p.link == LINK_GONE:
            return False
        if self.e.interface != NULL:
            up = self.interface.state()
        elif self.wait_fd >= 0:
            up = 1
            netmap_arm(&self.e, False)          # poll() syncs
            for d in self.descriptors:
                ready = self.device.poll((<Descriptor>d).fd, NM_POLLIN, 0)
                if ready < 0 or ready & NM_POLLERR:
                    up = interface_state(&self.e)
        self.p.link = LINK_UP if up == 1 else LINK_DOWN if up == 0 else LINK_GONE
        return up == 1

    def fileno(self):
        if self.wait_fd < 0:
            raise ValueError(f"{self.name} is closed")
        return self.wait_fd

    def close(self):
        self.p.link = LINK_GONE
        self._close()
