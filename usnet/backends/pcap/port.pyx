"""A capture file as a port: its frames arrive. It cannot send: there is no transmit ring, and send() raises
EOPNOTSUPP."""
import os

from libc.errno cimport EINVAL, ENOBUFS, ENXIO, EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.backends.clock cimport Clock
from usnet.backends.pcap.reader cimport READ_FRAME, CaptureReader, capture_file, capture_next, captured
from usnet.backends.ring cimport LINK_DOWN, LINK_GONE, LINK_UP, PORT_CAN_RECEIVE, PORT_FILENO, Port, port
from usnet.backends.ring_memory cimport RingMemory, ring_check, ring_put, ring_side
from usnet.backends.timerfd cimport CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_NONBLOCK, itimerspec, timerfd_create, timerfd_settime

from usnet.backends.clock import MonotonicClock
from usnet.backends.settings import mac_address, mac_from_name

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

cdef enum:
    ETHERNET = 1                # LINKTYPE_ETHERNET

cdef struct file_end:
    port *p
    ring_side *rx
    capture_file *f
    void *clock
    int fd                      # timerfd: readable while a frame may be taken
    bint pace
    bint have                   # `next` waits to be delivered
    bint started
    int64_t shift               # pace: what is added to the file's times
    captured next
    uint64_t skipped            # frames that are not Ethernet
    int error                   # -errno that ended the reading


cdef inline int64_t clock_of(file_end *e) noexcept nogil:
    return (<Clock>e.clock).read((<Clock>e.clock).self_)


cdef bint look_ahead(file_end *e) noexcept nogil:
    """Whether a frame waits; at the end of the file the link goes down."""
    cdef int got
    while not e.have and e.p.link == LINK_UP:
        got = capture_next(e.f, &e.next)
        if got != READ_FRAME:
            e.error = got
            e.p.link = LINK_DOWN
        elif e.next.link_type != ETHERNET:
            e.skipped += 1
        else:
            e.have = True
    return e.have


cdef void set_timer(file_end *e) noexcept nogil:
    cdef itimerspec t
    cdef int64_t wait = 0
    t.it_interval.tv_sec = t.it_interval.tv_nsec = 0
    t.it_value.tv_sec = t.it_value.tv_nsec = 0
    if look_ahead(e):
        if e.pace and e.started:
            wait = e.next.time_ns + e.shift - clock_of(e)
        if wait < 1:
            wait = 1
        t.it_value.tv_sec = wait // 1000000000
        t.it_value.tv_nsec = wait % 1000000000
    timerfd_settime(e.fd, 0, &t, NULL)


cdef int file_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef file_end *e = <file_end *>self
    cdef int64_t now
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number != 0 or ring_check(e.rx, &e.p.stats) < 0:
        return -EINVAL
    e.rx.head = e.rx.r.head
    now = clock_of(e)
    while look_ahead(e):
        if not e.started:
            e.started = True
            e.shift = now - e.next.time_ns if e.pace else 0
        if e.pace and e.next.time_ns + e.shift > now:
            break
        if ring_put(e.rx, e.next.frame, e.next.length, e.next.time_ns + e.shift, &e.p.stats) == -ENOBUFS:
            break
        e.have = False
    set_timer(e)
    return 0


cdef int file_tx_sync(void *self, uint32_t number) noexcept nogil:
    return -ENXIO if (<file_end *>self).p.link == LINK_GONE else -EOPNOTSUPP


cdef int file_arm(void *self, bint for_tx) noexcept nogil:
    cdef file_end *e = <file_end *>self
    if e.p.link == LINK_GONE:
        return -ENXIO
    if for_tx:
        return -EOPNOTSUPP
    set_timer(e)
    return 0


cdef class PcapPort(Port):
    """Frames of a capture file. At its end the link goes down; `failure` says why when that was not the end."""
    cdef file_end e
    cdef RingMemory memory
    cdef CaptureReader reader
    cdef bint made

    def __cinit__(self, str path, bint pace, uint32_t mtu, bytes mac, uint32_t slots, uint32_t buf_size,
                  uint32_t spares, clock):
        self.name = f"pcap:{path}"
        self.clock = <Clock?>clock
        self.reader = CaptureReader(path)
        self.memory = RingMemory(0, 1, 2, slots, buf_size, spares)
        self.memory.attach(&self.p)
        self.e.p, self.e.rx, self.e.f = &self.p, self.memory.rx, &self.reader.f
        self.e.clock = <void *>self.clock
        self.e.pace = pace
        self.p.self = &self.e
        self.p.tx_sync, self.p.rx_sync, self.p.arm = file_tx_sync, file_rx_sync, file_arm
        self.p.caps |= PORT_CAN_RECEIVE | PORT_FILENO
        self.p.mtu = mtu
        self.p.link = LINK_UP
        memcpy(self.p.mac, <const uint8_t *>mac, 6)
        self.e.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)
        if self.e.fd < 0:
            raise OSError(errno, os.strerror(errno), self.name)
        self.made = True
        set_timer(&self.e)
        if not self.e.have and self.e.skipped:
            raise ValueError(f"{path}: holds no Ethernet frames")

    def __dealloc__(self):
        if self.made:
            c_close(self.e.fd)

    @property
    def skipped(self):
        """Frames of other link types than Ethernet, which were left out."""
        return self.e.skipped

    @property
    def failure(self):
        """None, or why reading stopped before the end of the file."""
        if self.e.error < 0:
            return os.strerror(-self.e.error)
        return "the file ends within a record" if self.reader.f.cut else None

    def fileno(self):
        if not self.made:
            raise ValueError(f"{self.name} is closed")
        return self.e.fd

    def close(self):
        self.p.link = LINK_GONE
        if self.made:
            c_close(self.e.fd)
        self.made = False


def open_port(address, *, pace=False, mtu=1500, mac=None, slots=512, buf_size=2048, spares=0, clock=None):
    """ "pcap:FILE": pcap or pcapng. All frames at once, as fast as the ring takes them, with the file's times (ns
    since 1970, say); or with pace=True at the distances that they were captured, with times of the clock
    (CLOCK_MONOTONIC if none is given). Frames that were captured in part arrive so.

    Raises OSError as open() does, ValueError when the file is no capture or holds no Ethernet.
    """
    own = mac_from_name(f"pcap:{address}") if mac is None else mac_address(mac)
    return PcapPort(address, pace, mtu, own, slots, buf_size, spares, clock if clock is not None else MonotonicClock())


def probe():
    return True, "reads pcap and pcapng files"
