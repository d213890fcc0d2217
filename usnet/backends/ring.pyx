"""Ports: what a stack sends and receives frames through. The contract is in ring.pxd."""
import enum
import os
from collections import namedtuple

from libc.errno cimport ENXIO, EOPNOTSUPP
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset


class PortCaps(enum.IntFlag):
    """What a port can do."""
    SEND = PORT_CAN_SEND
    RECEIVE = PORT_CAN_RECEIVE
    VNET_HDR = PORT_VNET_HDR
    SWAP = PORT_SWAP
    FILENO = PORT_FILENO
    MOVES = PORT_MOVES


Slot = namedtuple("Slot", "buf_idx len flags")


cdef int sync_nothing(void *self, uint32_t ring_number) noexcept nogil:
    return -ENXIO


cdef int arm_nothing(void *self, bint for_tx) noexcept nogil:
    return -EOPNOTSUPP


cdef object os_error(int status, str name):
    return OSError(-status, os.strerror(-status), name)


cdef class Port:
    """Base of all ports. Alone it has no rings, and every sync says that the device is gone."""

    def __cinit__(self, *args, **kwargs):
        memset(&self.p, 0, sizeof(port))
        self.p.self = <void *>self
        self.p.rx_sync = sync_nothing
        self.p.tx_sync = sync_nothing
        self.p.arm = arm_nothing
        self.p.link = LINK_DOWN
        self.name = "none:"

    # What it is

    @property
    def mtu(self):
        """Bytes of the largest IP packet."""
        return self.p.mtu

    @property
    def mac(self):
        """Its Ethernet address: 6 bytes."""
        return self.p.mac[:6]

    @property
    def caps(self):
        return PortCaps(self.p.caps)

    @property
    def pool(self):
        """Number of its pool of buffers: buffers swap between ports with the same one. 0: not at all."""
        return self.p.pool

    @property
    def link_up(self):
        return self.p.link == LINK_UP

    @property
    def gone(self):
        """The device vanished; the port can only be closed."""
        return self.p.link == LINK_GONE

    @property
    def spare_buffers(self):
        """Indices of the buffers that are in no slot, for swapping."""
        return [self.p.spare[i] for i in range(self.p.n_spare)]

    def statistics(self):
        """The counters of `port_stats`, as a dict."""
        return dict(self.p.stats)

    def describe(self):
        """All of the above, as a dict of plain values."""
        return {
            "name": self.name, "mtu": self.mtu, "mac": self.mac.hex(":"),
            "link": ("gone", "down", "up")[self.p.link + 1],
            "caps": [c.name.lower() for c in PortCaps if c & self.p.caps], "pool": self.pool, "buffers": self.p.n_bufs,
            "tx_slots": [self.p.tx[i].num_slots for i in range(self.p.n_tx)],
            "rx_slots": [self.p.rx[i].num_slots for i in range(self.p.n_rx)],
        }

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"

    # Driving it by hand: for tests, tools and the REPL. A port belongs to one user: a stack, or you

    def tx_ring(self, number=0):
        """The transmit ring of that number. IndexError when there is none."""
        return RingView(self, RING_TX, number)

    def rx_ring(self, number=0):
        """The receive ring of that number. IndexError when there is none."""
        return RingView(self, RING_RX, number)

    def send(self, frame, uint32_t ring_number=0, meta=None):
        """Puts a frame (bytes, from the Ethernet header on) into a transmit ring and syncs it. False when the ring has
        no room for it. `meta`: fields of its slot_meta, for ports with offloads.

        Raises OSError as sync() does; ValueError for an empty frame, or one that the ring can never hold; IndexError
        where a slot's buffer is outside the pool.
        """
        cdef const uint8_t[::1] view = frame
        cdef uint32_t left, need, part, room, i, length = <uint32_t>view.shape[0]
        cdef ring *r
        if not self.p.caps & PORT_CAN_SEND or ring_number >= self.p.n_tx:
            raise os_error(-EOPNOTSUPP, self.name)
        r = self.p.tx[ring_number]
        if r.head >= r.num_slots:
            self._sync(RING_TX, ring_number)    # says so
        room = ring_room(r, r.head)
        need = (length + room - 1) // room if room else r.num_slots
        if length == 0 or need > r.num_slots - 1:
            raise ValueError(f"a frame of {length} bytes cannot be sent")
        if need > ring_space(r):
            self._sync(RING_TX, ring_number)
            if need > ring_space(r):
                return False
        left, i = length, r.head
        while left:
            room = ring_room(r, i)
            if i == r.tail or room == 0:        # slots whose frames begin at different offsets
                return False
            if not 2 <= r.slots[i].buf_idx < self.p.n_bufs:
                raise IndexError(f"buffer {r.slots[i].buf_idx} of {self.p.n_bufs}")
            part = min(left, room)
            memcpy(ring_buf(r, i), &view[length - left], part)
            left -= part
            r.slots[i].len = <uint16_t>part
            r.slots[i].flags = NS_MOREFRAG if left else 0
            memset(&self.p.tx_meta[ring_number][i], 0, sizeof(slot_meta))
            if meta is not None and left + part == length:
                RingView(self, RING_TX, ring_number).set_meta(i, **meta)
            i = ring_next(r, i)
        r.head = r.cur = i
        self._sync(RING_TX, ring_number)
        return True

    def receive(self, bint meta=False):
        """Syncs the receive rings and takes all frames: a list of (frame, arrival in ns), or with `meta` of (frame, its slot_meta as a dict). The
        buffers are given back at the next sync."""
        frames = []
        cdef uint32_t n
        for n in range(self.p.n_rx):
            self._sync(RING_RX, n)
            self._take_all(n, frames, meta)
        return frames

    cdef bint _leave(self) noexcept:
        cdef port_leaving leaving = self.p.leaving
        self.p.leaving = NULL
        return leaving != NULL and leaving(self.p.user)

    cdef object _take_all(self, uint32_t n, list frames, bint meta):
        cdef ring *r = self.p.rx[n]
        cdef uint32_t i = r.head, first = r.head
        cdef list parts = []
        view = RingView(self, RING_RX, n) if meta else None
        while i != r.tail:
            parts.append((<const uint8_t *>ring_buf(r, i))[:r.slots[i].len])
            if not r.slots[i].flags & NS_MOREFRAG:
                frames.append((b"".join(parts), view.meta(first) if meta else self.p.rx_meta[n][first].time_ns))
                parts = []
                first = ring_next(r, i)
            i = ring_next(r, i)
        r.head = r.cur = i

    def sync(self):
        """Syncs every ring. OSError: ENXIO when the device is gone, EINVAL when indices were broken (the ring was set
        up anew)."""
        cdef uint32_t n
        for n in range(self.p.n_tx):
            self._sync(RING_TX, n)
        for n in range(self.p.n_rx):
            self._sync(RING_RX, n)

    cdef object _sync(self, int direction, uint32_t n):
        cdef int status
        with nogil:
            if direction == RING_TX:
                status = self.p.tx_sync(self.p.self, n)
            else:
                status = self.p.rx_sync(self.p.self, n)
        if status < 0:
            raise os_error(status, self.name)

    def arm(self, bint for_tx=False):
        """Asks to be woken at the next frame, or when there is room to send. OSError where the port cannot."""
        cdef int status
        with nogil:
            status = self.p.arm(self.p.self, for_tx)
        if status < 0:
            raise os_error(status, self.name)

    def fileno(self):
        """A descriptor that polls readable when frames wait. OSError (EOPNOTSUPP) for ports without PORT_FILENO."""
        raise os_error(-EOPNOTSUPP, self.name)

    def close(self):
        """Gives the device back. May be called again."""
        self.p.link = LINK_GONE

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


cdef class RingView:
    """One ring of a port, as its user sees it: indices can be set, slots read and written. Nothing stops you from
    breaking the rules of the ring; buffers outside the pool cannot be reached."""
    cdef Port port
    cdef uint32_t number
    cdef slot_meta *meta_
    cdef readonly str direction

    def __init__(self, Port port not None, int direction, uint32_t number):
        if number >= (port.p.n_tx if direction == RING_TX else port.p.n_rx):
            raise IndexError(f"{port.name} has no ring {number} of this direction")
        self.port = port
        self.direction = "tx" if direction == RING_TX else "rx"
        self.number = number
        self.meta_ = port.p.tx_meta[number] if direction == RING_TX else port.p.rx_meta[number]

    cdef ring *r(self) noexcept:
        """A port that was closed may have put other rings there."""
        return self.port.p.tx[self.number] if self.direction == "tx" else self.port.p.rx[self.number]

    @property
    def head(self):
        return self.r().head

    @head.setter
    def head(self, uint32_t i):
        self.r().head = i

    @property
    def cur(self):
        return self.r().cur

    @cur.setter
    def cur(self, uint32_t i):
        self.r().cur = i

    @property
    def tail(self):
        return self.r().tail

    @tail.setter
    def tail(self, uint32_t i):
        self.r().tail = i

    @property
    def num_slots(self):
        return self.r().num_slots

    @property
    def buf_size(self):
        """Bytes of a buffer."""
        return self.r().nr_buf_size

    def room(self, i):
        """Bytes that slot i has room for, from where its frame begins."""
        return ring_room(self.r(), self._at(i))

    @property
    def space(self):
        """Slots that belong to the user."""
        return ring_space(self.r())

    def advance(self, uint32_t by=1):
        """Moves head and cur on over so many slots."""
        cdef uint32_t _
        cdef ring *r = self.r()
        for _ in range(by):
            r.head = ring_next(r, r.head)
        r.cur = r.head

    def sync(self):
        """Syncs this ring alone: 0 or -errno, as the stack sees it."""
        cdef bint tx = self.direction == "tx"
        cdef int status
        with nogil:
            if tx:
                status = self.port.p.tx_sync(self.port.p.self, self.number)
            else:
                status = self.port.p.rx_sync(self.port.p.self, self.number)
        return status

    cdef uint32_t _at(self, i) except? 0xffffffff:
        if not 0 <= i < self.r().num_slots:
            raise IndexError(f"slot {i} of {self.r().num_slots}")
        return i

    def slot(self, i):
        """Slot(buf_idx, len, flags)"""
        cdef uint32_t at = self._at(i)
        return Slot(self.r().slots[at].buf_idx, self.r().slots[at].len, self.r().slots[at].flags)

    def offset(self, i):
        """Where the frame of a slot begins in its buffer. It goes where the buffer goes."""
        cdef uint32_t at = self._at(i)
        return self.r().slots[at].ptr & self.r().offset_mask

    def set_slot(self, i, buf_idx=None, len=None, flags=None, offset=None):
        """Writes those fields of a slot that are given. `offset` has no effect on ports without offsets."""
        cdef uint32_t at = self._at(i)
        if buf_idx is not None:
            self.r().slots[at].buf_idx = buf_idx
        if len is not None:
            self.r().slots[at].len = len
        if flags is not None:
            self.r().slots[at].flags = flags
        if offset is not None:
            self.r().slots[at].ptr = self.r().slots[at].ptr & ~self.r().offset_mask | offset & self.r().offset_mask

    def meta(self, i):
        """The slot_meta of a slot, as a dict."""
        cdef uint32_t at = self._at(i)
        meta = dict(self.meta_[at])
        meta.pop("pad", None)
        return meta

    def set_meta(self, i, **fields):
        """Writes those fields of a slot's slot_meta that are given. KeyError: there is no such field."""
        cdef uint32_t at = self._at(i)
        meta = {**dict(self.meta_[at]), "pad": [0] * 7}
        for name, value in fields.items():
            meta[name]
            meta[name] = value
        self.meta_[at] = meta

    cdef uint8_t *_buf(self, uint32_t at, Py_ssize_t length) except NULL:
        if not 2 <= self.r().slots[at].buf_idx < self.port.p.n_bufs:
            raise IndexError(f"buffer {self.r().slots[at].buf_idx} of {self.port.p.n_bufs}")
        if length > ring_room(self.r(), at):
            raise ValueError(f"{length} bytes in a buffer with room for {ring_room(self.r(), at)}")
        return ring_buf(self.r(), at)

    def read(self, i):
        """The bytes of a slot."""
        cdef uint32_t at = self._at(i)
        cdef const uint8_t *b = self._buf(at, self.r().slots[at].len)
        return b[:self.r().slots[at].len]

    def write(self, i, frame, flags=0):
        """Fills a slot's buffer and sets its length and flags."""
        cdef uint32_t at = self._at(i)
        cdef const uint8_t[::1] view = frame
        cdef uint8_t *b = self._buf(at, view.shape[0])
        if view.shape[0]:
            memcpy(b, &view[0], view.shape[0])
        self.r().slots[at].len = <uint16_t>view.shape[0]
        self.r().slots[at].flags = flags
