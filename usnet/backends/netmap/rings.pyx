"""netmap's rings as Python objects, without copies: for programs that want netmap alone. How they work: netmap(4), and Ring here."""
import enum
from time import monotonic_ns

import numpy

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.netmap.abi cimport NETMAP_MAX_FRAGS
from usnet.backends.netmap.descriptor cimport Descriptor, descriptor_buf
from usnet.backends.netmap.device cimport NM_POLLERR, NM_POLLIN, NM_POLLOUT, Device, KernelDevice
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, ring, ring_space, slot

from usnet.backends.netmap.errors import failure

SLOT_DTYPE = numpy.dtype([("buf_idx", "u4"), ("len", "u2"), ("flags", "u2"), ("ptr", "u8")])


class Ready(enum.IntFlag):
    """What poll() found."""
    IN = NM_POLLIN
    OUT = NM_POLLOUT
    ERR = NM_POLLERR


cdef class View:
    """Bytes of netmap's memory, for memoryview and NumPy. While one is looked at, its mapping stays."""
    cdef Descriptor d
    cdef uint8_t *at
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *b, int flags):
        if self.d.hold() < 0:
            raise closed(self.d)
        try:
            PyBuffer_FillInfo(b, self, self.at, self.size, False, flags)
        except BaseException:
            self.d.let_go()
            raise

    def __releasebuffer__(self, Py_buffer *b):
        self.d.let_go()


cdef object view(Descriptor d, uint8_t *at, Py_ssize_t size):
    cdef View v = View.__new__(View)
    v.d = d
    v.at = at
    v.size = size
    return v


cdef object closed(Descriptor d):
    return ValueError(f"{d.name} is closed")


cdef object buffer(Descriptor d, uint32_t i):
    """A memoryview of buffer i. IndexError where there is none."""
    cdef uint8_t *b
    if d.memory == NULL:
        raise closed(d)
    b = descriptor_buf(d, i)
    if b == NULL:
        raise IndexError(f"{d.name}: no buffer {i}: they go from 2 to {d.n_bufs - 1}")
    return memoryview(view(d, b, d.buf_size))


cdef object check_same_region(Descriptor a, Descriptor b):
    """ValueError unless buffers may move from one to the other."""
    same = a.device is b.device or (isinstance(a.device, KernelDevice) and isinstance(b.device, KernelDevice) and a.device.path == b.device.path)
    if not same or a.mem_id != b.mem_id:
        raise ValueError(f"{a.name} and {b.name} have different memory regions ({a.mem_id} and {b.mem_id}): copy the bytes, or open one with @share:port=")


cdef class Slot:
    """One slot of a ring. Nothing is copied: what is written here stands in the ring. Whose it is at a time, the ring's indices say; a slot that is not the
    user's may be read, and may change meanwhile."""
    cdef readonly Ring ring
    cdef readonly uint32_t index

    cdef slot *at(self) except NULL:
        return &self.ring.get().slots[self.index]

    @property
    def buf_idx(self):
        """Number of its buffer."""
        return self.at().buf_idx

    @buf_idx.setter
    def buf_idx(self, uint32_t i):
        """Sets NS_BUF_CHANGED too. IndexError for what is no buffer."""
        cdef slot *s = self.at()
        if descriptor_buf(self.ring.d, i) == NULL:
            raise IndexError(f"no buffer {i}: they go from 2 to {self.ring.d.n_bufs - 1}")
        s.buf_idx = i
        s.flags |= NS_BUF_CHANGED

    @property
    def len(self):
        """Bytes of the frame, or of its fragment, in the buffer."""
        return self.at().len

    @len.setter
    def len(self, uint32_t length):
        cdef slot *s = self.at()
        if length > self.room():
            raise ValueError(f"{length} bytes in a buffer with room for {self.room()}")
        s.len = <uint16_t>length

    @property
    def flags(self):
        """NS_*"""
        return self.at().flags

    @flags.setter
    def flags(self, uint16_t flags):
        self.at().flags = flags

    @property
    def ptr(self):
        """The field that holds the offset where the port has offsets."""
        return self.at().ptr

    @ptr.setter
    def ptr(self, uint64_t value):
        self.at().ptr = value

    @property
    def offset(self):
        """Bytes from the buffer's begin to the frame's; 0 where the port has no offsets."""
        return self.at().ptr & self.ring.get().offset_mask

    @offset.setter
    def offset(self, uint64_t value):
        cdef slot *s = self.at()
        cdef uint64_t mask = self.ring.get().offset_mask
        if value > self.ring.d.max_offset:
            raise ValueError(f"an offset of {value}: the port was opened with {self.ring.d.max_offset} at most")
        s.ptr = (s.ptr & ~mask) | (value & mask)

    cdef uint32_t room(self):
        """Bytes of its buffer behind the offset."""
        cdef uint64_t offset = self.at().ptr & self.ring.get().offset_mask
        return self.ring.d.buf_size - <uint32_t>offset if offset < self.ring.d.buf_size else 0

    @property
    def buf(self):
        """The whole buffer, as a writable memoryview. IndexError when buf_idx names none."""
        return buffer(self.ring.d, self.at().buf_idx)

    @property
    def data(self):
        """The frame's bytes, `len` from `offset` on, as a writable memoryview. Given bytes: copies them there and sets len.

        IndexError when buf_idx names no buffer, ValueError when the bytes would not lie in it.
        """
        cdef slot *s = self.at()
        cdef uint8_t *b = descriptor_buf(self.ring.d, s.buf_idx)
        if b == NULL:
            raise IndexError(f"buffer {s.buf_idx}: they go from 2 to {self.ring.d.n_bufs - 1}")
        if s.len > self.room():
            raise ValueError(f"{s.len} bytes in a buffer with room for {self.room()}")
        return memoryview(view(self.ring.d, b + self.ring.d.buf_size - self.room(), s.len))

    @data.setter
    def data(self, frame):
        cdef const uint8_t[::1] source = frame
        cdef slot *s = self.at()
        cdef uint8_t *b = descriptor_buf(self.ring.d, s.buf_idx)
        if b == NULL:
            raise IndexError(f"buffer {s.buf_idx}: they go from 2 to {self.ring.d.n_bufs - 1}")
        self.len = source.shape[0]
        if source.shape[0]:
            memcpy(b + self.ring.d.buf_size - self.room(), &source[0], source.shape[0])

    def swap(self, other not None):
        """Exchanges buffers with another slot, or with one of the extra buffers, and sets NS_BUF_CHANGED. Between slots the frame moves along: len, ptr and
        NS_MOREFRAG change places too.

        ValueError when the other's memory region is another one: copy then.
        """
        cdef slot *a = self.at()
        cdef slot *b
        cdef ExtraBuffer extra
        cdef slot was = a[0]
        if isinstance(other, ExtraBuffer):
            extra = other
            check_same_region(self.ring.d, extra.d)
            a.buf_idx = extra.buf_idx
            extra.d.extra[extra.number] = was.buf_idx
        else:
            check_same_region(self.ring.d, (<Slot?>other).ring.d)
            b = (<Slot>other).at()
            a.buf_idx, a.len, a.ptr = b.buf_idx, b.len, b.ptr
            a.flags = (was.flags & ~NS_MOREFRAG) | (b.flags & NS_MOREFRAG)
            b.buf_idx, b.len, b.ptr = was.buf_idx, was.len, was.ptr
            b.flags = (b.flags & ~NS_MOREFRAG) | (was.flags & NS_MOREFRAG) | NS_BUF_CHANGED
        a.flags |= NS_BUF_CHANGED

    def __repr__(self):
        return f"<Slot {self.index}: buf_idx={self.buf_idx} len={self.len} flags={self.flags:#x}>"


cdef class ExtraBuffer:
    """A buffer of the port that is in no slot."""
    cdef Descriptor d
    cdef readonly uint32_t number       # its place in extra_buffers

    @property
    def buf_idx(self):
        """Number of the buffer. It changes when it is swapped with a slot's."""
        if self.number >= self.d.n_extra:
            raise closed(self.d)
        return self.d.extra[self.number]

    @property
    def buf(self):
        """The whole buffer, as a writable memoryview."""
        return buffer(self.d, self.buf_idx)

    def __repr__(self):
        return f"<ExtraBuffer {self.number}: buf_idx={self.buf_idx}>"


cdef class Ring:
    """A ring of slots. Those from head up to, but without, tail are the user's, the others the port's. On a transmit ring the user's slots are free to fill,
    on a receive ring they hold frames; moving head over slots, advance(), hands them to the port: at the next sync or poll, and not before. cur is
    where the user wants to be woken: poll() reports the ring once tail is beyond it. One slot is always the port's.

    len(ring) is the number of slots, ring[i] a Slot, and iterating gives the slots that are the user's, in order; it does not advance.
    """
    cdef Descriptor d
    cdef ring *r
    cdef uint32_t n
    cdef readonly str direction         # "tx" or "rx"
    cdef readonly bint host             # a ring of the host's own stack
    cdef object __weakref__

    cdef ring *get(self) except NULL:
        if self.d.memory == NULL:
            raise closed(self.d)
        return self.r

    @property
    def number(self):
        """Its number among the rings of its direction, host rings after those of the NIC."""
        return self.get().ringid

    @property
    def mem_id(self):
        """Number of its memory region: buffers may be swapped within one."""
        return self.d.mem_id

    @property
    def num_slots(self):
        return self.n

    @property
    def buf_size(self):
        """Bytes of each buffer."""
        return self.d.buf_size

    @property
    def head(self):
        return self.get().head

    @head.setter
    def head(self, uint32_t i):
        self.get().head = i

    @property
    def cur(self):
        return self.get().cur

    @cur.setter
    def cur(self, uint32_t i):
        self.get().cur = i

    @property
    def tail(self):
        """The module's: a value written here is put right at the next sync."""
        return self.get().tail

    @tail.setter
    def tail(self, uint32_t i):
        self.get().tail = i

    @property
    def flags(self):
        """NR_TIMESTAMP: wants ts; NR_FORWARD: frames marked NS_FORWARD go on to the host's stack."""
        return self.get().flags

    @flags.setter
    def flags(self, uint32_t flags):
        self.get().flags = flags

    @property
    def ts(self):
        """Time of the last sync, in nanoseconds of the system's clock (microseconds are what netmap counts in)."""
        return self.get().ts[0] * 1000000000 + self.r.ts[1] * 1000

    @property
    def space(self):
        """Slots that are the user's: room on a transmit ring, frames (or fragments) on a receive ring."""
        cdef ring *r = self.get()
        return ring_space(r) if r.head < self.n and r.tail < self.n else 0

    @property
    def pending(self):
        """Slots that the port has: on a transmit ring, frames that have not left yet (or are not synced)."""
        return self.n - 1 - self.space

    def advance(self, uint32_t by=1):
        """Moves head and cur on over so many slots: hands them to the port at the next sync. ValueError for more than are the user's."""
        cdef ring *r = self.get()
        if by > self.space:
            raise ValueError(f"{by} slots to hand over, {self.space} to have")
        r.head = <uint32_t>((<uint64_t>r.head + by) % self.n)
        r.cur = r.head

    def sync(self):
        """Lets the port work on the ring; on all rings of its direction that the descriptor has. OSError as txsync()."""
        self.get()
        if self.direction == "tx":
            txsync(self.d)
        else:
            rxsync(self.d)

    @property
    def slots(self):
        """All slots as a NumPy array of SLOT_DTYPE (buf_idx u4, len u2, flags u2, ptr u8), the ring's own memory: writes go to the ring."""
        return numpy.frombuffer(view(self.d, <uint8_t *>self.get().slots, self.n * sizeof(slot)), SLOT_DTYPE)

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        """Slot i, negative ones from the end. IndexError."""
        cdef Slot s
        cdef Py_ssize_t at = i
        if at < 0:
            at += self.n
        if not 0 <= at < self.n:
            raise IndexError(f"slot {i} of {self.n}")
        s = Slot.__new__(Slot)
        s.ring = self
        s.index = <uint32_t>at
        return s

    def __iter__(self):
        cdef uint32_t at = self.get().head
        cdef uint32_t left = self.space
        while left:
            yield self[at]
            at = (at + 1) % self.n
            left -= 1

    def __repr__(self):
        if self.d.memory == NULL:
            return f"<Ring {self.d.name} {self.direction} closed>"
        return (f"<Ring {self.d.name} {'host ' if self.host else ''}{self.direction} {self.number}: {self.n} slots, head={self.head} cur={self.cur} "
                f"tail={self.tail}>")


cdef object new_ring(Descriptor d, ring *r, str direction, bint host):
    cdef Ring it = Ring.__new__(Ring)
    it.d = d
    it.r = r
    it.n = r.num_slots
    it.direction = direction            # ring.dir says it too, but in other numbers than its documentation
    it.host = host
    return it


cdef int txsync(Descriptor d) except -1:
    cdef int status
    with nogil:
        status = d.txsync()
    if status < 0:
        raise failure(-status, "txsync", d.name, device=d.device)
    return 0


cdef int rxsync(Descriptor d) except -1:
    cdef int status
    with nogil:
        status = d.rxsync()
    if status < 0:
        raise failure(-status, "rxsync", d.name, device=d.device)
    return 0


cdef bint put(Descriptor d, ring *r, uint32_t n, const uint8_t *frame, uint32_t length, uint32_t header) noexcept nogil:
    """Writes a frame with `header` zeros in front into the ring and moves head: False when it has no room."""
    cdef uint32_t left = length + header
    cdef uint32_t at = r.head
    cdef uint32_t space = ring_space(r) if r.head < n and r.tail < n else 0
    cdef uint32_t part, zeros, room
    cdef uint64_t offset
    cdef uint8_t *b
    while left:
        if space == 0:
            return False
        b = descriptor_buf(d, r.slots[at].buf_idx)
        offset = r.slots[at].ptr & r.offset_mask
        if b == NULL or offset >= d.buf_size:
            return False
        room = d.buf_size - <uint32_t>offset
        part = min(left, room)
        zeros = min(header, part)
        memset(b + offset, 0, zeros)
        memcpy(b + offset + zeros, frame, part - zeros)
        frame += part - zeros
        header -= zeros
        left -= part
        r.slots[at].len = <uint16_t>part
        r.slots[at].flags = NS_MOREFRAG if left else 0
        at = 0 if at + 1 == n else at + 1
        space -= 1
    r.head = r.cur = at
    return True


cdef class OpenPort:
    """An open port: its rings, and the calls to netmap. A context manager; open() makes it.

    tx_rings and rx_rings are tuples of Ring, those of the NIC first, then host rings, as far as the name asked for them. One thread at a time.
    """
    cdef readonly Descriptor descriptor
    cdef readonly tuple tx_rings
    cdef readonly tuple rx_rings
    cdef readonly tuple extra_buffers       # of ExtraBuffer
    cdef object __weakref__

    def __init__(self, Descriptor descriptor not None):
        cdef Descriptor d = descriptor
        cdef uint32_t i
        cdef ExtraBuffer b
        self.descriptor = d
        self.tx_rings = tuple([new_ring(d, d.tx[i], "tx", i >= d.host_tx) for i in range(d.n_tx)])
        self.rx_rings = tuple([new_ring(d, d.rx[i], "rx", i >= d.host_rx) for i in range(d.n_rx)])
        extra = []
        for i in range(d.n_extra):
            b = ExtraBuffer.__new__(ExtraBuffer)
            b.d = d
            b.number = i
            extra.append(b)
        self.extra_buffers = tuple(extra)

    @property
    def name(self):
        return self.descriptor.name

    @property
    def request(self):
        """names.PortRequest that the name stood for."""
        return self.descriptor.request

    @property
    def mem_id(self):
        """Number of its memory region. Buffers may be swapped between ports with the same one."""
        return self.descriptor.mem_id

    @property
    def buf_size(self):
        """Bytes of each buffer."""
        return self.descriptor.buf_size

    @property
    def n_bufs(self):
        """Buffers of the region: good numbers are 2 to n_bufs - 1."""
        return self.descriptor.n_bufs

    @property
    def hdr_len(self):
        """Bytes of virtio-net header in front of each frame in a buffer: 0, 10 or 12."""
        return self.descriptor.hdr_len

    @property
    def version(self):
        """API version that the kernel answered with: 14 or 15; 11 to 13 by the old call."""
        return self.descriptor.version

    @property
    def info(self):
        """What the module answered to the registration, as a dict: nr_tx_rings, nr_rx_slots, nr_memsize, ..."""
        return self.descriptor.info

    @property
    def closed(self):
        return self.descriptor.closed

    def buffer(self, uint32_t i):
        """Any buffer of the region, as a writable memoryview: yours to touch only if it is in one of your slots or extra. IndexError."""
        return buffer(self.descriptor, i)

    def txsync(self):
        """Hands what lies before head to the port, and takes back the slots of frames that have left, on all transmit rings of the port.

        OSError: ENXIO closed, or the interface has gone; EIO a ring is stopped.
        """
        txsync(self.descriptor)

    def rxsync(self):
        """Gives the buffers before head back to the port, and brings new frames, on all receive rings of the port. OSError as txsync()."""
        rxsync(self.descriptor)

    def poll(self, timeout=None, bint out=False, bint receive=True):
        """Waits until frames have come (`receive`), or with `out` until there is room to send. `timeout`: seconds; None: for ever; 0 does not wait. Syncs the
        rings as it looks, the transmit rings too (unless opened with NR_NO_TX_POLL).

        What it found, a Ready; nothing (false) when the time was up. Ready.ERR: the interface is down or gone, or ring indices were broken and have been
        set right by the module. OSError as txsync().
        """
        cdef Descriptor d = self.descriptor
        cdef int events = (NM_POLLIN if receive else 0) | (NM_POLLOUT if out else 0)
        cdef int64_t left = -1
        cdef int status
        if d.fd < 0:
            raise closed(d)
        if timeout is not None:
            left = max(0, <int64_t>(timeout * 1e9))
            deadline = monotonic_ns() + left
        while True:
            with nogil:
                status = d.device.poll(d.fd, events, left)
            if status >= 0:
                return Ready(status & (NM_POLLIN | NM_POLLOUT | NM_POLLERR))
            if status != -EINTR:
                raise failure(-status, "poll", d.name, device=d.device)
            PyErr_CheckSignals()
            if timeout is not None:
                left = max(0, deadline - monotonic_ns())

    def watch(self, bint out=False, bint receive=True):
        """See Descriptor.watch(): a descriptor for select, selectors and asyncio."""
        return self.descriptor.watch(out, receive)

    def fileno(self):
        """A descriptor of the operating system that polls readable while frames wait: for select, selectors and asyncio."""
        return self.descriptor.watch()

    def send(self, frame, uint32_t ring=0, bint sync=True):
        """Copies a frame (bytes, from the Ethernet header on) into a transmit ring, with zeros for the virtio-net header where the port has one, and syncs.
        False when there is no room. A frame longer than a buffer spans slots, which not all NICs can do.

        IndexError: no such ring. ValueError: an empty frame, or one that the ring can never hold. OSError as txsync().
        """
        cdef const uint8_t[::1] source = frame
        cdef Ring r
        cdef Descriptor d = self.descriptor
        cdef uint64_t most
        if ring >= len(self.tx_rings):
            raise IndexError(f"{d.name}: transmit ring {ring} of {len(self.tx_rings)}")
        r = self.tx_rings[ring]
        r.get()
        most = min(r.n - 1, NETMAP_MAX_FRAGS) * <uint64_t>(d.buf_size - d.max_offset)
        if source.shape[0] == 0 or <uint64_t>source.shape[0] + d.hdr_len > most:
            raise ValueError(f"a frame of {source.shape[0]} bytes cannot be sent")
        if not put(d, r.r, r.n, &source[0], <uint32_t>source.shape[0], d.hdr_len):
            txsync(d)
            if not put(d, r.r, r.n, &source[0], <uint32_t>source.shape[0], d.hdr_len):
                return False
        if sync:
            txsync(d)
        return True

    def receive(self, most=None):
        """Syncs the receive rings and takes frames, all or at most so many: a list of bytes, from the Ethernet header on. Their buffers go back to the port at
        the next sync. OSError as rxsync()."""
        frames = []
        rxsync(self.descriptor)
        for ring in self.rx_rings:
            parts, slots = [], 0
            for each in list(ring):
                if most is not None and len(frames) >= most:
                    return frames
                parts.append(bytes(each.data))
                slots += 1
                if not each.flags & NS_MOREFRAG:
                    frames.append(b"".join(parts)[self.hdr_len:])
                    ring.advance(slots)
                    parts, slots = [], 0
        return frames

    def close(self):
        """Gives the port and its buffers back. May be called again. memoryviews of its buffers that are still about do no harm: they show zeros from then on;
        rings and slots raise ValueError."""
        self.descriptor.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}{' closed' if self.closed else ''}: {len(self.tx_rings)} tx, {len(self.rx_rings)} rx>"


def open_port(name, Device device=None, bint vnet_header=True, **settings):
    """Opens a port: open("vale0:a", extra_bufs=8). `name`: as netmap's tools write it (names), or a PortRequest; `settings`: fields of PortRequest that
    the name has no place for: extra_bufs, flags (NR_*, beside the name's), offset, ... `device`: who answers, the kernel's /dev/netmap by default.
    `vnet_header=False` refuses ports that have a virtio-net header in front of each frame.

    ValueError: a bad name. OSError: netmap's errno and what to do: ENXIO no such interface, EBUSY in use, EINVAL, ENOMEM module parameters too small, ...
    BackendUnavailable: there is no netmap here, or no permission.
    """
    return OpenPort(Descriptor(name, device, vnet_header, **settings))
