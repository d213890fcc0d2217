"""The requests about switches: attaching and detaching, persistent ports, lists, polling, headers."""
from libc.errno cimport EBUSY, EINVAL, ENOENT, ENXIO, EOPNOTSUPP
from libc.stdint cimport uint16_t, uint32_t, uintptr_t
from libc.string cimport memcpy, memset, strcmp, strncmp

from usnet.backends.netmap.abi cimport (
    NETMAP_REQ_REGISTER, NETMAP_REQ_VALE_POLLING_ENABLE, NR_REG_ALL_NIC, nmreq_port_hdr, nmreq_register, nmreq_vale_attach, nmreq_vale_detach,
    nmreq_vale_list, nmreq_vale_newif, nmreq_vale_polling,
)
from usnet.backends.netmap.standin.adapter cimport KIND_VALE, NAF_BUSY, adapter, adapter_get, adapter_put
from usnet.backends.netmap.standin.bridge cimport all_switches, bridge_leave, find_bridge, interface_create, port_of, vale_find
from usnet.backends.netmap.standin.bwrap cimport bwrap, bwrap_attach, bwrap_detach, bwrap_poll_start, bwrap_poll_stop, is_bwrap
from usnet.backends.netmap.standin.memory cimport region, region_buf_size, region_find, region_put
from usnet.backends.netmap.standin.state cimport find_interface
from usnet.backends.netmap.standin.vale cimport BDG_MAX_PORTS, BDG_NO_PORT, bridge, switches


cdef int attach_found(standin_state *s, nmreq_header *hdr, region *m) noexcept nogil:
    cdef nmreq_vale_attach *req = <nmreq_vale_attach *><uintptr_t>hdr.nr_body
    cdef adapter *na = NULL
    cdef int status
    vale_find(s, hdr, &na, m, False)
    if na != NULL:
        adapter_put(na)
        return -EBUSY
    status = vale_find(s, hdr, &na, m, True)
    if status < 0:
        return status
    if na == NULL:
        return -EINVAL
    if na.flags & NAF_BUSY or na.active:
        status = -EBUSY                 # a persistent port that somebody has open stays on the switch nevertheless
    elif is_bwrap(na):
        status = bwrap_attach(na, hdr)
    if status < 0:
        adapter_put(na)
        return status
    req.port_index = port_of(na).port
    return 0


cdef int request_attach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_vale_attach *req = <nmreq_vale_attach *><uintptr_t>hdr.nr_body
    cdef region *m = NULL
    cdef int status
    if req.reg.nr_mem_id:
        m = region_find(&s.memory, req.reg.nr_mem_id)
        if m == NULL:
            return -EINVAL
    status = attach_found(s, hdr, m)
    if m != NULL:
        region_put(&s.memory, m)
    return status


cdef int request_detach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_vale_detach *req = <nmreq_vale_detach *><uintptr_t>hdr.nr_body
    cdef adapter *na = NULL
    cdef int status = vale_find(s, hdr, &na, NULL, False)
    if status < 0:
        return status
    if na == NULL:
        return -EINVAL
    if (is_bwrap(na) and (<bwrap *>na.own).polling) or na.vp != na:
        adapter_put(na)                 # polled, or made by registering, or on another switch too
        return -EBUSY
    req.port_index = port_of(na).port
    if is_bwrap(na):
        status = bwrap_detach(na)
    else:
        if port_of(na).sw != NULL:
            bridge_leave(port_of(na), NULL)
        adapter_put(na)                 # what attaching took
    adapter_put(na)
    return status


cdef int list_name(standin_state *s, nmreq_header *hdr, nmreq_vale_list *req) noexcept nogil:
    cdef switches *all_ = <switches *>s.vale
    cdef bridge *b
    cdef uint32_t i
    if strncmp(hdr.nr_name, b"vale", 4) != 0:
        return -EINVAL
    b = find_bridge(s, hdr.nr_name, False, 0)
    if b == NULL:
        return -ENOENT
    req.nr_bridge_idx = <uint16_t>(b - all_.bridges)
    req.nr_port_idx = BDG_NO_PORT
    for i in range(b.active):
        if strcmp(b.ports[b.index[i]].na.name, hdr.nr_name) == 0:
            req.nr_port_idx = b.index[i]
            break
    return 0


cdef int request_list(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    """By name: where a switch and a port are. Without a name: the first port from those two numbers on."""
    cdef switches *all_ = all_switches(s)
    cdef nmreq_vale_list *req = <nmreq_vale_list *><uintptr_t>hdr.nr_body
    cdef bridge *b
    cdef uint32_t i = req.nr_bridge_idx
    cdef uint32_t j = req.nr_port_idx
    if hdr.nr_name[0]:
        return list_name(s, hdr, req)
    while i < all_.n:
        b = &all_.bridges[i]
        while j < BDG_MAX_PORTS:
            if b.ports[j] != NULL:
                memcpy(hdr.nr_name, b.ports[j].na.name, sizeof(hdr.nr_name))
                req.nr_bridge_idx = <uint16_t>i
                req.nr_port_idx = j
                return 0
            j += 1
        j = 0
        i += 1
    return -ENOENT


cdef int request_newif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_vale_newif *req = <nmreq_vale_newif *><uintptr_t>hdr.nr_body
    cdef nmreq_register wish
    cdef uint16_t kind = hdr.nr_reqtype
    cdef int status
    memset(&wish, 0, sizeof(wish))
    wish.nr_tx_slots = req.nr_tx_slots
    wish.nr_rx_slots = req.nr_rx_slots
    wish.nr_tx_rings = req.nr_tx_rings
    wish.nr_rx_rings = req.nr_rx_rings
    wish.nr_mem_id = req.nr_mem_id
    hdr.nr_reqtype = NETMAP_REQ_REGISTER
    hdr.nr_body = <uintptr_t>&wish
    status = interface_create(s, hdr, False)
    hdr.nr_reqtype = kind
    hdr.nr_body = <uintptr_t>req
    req.nr_tx_slots = wish.nr_tx_slots
    req.nr_rx_slots = wish.nr_rx_slots
    req.nr_tx_rings = wish.nr_tx_rings
    req.nr_rx_rings = wish.nr_rx_rings
    req.nr_mem_id = wish.nr_mem_id
    return status


cdef int request_delif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    # By the name that it was made with: attaching it has given the port another one
    cdef adapter *na = find_interface(s, hdr.nr_name)
    if na == NULL:
        return -ENXIO
    if na.kind != KIND_VALE or port_of(na).autodelete:
        return -EINVAL
    if na.flags & NAF_BUSY or na.active or na.refs > 1:
        return -EBUSY
    adapter_put(na)
    return 0


cdef int request_polling(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    cdef adapter *na = NULL
    cdef int status = vale_find(s, hdr, &na, NULL, False)
    if status < 0:
        return status
    if na == NULL:
        return -EINVAL
    if not is_bwrap(na):
        status = -EOPNOTSUPP
    elif hdr.nr_reqtype == NETMAP_REQ_VALE_POLLING_ENABLE:
        status = bwrap_poll_start(na, <nmreq_vale_polling *><uintptr_t>hdr.nr_body, (<switches *>s.vale).cpus)
        if status == 0:
            adapter_get(na)
    else:
        status = bwrap_poll_stop(na)
        if status == 0:
            adapter_put(na)
    adapter_put(na)
    return status


cdef int request_hdr_set(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_port_hdr *req = <nmreq_port_hdr *><uintptr_t>hdr.nr_body
    cdef nmreq_register wish
    cdef uint16_t kind = hdr.nr_reqtype
    cdef adapter *na = NULL
    if req.nr_hdr_len not in (0, 10, 12):
        return -EINVAL
    memset(&wish, 0, sizeof(wish))
    wish.nr_mode = NR_REG_ALL_NIC
    hdr.nr_reqtype = NETMAP_REQ_REGISTER
    hdr.nr_body = <uintptr_t>&wish
    vale_find(s, hdr, &na, NULL, False)
    hdr.nr_reqtype = kind
    hdr.nr_body = <uintptr_t>req
    if na == NULL:
        return -ENXIO
    na.virt_hdr_len = req.nr_hdr_len
    if na.virt_hdr_len:
        port_of(na).mfs = region_buf_size(na.mem)       # and stays so when the header goes again
    adapter_put(na)
    return 0
