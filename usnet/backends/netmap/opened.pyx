"""Open ports as Python objects: sending, receiving, waiting."""
import enum
from time import monotonic_ns

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.backends.netmap.abi cimport NETMAP_MAX_FRAGS
from usnet.backends.netmap.descriptor cimport Descriptor, descriptor_buf
from usnet.backends.netmap.device cimport NM_POLLERR, NM_POLLIN, NM_POLLOUT, Device
from usnet.backends.netmap.rings cimport ExtraBuffer, Ring, buffer, closed, new_ring, rxsync, txsync
from usnet.backends.ring cimport NS_MOREFRAG, ring, ring_space

from usnet.backends.netmap.errors import failure


class Ready(enum.IntFlag):
    """What poll() found."""
    IN = NM_POLLIN
    OUT = NM_POLLOUT
    ERR = NM_POLLERR


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
        """Waits until frames have come (`receive`), or with `out` until there is room to send. `timeout`: seconds; None: for ever; 0 does not wait.
        Syncs the rings as it looks, the transmit rings too (unless opened with NR_NO_TX_POLL).

        What it found, a Ready; nothing (false) when the time was up. Ready.ERR: the interface is down or gone, or ring indices were broken and have
        been set right by the module. OSError as txsync().
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

    def send(self, frame, uint32_t number=0, bint sync=True):
        """Copies a frame (bytes, from the Ethernet header on) into transmit ring `number`, with zeros for the virtio-net header where the port has
        one, and syncs. False when there is no room. A frame longer than a buffer spans slots, which not all NICs can do.

        IndexError: no such ring. ValueError: an empty frame, or one that the ring can never hold. OSError as txsync().
        """
        cdef const uint8_t[::1] source = frame
        cdef Ring r
        cdef Descriptor d = self.descriptor
        cdef uint64_t most
        if number >= len(self.tx_rings):
            raise IndexError(f"{d.name}: transmit ring {number} of {len(self.tx_rings)}")
        r = self.tx_rings[number]
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
        """Syncs the receive rings and takes frames, all or at most so many: a list of bytes, from the Ethernet header on. Their buffers go back to
        the port at the next sync. OSError as rxsync()."""
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
        """Gives the port and its buffers back. May be called again. memoryviews of its buffers that are still about do no harm: they show zeros from
        then on; rings and slots raise ValueError."""
        self.descriptor.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}{' closed' if self.closed else ''}: {len(self.tx_rings)} tx, {len(self.rx_rings)} rx>"


def open_port(name, Device device=None, bint vnet_header=True, **settings):
    """Opens a port: open("vale0:a", extra_bufs=8). `name`: as netmap's tools write it (names), or a PortRequest; `settings`: fields of PortRequest
    that the name has no place for: extra_bufs, flags (NR_*, beside the name's), offset, ... `device`: who answers, the kernel's /dev/netmap by
    default. `vnet_header=False` refuses ports that have a virtio-net header in front of each frame.

    ValueError: a bad name. OSError: netmap's errno and what to do: ENXIO no such interface, EBUSY in use, EINVAL, ENOMEM module parameters too
    small, ... BackendUnavailable: there is no netmap here, or no permission.
    """
    return OpenPort(Descriptor(name, device, vnet_header, **settings))
