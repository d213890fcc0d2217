"""A descriptor of the stand-in and its rings, with nothing in between that would correct what a test does."""
import ctypes
import errno

REGISTER, PORT_INFO_GET, POOLS_INFO_GET, PORT_HDR_GET = 1, 2, 12, 7
DEFAULT, ALL_NIC, SW, NIC_SW, ONE_NIC, PIPE_MASTER, PIPE_SLAVE, NULL, ONE_SW = range(9)
EXCLUSIVE, RX_ONLY, TX_ONLY, NO_TX_POLL = 0x800, 0x2000, 0x4000, 0x20000
BUF_CHANGED, REPORT, FORWARD, MOREFRAG = 1, 2, 4, 0x20
NO_LEARN, INDIRECT = 8, 0x10
IN, OUT, ERR = 1, 4, 8
NIOCGINFO, NIOCREGIF = 0xC03C6991, 0xC03C6992
U8, U16, U32, U64, I64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64


def structure(title, /, **fields):
    return type(title, (ctypes.Structure,), {"_fields_": list(fields.items())})


Register = structure("Register", offset=U64, memsize=U64, tx_slots=U32, rx_slots=U32, tx_rings=U16, rx_rings=U16, host_tx_rings=U16,
                     host_rx_rings=U16, mem_id=U16, ringid=U16, mode=U32, extra_bufs=U32, pad=U32, flags=U64)
PortInfo = structure("PortInfo", memsize=U64, tx_slots=U32, rx_slots=U32, tx_rings=U16, rx_rings=U16, host_tx_rings=U16, host_rx_rings=U16,
                     mem_id=U16, pad=U16 * 3)
PoolsInfo = structure("PoolsInfo", memsize=U64, mem_id=U16, pad=U16 * 3, if_offset=U64, if_total=U32, if_size=U32, ring_offset=U64,
                      ring_total=U32, ring_size=U32, buf_offset=U64, buf_total=U32, buf_size=U32)
PortHdr = structure("PortHdr", hdr_len=U32, pad=U32)
Option = structure("Option", next=U64, reqtype=U32, status=U32, size=U64)
Offsets = structure("Offsets", next=U64, reqtype=U32, status=U32, size=U64, max_offset=U64, initial=U64, bits=U32, tx_align=U32, min_gap=U64)
Legacy = structure("Legacy", name=ctypes.c_char * 16, version=U32, offset=U32, memsize=U32, tx_slots=U32, rx_slots=U32, tx_rings=U16,
                   rx_rings=U16, ringid=U16, cmd=U16, arg1=U16, arg2=U16, arg3=U32, flags=U32, spare=U32)
Interface = structure("Interface", name=ctypes.c_char * 16, version=U32, flags=U32, tx_rings=U32, rx_rings=U32, bufs_head=U32,
                      host_tx_rings=U32, host_rx_rings=U32, spare=U32 * 3, ring_ofs=I64 * 64)
Slot = structure("Slot", buf_idx=U32, len=U16, flags=U16, ptr=U64)
Header = structure("Header", buf_ofs=I64, num_slots=U32, buf_size=U32, ringid=U16, dir=U16, head=U32, cur=U32, tail=U32, flags=U32, pad=U32,
                   ts=I64 * 2, offset_mask=U64, buf_align=U64, rest=U8 * 184)


def frame(number, size=60):
    return bytes((number * 7 + i) & 0xFF for i in range(size))


class Ring:
    def __init__(self, memory, at):
        self.memory, self.at = memory, at
        self.header = Header.from_buffer(memory, at)
        self.slots = (Slot * self.header.num_slots).from_buffer(memory, at + ctypes.sizeof(Header))

    def __getattr__(self, name):
        return getattr(self.header, name)

    @property
    def state(self):
        return self.header.head, self.header.cur, self.header.tail

    def set(self, head, cur=None, tail=None):
        self.header.head = head
        self.header.cur = head if cur is None else cur
        if tail is not None:
            self.header.tail = tail

    def buffer(self, index):
        return self.at + self.header.buf_ofs + index * self.header.buf_size

    def write(self, i, data, flags=0, length=None):
        slot = self.slots[i]
        at = self.buffer(slot.buf_idx) + (slot.ptr & self.header.offset_mask)
        self.memory[at:at + len(data)] = data
        slot.len = len(data) if length is None else length
        slot.flags = flags

    def read(self, i):
        slot = self.slots[i]
        at = self.buffer(slot.buf_idx) + (slot.ptr & self.header.offset_mask)
        return bytes(self.memory[at:at + slot.len])

    def put(self, *frames):
        """Fills slots from head on and hands them over; the sync is the caller's."""
        for data in frames:
            self.write(self.header.head, data)
            self.advance()

    def advance(self, n=1):
        self.set((self.header.head + n) % self.header.num_slots)

    def get(self):
        """Frames slot by slot; all slots go back."""
        found = []
        while self.header.head != self.header.tail:
            found.append(self.read(self.header.head))
            self.advance()
        return found


class Handle:
    """One descriptor; calls return 0 or -errno."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.fd = kernel.call_open()
        assert self.fd >= 0
        self.memory = None

    def control(self, kind, name, body=None, options=(), **keywords):
        raw = None if body is None else bytearray(body)
        raws = [bytearray(option) for option in options]
        status, _ = self.kernel.call_control(self.fd, kind, name.encode(), raw, raws, **keywords)
        if body is not None:
            ctypes.memmove(ctypes.addressof(body), bytes(raw), len(raw))
        for option, answered in zip(options, raws, strict=True):
            ctypes.memmove(ctypes.addressof(option), bytes(answered), len(answered))
        return status

    def register(self, name, mode=ALL_NIC, options=(), version=14, **fields):
        self.answer = Register(mode=mode, **fields)
        status = self.control(REGISTER, name, self.answer, options, version=version)
        if status == 0:
            self.map(self.answer.memsize, self.answer.offset)
        return status

    def legacy(self, request, **fields):
        self.old = Legacy(**fields)
        raw = bytearray(self.old)
        status = self.kernel.call_ioctl(self.fd, request, raw)
        self.old = Legacy.from_buffer(raw)
        if status == 0 and request == NIOCREGIF and fields.get("cmd", 0) == 0:
            self.map(self.old.memsize, self.old.offset)
        return status

    def map(self, size, offset):
        self.memory = memoryview(self.kernel.call_map(self.fd, size))
        self.offset = offset
        self.nifp = Interface.from_buffer(self.memory, offset)

    def ring(self, i):
        """By its place in ring_ofs; None where it is not there."""
        at = self.nifp.ring_ofs[i]
        return Ring(self.memory, self.offset + at) if at else None

    @property
    def tx(self):
        return self.ring(0)

    @property
    def rx(self):
        return self.ring(self.nifp.tx_rings + max(self.nifp.host_tx_rings, 1))

    @property
    def extra(self):
        """Indices of the extra buffers, in the list's order."""
        ring = next(ring for ring in map(self.ring, range(64)) if ring)
        found, i = [], self.nifp.bufs_head
        while i:
            found.append(i)
            i = U32.from_buffer(self.memory, ring.buffer(i)).value
        return found

    def txsync(self):
        return self.kernel.call_txsync(self.fd)

    def rxsync(self):
        return self.kernel.call_rxsync(self.fd)

    def poll(self, events, timeout_ns=0):
        return self.kernel.call_poll(self.fd, events, timeout_ns)

    def close(self):
        return self.kernel.call_close(self.fd)


def opened(kernel, name, mode=ALL_NIC, **fields):
    handle = Handle(kernel)
    status = handle.register(name, mode, **fields)
    assert status == 0, errno.errorcode[-status]
    return handle
