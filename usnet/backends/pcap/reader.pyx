"""Reads capture files. Formats: pcap (draft-ietf-opsawg-pcap), pcapng (draft-ietf-opsawg-pcapng)."""
import os

from libc.errno cimport EBADMSG, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

cdef extern from "<unistd.h>" nogil:
    Py_ssize_t c_read "read"(int fd, void *to, size_t n)
    int c_close "close"(int fd)
cdef extern from *:
    uint32_t bswap32 "__builtin_bswap32"(uint32_t x) nogil
    uint16_t bswap16 "__builtin_bswap16"(uint16_t x) nogil
    uint64_t bswap64 "__builtin_bswap64"(uint64_t x) nogil

cdef enum:
    MAGIC_US = 0xa1b2c3d4
    MAGIC_NS = 0xa1b23c4d
    NG_SECTION = 0x0a0d0d0a
    NG_ORDER = 0x1a2b3c4d
    NG_INTERFACE = 1
    NG_PACKET = 2               # obsolete, still found in old files
    NG_SIMPLE = 3
    NG_ENHANCED = 6
    OPT_END = 0
    OPT_FLAGS = 2               # of a packet
    OPT_TSRESOL = 9             # of an interface
    OPT_TSOFFSET = 14


cdef inline uint32_t get32(const capture_file *f, const uint8_t *p) noexcept nogil:
    cdef uint32_t x
    memcpy(&x, p, 4)
    return bswap32(x) if f.swapped else x


cdef inline uint16_t get16(const capture_file *f, const uint8_t *p) noexcept nogil:
    cdef uint16_t x
    memcpy(&x, p, 2)
    return bswap16(x) if f.swapped else x


cdef int need(capture_file *f, uint32_t n) noexcept nogil:
    """1 when n bytes stand at buffer + at; 0 at the file's end; -errno."""
    cdef Py_ssize_t got
    if n > MAX_RECORD:
        return -EBADMSG
    if f.at + n > MAX_RECORD:
        memmove(f.buffer, f.buffer + f.at, f.have - f.at)
        f.have -= f.at
        f.at = 0
    while f.have - f.at < n:
        got = c_read(f.fd, f.buffer + f.have, MAX_RECORD - f.have)
        if got < 0 and errno != EINTR:
            return -errno
        if got == 0:
            f.cut = f.have != f.at
            return 0
        if got > 0:
            f.have += <uint32_t>got
    return 1


cdef int64_t to_ns(const capture_interface *i, uint64_t t) noexcept nogil:
    cdef uint32_t power = i.resolution & 0x7f
    cdef uint64_t unit = 1
    cdef uint64_t part
    if i.resolution & 0x80:
        if power > 63:
            return 0
        part = t & ((<uint64_t>1 << power) - 1)
        if power > 32:              # so that the product fits
            part >>= power - 32
            return (i.offset_s + <int64_t>(t >> power)) * 1000000000 + <int64_t>((part * 1000000000) >> 32)
        return (i.offset_s + <int64_t>(t >> power)) * 1000000000 + <int64_t>((part * 1000000000) >> power)
    while power > 9 and power < 30:
        t //= 10
        power -= 1
    while power < 9:
        unit *= 10
        power += 1
    return i.offset_s * 1000000000 + <int64_t>(t * unit)


cdef int next_pcap(capture_file *f, captured *out) noexcept nogil:
    cdef const uint8_t *p
    cdef uint32_t length
    cdef int got = need(f, 16)
    if got <= 0:
        return got
    length = get32(f, f.buffer + f.at + 8)
    if length > MAX_RECORD - 16:
        return -EBADMSG
    got = need(f, 16 + length)
    if got <= 0:
        return got
    p = f.buffer + f.at
    out.time_ns = <int64_t>get32(f, p) * 1000000000 + <int64_t>get32(f, p + 4) * (1 if f.nanoseconds else 1000)
    out.length = length
    out.original = get32(f, p + 12)
    out.link_type = f.link_type
    out.flags = 0
    out.frame = p + 16
    f.at += 16 + length
    return READ_FRAME


cdef void read_interface(capture_file *f, const uint8_t *p, uint32_t n) noexcept nogil:
    """p: the body of an interface description, n bytes."""
    cdef capture_interface *i
    cdef uint32_t at = 8
    cdef uint16_t code, size
    cdef uint64_t offset
    if n < 8 or f.n_interfaces == MAX_INTERFACES:
        return
    i = &f.interfaces[f.n_interfaces]
    f.n_interfaces += 1
    i.link_type = get16(f, p)
    i.resolution = 6
    i.offset_s = 0
    while at + 4 <= n:
        code = get16(f, p + at)
        size = get16(f, p + at + 2)
        at += 4
        if code == OPT_END or at + size > n:
            break
        if code == OPT_TSRESOL and size >= 1:
            i.resolution = p[at]
        elif code == OPT_TSOFFSET and size >= 8:
            memcpy(&offset, p + at, 8)
            i.offset_s = <int64_t>(bswap64(offset) if f.swapped else offset)
        at += (size + 3) & ~3


cdef uint32_t packet_flags(capture_file *f, const uint8_t *p, uint32_t at, uint32_t n) noexcept nogil:
    cdef uint16_t code, size
    while at + 4 <= n:
        code = get16(f, p + at)
        size = get16(f, p + at + 2)
        at += 4
        if code == OPT_END or at + size > n:
            break
        if code == OPT_FLAGS and size == 4:
            return get32(f, p + at)
        at += (size + 3) & ~3
    return 0


cdef int read_packet(capture_file *f, uint32_t kind, const uint8_t *p, uint32_t n, captured *out) noexcept nogil:
    """p: the body of a packet block. READ_FRAME or -EBADMSG."""
    cdef uint32_t interface = 0
    cdef uint32_t start = 4 if kind == NG_SIMPLE else 20
    if n < start:
        return -EBADMSG
    if kind == NG_SIMPLE:
        out.original = get32(f, p)
        out.length = out.original if out.original < n - 4 else n - 4
    else:
        interface = get32(f, p) if kind == NG_ENHANCED else get16(f, p)
        out.length = get32(f, p + 12)
        out.original = get32(f, p + 16)
    if interface >= f.n_interfaces or out.length > n - start:
        return -EBADMSG
    out.frame = p + start
    out.link_type = f.interfaces[interface].link_type
    out.time_ns = 0
    out.flags = 0
    if kind != NG_SIMPLE:
        out.time_ns = to_ns(&f.interfaces[interface], <uint64_t>get32(f, p + 4) << 32 | get32(f, p + 8))
        out.flags = packet_flags(f, p, start + ((out.length + 3) & ~<uint32_t>3), n)
    return READ_FRAME


cdef int next_ng(capture_file *f, captured *out) noexcept nogil:
    cdef const uint8_t *p
    cdef uint32_t kind, total
    cdef int got
    while True:
        got = need(f, 12)
        if got <= 0:
            return got
        p = f.buffer + f.at
        memcpy(&kind, p, 4)
        if kind == NG_SECTION:              # reads the same in both orders; says the order of what follows
            memcpy(&total, p + 8, 4)
            f.swapped = total != NG_ORDER
            if f.swapped and bswap32(total) != NG_ORDER:
                return -EBADMSG
            f.n_interfaces = 0
        kind = get32(f, p)
        total = get32(f, p + 4)
        if total < 12 or total % 4 or total > MAX_RECORD:
            return -EBADMSG
        got = need(f, total)
        if got <= 0:
            return got
        p = f.buffer + f.at
        if get32(f, p + total - 4) != total:
            return -EBADMSG
        f.at += total
        if kind == NG_INTERFACE:
            read_interface(f, p + 8, total - 12)
        elif kind in (NG_ENHANCED, NG_SIMPLE, NG_PACKET):
            return read_packet(f, kind, p + 8, total - 12, out)


cdef int capture_next(capture_file *f, captured *out) noexcept nogil:
    return next_ng(f, out) if f.is_ng else next_pcap(f, out)


cdef class CaptureReader:
    def __cinit__(self, path):
        self.path = os.fspath(path)
        self.f.buffer = <uint8_t *>malloc(MAX_RECORD)
        if self.f.buffer == NULL:
            raise MemoryError("no memory for a record")
        self.f.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.made = True
        self._read_start()

    def __dealloc__(self):
        if self.made:
            c_close(self.f.fd)
        free(self.f.buffer)

    def _read_start(self):
        cdef uint32_t magic = 0
        cdef int got = need(&self.f, 12)
        if got < 0:
            raise OSError(-got, os.strerror(-got), self.path)
        if got:
            memcpy(&magic, self.f.buffer, 4)
        if magic == NG_SECTION:
            self.f.is_ng = True
            return
        self.f.swapped = bswap32(magic) in (MAGIC_US, MAGIC_NS)
        if magic not in (MAGIC_US, MAGIC_NS) and not self.f.swapped or need(&self.f, 24) != 1:
            raise ValueError(f"{self.path}: no pcap or pcapng file")
        self.f.nanoseconds = MAGIC_NS in (magic, bswap32(magic))
        self.f.link_type = <uint16_t>(get32(&self.f, self.f.buffer + 20) & 0xffff)
        self.f.at = 24

    def read(self):
        """(frame, time_ns, link_type, flags), or None at the end. ValueError for a damaged file, OSError when it
        cannot be read."""
        cdef captured c
        cdef int got
        with nogil:
            got = capture_next(&self.f, &c)
        if got == READ_FRAME:
            return c.frame[:c.length], c.time_ns, c.link_type, c.flags
        if got == -EBADMSG:
            at = os.lseek(self.f.fd, 0, os.SEEK_CUR) - self.f.have + self.f.at
            raise ValueError(f"{self.path}: damaged near byte {at}")
        if got < 0:
            raise OSError(-got, os.strerror(-got), self.path)
        return None

    @property
    def cut(self):
        """The file ended within a record, as one does whose writer was killed."""
        return self.f.cut

    def __iter__(self):
        while (record := self.read()) is not None:
            yield record[:2]
