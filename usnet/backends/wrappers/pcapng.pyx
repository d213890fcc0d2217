"""pcapng files (draft-ietf-opsawg-pcapng): section header, interfaces, enhanced packet blocks."""
import os
import struct

from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from usnet.wire.gso cimport csum_complete

cdef extern from "<unistd.h>" nogil:
    Py_ssize_t c_write "write"(int fd, const void *what, size_t n)

cdef enum:
    BUFFER = 1 << 18
    OVERHEAD = 44               # bytes of a packet block beside the frame and its padding, with the flags option


cdef int write_out(capture_out *c) noexcept with gil:
    """Through the file object. -errno for what it raised."""
    try:
        (<PcapngWriter>c.owner).file.write((<const uint8_t *>c.buffer)[:c.used])
    except OSError as error:
        return -(error.errno or EIO)
    except BaseException:
        return -EIO
    return 0


cdef int capture_flush(capture_out *c) noexcept nogil:
    cdef uint32_t done = 0
    cdef Py_ssize_t n
    if c.error == 0 and c.used and c.fd < 0:
        c.error = write_out(c)
    while c.error == 0 and c.fd >= 0 and done < c.used:
        n = c_write(c.fd, c.buffer + done, c.used - done)
        if n >= 0:
            done += <uint32_t>n
        elif errno != EINTR:
            c.error = -errno
    c.used = 0
    return c.error


cdef inline void put32(capture_out *c, uint32_t x) noexcept nogil:
    memcpy(c.buffer + c.used, &x, 4)
    c.used += 4


cdef int capture_begin(capture_out *c, uint32_t interface, int64_t time_ns, uint32_t length) noexcept nogil:
    cdef uint32_t total = OVERHEAD + ((length + 3) & ~<uint32_t>3)
    if total > c.size - c.used:
        capture_flush(c)
    if c.error != 0 or total > c.size:
        c.lost += 1
        return c.error if c.error else -EIO
    put32(c, 6)                             # enhanced packet block
    put32(c, total)
    put32(c, interface)
    put32(c, <uint32_t>(<uint64_t>time_ns >> 32))
    put32(c, <uint32_t>time_ns)
    put32(c, length)
    put32(c, length)
    return 0


cdef void capture_add(capture_out *c, const uint8_t *p, uint32_t n) noexcept nogil:
    memcpy(c.buffer + c.used, p, n)
    c.used += n


cdef void capture_finish(capture_out *c, uint32_t length, uint32_t csum_start, uint32_t csum_offset) noexcept nogil:
    csum_complete(c.buffer + c.used - length, length, csum_start, csum_offset)


cdef void capture_end(capture_out *c, uint32_t length, uint32_t direction) noexcept nogil:
    cdef uint32_t pad = (4 - length % 4) % 4
    memset(c.buffer + c.used, 0, pad)
    c.used += pad
    put32(c, 2 | 4 << 16)                   # option epb_flags, 4 bytes
    put32(c, direction)
    put32(c, 0)                             # end of options
    put32(c, OVERHEAD + length + pad)
    c.frames += 1


def _option(code, value):
    return struct.pack("=HH", code, len(value)) + value + b"\0" * ((4 - len(value) % 4) % 4)


def _block(kind, body):
    return struct.pack("=II", kind, len(body) + 12) + body + struct.pack("=I", len(body) + 12)


cdef class PcapngWriter:
    """`PcapngWriter(file)`: a path, or a binary file open for writing (which stays open). Buffered: flush() or close()
    before others read it.

    Context manager. Raises OSError as open() does. A write that fails ends the capture, not the traffic: flush() and
    close() raise it, and the frames not written are counted in `lost`.
    """
    def __cinit__(self, file, *, application="usnet"):
        self.c.fd = -1
        self.c.size = BUFFER
        self.c.owner = <void *>self
        self.c.buffer = <uint8_t *>malloc(BUFFER)
        if self.c.buffer == NULL:
            raise MemoryError("no memory for a capture")
        self.ours = isinstance(file, (str, bytes, os.PathLike))
        self.file = open(file, "wb", buffering=0) if self.ours else file
        if self.ours:
            self.c.fd = self.file.fileno()
        header = struct.pack("=IHHq", 0x1a2b3c4d, 1, 0, -1)
        self._append(_block(0x0a0d0d0a, header + _option(4, application.encode()) + _option(0, b"")))

    def __dealloc__(self):
        free(self.c.buffer)

    cdef object _append_c(self, const uint8_t *p, uint32_t n):
        if n > self.c.size - self.c.used:
            self.flush()
        capture_add(&self.c, p, n)

    def _append(self, bytes block):
        self._append_c(<const uint8_t *>block, <uint32_t>len(block))

    def add_interface(self, name, mac=None, snaplen=0):
        """Describes one more Ethernet interface, with times in ns; returns its number."""
        options = _option(2, name.encode()) + _option(9, b"\x09")
        if mac is not None:
            options += _option(6, mac)
        self._append(_block(1, struct.pack("=HHI", 1, 0, snaplen) + options + _option(0, b"")))
        self.interfaces += 1
        return self.interfaces - 1

    def write(self, const uint8_t[::1] frame not None, int64_t time_ns, uint32_t interface=0, uint32_t direction=0):
        """One frame. `direction`: 1 inbound, 2 outbound, 0 unknown. IndexError for an interface that was not
        described."""
        cdef uint32_t n = <uint32_t>frame.shape[0]
        if interface >= self.interfaces:
            raise IndexError(f"interface {interface} of {self.interfaces}")
        if capture_begin(&self.c, interface, time_ns, n) == 0:
            if n:
                capture_add(&self.c, &frame[0], n)
            capture_end(&self.c, n, direction)

    @property
    def frames(self):
        return self.c.frames

    @property
    def lost(self):
        return self.c.lost

    def flush(self):
        """Hands everything to the file. OSError when that, or an earlier write, failed."""
        if self.file is None:
            return
        with nogil:
            capture_flush(&self.c)
        if self.c.error < 0:
            raise OSError(-self.c.error, os.strerror(-self.c.error), getattr(self.file, "name", None))
        if self.c.fd < 0:
            self.file.flush()

    def close(self):
        """Flushes, and closes a file that was opened here. May be called again."""
        try:
            self.flush()
        finally:
            if self.ours and self.file is not None:
                self.file.close()
            self.file = None
            self.c.fd = -1
            self.c.error = self.c.error or -EIO

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
