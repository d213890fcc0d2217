"""Who is there, and by which name."""
from libc.errno cimport EEXIST, EINVAL, ENXIO
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset, strcmp

from usnet.backends.netmap.abi cimport (
    NETMAP_REQ_REGISTER, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE, nmreq_register,
)
from usnet.backends.netmap.standin.adapter cimport (
    NAF_HOST_RINGS, NAF_MEM_OWNER, NR_RX, NR_TX, adapter_get, adapter_put,
)
from usnet.backends.netmap.standin.memory cimport region_find, region_get, region_put, regions_free, regions_init


cdef int state_init(standin_state *s) noexcept nogil:
    memset(s, 0, sizeof(standin_state))
    s.bridge_batch = 1024
    s.max_bridges = 8
    return regions_init(&s.memory)


cdef void state_end(standin_state *s) noexcept nogil:
    cdef adapter *na
    if s.end != NULL:
        s.end(s)
    while s.interfaces != NULL:
        na = s.interfaces
        s.interfaces = na.next_interface
        adapter_put(na)
    regions_free(&s.memory)


cdef adapter *find_interface(standin_state *s, const char *name) noexcept nogil:
    cdef adapter *na = s.interfaces
    while na != NULL and strcmp(na.if_name, name) != 0:
        na = na.next_interface
    return na


cdef int add_interface(standin_state *s, adapter *na) noexcept nogil:
    if find_interface(s, na.name) != NULL:
        return -EEXIST
    memcpy(na.if_name, na.name, sizeof(na.if_name) - 1)
    na.next_interface = s.interfaces
    s.interfaces = na
    adapter_get(na)
    return 0


cdef void remove_interface(standin_state *s, adapter *na) noexcept nogil:
    cdef adapter **at = &s.interfaces
    while at[0] != NULL and at[0] != na:
        at = &at[0].next_interface
    if at[0] != NULL:
        at[0] = na.next_interface
        na.next_interface = NULL


cdef bint unused(const adapter *na) noexcept nogil:
    """Nobody has it open, and no switch has its rings. (The module forgets the latter, and goes on with krings that are too few.)"""
    return na.active == 0 and na.krings[NR_TX] == NULL


cdef void interface_memory(adapter *na, region *m) noexcept nogil:
    if m != NULL and not na.flags & NAF_MEM_OWNER and unused(na) and na.mem != m:
        na.mem_prev = na.mem
        na.mem = m
        region_get(m)


cdef int find_kind(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef int i, status
    for i in range(FINDS):
        if s.find[i] == NULL:
            continue
        status = s.find[i](s, hdr, na, m, create)
        if status < 0 or na[0] != NULL:
            return status
    na[0] = find_interface(s, hdr.nr_name)
    if na[0] == NULL:
        return -ENXIO
    interface_memory(na[0], m)
    adapter_get(na[0])
    if na[0].flags & NAF_HOST_RINGS and unused(na[0]):
        if req.nr_host_tx_rings:
            na[0].n_host[NR_TX] = req.nr_host_tx_rings
        if req.nr_host_rx_rings:
            na[0].n_host[NR_RX] = req.nr_host_rx_rings
    return 0


cdef int find_port(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef region *found = NULL
    cdef int status
    na[0] = NULL
    if hdr.nr_reqtype != NETMAP_REQ_REGISTER or req.nr_mode == NR_REG_PIPE_MASTER or req.nr_mode == NR_REG_PIPE_SLAVE:
        return -EINVAL
    if m == NULL and req.nr_mem_id:
        found = region_find(&s.memory, req.nr_mem_id)
        if found == NULL:
            return -EINVAL
        m = found
    status = find_kind(s, hdr, na, m, create)
    if found != NULL:
        region_put(&s.memory, found)
    return status


cdef void unfind_port(adapter *na) noexcept nogil:
    adapter_put(na)


cdef nmreq_option *find_option(nmreq_header *hdr, uint32_t kind) noexcept nogil:
    cdef nmreq_option *option = <nmreq_option *><uintptr_t>hdr.nr_options
    while option != NULL and option.nro_reqtype != kind:
        option = <nmreq_option *><uintptr_t>option.nro_next
    return option
