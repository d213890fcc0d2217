"""TAP devices as ports: Ethernet frames, one read or write a frame, behind virtio-net's header where the kernel takes it."""
import fcntl
import os
import struct

from libc.errno cimport (
    EAGAIN, EBADF, EBADFD, EFAULT, EINTR, EINVAL, EIO, ENODEV, ENOENT, ENXIO, EACCES, EBUSY, EPERM, errno,
)
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from usnet.backends.clock cimport Clock
from usnet.backends.ring cimport (
    LINK_DOWN, LINK_GONE, LINK_UP, NS_MOREFRAG, PORT_CAN_RECEIVE, PORT_CAN_SEND, PORT_FILENO, PORT_VNET_HDR, Port, port, slot_meta,
)
from usnet.backends.ring_memory cimport (
    RingMemory, ring_check, ring_settle, ring_side, side_buf, side_len, side_next, side_room,
)
from usnet.backends.vnet cimport vnet_read, vnet_write

from usnet.backends.clock import MonotonicClock
from usnet.backends.errors import BackendUnavailable
from usnet.backends.interface import get_mac, get_mtu, ifreq_name, is_up, set_mtu
from usnet.backends.settings import mac_address, mac_from_name

cdef extern from *:
    """
    #include <net/if.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <unistd.h>

    /* 1 up, 0 down, -1 no such device */
    static int us_tap_is_up(int s, const char *name)
    {
        struct ifreq r;
        memset(&r, 0, sizeof r);
        strncpy(r.ifr_name, name, IFNAMSIZ - 1);
        return ioctl(s, SIOCGIFFLAGS, &r) < 0 ? -1 : (r.ifr_flags & IFF_UP) != 0;
    }
    """
    int us_tap_is_up(int s, const char *name) nogil
    struct iovec:
        void *iov_base
        size_t iov_len
    Py_ssize_t readv(int fd, const iovec *v, int n) nogil
    Py_ssize_t writev(int fd, const iovec *v, int n) nogil
    int c_close "close"(int fd) nogil
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int fd, int op, int of, epoll_event *event) nogil
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLIN, EPOLLOUT
    int socket(int family, int kind, int protocol)
    int AF_INET, SOCK_DGRAM, SOCK_CLOEXEC

cdef enum:
    TUNSETIFF = 0x400454ca
    IFF_TAP = 0x0002
    IFF_NO_PI = 0x1000
    IFF_VNET_HDR = 0x4000
    TUNGETFEATURES = 0x800454cf
    TUNSETOFFLOAD = 0x400454d0
    TUNSETVNETHDRSZ = 0x400454d8
    TUN_F_CSUM = 0x01           # partial checksums are taken
    TUN_F_TSO4 = 0x02           # ... and frames of several TCP segments
    TUN_F_TSO_ECN = 0x08        # ... with CWR in the first
    TUN_F_USO4 = 0x20           # ... of several UDP datagrams
    TUN_F_USO6 = 0x40           # the kernel takes both or none; what is no IPv4 is dropped above
    VNET_BYTES = 10             # of the header
    LARGEST = 65535 + 22        # bytes of a frame of several segments
    OVERHEAD = 22               # bytes of a frame beside the packet: Ethernet header and two tags
    MAX_PARTS = 64              # slots of one frame
    MAX_IOV = 65                # and the header

cdef struct tap_end:
    port *p
    ring_side *tx
    ring_side *rx
    void *clock
    int fd                      # of the device; -1 closed
    int epoll_fd                # waits for it: what fileno() gives, so that room to send can be waited for too
    int query_fd                # a socket to ask for flags with
    bint blocked                # the device took no more frames
    bint wants_out              # epoll waits for room too
    uint32_t parts              # slots that the longest frame takes
    uint32_t hdr                # bytes of the header in front of each frame, or 0
    char name[16]


cdef void wait_for_room(tap_end *e, bint on) noexcept nogil:
    cdef epoll_event event
    if e.wants_out == on:
        return
    e.wants_out = on
    memset(&event, 0, sizeof(event))
    event.events = EPOLLIN | (EPOLLOUT if on else 0)
    epoll_ctl(e.epoll_fd, EPOLL_CTL_MOD, e.fd, &event)


cdef int device_error(tap_end *e, int error) noexcept nogil:
    """0 when the device is still there; -ENXIO when it is gone."""
    cdef int up
    if error in (EBADFD, EBADF, ENODEV, ENXIO, EFAULT):
        e.p.link = LINK_GONE
        return -ENXIO
    if error == EIO:
        up = us_tap_is_up(e.query_fd, e.name)
        e.p.link = LINK_UP if up == 1 else LINK_DOWN
    return 0


cdef int put_header(tap_end *e, const slot_meta *m, uint8_t *header, iovec *v) noexcept nogil:
    """The header of a frame to be sent, as the first part. Returns the number of parts: 0 or 1."""
    if e.hdr == 0:
        return 0
    vnet_write(header, VNET_BYTES, m)
    v.iov_base = header
    v.iov_len = VNET_BYTES
    return 1


cdef inline int add_part(iovec *v, int n, uint8_t *at, uint32_t length) noexcept nogil:
    """One more slot behind the n parts: how many there are now. Buffers that lie in a row are one part, which the kernel copies in one go."""
    if n and <uint8_t *>v[n - 1].iov_base + v[n - 1].iov_len == at:
        v[n - 1].iov_len += length
        return n
    v[n].iov_base, v[n].iov_len = at, length
    return n + 1


cdef int tap_send(tap_end *e, ring_side *k, uint32_t *at) noexcept nogil:
    """Writes the frame at at[0], which moves behind it. 0; -EAGAIN: not now; -ENXIO."""
    cdef iovec v[MAX_IOV]
    cdef uint8_t header[VNET_BYTES]
    cdef uint32_t i = at[0]
    cdef uint32_t total = 0
    cdef int n = put_header(e, &k.meta[i], header, v)
    cdef int most = n + MAX_PARTS
    cdef bint more = True
    cdef bint fits = True
    cdef Py_ssize_t wrote
    cdef int error = EINVAL
    while more:
        if n < most:
            n = add_part(v, n, side_buf(k, i), side_len(k, i))
        else:
            fits = False
        total += side_len(k, i)
        more = (k.r.slots[i].flags & NS_MOREFRAG) != 0
        i = side_next(k, i)
        more = more and i != k.head
    wrote = -1
    while fits:
        wrote = writev(e.fd, v, n)
        error = errno
        if wrote >= 0 or error != EINTR:
            break
    if wrote < 0 and error == EAGAIN:
        return -EAGAIN
    at[0] = i
    e.p.stats.tx_frames += 1
    e.p.stats.tx_bytes += total
    if wrote < 0:
        e.p.stats.tx_errors += 1
        return device_error(e, error)
    if e.p.link == LINK_DOWN:
        e.p.link = LINK_UP
    return 0


cdef int flush(tap_end *e) noexcept nogil:
    """Sends what was handed over, as far as the device takes it: 0 or -ENXIO."""
    cdef ring_side *k = &e.tx[0]
    cdef int status = 0
    while k.done != k.head and status == 0:
        status = tap_send(e, k, &k.done)
    e.blocked = status == -EAGAIN
    wait_for_room(e, False)
    return 0 if e.blocked else status


cdef int tap_tx_sync(void *self, uint32_t number) noexcept nogil:
    cdef tap_end *e = <tap_end *>self
    cdef ring_side *k = &e.tx[0]
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number != 0 or ring_check(k, &e.p.stats) < 0:
        return -EINVAL
    ring_settle(k)
    status = flush(e)
    ring_settle(k)
    return status


cdef int tap_read(tap_end *e, ring_side *k) noexcept nogil:
    """Reads one frame into the free slots: 1; 0: none waits or no room; -ENXIO."""
    cdef iovec v[MAX_IOV]
    cdef uint8_t header[VNET_BYTES]
    cdef uint32_t i = k.tail
    cdef uint32_t first = k.tail
    cdef uint32_t part, left, _i
    cdef int n = 1 if e.hdr else 0
    cdef Py_ssize_t got
    cdef int64_t now
    if side_room(k) < e.parts:
        return 0
    v[0].iov_base = header
    v[0].iov_len = VNET_BYTES
    for _i in range(e.parts):
        n = add_part(v, n, side_buf(k, i), k.buf_size)
        i = side_next(k, i)
    got = readv(e.fd, v, n)
    if got < 0:
        return 1 if errno == EINTR else device_error(e, errno)
    got -= e.hdr
    if got <= 0 or got == e.parts * k.buf_size:     # nothing, or perhaps cut off: the device's MTU has grown since
        e.p.stats.rx_too_long += 1
        return 1
    left = <uint32_t>got
    now = (<Clock>e.clock).read((<Clock>e.clock).self_)
    e.p.stats.rx_frames += 1
    e.p.stats.rx_bytes += left
    while True:
        i = k.tail
        part = left if left < k.buf_size else k.buf_size
        left -= part
        k.r.slots[i].buf_idx = k.good[i]
        k.r.slots[i].len = <uint16_t>part
        k.r.slots[i].flags = NS_MOREFRAG if left else 0
        memset(&k.meta[i], 0, sizeof(slot_meta))
        k.meta[i].time_ns = now
        k.tail = side_next(k, i)
        if left == 0:
            break
    if e.hdr:
        vnet_read(header, &k.meta[first])
    k.r.tail = k.tail
    return 1


cdef int tap_rx_sync(void *self, uint32_t number) noexcept nogil:
    cdef tap_end *e = <tap_end *>self
    cdef ring_side *k = &e.rx[0]
    cdef int status = 1
    cdef int up
    if e.p.link == LINK_GONE:
        return -ENXIO
    if number != 0 or ring_check(k, &e.p.stats) < 0:
        return -EINVAL
    k.head = k.r.head
    if e.p.link == LINK_DOWN:
        up = us_tap_is_up(e.query_fd, e.name)
        if up == 1:
            e.p.link = LINK_UP
    if e.blocked:
        flush(e)
    while status == 1:
        status = tap_read(e, k)
    return status


cdef int tap_arm(void *self, bint for_tx) noexcept nogil:
    cdef tap_end *e = <tap_end *>self
    if e.p.link == LINK_GONE:
        return -ENXIO
    if e.blocked:
        wait_for_room(e, True)
    return 0


cdef uint32_t parts_of(uint32_t longest, uint32_t buf_size) noexcept nogil:
    """Slots for a frame of that many bytes, and one byte more: so that one that is cut off is seen."""
    return longest // buf_size + 1


cdef class TapPort(Port):
    """A TAP device. Closing it removes a device that it created (one that was made persistent stays)."""
    cdef tap_end e
    cdef RingMemory memory
    cdef readonly str device            # the kernel's name of it
    cdef readonly uint32_t features     # TUN_F_*: what the kernel may leave to us
    cdef bint made                      # the descriptors are ours to close

    def __cinit__(self, str device, int fd, uint32_t mtu, bytes mac, uint32_t slots, uint32_t buf_size,
                  uint32_t spares, clock, bint offload=False, uint32_t features=0):
        cdef epoll_event event
        cdef bytes raw = os.fsencode(device)
        self.e.fd = fd
        self.e.epoll_fd = self.e.query_fd = -1
        self.made = True
        self.device = device
        self.name = f"tap:{device}"
        self.clock = <Clock?>clock
        self.memory = RingMemory(1, 1, slots, slots, buf_size, spares)
        self.memory.attach(&self.p)
        self.e.p, self.e.tx, self.e.rx = &self.p, self.memory.tx, self.memory.rx
        self.e.clock = <void *>self.clock
        self.e.parts = parts_of(LARGEST if features & TUN_F_TSO4 else mtu + OVERHEAD, buf_size)
        self.e.hdr = VNET_BYTES if offload else 0
        self.features = features
        if self.e.parts > slots - 1 or self.e.parts > MAX_PARTS:
            raise ValueError(f"{slots} slots of {buf_size} bytes cannot hold a frame of a device with MTU {mtu}")
        memcpy(self.e.name, <const char *>raw, len(raw))
        self.p.self = &self.e
        self.p.tx_sync, self.p.rx_sync, self.p.arm = tap_tx_sync, tap_rx_sync, tap_arm
        self.p.caps |= PORT_CAN_SEND | PORT_CAN_RECEIVE | PORT_FILENO | (PORT_VNET_HDR if offload else 0)
        self.p.mtu = mtu
        memcpy(self.p.mac, <const uint8_t *>mac, 6)
        self.e.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.e.query_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        event.events = EPOLLIN
        if self.e.epoll_fd < 0 or self.e.query_fd < 0 or epoll_ctl(self.e.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(errno, os.strerror(errno), self.name)
        self.p.link = LINK_UP if is_up(device) else LINK_DOWN

    def __dealloc__(self):
        self._close()

    cdef void _close(self) noexcept:
        if not self.made:
            return
        if self.e.epoll_fd >= 0:
            c_close(self.e.epoll_fd)
        if self.e.query_fd >= 0:
            c_close(self.e.query_fd)
        if self.e.fd >= 0:
            c_close(self.e.fd)
        self.e.fd = self.e.epoll_fd = self.e.query_fd = -1

    @property
    def offloads(self):
        """What crosses the ring undone: "header" (frames may leave so), "csum", "tso", "uso" (may arrive so)."""
        names = {"header": self.e.hdr, "csum": self.features & TUN_F_CSUM, "tso": self.features & TUN_F_TSO4,
                 "uso": self.features & TUN_F_USO4}
        return tuple(name for name, there in names.items() if there)

    @property
    def link_up(self):
        """Asks the kernel: its end is up."""
        cdef int up
        if self.p.link != LINK_GONE and self.e.query_fd >= 0:
            up = us_tap_is_up(self.e.query_fd, self.e.name)
            self.p.link = LINK_UP if up == 1 else LINK_DOWN
        return self.p.link == LINK_UP

    def fileno(self):
        if self.e.epoll_fd < 0:
            raise ValueError(f"{self.name} is closed")
        return self.e.epoll_fd

    def close(self):
        self.p.link = LINK_GONE
        self._close()


def _attach(device, offload):
    """(descriptor, name, whether frames have headers) of the device, which is created when it is not there; the kernel numbers a name like
    "tap%d"."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (ENOENT, ENODEV, ENXIO):
            what = "no /dev/net/tun here: load the kernel's module (modprobe tun), or give the container the device"
        elif error.errno in (EACCES, EPERM):
            what = "no permission to open /dev/net/tun: run as root or be given access to the device"
        else:
            raise
        raise BackendUnavailable(error.errno, what) from None
    try:
        offload = offload and _knows_headers(fd)
        flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if offload else 0)
        name = fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", ifreq_name(device), flags))
    except OSError as error:
        os.close(fd)
        if error.errno == EPERM:
            what = (f"no permission to use {device}: CAP_NET_ADMIN is needed, or a device made for this user "
                    f"(ip tuntap add mode tap name {device} user $USER)")
            raise BackendUnavailable(EPERM, what) from None
        if error.errno == EBUSY:
            raise BackendUnavailable(EBUSY, f"{device} is in use by another program") from None
        what = f"{device}: {os.strerror(error.errno)} (is it a TAP device with one queue?)"
        raise OSError(error.errno, what) from None
    except BaseException:
        os.close(fd)
        raise
    return fd, os.fsdecode(name[:16].rstrip(b"\0")), offload


def _knows_headers(fd):
    """Whether the kernel's devices can have headers in front of frames."""
    try:
        return bool(struct.unpack("I", fcntl.ioctl(fd, TUNGETFEATURES, struct.pack("I", 0)))[0] & IFF_VNET_HDR)
    except OSError:
        return False


def _negotiate(fd, offload, tso):
    """Says what the kernel may leave to us (a device that others made may have it set already): the most that it takes. TUN_F_*."""
    wanted = [0]
    if offload:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", VNET_BYTES))
        wanted = [TUN_F_CSUM, 0]
    if offload and tso:
        large = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN
        wanted = [large | TUN_F_USO4 | TUN_F_USO6, large, TUN_F_CSUM | TUN_F_TSO4, *wanted]
    for features in wanted:
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, features)
        except OSError:
            continue
        return features
    return 0


def open_port(address, *, mtu=None, mac=None, slots=128, buf_size=2048, spares=0, clock=None, offload=True):
    """ "tap:NAME": opens the TAP device, or creates it (CAP_NET_ADMIN). The kernel's end is brought up by others, or
    by peer.configure_peer().

    mtu: sets the device's, else it is taken from it. mac: ours; one made from the name if not given. slots: of each
    ring. buf_size, spares: bytes of a buffer, number of spare ones. clock: CLOCK_MONOTONIC if not given. Raises
    BackendUnavailable, ValueError.

    offload: frames may leave and arrive with partial checksums, and with several TCP segments in one of up to 64 KiB, as far as the kernel can
    and the rings are large enough (34 slots of 2 KiB); `TapPort.offloads` says what it came to. False: plain frames.
    """
    ifreq_name(address)
    own = None if mac is None else mac_address(mac)
    fd, address, offload = _attach(address, offload)
    try:
        if mtu is not None:
            set_mtu(address, mtu)
        own = own or mac_from_name(f"tap:{address}")
        if own == get_mac(address):
            raise ValueError(f"mac: {own.hex(':')} is the kernel's own end of {address}")
        features = _negotiate(fd, offload, parts_of(LARGEST, buf_size) <= min(slots - 1, MAX_PARTS))
        duplicate = os.dup(fd)          # the port closes it also when it cannot be made
        return TapPort(address, duplicate, get_mtu(address), own, slots, buf_size, spares,
                       clock if clock is not None else MonotonicClock(), offload, features)
    finally:
        os.close(fd)


def probe():
    """(usable, why): whether TAP devices can be used here."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return False, f"/dev/net/tun: {os.strerror(error.errno)}"
    if os.geteuid() != 0:
        return True, "/dev/net/tun opens; devices made for this user can be used, new ones need CAP_NET_ADMIN"
    return True, "/dev/net/tun opens"
