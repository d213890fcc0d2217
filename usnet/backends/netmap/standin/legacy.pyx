"""NIOCREGIF and NIOCGINFO, turned into requests of NIOCCTRL and back."""
from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport uint16_t, uintptr_t
from libc.string cimport memcpy, memset, strlen

from usnet.backends.netmap.abi cimport (
    NETMAP_API, NETMAP_API_OLDEST, NETMAP_MAX_API, NETMAP_REQ_PORT_HDR_GET, NETMAP_REQ_PORT_HDR_SET, NETMAP_REQ_PORT_INFO_GET,
    NETMAP_REQ_REGISTER, NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DELIF, NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_LIST,
    NETMAP_REQ_VALE_NEWIF, NETMAP_REQ_VALE_POLLING_DISABLE, NETMAP_REQ_VALE_POLLING_ENABLE, NR_DO_RX_POLL, NR_NO_TX_POLL, NR_REG_ALL_NIC,
    NR_REG_DEFAULT, NR_REG_NIC_SW, NR_REG_ONE_NIC, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE, NR_REG_SW, nmreq_header, nmreq_port_hdr,
    nmreq_port_info_get, nmreq_register, nmreq_vale_attach, nmreq_vale_list, nmreq_vale_newif, nmreq_vale_polling,
)
from usnet.backends.netmap.standin.requests cimport control_kernel

cdef enum:
    # nr_ringid
    OLD_RING_MASK = 0x0fff
    OLD_NO_TX_POLL = 0x1000
    OLD_SW_RING = 0x2000
    OLD_HW_RING = 0x4000
    OLD_DO_RX_POLL = 0x8000
    OLD_MODE_MASK = 0xf         # of nr_flags
    # nr_cmd
    OLD_ATTACH = 1
    OLD_DETACH = 2
    OLD_LIST = 4
    OLD_HDR_SET = 5
    OLD_NEWIF = 6
    OLD_DELIF = 7
    OLD_PT_CREATE = 8
    OLD_PT_DELETE = 9
    OLD_POLLING_ON = 10
    OLD_POLLING_OFF = 11
    OLD_HDR_GET = 12
    OLD_WITH_HOST = 1           # nr_arg1 of an attach
    POLLING_SINGLE_CPU = 1      # nmreq_vale_polling.nr_mode
    POLLING_MULTI_CPU = 2

cdef union body:
    nmreq_register reg
    nmreq_vale_attach attach
    nmreq_port_info_get info
    nmreq_vale_list list_
    nmreq_port_hdr hdr
    nmreq_vale_newif newif
    nmreq_vale_polling polling


cdef bint pipe_name(nmreq_header *hdr, uint32_t mode, uint32_t id) noexcept nogil:
    """Appends "{id" or "}id"; False: it does not fit."""
    cdef char digits[8]
    cdef size_t length = strlen(hdr.nr_name)
    cdef int n = 0
    while True:
        digits[n] = <char>(48 + id % 10)
        n += 1
        id //= 10
        if id == 0:
            break
    if length + 1 + n >= sizeof(hdr.nr_name):
        return False
    hdr.nr_name[length] = 123 if mode == NR_REG_PIPE_MASTER else 125
    while n:
        n -= 1
        length += 1
        hdr.nr_name[length] = digits[n]
    hdr.nr_name[length + 1] = 0
    return True


cdef bint register_from(const nmreq_legacy *old, nmreq_header *hdr, nmreq_register *req) noexcept nogil:
    req.nr_offset = old.nr_offset
    req.nr_memsize = old.nr_memsize
    req.nr_tx_slots = old.nr_tx_slots
    req.nr_rx_slots = old.nr_rx_slots
    req.nr_tx_rings = old.nr_tx_rings
    req.nr_rx_rings = old.nr_rx_rings
    req.nr_mem_id = old.nr_arg2
    req.nr_ringid = old.nr_ringid & OLD_RING_MASK
    req.nr_mode = old.nr_flags & OLD_MODE_MASK
    if req.nr_mode == NR_REG_DEFAULT:
        req.nr_mode = NR_REG_SW if old.nr_ringid & OLD_SW_RING else NR_REG_ONE_NIC if old.nr_ringid & OLD_HW_RING else NR_REG_ALL_NIC
    if req.nr_mode == NR_REG_PIPE_MASTER or req.nr_mode == NR_REG_PIPE_SLAVE:
        if not pipe_name(hdr, req.nr_mode, req.nr_ringid):
            return False
        req.nr_mode = NR_REG_ALL_NIC
        req.nr_ringid = 0
    req.nr_flags = old.nr_flags & ~<uint32_t>OLD_MODE_MASK
    if old.nr_ringid & OLD_NO_TX_POLL:
        req.nr_flags |= NR_NO_TX_POLL
    if old.nr_ringid & OLD_DO_RX_POLL:
        req.nr_flags |= NR_DO_RX_POLL
    req.nr_extra_bufs = old.nr_arg3
    return True


cdef void polling_from(const nmreq_legacy *old, nmreq_vale_polling *req) noexcept nogil:
    cdef uint32_t mode = old.nr_flags & OLD_MODE_MASK
    req.nr_mode = POLLING_MULTI_CPU if mode == NR_REG_ONE_NIC else POLLING_SINGLE_CPU if mode == NR_REG_ALL_NIC else 0
    req.nr_first_cpu_id = old.nr_ringid & OLD_RING_MASK
    req.nr_num_polling_cpus = old.nr_arg1


cdef bint command_from(const nmreq_legacy *old, nmreq_header *hdr, body *b) noexcept nogil:
    """NIOCREGIF; False: it cannot be said as a request. A command that is none becomes request 0, which nobody answers."""
    cdef uint16_t command = old.nr_cmd
    if command == 0:
        hdr.nr_reqtype = NETMAP_REQ_REGISTER
        return register_from(old, hdr, &b.reg)
    if command == OLD_ATTACH:
        hdr.nr_reqtype = NETMAP_REQ_VALE_ATTACH
        if not register_from(old, hdr, &b.attach.reg):
            return False
        b.attach.reg.nr_mode = NR_REG_NIC_SW if old.nr_arg1 & OLD_WITH_HOST else NR_REG_ALL_NIC
    elif command == OLD_DETACH:
        hdr.nr_reqtype = NETMAP_REQ_VALE_DETACH
    elif command == OLD_HDR_SET or command == OLD_HDR_GET:
        hdr.nr_reqtype = NETMAP_REQ_PORT_HDR_SET if command == OLD_HDR_SET else NETMAP_REQ_PORT_HDR_GET
        b.hdr.nr_hdr_len = old.nr_arg1
    elif command == OLD_NEWIF:
        hdr.nr_reqtype = NETMAP_REQ_VALE_NEWIF
        b.newif.nr_tx_slots = old.nr_tx_slots
        b.newif.nr_rx_slots = old.nr_rx_slots
        b.newif.nr_tx_rings = old.nr_tx_rings
        b.newif.nr_rx_rings = old.nr_rx_rings
        b.newif.nr_mem_id = old.nr_arg2
    elif command == OLD_DELIF:
        hdr.nr_reqtype = NETMAP_REQ_VALE_DELIF
    elif command == OLD_POLLING_ON or command == OLD_POLLING_OFF:
        hdr.nr_reqtype = NETMAP_REQ_VALE_POLLING_ENABLE if command == OLD_POLLING_ON else NETMAP_REQ_VALE_POLLING_DISABLE
        polling_from(old, &b.polling)
    elif command == OLD_PT_CREATE or command == OLD_PT_DELETE:
        return False
    return True


cdef void info_from(const nmreq_legacy *old, nmreq_header *hdr, body *b) noexcept nogil:
    if old.nr_cmd == OLD_LIST:
        hdr.nr_reqtype = NETMAP_REQ_VALE_LIST
        b.list_.nr_bridge_idx = old.nr_arg1
        b.list_.nr_port_idx = old.nr_arg2
        return
    hdr.nr_reqtype = NETMAP_REQ_PORT_INFO_GET
    b.info.nr_memsize = old.nr_memsize
    b.info.nr_tx_slots = old.nr_tx_slots
    b.info.nr_rx_slots = old.nr_rx_slots
    b.info.nr_tx_rings = old.nr_tx_rings
    b.info.nr_rx_rings = old.nr_rx_rings
    b.info.nr_mem_id = old.nr_arg2


cdef void register_to(const nmreq_register *req, nmreq_legacy *old) noexcept nogil:
    old.nr_offset = <uint32_t>req.nr_offset
    old.nr_memsize = <uint32_t>req.nr_memsize
    old.nr_tx_slots = req.nr_tx_slots
    old.nr_rx_slots = req.nr_rx_slots
    old.nr_tx_rings = req.nr_tx_rings
    old.nr_rx_rings = req.nr_rx_rings
    old.nr_arg2 = req.nr_mem_id
    old.nr_arg3 = req.nr_extra_bufs


cdef void answer_to(nmreq_header *hdr, body *b, nmreq_legacy *old) noexcept nogil:
    cdef uint16_t kind = hdr.nr_reqtype
    if kind == NETMAP_REQ_REGISTER:
        register_to(&b.reg, old)
    elif kind == NETMAP_REQ_VALE_ATTACH:
        register_to(&b.attach.reg, old)
    elif kind == NETMAP_REQ_PORT_INFO_GET:
        old.nr_memsize = <uint32_t>b.info.nr_memsize
        old.nr_tx_slots = b.info.nr_tx_slots
        old.nr_rx_slots = b.info.nr_rx_slots
        old.nr_tx_rings = b.info.nr_tx_rings
        old.nr_rx_rings = b.info.nr_rx_rings
        old.nr_arg2 = b.info.nr_mem_id
    elif kind == NETMAP_REQ_VALE_LIST:
        memcpy(old.nr_name, hdr.nr_name, sizeof(old.nr_name) - 1)
        old.nr_name[sizeof(old.nr_name) - 1] = 0
        old.nr_arg1 = b.list_.nr_bridge_idx
        old.nr_arg2 = <uint16_t>b.list_.nr_port_idx
    elif kind == NETMAP_REQ_PORT_HDR_SET or kind == NETMAP_REQ_PORT_HDR_GET:
        old.nr_arg1 = <uint16_t>b.hdr.nr_hdr_len
    elif kind == NETMAP_REQ_VALE_NEWIF:
        old.nr_tx_slots = b.newif.nr_tx_slots
        old.nr_rx_slots = b.newif.nr_rx_slots
        old.nr_tx_rings = b.newif.nr_tx_rings
        old.nr_rx_rings = b.newif.nr_rx_rings
        old.nr_arg2 = b.newif.nr_mem_id


cdef int control_legacy(opened *o, nmreq_legacy *old, bint regif, uint32_t api) noexcept nogil:
    cdef nmreq_header hdr
    cdef body b
    cdef int status
    cdef bint good = True
    if api:
        if old.nr_version != api and regif:
            old.nr_version = api        # the old modules say what they are, and take their neighbours' numbers
        if old.nr_version < NETMAP_API_OLDEST or old.nr_version > NETMAP_MAX_API:
            return -EINVAL
    elif old.nr_version < NETMAP_API:
        return -EINVAL
    old.nr_name[sizeof(old.nr_name) - 1] = 0
    memset(&hdr, 0, sizeof(hdr))
    memset(&b, 0, sizeof(b))
    hdr.nr_version = NETMAP_API
    memcpy(hdr.nr_name, old.nr_name, sizeof(old.nr_name))
    if regif:
        good = command_from(old, &hdr, &b)
    else:
        info_from(old, &hdr, &b)
    if not good:
        return -ENOMEM
    hdr.nr_body = <uintptr_t>&b
    status = control_kernel(o, &hdr)
    if status == 0:
        answer_to(&hdr, &b, old)
        if api and regif and hdr.nr_reqtype == NETMAP_REQ_REGISTER:
            o.nifp.ni_host_tx_rings = 0     # not there yet: one of each goes without saying
            o.nifp.ni_host_rx_rings = 0
    return status
