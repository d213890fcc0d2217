"""Switches: who is on which.

A switch is there while it has ports. Its name is that of its ports up to the colon. Ports are made by registering (gone with their last user), or are
interfaces of the system that are attached: persistent VALE ports as they are, NICs by way of a wrapper.
"""
from libc.errno cimport EEXIST, EINVAL, ENOMEM, ENXIO
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strcmp, strlen, strncmp

from usnet.backends.netmap.abi cimport (
    NETMAP_REQ_REGISTER, NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_POLLING_DISABLE, NETMAP_REQ_VALE_POLLING_ENABLE,
    NR_REG_NIC_SW, nmreq_register, nmreq_vale_attach,
)
from usnet.backends.netmap.standin.adapter cimport (
    KIND_NIC, KIND_VALE, NAF_OFFSETS, NAF_ZOMBIE, NR_RX, NR_TX, adapter_get, adapter_put,
)
from usnet.backends.netmap.standin.bwrap cimport bwrap, bwrap_detach, bwrap_new
from usnet.backends.netmap.standin.memory cimport region_find, region_get, region_memsize, region_private, region_put
from usnet.backends.netmap.standin.softport cimport bounded, softport_free, softport_new, softport_reg
from usnet.backends.netmap.standin.state cimport add_interface, find_interface, interface_memory, remove_interface
from usnet.backends.netmap.standin.vale cimport (
    BDG_MAX_PORTS, BDG_MAX_RINGS, BDG_NAME_SIZE, MFS_DEFAULT, vale_krings_create, vale_krings_delete, vale_rxsync,
    vale_txsync,
)

cdef enum:
    INTERFACE_NAME = 16         # bytes of an interface's name, with its end
    MAX_SLOTS = 4096
    DEFAULT_SLOTS = 1024
    MAX_EXTRA = 128 * 4096
    PIPES = 2                   # that a port's region has room for
    MTU = 1500                  # of a persistent port
    CPUS = 4
    TXSYNC_RETRY = 2


# Switches ---------------------------------------------------------------------------------------------------------------


cdef int switches_new(standin_state *s) noexcept nogil:
    cdef switches *all_ = <switches *>calloc(1, sizeof(switches))
    if all_ == NULL:
        return -ENOMEM
    all_.batch = &s.bridge_batch
    all_.retries = TXSYNC_RETRY
    all_.cpus = CPUS
    s.vale = all_
    return 0


cdef switches *all_switches(standin_state *s) noexcept nogil:
    """The parameter max_bridges counts when they are first asked for. Without memory there are none."""
    cdef switches *all_ = <switches *>s.vale
    cdef uint32_t i
    if all_.bridges == NULL:
        all_.bridges = <bridge *>calloc(s.max_bridges + 1, sizeof(bridge))
        all_.n = s.max_bridges if all_.bridges != NULL else 0
        for i in range(all_.n):
            all_.bridges[i].all_ = all_
    return all_


cdef void clear_bridge(bridge *b) noexcept nogil:
    """All descriptors are closed: what is still here was attached."""
    cdef vale_port *port
    cdef adapter *na
    while b.active:
        port = b.ports[b.index[0]]
        na = port.na
        if na.wrapper == NULL:
            bridge_leave(port, NULL)
            adapter_put(na)
            continue
        na = (<bwrap *>na.wrapper).up.na
        if (<bwrap *>na.own).polling:
            adapter_put(na)
        bwrap_detach(na)


cdef void switches_free(standin_state *s) noexcept nogil:
    """With the interfaces that nobody used in the end, and so nobody took away."""
    cdef switches *all_ = <switches *>s.vale
    cdef adapter *na = s.interfaces
    cdef adapter *following
    cdef uint32_t i
    for i in range(all_.n):
        clear_bridge(&all_.bridges[i])
    while na != NULL:
        following = na.next_interface
        if na.kind == KIND_VALE and (<vale_port *>na.own).autodelete and na.refs == 0:
            na.destroy(na)
        na = following
    free(all_.bridges)
    free(all_)
    s.vale = NULL


cdef bint id_char(char c) noexcept nogil:
    return c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'_'


cdef int switch_length(const char *name, size_t least) noexcept nogil:
    """Of the switch's part of a port's name; -1 for no such name."""
    cdef size_t length = strlen(name)
    cdef int i = 0
    if length < least:
        return -1
    while i < BDG_NAME_SIZE and name[i]:
        if name[i] == c':':
            return -1 if length - i > INTERFACE_NAME else i
        if not id_char(name[i]):
            return -1
        i += 1
    return -1


cdef bridge *find_bridge(standin_state *s, const char *name, bint create, size_t least) noexcept nogil:
    """NULL: no such name, or no switch, or none left to make one from."""
    cdef switches *all_ = all_switches(s)
    cdef bridge *b
    cdef bridge *unused = NULL
    cdef uint32_t i
    cdef int length = switch_length(name, least)
    if length < 0:
        return NULL
    for i in range(all_.n):
        b = &all_.bridges[i]
        if b.active == 0:
            if unused == NULL:
                unused = b
        elif b.name_len == <uint32_t>length and strncmp(name, b.name, length) == 0:
            return b
    if not create or unused == NULL:
        return NULL
    memset(unused, 0, sizeof(bridge))
    unused.all_ = all_
    memcpy(unused.name, name, length)
    unused.name_len = length
    for i in range(BDG_MAX_PORTS):
        unused.index[i] = i
    return unused


cdef void bridge_join(bridge *b, vale_port *port) noexcept nogil:
    port.port = b.index[b.active]
    port.sw = b
    b.ports[port.port] = port
    b.active += 1


cdef void bridge_leave(vale_port *port, vale_port *host) noexcept nogil:
    """Whoever is last in the switch's list moves up: it says in which order broadcasts go out, and which numbers are free next."""
    cdef bridge *b = port.sw
    cdef uint32_t i = 0
    cdef uint32_t number
    cdef bint both = host != NULL and host.sw != NULL
    while i < b.active:
        number = b.index[i]
        if number == port.port or (both and number == host.port):
            b.active -= 1
            b.index[i] = b.index[b.active]
            b.index[b.active] = number
        else:
            i += 1
    b.ports[port.port] = NULL
    port.sw = NULL
    if both:
        b.ports[host.port] = NULL
        host.sw = NULL


# Ports ------------------------------------------------------------------------------------------------------------------


cdef void port_destroy(adapter *na) noexcept nogil:
    cdef vale_port *port = <vale_port *>na.own
    if port.sw != NULL:
        bridge_leave(port, NULL)
    if port.interface and not na.flags & NAF_ZOMBIE:
        remove_interface(<standin_state *>na.state, na)
    softport_free(na)


cdef int port_new(standin_state *s, nmreq_header *hdr, region *m, bint interface, vale_port **made) noexcept nogil:
    """What the request wishes, brought into bounds, stands in it afterwards."""
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef adapter *na = softport_new(s, hdr.nr_name, KIND_VALE, sizeof(vale_port))
    cdef vale_port *port
    cdef int status = 0
    if na == NULL:
        return -ENOMEM
    port = <vale_port *>na.own
    port.na = na
    port.interface = interface
    port.mfs = MFS_DEFAULT
    port.last_smac = <uint64_t>-1
    na.n[NR_TX] = req.nr_tx_rings = <uint16_t>bounded(req.nr_tx_rings, 1, 1, BDG_MAX_RINGS)
    na.n[NR_RX] = req.nr_rx_rings = <uint16_t>bounded(req.nr_rx_rings, 1, 1, BDG_MAX_RINGS)
    na.slots[NR_TX] = req.nr_tx_slots = bounded(req.nr_tx_slots, DEFAULT_SLOTS, 1, MAX_SLOTS)
    na.slots[NR_RX] = req.nr_rx_slots = bounded(req.nr_rx_slots, DEFAULT_SLOTS, 1, MAX_SLOTS)
    req.nr_extra_bufs = bounded(req.nr_extra_bufs, 0, 0, MAX_EXTRA)
    na.flags = NAF_OFFSETS
    na.mtu = MTU if interface else 0
    na.sync[NR_TX] = vale_txsync
    na.sync[NR_RX] = vale_rxsync
    na.krings_create = vale_krings_create
    na.krings_delete = vale_krings_delete
    na.reg = softport_reg
    na.destroy = port_destroy
    if m != NULL:
        na.mem = m
        region_get(m)
    else:
        na.mem = region_private(&s.memory, na.n[NR_TX], na.slots[NR_TX], na.n[NR_RX], na.slots[NR_RX], req.nr_extra_bufs, PIPES, &status)
        if na.mem == NULL:
            softport_free(na)
            return status
    made[0] = port
    return 0


cdef int tell_numbers(nmreq_register *req, const adapter *na) noexcept nogil:
    req.nr_rx_rings = <uint16_t>na.n[NR_RX]
    req.nr_tx_rings = <uint16_t>na.n[NR_TX]
    req.nr_rx_slots = na.slots[NR_RX]
    req.nr_tx_slots = na.slots[NR_TX]
    req.nr_mem_id = na.mem.id
    return region_memsize(na.mem, &req.nr_memsize)


cdef bint interface_name(const char *name) noexcept nogil:
    """Whether the system takes it."""
    cdef size_t i = 0
    if not name[0] or strcmp(name, b".") == 0 or strcmp(name, b"..") == 0:
        return False
    while name[i]:
        if name[i] in (c'/', c':', c'%', c' ', c'\t', c'\n', c'\v', c'\f', c'\r'):
            return False
        i += 1
    return True


cdef int interface_create(standin_state *s, nmreq_header *hdr, bint autodelete) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef adapter *na
    cdef region *m = NULL
    cdef vale_port *port = NULL
    cdef int status
    if hdr.nr_reqtype != NETMAP_REQ_REGISTER or strncmp(hdr.nr_name, b"vale", 4) == 0 or strlen(hdr.nr_name) >= INTERFACE_NAME:
        return -EINVAL
    na = find_interface(s, hdr.nr_name)
    if na != NULL:
        status = tell_numbers(req, na)
        return status if status < 0 else -EEXIST
    if not interface_name(hdr.nr_name):
        return -EINVAL
    if req.nr_mem_id:
        m = region_find(&s.memory, req.nr_mem_id)
        if m == NULL:
            return -EINVAL
    status = port_new(s, hdr, m, True, &port)
    if m != NULL:
        region_put(&s.memory, m)
    if status < 0:
        return status
    port.autodelete = autodelete
    add_interface(s, port.na)
    # The list's reference keeps a persistent port; one that goes with its last user has none but theirs
    port.na.refs = 0 if autodelete else 1
    status = tell_numbers(req, port.na)
    if status < 0:
        port.na.destroy(port.na)
    return status


# Finding ----------------------------------------------------------------------------------------------------------------


cdef vale_port *port_of(adapter *na) noexcept nogil:
    return <vale_port *>na.own          # of a wrapper too: it begins with one


cdef int join_interface(standin_state *s, nmreq_header *hdr, bridge *b, adapter *hw, region *m, adapter **na) noexcept nogil:
    """Attaches an interface of the system's, for those requests that may."""
    cdef nmreq_vale_attach *req = <nmreq_vale_attach *><uintptr_t>hdr.nr_body
    cdef bwrap *w
    cdef int status
    if hdr.nr_reqtype not in (NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DETACH, NETMAP_REQ_VALE_POLLING_ENABLE, NETMAP_REQ_VALE_POLLING_DISABLE):
        return -EINVAL
    interface_memory(hw, m)
    if hw.kind == KIND_VALE and port_of(hw).sw == NULL:
        hw.vp = hw
        snprintf(hw.name, sizeof(hw.name), b"%s", hdr.nr_name)
        adapter_get(hw)
        bridge_join(b, port_of(hw))
        na[0] = hw
        return 0
    if hw.kind != KIND_VALE and hw.kind != KIND_NIC:
        return -EINVAL
    status = bwrap_new(s, hdr.nr_name, hw)
    if status < 0:
        return status
    na[0] = hw.vp
    w = <bwrap *>hw.vp.own
    bridge_join(b, &w.up)
    if hw.host_vp != NULL and (hdr.nr_reqtype != NETMAP_REQ_VALE_ATTACH or req.reg.nr_mode == NR_REG_NIC_SW):
        bridge_join(b, &w.host)
    return 0


cdef int vale_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef vale_port *port = NULL
    cdef bridge *b
    cdef adapter *hw
    cdef uint32_t i
    cdef int status
    if strncmp(hdr.nr_name, b"vale", 3) != 0:       # three letters, as the module does
        return 0
    b = find_bridge(s, hdr.nr_name, create, 4)
    if b == NULL:
        return -ENOMEM if create else -ENXIO
    for i in range(b.active):
        port = b.ports[b.index[i]]
        if strcmp(port.na.name, hdr.nr_name) == 0:
            adapter_get(port.na)
            na[0] = port.na
            return 0
    if not create:
        return -ENXIO
    if b.active + 2 >= BDG_MAX_PORTS:
        return -ENOMEM
    hw = find_interface(s, &hdr.nr_name[b.name_len + 1])
    if hw != NULL:
        return join_interface(s, hdr, b, hw, m, na)
    if hdr.nr_reqtype != NETMAP_REQ_REGISTER:
        return -EINVAL
    status = port_new(s, hdr, m, False, &port)
    if status < 0:
        return status
    bridge_join(b, port)
    na[0] = port.na
    return 0
