"""Opening a port of netmap: register, map, find the rings (descriptor.pxd)."""
cimport cython
from libc.errno cimport EINVAL, EMFILE, ENOMEM, ENXIO, EPROTO
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from usnet.backends.netmap.abi cimport (
    NETMAP_API_NIOCCTRL, NETMAP_REQ_OPT_OFFSETS, NETMAP_REQ_POOLS_INFO_GET, NETMAP_REQ_PORT_INFO_GET, NI_PRIV_MEM, NIOCCTRL, NR_ACCEPT_VNET_HDR,
    NR_REG_NIC_SW, NR_REG_ONE_NIC, NR_REG_ONE_SW, NR_REG_SW, NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY, netmap_if, nmreq_header, nmreq_opt_offsets,
    nmreq_option, nmreq_pools_info, nmreq_port_info_get, nmreq_register,
)
from usnet.backends.netmap.device cimport NM_POLLIN, NM_POLLOUT, Device
from usnet.backends.netmap.requests cimport kernel, nm_header, nm_port_hdr, nm_register
from usnet.backends.ring cimport ring, slot

from usnet.backends.netmap.errors import failure, gather
from usnet.backends.netmap.names import as_request
from usnet.backends.netmap.requests import PortInfo, port_info

cdef enum:
    MAX_RINGS = 256                 # of one direction that a descriptor is bound to
    RING_HEADER = 256

cdef struct span:                   # rings [first, last) of a direction, in the order of netmap_if.ring_ofs
    uint32_t first
    uint32_t last


cdef span bound(const nmreq_register *r, uint32_t nic, uint32_t host, bint excluded) noexcept nogil:
    """Which rings of a direction with so many NIC and host rings the module has bound: a ring number past the end means the first one."""
    cdef span s
    cdef uint32_t one = r.nr_ringid
    s.first = 0
    s.last = nic
    if r.nr_mode in (NR_REG_SW, NR_REG_NIC_SW):
        s.first = nic if r.nr_mode == NR_REG_SW else 0
        s.last = nic + host
    elif r.nr_mode == NR_REG_ONE_NIC:
        s.first = one if one < nic else 0
        s.last = s.first + 1
    elif r.nr_mode == NR_REG_ONE_SW:
        s.first = nic + (one if one < host else 0)
        s.last = s.first + 1
    if excluded:
        s.last = s.first
    return s


@cython.no_gc_clear                     # its end needs the device
cdef class Descriptor:
    """Descriptor("eth0-1"): one open port. `request`: a name or a PortRequest; `settings` are fields of PortRequest that the name does not give.
    `vnet_header=False` refuses ports that have a virtio-net header in front of each frame.

    ValueError: a bad name. OSError: with netmap's errno and what to do. BackendUnavailable: no netmap here.
    """

    def __cinit__(self, request, Device device=None, bint vnet_header=True, **settings):
        self.fd = -1
        self.device = kernel() if device is None else device
        self.request = as_request(request, **settings)
        self.name = request if isinstance(request, str) else str(request)
        self.answer = {}

    def __init__(self, request, Device device=None, bint vnet_header=True, **settings):
        if self.memory == NULL and self.kept == NULL:
            self._open(vnet_header)

    def __dealloc__(self):
        self.shut()
        free(self.extra)

    cdef object _fail(self, int status, str what):
        """Closes, and makes the exception."""
        cdef nmreq_header h
        cdef nmreq_port_info_get b
        cdef bytes name = self.request.name.encode("utf-8", "surrogateescape")
        facts = gather(self.device, self.request.parent)
        memset(&b, 0, sizeof(b))
        if what == "register" and status in (-EINVAL, -ENOMEM):
            nm_header(&h, NETMAP_REQ_PORT_INFO_GET, name, &b, NULL)
            if self.device.ioctl(self.fd, NIOCCTRL, &h) == 0:
                known = PortInfo(b.nr_memsize, b.nr_tx_slots, b.nr_rx_slots, b.nr_tx_rings, b.nr_rx_rings, b.nr_host_tx_rings, b.nr_host_rx_rings,
                                 b.nr_mem_id)
                facts = gather(self.device, self.request.parent, known)
        self.shut()
        return failure(-status, what, self.name, self.request, facts=facts)

    cdef object _open(self, bint vnet_header):
        cdef nmreq_register body
        cdef nmreq_opt_offsets offsets
        cdef nmreq_option *options = NULL
        cdef bytes encoded = self.request.name.encode("utf-8", "surrogateescape")
        cdef const char *name = encoded
        cdef int status = 0
        memset(&body, 0, sizeof(body))
        memset(&offsets, 0, sizeof(offsets))
        fill(&body, self.request, vnet_header)
        if self.request.share:
            body.nr_mem_id = port_info(self.request.share, self.device).mem_id
        if self.request.offset is not None:
            options = &offsets.nro_opt
            options.nro_reqtype = NETMAP_REQ_OPT_OFFSETS
            offsets.nro_max_offset = self.request.offset
            offsets.nro_initial_offset = self.request.initial_offset
            offsets.nro_offset_bits = self.request.offset_bits
        self.fd = self.device.open()
        if self.fd < 0:
            raise self._fail(self.fd, "open")
        with nogil:
            status = nm_register(self.device, self.fd, name, &body, options, &self.version)
        if status < 0:
            raise self._fail(status, "register")
        self.memory = <uint8_t *>self.device.map(self.fd, body.nr_memsize, &status)
        if self.memory == NULL:
            raise self._fail(status, "map")
        self.memsize = body.nr_memsize
        self.mem_id = body.nr_mem_id
        self.max_offset = offsets.nro_max_offset
        self.answer = dict(body)
        status = self._bind(body.nr_offset)
        if status < 0:
            raise self._fail(status, "map")
        with nogil:
            nm_port_hdr(self.device, self.fd, name, self.version, &self.hdr_len)
        self._count_buffers()
        if self._take_extra(body.nr_extra_bufs) < 0:
            raise self._fail(-ENOMEM, "map")

    cdef ring *_ring(self, uint64_t offset, uint32_t i) noexcept:
        """The ring that ring_ofs[i] names; NULL when it does not lie in the mapping."""
        cdef int64_t at = self.nifp.ring_ofs[i]
        cdef ring *r
        cdef uint64_t where = offset + <uint64_t>at
        if at == 0 or where < offset or where + RING_HEADER > self.memsize:
            return NULL
        r = <ring *>(self.memory + where)
        if r.num_slots < 2 or where + RING_HEADER + <uint64_t>r.num_slots * sizeof(slot) > self.memsize or r.nr_buf_size == 0:
            return NULL
        self.buffers = <uint8_t *>r + r.buf_ofs
        self.buf_size = r.nr_buf_size
        if not self.memory <= self.buffers <= self.memory + self.memsize:
            return NULL
        return r

    cdef int _bind(self, uint64_t offset) noexcept:
        """Finds the rings: 0 or -errno."""
        cdef nmreq_register r
        cdef uint32_t nic_tx, nic_rx, host_tx, host_rx
        cdef uint64_t n
        cdef span s
        if offset + sizeof(netmap_if) > self.memsize:
            return -EPROTO
        self.nifp = <netmap_if *>(self.memory + offset)
        memset(&r, 0, sizeof(r))
        fill(&r, self.request, True)
        nic_tx, nic_rx = self.nifp.ni_tx_rings, self.nifp.ni_rx_rings
        host_tx, host_rx = self.nifp.ni_host_tx_rings, self.nifp.ni_host_rx_rings
        if self.version < NETMAP_API_NIOCCTRL or host_tx == 0:      # before API 14 these fields read 0, and there is one of each
            host_tx = host_rx = 1
        n = <uint64_t>nic_tx + nic_rx + host_tx + host_rx
        if offset + sizeof(netmap_if) + n * 8 > self.memsize:
            return -EPROTO
        s = bound(&r, nic_tx, host_tx, r.nr_flags & NR_RX_RINGS_ONLY)
        if self._bind_rings(offset, s.first, s.last, 0, nic_tx, self.tx, &self.n_tx, &self.host_tx) < 0:
            return -EMFILE
        s = bound(&r, nic_rx, host_rx, r.nr_flags & NR_TX_RINGS_ONLY)
        return self._bind_rings(offset, s.first, s.last, nic_tx + host_tx, nic_rx, self.rx, &self.n_rx, &self.host_rx)

    cdef int _bind_rings(self, uint64_t offset, uint32_t first, uint32_t last, uint32_t base, uint32_t n_nic, ring **rings, uint32_t *n,
                         uint32_t *host) noexcept:
        """Those of one direction, which are from ring_ofs[base] on, the first n_nic of them the NIC's: 0 or -EMFILE."""
        cdef uint32_t i
        if last - first > MAX_RINGS:
            return -EMFILE
        host[0] = MAX_RINGS
        for i in range(first, last):
            if i >= n_nic and host[0] == MAX_RINGS:
                host[0] = n[0]
            rings[n[0]] = self._ring(offset, base + i)
            n[0] += rings[n[0]] != NULL     # NULL: one that the module did not make
        host[0] = min(host[0], n[0])
        return 0

    cdef void _count_buffers(self) noexcept:
        """From the module where it tells of this very region, else by what the mapping can hold."""
        cdef nmreq_header h
        cdef nmreq_pools_info b
        cdef bytes name = self.request.name.encode("utf-8", "surrogateescape")
        cdef uint64_t fit
        memset(&b, 0, sizeof(b))
        b.nr_mem_id = <uint16_t>self.mem_id
        nm_header(&h, NETMAP_REQ_POOLS_INFO_GET, name, &b, NULL)
        h.nr_version = <uint16_t>self.version
        if self.version < NETMAP_API_NIOCCTRL or self.device.ioctl(self.fd, NIOCCTRL, &h) < 0 or b.nr_mem_id != self.mem_id:
            memset(&b, 0, sizeof(b))
        if self.buffers == NULL:                                    # no rings: a port without any
            if b.nr_buf_pool_objsize == 0:
                return
            self.buffers = self.memory + b.nr_buf_pool_offset
            self.buf_size = b.nr_buf_pool_objsize
        fit = (self.memory + self.memsize - self.buffers) // self.buf_size
        self.n_bufs = <uint32_t>fit
        if b.nr_buf_pool_objtotal:
            self.n_bufs = <uint32_t>min(fit, <uint64_t>b.nr_buf_pool_objtotal)

    cdef int _take_extra(self, uint32_t wanted) noexcept:
        """Reads the list of extra buffers: 0, or -1 without memory."""
        cdef uint32_t i = self.nifp.ni_bufs_head
        cdef uint8_t *b
        self.extra = <uint32_t *>malloc(4 * (<size_t>wanted + 1))
        if self.extra == NULL:
            return -1
        while self.n_extra < wanted:
            b = descriptor_buf(self, i)
            if b == NULL:
                break
            self.extra[self.n_extra] = i
            self.n_extra += 1
            i = (<uint32_t *>b)[0]
        self.nifp.ni_bufs_head = 0
        return 0

    cdef int txsync(self) noexcept nogil:
        return self.device.ioctl(self.fd, self.device.txsync_request, NULL) if self.fd >= 0 else -ENXIO

    cdef int rxsync(self) noexcept nogil:
        return self.device.ioctl(self.fd, self.device.rxsync_request, NULL) if self.fd >= 0 else -ENXIO

    cdef void shut(self) noexcept:
        cdef uint32_t i
        cdef uint32_t head = 0
        cdef uint8_t *b
        if self.memory != NULL:
            for i in range(self.n_extra):
                b = descriptor_buf(self, self.extra[i])
                if b != NULL:
                    (<uint32_t *>b)[0] = head
                    head = self.extra[i]
            if self.nifp != NULL and self.extra != NULL:        # else the list was not taken yet
                self.nifp.ni_bufs_head = head
            if self.views:
                self.kept = self.memory
                self.device.forget(self.memory, self.memsize)
            else:
                self.device.unmap(self.memory, self.memsize)
        self.memory = self.buffers = NULL
        self.nifp = NULL
        self.n_tx = self.n_rx = self.n_extra = self.n_bufs = self.host_tx = self.host_rx = 0
        if self.fd >= 0:
            self.device.close(self.fd)
        self.fd = -1

    cdef int hold(self) noexcept:
        if self.memory == NULL:
            return -1
        self.views += 1
        return 0

    cdef void let_go(self) noexcept:
        self.views -= 1
        if self.views == 0 and self.kept != NULL:
            self.device.unmap(self.kept, self.memsize)
            self.kept = NULL

    # What Python sees

    @property
    def closed(self):
        return self.fd < 0

    @property
    def info(self):
        """What the module answered to the registration (struct nmreq_register), as a dict."""
        return dict(self.answer)

    @property
    def private_memory(self):
        """Whether the region is this port's own (a VALE port's)."""
        return self.nifp != NULL and bool(self.nifp.ni_flags & NI_PRIV_MEM)

    def watch(self, bint out=False, bint receive=True):
        """A descriptor of the operating system that polls readable while frames wait, or with `out` while there is room to send: for select,
        selectors and asyncio. It stays the same from call to call, and ends with close(). With `out` it is readable nearly always: ask for that only
        while a ring is full. OSError where the device has none."""
        cdef int status = self.device.watch(self.fd, (NM_POLLIN if receive else 0) | (NM_POLLOUT if out else 0)) if self.fd >= 0 else -ENXIO
        if status < 0:
            raise failure(-status, "poll", self.name, device=self.device)
        return status

    def fileno(self):
        """watch(), for frames."""
        return self.watch()

    def close(self):
        """Gives extra buffers and the port back. May be called again. memoryviews of its buffers that are still about see zeros from then on."""
        self.shut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.shut()

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}{' closed' if self.fd < 0 else ''}>"


cdef void fill(nmreq_register *r, object request, bint vnet_header):
    """The request's fields as the module reads them."""
    r.nr_mode = request.mode
    r.nr_ringid = request.ringid
    r.nr_flags = request.flags | (NR_ACCEPT_VNET_HDR if vnet_header else 0)
    r.nr_mem_id = request.mem_id
    r.nr_extra_bufs = request.extra_bufs
    r.nr_tx_slots = request.tx_slots
    r.nr_rx_slots = request.rx_slots
    r.nr_tx_rings = request.tx_rings
    r.nr_rx_rings = request.rx_rings
    r.nr_host_tx_rings = request.host_tx_rings
    r.nr_host_rx_rings = request.host_rx_rings
