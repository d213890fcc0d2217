"""netmap's rings as Python objects, without copies: for programs that want netmap alone. How they work: netmap(4), and Ring here."""
import numpy

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.backends.netmap.descriptor cimport Descriptor, descriptor_buf
from usnet.backends.netmap.device cimport KernelDevice
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, ring, ring_space, slot

from usnet.backends.netmap.errors import failure

SLOT_DTYPE = numpy.dtype([("buf_idx", "u4"), ("len", "u2"), ("flags", "u2"), ("ptr", "u8")])


@cython.no_gc_clear                     # its end needs the descriptor
cdef class View:
    """Bytes of netmap's memory, for memoryview and NumPy. While one is looked at, its mapping stays."""

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
        raise ValueError(f"{a.name} and {b.name} have different memory regions ({a.mem_id} and {b.mem_id}): copy the bytes, or open one with "
                         "@share:port=")


cdef class Slot:
    """One slot of a ring. Nothing is copied: what is written here stands in the ring. Whose it is at a time, the ring's indices say; a slot that is
    not the user's may be read, and may change meanwhile."""

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
        """Exchanges buffers with another slot, or with one of the extra buffers, and sets NS_BUF_CHANGED. Between slots the frame moves along: len,
        ptr and NS_MOREFRAG change places too.

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
    """A ring of slots. Those from head up to, but without, tail are the user's, the others the port's. On a transmit ring the user's slots are free
    to fill, on a receive ring they hold frames; moving head over slots, advance(), hands them to the port: at the next sync or poll, and not before.
    cur is where the user wants to be woken: poll() reports the ring once tail is beyond it. One slot is always the port's.

    len(ring) is the number of slots, ring[i] a Slot, and iterating gives the slots that are the user's, in order; it does not advance.
    """

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


cdef Ring new_ring(Descriptor d, ring *r, str direction, bint host):
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
