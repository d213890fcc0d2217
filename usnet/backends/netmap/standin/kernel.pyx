"""The stand-in: a kernel with the module loaded, in this process, with no time and no threads of its own."""
cimport cython
from libc.errno cimport EBADF, EDEADLOCK, EINVAL, EMFILE, ENOMEM, EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from usnet.backends.eventfd cimport EFD_CLOEXEC, EFD_NONBLOCK, eventfd, eventfd_set
from usnet.backends.netmap.abi cimport (
    NIOCCTRL, NIOCGINFO, NIOCREGIF, NIOCRXSYNC_FREEBSD, NIOCRXSYNC_LINUX, NIOCTXSYNC_FREEBSD, NIOCTXSYNC_LINUX, nmreq_header, nmreq_legacy,
)
from usnet.backends.netmap.device cimport NM_POLLERR
from usnet.backends.netmap.standin.adapter cimport (
    NAF_MOREFRAG, NAF_OFFSETS, NAF_ON, NR_RX, NR_TX, adapter, adapter_put, frames, frames_take, queued,
)
from usnet.backends.netmap.standin.emulated cimport nic_emulate
from usnet.backends.netmap.standin.kinds cimport plug_kinds
from usnet.backends.netmap.standin.legacy cimport control_legacy
from usnet.backends.netmap.standin.memory cimport (
    POOL_BUF, POOL_IF, POOL_RING, region, region_find, region_forget, region_map, region_memsize, region_put, region_unmap,
)
from usnet.backends.netmap.standin.nic cimport (
    nic, nic_host_send, nic_new, nic_receive, nic_remove, nic_resume, nic_set_link,
)
from usnet.backends.netmap.standin.register cimport check_buf_size, unregister
from usnet.backends.netmap.standin.requests cimport control
from usnet.backends.netmap.standin.state cimport state_end, state_init, unfind_port
from usnet.backends.netmap.standin.sync cimport poll_rings, sync_rings
from usnet.memory.mapping cimport page_round

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

cdef enum:
    NIOCCONFIG = 0xc1106996

POOL_NAMES = {"if": POOL_IF, "ring": POOL_RING, "buf": POOL_BUF}


cdef class StandIn(Device):
    """A kernel with netmap's module: a Device that needs no privilege, answers as the module does, and has the NICs that it is given.

    `parameters` are the module's: if_num, if_size, ring_num, ring_size, buf_num, buf_size, the same with priv_ in front, fwd, no_timestamp,
    no_pendintr, bridge_batch, max_bridges. `legacy_only`: the number of an API before 14 that it has, without NIOCCTRL; 0: today's.
    One thread at a time; what nobody calls does not happen. A poll that would wait for ever returns -EDEADLOCK, unless something else is plugged in
    that makes progress.
    """

    def __cinit__(self, *, uint32_t legacy_only=0, **parameters):
        self.path = "the stand-in for netmap"
        if legacy_only and not 11 <= legacy_only <= 13:
            raise ValueError("legacy_only is an API from 11 to 13, or 0")
        self.api = legacy_only
        if state_init(&self.s) < 0 or plug_kinds(&self.s) < 0:
            raise MemoryError
        for name, value in parameters.items():
            self.set_parameter(name, value)

    def __dealloc__(self):
        cdef int fd
        for fd in range(OPEN_MAX):
            if self.fds[fd] != NULL:
                self.close(fd)
        state_end(&self.s)

    # The device

    cdef opened *of_fd(self, int fd) noexcept nogil:
        return self.fds[fd] if 0 <= fd < OPEN_MAX else NULL

    cdef int open(self) noexcept:
        cdef int fd = 0
        while fd < OPEN_MAX and self.fds[fd] != NULL:
            fd += 1
        if fd == OPEN_MAX:
            return -EMFILE
        self.fds[fd] = <opened *>calloc(1, sizeof(opened))
        if self.fds[fd] == NULL:
            return -ENOMEM
        self.fds[fd].state = &self.s
        self.fds[fd].fd = fd
        self.fds[fd].watch_fd = -1
        return fd

    cdef int close(self, int fd) noexcept:
        cdef opened *o = self.of_fd(fd)
        cdef adapter *na
        if o == NULL:
            return -EBADF
        na = o.na
        if na != NULL:
            unregister(o)
            unfind_port(na)
        if o.watch_fd >= 0:
            c_close(o.watch_fd)
        self.fds[fd] = NULL
        free(o)
        return 0

    cdef int ioctl(self, int fd, uint64_t request, void *arg) noexcept nogil:
        cdef opened *o = self.of_fd(fd)
        if o == NULL:
            return -EBADF
        if request == NIOCTXSYNC_LINUX or request == NIOCTXSYNC_FREEBSD:
            return sync_rings(o, NR_TX)
        if request == NIOCRXSYNC_LINUX or request == NIOCRXSYNC_FREEBSD:
            return sync_rings(o, NR_RX)
        if request == NIOCCTRL and not self.api:
            return control(o, <nmreq_header *>arg) if arg != NULL else -EINVAL
        if request == NIOCREGIF or request == NIOCGINFO:
            return control_legacy(o, <nmreq_legacy *>arg, request == NIOCREGIF, self.api) if arg != NULL else -EINVAL
        return -EINVAL if request == NIOCCONFIG else -EOPNOTSUPP

    cdef void *map(self, int fd, uint64_t size, int *status) noexcept:
        cdef opened *o = self.of_fd(fd)
        cdef uint64_t all_ = 0
        cdef void *at
        status[0] = -EBADF
        if o == NULL:
            return NULL
        status[0] = -EINVAL
        if o.nifp == NULL or size == 0 or region_memsize(o.na.mem, &all_) < 0 or page_round(size) > all_:
            return NULL
        at = region_map(o.na.mem, page_round(size))
        status[0] = 0 if at != NULL else -ENOMEM
        return at

    cdef void unmap(self, void *at, uint64_t size) noexcept:
        region_unmap(at, size)

    cdef bint forget(self, void *at, uint64_t size) noexcept:
        return region_forget(at, size)

    cdef int poll(self, int fd, int events, int64_t timeout_ns) noexcept nogil:
        cdef opened *o = self.of_fd(fd)
        cdef int64_t end = -1
        cdef int ready
        if o == NULL:
            return -EBADF
        if timeout_ns > 0 and self.s.now != NULL:
            end = self.s.now[0] + timeout_ns
        while True:
            ready = poll_rings(o, events) & (events | NM_POLLERR)
            if ready or timeout_ns == 0:
                return ready
            if self.s.wait == NULL or self.s.wait(self.s.wait_ctx, timeout_ns) == 0:
                return -EDEADLOCK if timeout_ns < 0 else 0
            if end >= 0:
                timeout_ns = end - self.s.now[0] if end > self.s.now[0] else 0

    cdef int watch(self, int fd, int events) noexcept nogil:
        cdef opened *o = self.of_fd(fd)
        if o == NULL:
            return -EBADF
        if o.watch_fd < 0:
            o.watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
            if o.watch_fd < 0:
                return -errno
        o.watch_events = events
        if events == 0:
            eventfd_set(o.watch_fd, &o.ringing, False)
            return o.watch_fd
        if poll_rings(o, events) & (events | NM_POLLERR):
            eventfd_set(o.watch_fd, &o.ringing, True)
        return o.watch_fd

    # Its surroundings

    def nic(self, str name, *, tx_rings=1, rx_rings=1, tx_slots=256, rx_slots=256, mtu=1500, offsets=True, morefrag=True, rx_buf_max=4096,
            emulated=False):
        """A new NIC. `rx_buf_max`: most bytes that its driver can receive into one buffer. `emulated`: the driver knows nothing of netmap, and the
        last three are the emulation's own. ValueError for what no NIC can be."""
        return Nic(self, name, (tx_rings, rx_rings), (tx_slots, rx_slots), mtu, offsets, morefrag, rx_buf_max, emulated)

    def set_time(self, int64_t ns):
        """The time that receive rings are stamped with from now on, of any clock; before the first call they are not."""
        self.time_ns = ns
        self.s.now = &self.time_ns

    def set_parameter(self, str name, int value):
        """As writing to /sys/module/netmap/parameters: takes effect for memory when nobody uses it. ValueError: no such parameter."""
        own, _, what = name.removeprefix("priv_").rpartition("_")
        private = name.startswith("priv_")
        if own in POOL_NAMES and what == "num":
            if private:
                self.s.memory.private_num[<int>POOL_NAMES[own]] = value
            else:
                self.s.memory.global_.pools[<int>POOL_NAMES[own]].want_num = value
        elif own in POOL_NAMES and what == "size":
            if private:
                self.s.memory.private_size[<int>POOL_NAMES[own]] = value
            else:
                self.s.memory.global_.pools[<int>POOL_NAMES[own]].want_size = value
        elif name == "fwd":
            self.s.fwd = value
        elif name == "no_timestamp":
            self.s.no_timestamp = value
        elif name == "no_pendintr":
            self.s.no_pendintr = value
        elif name == "bridge_batch":
            self.s.bridge_batch = value
        elif name == "max_bridges":
            self.s.max_bridges = value
        else:
            raise ValueError(f"netmap has no parameter {name}, or it means nothing here")

    def pools(self, int mem_id=1):
        """{"if", "ring", "buf": (objects, bytes of each, how many are free)} of a memory region; KeyError: there is none."""
        cdef region *m = region_find(&self.s.memory, mem_id)
        if m == NULL:
            raise KeyError(f"no memory region {mem_id}")
        answer = {name: (m.pools[<int>i].total, m.pools[<int>i].size, m.pools[<int>i].free_) for name, i in POOL_NAMES.items()}
        region_put(&self.s.memory, m)
        return answer


cdef list all_frames(frames *f):
    cdef list found = []
    cdef queued *q = frames_take(f)
    while q != NULL:
        found.append(<bytes>q.bytes_[:q.length])
        free(q)
        q = frames_take(f)
    return found


# nic_receive, or nic_host_send
ctypedef int (*nic_takes)(nic *n, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil


cdef int hand_over(nic *n, nic_takes take, uint32_t ring, given) except -1:
    """Each of the frames, empty ones too: how many were taken."""
    cdef const uint8_t[::1] view
    cdef int taken = 0
    for frame in given:
        view = frame
        taken += take(n, ring, &view[0] if view.shape[0] else <const uint8_t *>b"", <uint32_t>view.shape[0]) == 0
    return taken


@cython.no_gc_clear                     # the kernel must outlive its NICs
cdef class Nic:
    """A NIC of a StandIn from the outside: what is on its wire, what the system behind it sends and receives, and its plug. Frames are bytes from the
    Ethernet header on, without FCS."""

    def __cinit__(self, StandIn kernel, str name, rings, slots, uint32_t mtu, offsets, morefrag, uint32_t rx_buf_max, emulated):
        cdef uint32_t n[2]
        cdef uint32_t s[2]
        cdef bytes text = name.encode()
        n[NR_TX], n[NR_RX] = rings
        s[NR_TX], s[NR_RX] = slots
        if not (0 < len(text) < 16 and all(0 < i <= 256 for i in rings) and all(2 <= i <= 65536 for i in slots)) or mtu == 0:
            raise ValueError("a NIC has a name of up to 15 bytes, 1 to 256 rings, 2 to 65536 slots and an MTU")
        self.kernel = kernel
        self.name = name
        self.n = nic_new(&kernel.s, text, n, s, mtu, (NAF_OFFSETS if offsets else 0) | (NAF_MOREFRAG if morefrag else 0))
        if self.n == NULL:
            raise ValueError(f"there is a {name} already")
        self.n.na.rx_buf_max = rx_buf_max
        if emulated:
            nic_emulate(self.n)

    def __dealloc__(self):
        if self.n != NULL:
            adapter_put(self.n.na)

    def inject(self, given, uint32_t ring=0):
        """Frames arrive from the wire, for receive ring `ring`: how many of them the NIC took. The others are counted in stats()."""
        return hand_over(self.n, nic_receive, ring, given)

    def sent(self):
        """Frames that have left since the last time, in order."""
        return all_frames(&self.n.sent)

    def host_send(self, given, uint32_t queue=0):
        """The system's own stack sends frames: how many of them found a place, in its host ring or (without netmap) on the wire."""
        return hand_over(self.n, nic_host_send, queue, given)

    def host_received(self):
        """Frames that the system's own stack has received since the last time, in order."""
        return all_frames(&self.n.up)

    @property
    def drops(self):
        """Frames from the wire that were lost."""
        return self.n.stats.no_room + self.n.stats.too_long + self.n.stats.down

    def stats(self):
        return self.n.stats

    def set_link(self, bint up):
        """The cable: without it nothing is sent or received, and what users send stays in their rings."""
        nic_set_link(self.n, up)

    def set_busy(self, bint busy):
        """Whether the wire takes no frames for now: those sent stay in the NIC's part of the rings."""
        cdef uint32_t i
        self.n.busy = busy
        for i in range(self.n.na.n[NR_TX]):
            nic_resume(self.n, i)

    def set_mtu(self, uint32_t mtu):
        """As the module, -EINVAL where netmap's buffers could not hold it while it is in use; 0."""
        if self.n.na.flags & NAF_ON and check_buf_size(self.n.na, mtu) < 0:
            return -EINVAL
        self.n.na.mtu = mtu
        return 0

    def remove(self):
        """The device is gone: its name finds nothing, and syncs and polls of those who have it open end in errors."""
        nic_remove(self.n)
