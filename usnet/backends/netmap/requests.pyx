"""Requests to netmap that are no port's traffic: what a port is like, its memory, VALE switches."""
from collections import namedtuple

from libc.errno cimport EINVAL, ENAMETOOLONG, ENOENT, ENOSYS, ENOTTY, ENXIO, EOPNOTSUPP
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport atoi
from libc.string cimport memcpy, memset, strchr, strlen, strncpy

from usnet.backends.netmap.abi cimport (
    NETMAP_API, NETMAP_API_NIOCCTRL, NETMAP_API_OLDEST, NETMAP_MAX_API, NETMAP_REQ_IFNAMSIZ, NETMAP_REQ_POOLS_INFO_GET, NETMAP_REQ_PORT_HDR_GET,
    NETMAP_REQ_PORT_HDR_SET, NETMAP_REQ_PORT_INFO_GET, NETMAP_REQ_REGISTER, NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DELIF,
    NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_LIST, NETMAP_REQ_VALE_NEWIF, NETMAP_REQ_VALE_POLLING_DISABLE, NETMAP_REQ_VALE_POLLING_ENABLE,
    NIOCCTRL, NIOCREGIF, NR_REG_ALL_NIC, NR_REG_NIC_SW, NR_REG_ONE_SW, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE, nmreq_header, nmreq_legacy,
    nmreq_option, nmreq_pools_info, nmreq_port_hdr, nmreq_port_info_get, nmreq_register, nmreq_vale_attach, nmreq_vale_detach,
    nmreq_vale_list, nmreq_vale_newif, nmreq_vale_polling,
)
from usnet.backends.netmap.device cimport Device, KernelDevice

from usnet.backends.errors import BackendUnavailable
from usnet.backends.netmap.errors import failure
from usnet.backends.netmap.names import as_request

cdef Device the_kernel = KernelDevice("/dev/netmap")


cdef Device kernel():
    return the_kernel


# The calls

cdef void nm_header(nmreq_header *h, int kind, const char *name, void *body, nmreq_option *options) noexcept nogil:
    memset(h, 0, sizeof(nmreq_header))
    h.nr_version = NETMAP_API
    h.nr_reqtype = <uint16_t>kind
    strncpy(h.nr_name, name, NETMAP_REQ_IFNAMSIZ - 1)
    h.nr_body = <uint64_t>body
    h.nr_options = <uint64_t>options


cdef int speaks(Device device, int fd, uint16_t version) noexcept nogil:
    """What a request says that can only fail because of its version, or because there is no NIOCCTRL: 0 or -errno."""
    cdef nmreq_header h
    cdef nmreq_port_info_get body
    memset(&body, 0, sizeof(body))
    nm_header(&h, NETMAP_REQ_PORT_INFO_GET, "", &body, NULL)
    h.nr_version = version
    return device.ioctl(fd, NIOCCTRL, &h)


cdef int nm_control(Device device, int fd, nmreq_header *h) noexcept nogil:
    cdef nmreq_header again = h[0]
    cdef int status = device.ioctl(fd, NIOCCTRL, h)
    if status == -EINVAL and speaks(device, fd, NETMAP_API) == -EINVAL and speaks(device, fd, NETMAP_MAX_API) == 0:
        h[0] = again
        h.nr_version = NETMAP_MAX_API
        return device.ioctl(fd, NIOCCTRL, h)
    # Kernels without NIOCCTRL take it for a call to the interface of that name (FreeBSD), or know no such call
    if status in (-ENOTTY, -EOPNOTSUPP, -ENXIO) and speaks(device, fd, NETMAP_API) in (-ENOTTY, -EOPNOTSUPP, -ENXIO):
        return -ENOSYS
    return status


cdef int to_legacy(const char *name, const nmreq_register *body, nmreq_legacy *r) noexcept nogil:
    cdef const char *brace = strchr(name, b'{')
    cdef uint32_t mode = body.nr_mode
    cdef size_t length
    memset(r, 0, sizeof(nmreq_legacy))
    if brace == NULL:
        brace = strchr(name, b'}')
    length = strlen(name) if brace == NULL else <size_t>(brace - name)
    if length >= sizeof(r.nr_name):
        return -ENAMETOOLONG
    memcpy(r.nr_name, name, length)
    r.nr_ringid = body.nr_ringid
    if brace != NULL:
        if mode != NR_REG_ALL_NIC or brace[1] < b'0' or brace[1] > b'9':
            return -EOPNOTSUPP
        mode = NR_REG_PIPE_MASTER if brace[0] == b'{' else NR_REG_PIPE_SLAVE
        r.nr_ringid = <uint16_t>atoi(brace + 1)
    elif mode == NR_REG_ONE_SW or body.nr_host_tx_rings > 1 or body.nr_host_rx_rings > 1:
        return -EOPNOTSUPP
    r.nr_flags = mode | <uint32_t>body.nr_flags
    r.nr_tx_slots = body.nr_tx_slots
    r.nr_rx_slots = body.nr_rx_slots
    r.nr_tx_rings = body.nr_tx_rings
    r.nr_rx_rings = body.nr_rx_rings
    r.nr_arg2 = body.nr_mem_id
    r.nr_arg3 = body.nr_extra_bufs
    return 0


cdef void from_legacy(const nmreq_legacy *r, nmreq_register *body) noexcept nogil:
    body.nr_offset = r.nr_offset
    body.nr_memsize = r.nr_memsize
    body.nr_tx_slots = r.nr_tx_slots
    body.nr_rx_slots = r.nr_rx_slots
    body.nr_tx_rings = r.nr_tx_rings
    body.nr_rx_rings = r.nr_rx_rings
    body.nr_host_tx_rings = body.nr_host_rx_rings = 1
    body.nr_mem_id = r.nr_arg2
    body.nr_extra_bufs = r.nr_arg3


cdef int legacy(Device device, int fd, const nmreq_legacy *request, nmreq_legacy *answer, uint32_t *version) noexcept nogil:
    """NIOCREGIF with the newest version that the kernel takes: 0 or -errno. Old modules take their neighbours' versions, and answer with their
    own."""
    cdef int status = -EINVAL
    cdef uint32_t v = NETMAP_API_NIOCCTRL - 1
    while v >= NETMAP_API_OLDEST and status == -EINVAL:
        answer[0] = request[0]
        answer.nr_version = v
        status = device.ioctl(fd, NIOCREGIF, answer)
        version[0] = answer.nr_version if NETMAP_API_OLDEST <= answer.nr_version < NETMAP_API_NIOCCTRL else v
        v -= 1
    return status


cdef int nm_register(Device device, int fd, const char *name, nmreq_register *body, nmreq_option *options, uint32_t *version) noexcept nogil:
    cdef nmreq_header h
    cdef nmreq_legacy request
    cdef nmreq_legacy answer
    cdef int status
    nm_header(&h, NETMAP_REQ_REGISTER, name, body, options)
    status = nm_control(device, fd, &h)
    version[0] = h.nr_version
    if status != -ENOSYS:
        return status
    if options != NULL:
        return -EOPNOTSUPP
    status = to_legacy(name, body, &request)
    if status == 0:
        status = legacy(device, fd, &request, &answer, version)
    if status == 0:
        from_legacy(&answer, body)
    return status


cdef int nm_port_hdr(Device device, int fd, const char *name, uint32_t version, uint32_t *length) noexcept nogil:
    cdef nmreq_header h
    cdef nmreq_port_hdr body
    cdef nmreq_legacy request
    cdef int status
    length[0] = 0
    if version < NETMAP_API_NIOCCTRL:
        memset(&request, 0, sizeof(request))
        strncpy(request.nr_name, name, sizeof(request.nr_name) - 1)
        request.nr_version = version
        request.nr_cmd = LEGACY_VNET_HDR_GET
        if device.ioctl(fd, NIOCREGIF, &request) == 0:
            length[0] = request.nr_arg1
        return 0
    memset(&body, 0, sizeof(body))
    nm_header(&h, NETMAP_REQ_PORT_HDR_GET, name, &body, NULL)
    h.nr_version = <uint16_t>version
    status = device.ioctl(fd, NIOCCTRL, &h)
    if status == 0:
        length[0] = body.nr_hdr_len
    return status


# What Python sees. Each opens a descriptor of its own, for the call

PortInfo = namedtuple("PortInfo", "memsize tx_slots rx_slots tx_rings rx_rings host_tx_rings host_rx_rings mem_id")
PoolsInfo = namedtuple("PoolsInfo", "memsize mem_id if_offset if_total if_size ring_offset ring_total ring_size buf_offset buf_total buf_size")
ValePort = namedtuple("ValePort", "name bridge port")


cdef object request(object device, int kind, object name, void *body):
    """One control call on a descriptor of its own: the name in the answer. OSError."""
    cdef Device d = the_kernel if device is None else device
    cdef nmreq_header h
    cdef bytes text = name.encode("utf-8", "surrogateescape")
    cdef int status
    cdef int fd = d.open()
    if fd < 0:
        raise failure(-fd, "open", name, device=d)
    nm_header(&h, kind, text, body, NULL)
    with nogil:
        status = nm_control(d, fd, &h)
    d.close(fd)
    if status < 0:
        raise failure(-status, KINDS[kind], name, device=d)
    return h.nr_name.decode("utf-8", "surrogateescape")

KINDS = {
    NETMAP_REQ_PORT_INFO_GET: "port_info", NETMAP_REQ_POOLS_INFO_GET: "pools_info", NETMAP_REQ_VALE_ATTACH: "vale_attach",
    NETMAP_REQ_VALE_DETACH: "vale_detach", NETMAP_REQ_VALE_LIST: "vale_list", NETMAP_REQ_VALE_NEWIF: "vale_newif",
    NETMAP_REQ_VALE_DELIF: "vale_delif", NETMAP_REQ_VALE_POLLING_ENABLE: "vale_polling", NETMAP_REQ_VALE_POLLING_DISABLE: "vale_polling",
    NETMAP_REQ_PORT_HDR_GET: "port_hdr_get", NETMAP_REQ_PORT_HDR_SET: "port_hdr_set",
}


def port_info(name, device=None):
    """PortInfo of a port: bytes of its memory region, slots a ring, rings of each kind, the region's number. "" tells of the global region alone
    (zeros for the rest). Asking for a port of a VALE switch that does not exist makes it for the moment of the call.

    OSError: ENXIO no such interface; BackendUnavailable where there is no netmap.
    """
    cdef nmreq_port_info_get b
    memset(&b, 0, sizeof(b))
    request(device, NETMAP_REQ_PORT_INFO_GET, as_request(name).name if name else "", &b)
    return PortInfo(b.nr_memsize, b.nr_tx_slots, b.nr_rx_slots, b.nr_tx_rings, b.nr_rx_rings, b.nr_host_tx_rings, b.nr_host_rx_rings, b.nr_mem_id)


def pools_info(name, device=None):
    """PoolsInfo of a port's memory region: where its three pools begin (bytes), how many objects each has, and of how many bytes.

    OSError: ENXIO no such interface, ENOMEM the region cannot be had.
    """
    cdef nmreq_pools_info b
    asked = as_request(name)
    memset(&b, 0, sizeof(b))
    b.nr_mem_id = asked.mem_id
    request(device, NETMAP_REQ_POOLS_INFO_GET, asked.name, &b)
    return PoolsInfo(b.nr_memsize, b.nr_mem_id, b.nr_if_pool_offset, b.nr_if_pool_objtotal, b.nr_if_pool_objsize, b.nr_ring_pool_offset,
                     b.nr_ring_pool_objtotal, b.nr_ring_pool_objsize, b.nr_buf_pool_offset, b.nr_buf_pool_objtotal, b.nr_buf_pool_objsize)


def vale_attach(name, host=False, device=None):
    """Attaches an interface to a switch: "vale0:eth0". `host`: its host rings too, so that the machine keeps using it. The number of its port.

    OSError: EBUSY it is in netmap mode or attached already, ENXIO no such interface, ENOMEM the switch is full.
    """
    cdef nmreq_vale_attach b
    memset(&b, 0, sizeof(b))
    asked = as_request(name)
    b.reg.nr_mode = NR_REG_NIC_SW if host else NR_REG_ALL_NIC
    b.reg.nr_mem_id = asked.mem_id
    request(device, NETMAP_REQ_VALE_ATTACH, asked.name, &b)
    return b.port_index


def vale_detach(name, device=None):
    """Takes an interface off a switch: "vale0:eth0". The number that its port had. OSError: EINVAL, ENXIO or ENOENT it is not attached."""
    cdef nmreq_vale_detach b
    memset(&b, 0, sizeof(b))
    request(device, NETMAP_REQ_VALE_DETACH, as_request(name).name, &b)
    return b.port_index


def vale_list(device=None):
    """All ports of all switches: a list of ValePort(name, bridge, port), the last two the numbers of the switch and of the port in it."""
    cdef nmreq_vale_list b
    memset(&b, 0, sizeof(b))
    found = []
    while True:
        try:
            name = request(device, NETMAP_REQ_VALE_LIST, "", &b)
        except OSError as error:
            if error.errno == ENOENT and not isinstance(error, BackendUnavailable):
                return found
            raise
        found.append(ValePort(name, b.nr_bridge_idx, b.nr_port_idx))
        b.nr_port_idx += 1


def vale_newif(name, tx_slots=0, rx_slots=0, tx_rings=0, rx_rings=0, mem_id=0, device=None):
    """Makes an interface of the machine that can be attached to a switch and stays until vale_delif(). 0: netmap's defaults. The number of its
    memory region. OSError: EEXIST there is one of that name."""
    cdef nmreq_vale_newif b
    memset(&b, 0, sizeof(b))
    b.nr_tx_slots, b.nr_rx_slots, b.nr_tx_rings, b.nr_rx_rings, b.nr_mem_id = tx_slots, rx_slots, tx_rings, rx_rings, mem_id
    request(device, NETMAP_REQ_VALE_NEWIF, as_request(name).name, &b)
    return b.nr_mem_id


def vale_delif(name, device=None):
    """Removes what vale_newif() made. OSError: ENXIO no such interface, EBUSY it is attached or open, EINVAL it is not one of those."""
    request(device, NETMAP_REQ_VALE_DELIF, as_request(name).name, NULL)


def vale_polling(name, on, per_cpu=False, first_cpu=0, cpus=1, device=None):
    """Starts or stops kernel threads that poll an attached interface ("vale0:eth0") in place of its interrupts: one for all its rings, or `per_cpu`:
    one a ring, from `first_cpu` on `cpus` of them. OSError: EINVAL, EOPNOTSUPP, EFAULT it was not on."""
    cdef nmreq_vale_polling b
    memset(&b, 0, sizeof(b))
    b.nr_mode = 2 if per_cpu else 1
    b.nr_first_cpu_id = first_cpu
    b.nr_num_polling_cpus = cpus
    request(device, NETMAP_REQ_VALE_POLLING_ENABLE if on else NETMAP_REQ_VALE_POLLING_DISABLE, as_request(name).name, &b)


def port_hdr_get(name, device=None):
    """Bytes of virtio-net header in front of each frame of a port: 0, 10 or 12. 0 also for a VALE port that does not exist."""
    cdef nmreq_port_hdr b
    memset(&b, 0, sizeof(b))
    request(device, NETMAP_REQ_PORT_HDR_GET, as_request(name).name, &b)
    return b.nr_hdr_len


def port_hdr_set(name, length, device=None):
    """Gives a VALE port a virtio-net header of 0, 10 or 12 bytes. OSError: EINVAL another length, ENXIO no such VALE port."""
    cdef nmreq_port_hdr b
    memset(&b, 0, sizeof(b))
    b.nr_hdr_len = length
    request(device, NETMAP_REQ_PORT_HDR_SET, as_request(name).name, &b)
