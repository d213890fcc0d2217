"""NIOCCTRL: requests with their bodies and options, and who answers which."""
from libc.errno cimport EBUSY, EINVAL, EIO, EMSGSIZE, EOPNOTSUPP
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memcpy, memset

from usnet.backends.netmap.abi cimport (
    NETMAP_API, NETMAP_MAX_API, NETMAP_REQ_CSB_ENABLE, NETMAP_REQ_OPT_CSB, NETMAP_REQ_OPT_OFFSETS, NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
    NETMAP_REQ_OPT_SYNC_KLOOP_MODE, NETMAP_REQ_POOLS_INFO_GET, NETMAP_REQ_PORT_HDR_GET, NETMAP_REQ_PORT_HDR_SET,
    NETMAP_REQ_PORT_INFO_GET, NETMAP_REQ_REGISTER, NETMAP_REQ_SYNC_KLOOP_START, NETMAP_REQ_SYNC_KLOOP_STOP, NETMAP_REQ_VALE_ATTACH,
    NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_LIST, NETMAP_REQ_VALE_NEWIF, NETMAP_REQ_VALE_POLLING_DISABLE,
    NETMAP_REQ_VALE_POLLING_ENABLE, NI_PRIV_MEM, NR_ACCEPT_VNET_HDR, NR_REG_ALL_NIC, nmreq_opt_offsets, nmreq_option, nmreq_pools_info,
    nmreq_port_hdr, nmreq_port_info_get, nmreq_register, nmreq_vale_attach, nmreq_vale_detach, nmreq_vale_list, nmreq_vale_newif,
    nmreq_vale_polling,
)
from usnet.backends.netmap.standin.adapter cimport NAF_BUSY, NR_RX, NR_TX, adapter, take_interface_name
from usnet.backends.netmap.standin.memory cimport (
    POOL_BUF, POOL_IF, POOL_RING, region, region_enter, region_extra, region_find, region_memsize, region_put,
)
from usnet.backends.netmap.standin.register cimport drop_memory, register_on, unregister
from usnet.backends.netmap.standin.state cimport find_port, standin_state, unfind_port

cdef enum:
    REQUEST_MAX = 4096
    OPTION_KINDS = 6            # numbers from 1 to 5 are known
    OPTION_HEADER = 24
    # A request's copy in the kernel: two pointers, body, a table of options, options with a pointer each
    COPY_BYTES = (2 + OPTION_KINDS) * 8 + REQUEST_MAX + OPTION_KINDS * 8
    COPY_OPTIONS = COPY_BYTES // 32

cdef struct copied:             # a request as the kernel holds it while it works on it
    uint8_t bytes_[4320]        # first, for the alignment of what lies in it
    uint64_t user_body
    uint64_t user_options
    uint64_t user_next[132]     # of each option: the pointer that its user had set
    nmreq_option *option[132]
    int n


# Copying in and out -----------------------------------------------------------------------------------------------------


cdef uint64_t body_size(uint32_t kind) noexcept nogil:
    if kind == NETMAP_REQ_REGISTER:
        return sizeof(nmreq_register)
    if kind == NETMAP_REQ_PORT_INFO_GET:
        return sizeof(nmreq_port_info_get)
    if kind == NETMAP_REQ_VALE_ATTACH:
        return sizeof(nmreq_vale_attach)
    if kind == NETMAP_REQ_VALE_DETACH:
        return sizeof(nmreq_vale_detach)
    if kind == NETMAP_REQ_VALE_LIST:
        return sizeof(nmreq_vale_list)
    if kind == NETMAP_REQ_PORT_HDR_SET or kind == NETMAP_REQ_PORT_HDR_GET:
        return sizeof(nmreq_port_hdr)
    if kind == NETMAP_REQ_VALE_NEWIF:
        return sizeof(nmreq_vale_newif)
    if kind == NETMAP_REQ_VALE_POLLING_ENABLE or kind == NETMAP_REQ_VALE_POLLING_DISABLE:
        return sizeof(nmreq_vale_polling)
    if kind == NETMAP_REQ_POOLS_INFO_GET:
        return sizeof(nmreq_pools_info)
    if kind == NETMAP_REQ_SYNC_KLOOP_START:
        return 8
    return 0


cdef uint64_t option_size(const nmreq_option *option) noexcept nogil:
    """Bytes behind an option's header."""
    if option.nro_reqtype == NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS:
        return option.nro_size - OPTION_HEADER if option.nro_size >= OPTION_HEADER else 0
    if option.nro_reqtype == NETMAP_REQ_OPT_CSB:
        return 16
    if option.nro_reqtype == NETMAP_REQ_OPT_SYNC_KLOOP_MODE:
        return 8
    if option.nro_reqtype == NETMAP_REQ_OPT_OFFSETS:
        return sizeof(nmreq_opt_offsets) - OPTION_HEADER
    return 0


cdef int copy_option(copied *c, nmreq_header *hdr, const nmreq_option *source, uint64_t *at, uint64_t *total) noexcept nogil:
    """Appends one option to the kernel's list: 0 or -errno."""
    cdef nmreq_option *option = <nmreq_option *>(c.bytes_ + at[0] + 8)
    cdef uint64_t size
    cdef int i
    memcpy(option, source, OPTION_HEADER)
    at[0] += 8 + OPTION_HEADER
    total[0] += OPTION_HEADER
    c.user_next[c.n] = option.nro_next
    if c.n:
        c.option[c.n - 1].nro_next = <uintptr_t>option
    else:
        hdr.nr_options = <uintptr_t>option
    c.option[c.n] = option
    c.n += 1
    option.nro_next = 0
    option.nro_status = 0
    if option.nro_reqtype < 1:
        option.nro_status = EINVAL
        return -EINVAL
    if option.nro_reqtype >= OPTION_KINDS:
        return 0                # refused later
    for i in range(c.n - 1):
        if c.option[i].nro_reqtype == option.nro_reqtype:
            option.nro_status = EINVAL
            c.option[i].nro_status = EINVAL
            return -EINVAL
    size = option_size(option)
    if size > REQUEST_MAX or option.nro_size > REQUEST_MAX or total[0] + size > REQUEST_MAX or at[0] + size > COPY_BYTES:
        return -EMSGSIZE
    total[0] += size
    memcpy(<uint8_t *>option + OPTION_HEADER, <const uint8_t *>source + OPTION_HEADER, size)
    at[0] += (size + 7) // 8 * 8
    return 0


cdef int copy_options(copied *c, nmreq_header *hdr, uint64_t body) noexcept nogil:
    cdef const nmreq_option *source = <const nmreq_option *><uintptr_t>c.user_options
    cdef uint64_t at = 16 + body + 8 * OPTION_KINDS
    cdef uint64_t total = body
    cdef int i, status
    while source != NULL:
        if at + 8 + OPTION_HEADER > COPY_BYTES:
            c.n = 0             # a list without an end: none of it is answered
            hdr.nr_options = 0
            return -EMSGSIZE
        status = copy_option(c, hdr, source, &at, &total)
        if status < 0:
            return status
        source = <const nmreq_option *><uintptr_t>c.user_next[c.n - 1]
    for i in range(c.n):
        c.option[i].nro_status = EOPNOTSUPP         # until somebody takes it up
    return 0


cdef int copy_in(copied *c, nmreq_header *hdr) noexcept nogil:
    cdef uint64_t body = body_size(hdr.nr_reqtype)
    if hdr.nr_reserved:
        return -EINVAL
    hdr.nr_reserved = 1         # which the module forgets to take back when the body is wrong
    if (body != 0) != (hdr.nr_body != 0):
        return -EINVAL
    hdr.nr_reserved = 0
    memset(c, 0, sizeof(copied))
    c.user_body = hdr.nr_body
    c.user_options = hdr.nr_options
    if body:
        memcpy(c.bytes_ + 16, <const void *><uintptr_t>hdr.nr_body, body)
        hdr.nr_body = <uintptr_t>(c.bytes_ + 16)
    hdr.nr_options = 0
    return copy_options(c, hdr, body)


cdef void copy_out(copied *c, nmreq_header *hdr, int status) noexcept nogil:
    """The body only after success; the options' status always."""
    cdef uint8_t *to = <uint8_t *><uintptr_t>c.user_options
    cdef nmreq_option *option
    cdef int i
    if status == 0 and c.user_body:
        memcpy(<void *><uintptr_t>c.user_body, c.bytes_ + 16, body_size(hdr.nr_reqtype))
    hdr.nr_body = c.user_body
    hdr.nr_options = c.user_options
    for i in range(c.n):
        option = c.option[i]
        option.nro_next = c.user_next[i]
        memcpy(to, option, OPTION_HEADER)
        if status == 0 and option.nro_status == 0:
            memcpy(to + OPTION_HEADER, <uint8_t *>option + OPTION_HEADER, option_size(option))
        to = <uint8_t *><uintptr_t>option.nro_next


# Requests that all ports answer -----------------------------------------------------------------------------------------


cdef int refused_option(nmreq_header *hdr) noexcept nogil:
    cdef nmreq_option *option = <nmreq_option *><uintptr_t>hdr.nr_options
    while option != NULL:
        if option.nro_status == EOPNOTSUPP:
            return -EOPNOTSUPP
        option = <nmreq_option *><uintptr_t>option.nro_next
    return 0


cdef int answer_register(opened *o, nmreq_header *hdr) noexcept nogil:
    """What the user learns of its registration, and the extra buffers."""
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef adapter *na = o.na
    cdef int status
    req.nr_rx_rings = <uint16_t>na.n[NR_RX]
    req.nr_tx_rings = <uint16_t>na.n[NR_TX]
    req.nr_rx_slots = na.slots[NR_RX]
    req.nr_tx_slots = na.slots[NR_TX]
    req.nr_host_tx_rings = <uint16_t>na.n_host[NR_TX]
    req.nr_host_rx_rings = <uint16_t>na.n_host[NR_RX]
    status = region_memsize(na.mem, &req.nr_memsize)
    if status < 0:
        return status
    req.nr_mem_id = na.mem.id
    if na.mem.private_:
        o.nifp.ni_flags |= NI_PRIV_MEM
    if req.nr_extra_bufs:
        req.nr_extra_bufs = region_extra(na.mem, req.nr_extra_bufs, &o.nifp.ni_bufs_head)
    else:
        o.nifp.ni_bufs_head = 0
    req.nr_offset = <uint64_t>(<uint8_t *>o.nifp - na.mem.base)
    return refused_option(hdr)


cdef int register_port(opened *o, nmreq_header *hdr, region *m) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef adapter *na = NULL
    cdef int status = find_port(<standin_state *>o.state, hdr, &na, m, True)
    if status < 0:
        return status
    if na.flags & NAF_BUSY:
        status = -EBUSY
    elif na.virt_hdr_len and not req.nr_flags & NR_ACCEPT_VNET_HDR:
        status = -EIO
    else:
        status = register_on(o, na, hdr)
    if status == 0:
        status = answer_register(o, hdr)
        if status < 0:
            unregister(o)
    if status < 0:
        unfind_port(na)
    return status


cdef int request_register(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef standin_state *s = <standin_state *>o.state
    cdef region *m = NULL
    cdef int status
    if o.nifp != NULL:
        return -EBUSY
    if req.nr_mem_id:
        m = region_find(&s.memory, req.nr_mem_id)
        if m == NULL:
            return -EINVAL
    status = register_port(o, hdr, m)
    if m != NULL:
        region_put(&s.memory, m)
    return status


cdef int find_for(standin_state *s, nmreq_header *hdr, nmreq_register *reg, adapter **na, bint create) noexcept nogil:
    """The port of a request that is not a register request, with `reg` in its body's place."""
    cdef uint16_t kind = hdr.nr_reqtype
    cdef uint64_t body = hdr.nr_body
    cdef int status
    reg.nr_mode = NR_REG_ALL_NIC
    hdr.nr_reqtype = NETMAP_REQ_REGISTER
    hdr.nr_body = <uintptr_t>reg
    status = find_port(s, hdr, na, NULL, create)
    hdr.nr_reqtype = kind
    hdr.nr_body = body
    return status


cdef int request_port_info(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_port_info_get *req = <nmreq_port_info_get *><uintptr_t>hdr.nr_body
    cdef standin_state *s = <standin_state *>o.state
    cdef nmreq_register reg
    cdef adapter *na = NULL
    cdef region *m
    cdef int status
    if hdr.nr_name[0] == 0:
        m = region_find(&s.memory, req.nr_mem_id if req.nr_mem_id else 1)
        if m == NULL:
            return -EINVAL
        status = region_memsize(m, &req.nr_memsize)
        req.nr_mem_id = m.id
        region_put(&s.memory, m)
        return status
    memset(&reg, 0, sizeof(reg))
    reg.nr_tx_slots = req.nr_tx_slots
    reg.nr_rx_slots = req.nr_rx_slots
    reg.nr_tx_rings = req.nr_tx_rings
    reg.nr_rx_rings = req.nr_rx_rings
    reg.nr_host_tx_rings = req.nr_host_tx_rings
    reg.nr_host_rx_rings = req.nr_host_rx_rings
    reg.nr_mem_id = req.nr_mem_id
    status = find_for(s, hdr, &reg, &na, True)
    if status < 0:
        return status
    status = region_memsize(na.mem, &req.nr_memsize)
    if status == 0:
        take_interface_name(na)
        req.nr_mem_id = na.mem.id
        req.nr_rx_rings = <uint16_t>na.n[NR_RX]
        req.nr_tx_rings = <uint16_t>na.n[NR_TX]
        req.nr_rx_slots = na.slots[NR_RX]
        req.nr_tx_slots = na.slots[NR_TX]
        req.nr_host_tx_rings = <uint16_t>na.n_host[NR_TX]
        req.nr_host_rx_rings = <uint16_t>na.n_host[NR_RX]
    unfind_port(na)
    return status


cdef int pools_info(nmreq_pools_info *req, region *m) noexcept nogil:
    cdef int status = region_memsize(m, &req.nr_memsize)
    if status < 0:
        return status
    req.nr_mem_id = m.id
    req.nr_if_pool_offset = 0
    req.nr_if_pool_objtotal = m.pools[POOL_IF].total
    req.nr_if_pool_objsize = m.pools[POOL_IF].size
    req.nr_ring_pool_offset = m.pools[POOL_RING].offset
    req.nr_ring_pool_objtotal = m.pools[POOL_RING].total
    req.nr_ring_pool_objsize = m.pools[POOL_RING].size
    req.nr_buf_pool_offset = m.pools[POOL_BUF].offset
    req.nr_buf_pool_objtotal = m.pools[POOL_BUF].total
    req.nr_buf_pool_objsize = m.pools[POOL_BUF].size
    return 0


cdef int request_pools_info(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_pools_info *req = <nmreq_pools_info *><uintptr_t>hdr.nr_body
    cdef nmreq_register reg
    cdef adapter *na = NULL
    cdef int status
    memset(&reg, 0, sizeof(reg))
    reg.nr_mem_id = req.nr_mem_id
    status = find_for(<standin_state *>o.state, hdr, &reg, &na, True)
    if status < 0:
        return status
    status = region_enter(na.mem)
    if status == 0:
        status = pools_info(req, na.mem)
        drop_memory(na)
    unfind_port(na)
    return status


cdef int request_hdr_get(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_port_hdr *req = <nmreq_port_hdr *><uintptr_t>hdr.nr_body
    cdef nmreq_register reg
    cdef adapter *na = NULL
    cdef int status
    memset(&reg, 0, sizeof(reg))
    status = find_for(<standin_state *>o.state, hdr, &reg, &na, False)
    if status == 0:
        req.nr_hdr_len = na.virt_hdr_len
        unfind_port(na)
    return status


# Dispatch ---------------------------------------------------------------------------------------------------------------


cdef int dispatch(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef standin_state *s = <standin_state *>o.state
    cdef uint16_t kind = hdr.nr_reqtype
    hdr.nr_name[63] = 0
    if kind == NETMAP_REQ_REGISTER:
        return request_register(o, hdr)
    if kind == NETMAP_REQ_PORT_INFO_GET:
        return request_port_info(o, hdr)
    if kind == NETMAP_REQ_POOLS_INFO_GET:
        return request_pools_info(o, hdr)
    if kind == NETMAP_REQ_PORT_HDR_GET:
        return request_hdr_get(o, hdr)
    if kind == NETMAP_REQ_CSB_ENABLE:
        return -EINVAL
    if kind == NETMAP_REQ_SYNC_KLOOP_START or kind == NETMAP_REQ_SYNC_KLOOP_STOP:
        return -EOPNOTSUPP
    if kind == 0 or kind > NETMAP_REQ_CSB_ENABLE:
        return -EINVAL
    return s.request[kind](s, o, hdr) if s.request[kind] != NULL else -EOPNOTSUPP


cdef int control(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef copied c
    cdef int status
    if hdr.nr_version < NETMAP_API or hdr.nr_version > NETMAP_MAX_API:
        return -EINVAL
    status = copy_in(&c, hdr)
    if status < 0:
        if hdr.nr_reserved == 0:
            copy_out(&c, hdr, status)
        return status
    status = dispatch(o, hdr)
    copy_out(&c, hdr, status)
    return status


cdef int control_kernel(opened *o, nmreq_header *hdr) noexcept nogil:
    return dispatch(o, hdr)
