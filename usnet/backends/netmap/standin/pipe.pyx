"""Pipes: two ends that share their parent's region, and hand each other slots.

Both ends are made and freed together, and so are the krings and rings of both. A slot and its buffer show in two rings at once, at the same
index: in the sender's and in the receiver's, and each end writes only what it owns. While one end alone is open it holds the other (peer_ref);
when the second is opened too, each holds itself; the one that is closed first is held by the other again, with all that lies in its rings.
"""
from libc.errno cimport EBUSY, EEXIST, EINVAL, ENODEV, ENOMEM, ENXIO
from libc.stdint cimport uint64_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport realloc
from libc.string cimport memcpy, strcmp, strrchr

from usnet.backends.netmap.abi cimport NR_REG_ALL_NIC, NR_REG_ONE_NIC, nmreq_register
from usnet.backends.netmap.standin.adapter cimport (
    KIND_PIPE, NAF_BUSY, NAF_MEM_OWNER, NAF_OFFSETS, NAF_ON, NR_RX, NR_TX, adapter_get, adapter_put, k_next, k_offset, k_offset_set, k_prev,
    krings_commit, krings_create, krings_delete, rings_create, rings_delete,
)
from usnet.backends.netmap.standin.bridge cimport interface_create
from usnet.backends.netmap.standin.memory cimport region_get
from usnet.backends.netmap.standin.softport cimport bounded, softport_free, softport_new
from usnet.backends.netmap.standin.state cimport find_port
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, slot


# Syncs ------------------------------------------------------------------------------------------------------------------


cdef int pipe_txsync(kring *k, int flags) noexcept nogil:
    """The receiver sees whole frames; the rest of one that head cuts short is in its ring, but not announced."""
    cdef kring *other = k.pipe
    cdef slot *s
    cdef slot *d
    cdef uint64_t offset
    cdef uint32_t i = k.hwcur
    cdef uint32_t whole = k.num_slots
    k.hwtail = k.pipe_tail
    if i == k.rhead:
        return 0
    while i != k.rhead:
        s = &k.r.slots[i]
        d = &other.r.slots[i]
        offset = k_offset(other, d)
        d[0] = s[0]
        if k_offset(other, d) < offset:
            k_offset_set(other, d, offset)
        s.flags &= ~NS_BUF_CHANGED
        i = k_next(k, i)
        if not s.flags & NS_MOREFRAG:
            whole = i
    k.hwcur = i
    if whole != k.num_slots:
        other.pipe_tail = whole
        other.notify(other, 0)
    return 0


cdef int pipe_rxsync(kring *k, int flags) noexcept nogil:
    cdef kring *other = k.pipe
    cdef slot *s
    cdef uint32_t i = k.hwcur
    k.hwtail = k.pipe_tail
    if i == k.rhead:
        return 0
    while i != k.rhead:
        s = &k.r.slots[i]
        other.r.slots[i] = s[0]
        s.flags &= ~NS_BUF_CHANGED
        i = k_next(k, i)
    other.pipe_tail = k_prev(k, i)
    k.hwcur = i
    other.notify(other, 0)
    return 0


# Krings and rings of both ends ------------------------------------------------------------------------------------------


cdef int both_krings_create(adapter *na) noexcept nogil:
    cdef pipe_end *end = <pipe_end *>na.own
    cdef adapter *other = end.peer.na
    cdef kring *k
    cdef uint32_t i
    cdef int t
    cdef int status
    if not end.peer_ref:
        return 0                        # the other end has made them
    status = krings_create(na)
    if status < 0:
        return status
    status = krings_create(other)
    if status < 0:
        krings_delete(na)
        return status
    for t in range(2):
        for i in range(na.n[t]):
            k = &na.krings[t][i]
            k.pipe = &other.krings[1 - t][i]
            k.pipe.pipe = k
            k.pipe.fake = True          # its buffers are k's
            k.pipe_tail = k.hwtail
            k.pipe.pipe_tail = k.pipe.hwtail
    return 0


cdef void forget_port_part(adapter *na) noexcept nogil:
    """Each buffer stands in the user's part of exactly one ring: what stands in the port's part is not freed from there."""
    cdef kring *k
    cdef uint32_t i, j
    cdef int t
    for t in range(2):
        for i in range(na.n[t]):
            k = &na.krings[t][i]
            if k.r == NULL:
                continue
            if t == NR_RX:
                k.r.slots[k.pipe_tail].buf_idx = 0
            j = k_next(k, k.pipe_tail)
            while j != k.hwcur:
                k.r.slots[j].buf_idx = 0
                j = k_next(k, j)
            k.fake = False
            k.need_ring = False


cdef void both_krings_delete(adapter *na) noexcept nogil:
    cdef pipe_end *end = <pipe_end *>na.own
    cdef adapter *other = end.peer.na
    if not end.peer_ref:
        return                          # the other end is open, and keeps them
    forget_port_part(na)
    if other.krings[NR_TX] != NULL:
        forget_port_part(other)
    rings_delete(na)
    krings_delete(na)
    if other.krings[NR_TX] != NULL:
        rings_delete(other)
        krings_delete(other)


cdef void share_slots(kring *k) noexcept nogil:
    """A ring enters netmap mode: its buffers, with their offsets, stand in the other end's ring too."""
    k.on = True
    if k.fake and k.pipe.fake:
        return                          # opened again: all stays as it is
    memcpy(k.pipe.r.slots, k.r.slots, k.num_slots * sizeof(slot))
    k.pipe.r.offset_mask = k.r.offset_mask
    k.pipe.r.buf_align = k.r.buf_align
    k.fake = True                       # from now on nobody but forget_port_part knows which buffers to free
    k.need_ring = True


cdef int pipe_on(adapter *na) noexcept nogil:
    cdef adapter *other = (<pipe_end *>na.own).peer.na
    cdef kring *k
    cdef uint32_t i
    cdef int t
    cdef int status
    for t in range(2):
        for i in range(na.n[t]):
            k = &na.krings[t][i]
            if k.pending and not k.on:
                k.pipe.need_ring = True
    status = rings_create(other)
    if status < 0:
        return status
    for t in range(2):
        for i in range(na.n[t]):
            k = &na.krings[t][i]
            if k.pending and not k.on:
                share_slots(k)
    if na.active == 0:
        na.flags |= NAF_ON
    return 0


cdef int pipe_reg(adapter *na, bint on) noexcept nogil:
    cdef pipe_end *end = <pipe_end *>na.own
    cdef int status
    if on:
        status = pipe_on(na)
        if status < 0:
            return status
    else:
        if na.active == 0:
            na.flags &= ~NAF_ON
        krings_commit(na, False)
    if na.active or end.peer_ref:
        return 0
    end.peer.peer_ref = not on
    if on:
        adapter_put(na)
    else:
        adapter_get(na)
    return 0


# Ends and their parent --------------------------------------------------------------------------------------------------


cdef void pipe_destroy(adapter *na) noexcept nogil:
    cdef pipe_end *end = <pipe_end *>na.own
    cdef adapter *parent = end.parent
    cdef pipe_end *moved
    if end.peer_ref:
        end.peer_ref = False
        adapter_put(end.peer.na)
    if end.master:
        parent.n_pipes -= 1
        if parent.n_pipes != end.place:
            parent.pipes[end.place] = parent.pipes[parent.n_pipes]
            moved = <pipe_end *>parent.pipes[end.place].own
            moved.place = end.place
    softport_free(na)
    adapter_put(parent)


cdef pipe_end *end_of(adapter *parent, const char *id_, bint master) noexcept nogil:
    cdef pipe_end *end
    cdef uint32_t i
    for i in range(parent.n_pipes):
        end = <pipe_end *>parent.pipes[i].own
        if strcmp(strrchr(end.na.name, c'{') + 1, id_) == 0:
            return end if master else end.peer
    return NULL


cdef pipe_end *end_new(standin_state *s, adapter *parent, const char *id_, bint master, const uint32_t *n, const uint32_t *slots) noexcept nogil:
    cdef char name[144]
    cdef adapter *na
    cdef pipe_end *end
    snprintf(name, sizeof(name), b"%s%c%s", parent.name, c'{' if master else c'}', id_)
    name[63] = 0
    na = softport_new(s, name, KIND_PIPE, sizeof(pipe_end))
    if na == NULL:
        return NULL
    end = <pipe_end *>na.own
    end.na = na
    end.parent = parent
    end.master = master
    na.n[NR_TX] = n[NR_TX if master else NR_RX]
    na.n[NR_RX] = n[NR_RX if master else NR_TX]
    na.slots[NR_TX] = slots[NR_TX if master else NR_RX]
    na.slots[NR_RX] = slots[NR_RX if master else NR_TX]
    na.flags = NAF_MEM_OWNER | NAF_OFFSETS
    na.mem = parent.mem
    region_get(na.mem)
    na.sync[NR_TX] = pipe_txsync
    na.sync[NR_RX] = pipe_rxsync
    na.krings_create = both_krings_create
    na.krings_delete = both_krings_delete
    na.reg = pipe_reg
    na.destroy = pipe_destroy
    return end


cdef int list_pipe(adapter *parent, pipe_end *master) noexcept nogil:
    cdef uint32_t most = 2 * parent.max_pipes if parent.max_pipes else 2
    cdef adapter **pipes
    if parent.n_pipes >= parent.max_pipes:
        if most > PIPE_MAX:
            return -EINVAL
        pipes = <adapter **>realloc(parent.pipes, most * sizeof(adapter *))
        if pipes == NULL:
            return -ENOMEM
        parent.pipes = pipes
        parent.max_pipes = most
    parent.pipes[parent.n_pipes] = master.na
    master.place = parent.n_pipes
    parent.n_pipes += 1
    return 0


cdef int pipe_new(standin_state *s, adapter *parent, const char *id_, bint master, nmreq_register *req, pipe_end **wanted) noexcept nogil:
    """Both ends. The one that is wanted has a reference for whoever asked, and holds the other."""
    cdef uint32_t n[2]
    cdef uint32_t slots[2]
    cdef pipe_end *a
    cdef pipe_end *b
    cdef int status
    n[NR_TX] = bounded(req.nr_tx_rings, 1, 1, PIPE_MAX_RINGS)
    n[NR_RX] = bounded(req.nr_rx_rings, 1, 1, PIPE_MAX_RINGS)
    slots[NR_TX] = bounded(req.nr_tx_slots, parent.slots[NR_TX], 1, PIPE_MAX_SLOTS)
    slots[NR_RX] = bounded(req.nr_rx_slots, parent.slots[NR_RX], 1, PIPE_MAX_SLOTS)
    a = end_new(s, parent, id_, True, n, slots)
    if a == NULL:
        return -ENOMEM
    b = end_new(s, parent, id_, False, n, slots)
    status = list_pipe(parent, a) if b != NULL else -ENOMEM
    if status < 0:
        softport_free(a.na)
        if b != NULL:
            softport_free(b.na)
        return status
    a.peer = b
    b.peer = a
    adapter_get(parent)                 # one for each end: the caller's, and this
    wanted[0] = a if master else b
    wanted[0].peer_ref = True
    return 0


cdef int find_parent(standin_state *s, nmreq_header *hdr, adapter **parent, region *m, bint create) noexcept nogil:
    """hdr.nr_name is the parent's. An interface that does not exist is made, a persistent VALE port, and goes with the pipe."""
    cdef int status = find_port(s, hdr, parent, m, create)
    cdef int made
    if status != -ENXIO:
        return status
    made = interface_create(s, hdr, True)
    if made < 0 and made != -EEXIST:
        return status
    return find_port(s, hdr, parent, m, create)


cdef int pipe_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef char *mark = strrchr(hdr.nr_name, c'{')
    cdef bint master = mark != NULL
    cdef char brace = c'{'
    cdef adapter *parent = NULL
    cdef pipe_end *end
    cdef int status
    if not master:
        mark = strrchr(hdr.nr_name, c'}')
        brace = c'}'
    if mark == NULL:
        return 0
    if mark[1] == 0 or mark == &hdr.nr_name[0] or (req.nr_mode != NR_REG_ALL_NIC and req.nr_mode != NR_REG_ONE_NIC):
        return -EINVAL
    mark[0] = 0
    status = find_parent(s, hdr, &parent, m, create)
    mark[0] = brace
    if status < 0:
        return status
    end = NULL
    if parent.flags & NAF_BUSY:
        status = -EBUSY
    else:
        end = end_of(parent, mark + 1, master)
    if end != NULL:
        adapter_put(parent)             # its pipes hold it
        adapter_get(end.na)
    else:
        if status == 0:
            status = pipe_new(s, parent, mark + 1, master, req, &end) if create else -ENODEV
        if status < 0:
            adapter_put(parent)
            return status
    na[0] = end.na
    return 0
