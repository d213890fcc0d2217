"""Binding a descriptor to rings, and letting go of them, in the module's order: it decides which buffers a ring gets, and which error comes first."""
from libc.errno cimport EBUSY, EINVAL, EIO, ENOMEM, EOPNOTSUPP
from libc.stdint cimport uintptr_t

from usnet.backends.netmap.abi cimport (
    NETMAP_REQ_OPT_OFFSETS, NR_EXCLUSIVE, NR_NO_TX_POLL, NR_REG_ALL_NIC, NR_REG_NIC_SW, NR_REG_NULL, NR_REG_ONE_NIC,
    NR_REG_ONE_SW, NR_REG_SW, NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY, netmap_if, nmreq_opt_offsets, nmreq_register,
)
from usnet.backends.netmap.standin.adapter cimport (
    NAF_FORWARD_DOWN, NAF_HOST_RINGS, NAF_MOREFRAG, NAF_OFFSETS, NR_RX, NR_TX, all_rings, if_delete, if_new, k_offset_set, kring,
    real_rings, rings_create, rings_delete, take_interface_name,
)
from usnet.backends.netmap.standin.memory cimport region_buf_size, region_enter, region_leave, region_put
from usnet.backends.netmap.standin.state cimport find_option, standin_state


# Which rings ------------------------------------------------------------------------------------------------------------


cdef int interpret_direction(opened *o, int t, uint32_t mode, uint32_t ring_id) noexcept nogil:
    cdef adapter *na = o.na
    cdef uint32_t i = ring_id
    if mode == NR_REG_ALL_NIC or mode == NR_REG_NULL:
        o.first[t] = 0
        o.last[t] = na.n[t]
    elif mode == NR_REG_SW or mode == NR_REG_NIC_SW:
        if not na.flags & NAF_HOST_RINGS:
            return -EINVAL
        o.first[t] = na.n[t] if mode == NR_REG_SW else 0
        o.last[t] = all_rings(na, t)
    elif mode == NR_REG_ONE_NIC:
        if ring_id >= na.n[NR_TX] and ring_id >= na.n[NR_RX]:
            return -EINVAL
        i = i if i < na.n[t] else 0         # fewer in this direction: the first
        o.first[t] = i
        o.last[t] = i + 1
    elif mode == NR_REG_ONE_SW:
        if not na.flags & NAF_HOST_RINGS or (ring_id >= na.n_host[NR_TX] and ring_id >= na.n_host[NR_RX]):
            return -EINVAL
        i = na.n[t] + (i if i < na.n_host[t] else 0)
        o.first[t] = i
        o.last[t] = i + 1
    else:
        return -EINVAL
    return 0


cdef int interpret_ring_id(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef uint32_t flags = <uint32_t>req.nr_flags
    cdef int status
    cdef int t = NR_RX
    while True:
        if flags & (NR_TX_RINGS_ONLY if t == NR_RX else NR_RX_RINGS_ONLY):
            o.first[t] = o.last[t] = 0
        else:
            status = interpret_direction(o, t, req.nr_mode, req.nr_ringid)
            if status < 0:
                return status
        if t == NR_TX:
            break
        t = NR_TX
    o.flags = flags
    if o.first[NR_TX] == 0 and o.last[NR_TX] >= o.na.n[NR_TX]:
        o.sync_flags |= NAF_FORWARD_DOWN
    return 0


cdef kring *bound_ring(opened *o, uint32_t i) noexcept nogil:
    """The i-th of the rings bound, receive rings first; NULL after the last."""
    cdef uint32_t n_rx = o.last[NR_RX] - o.first[NR_RX]
    if i < n_rx:
        return &o.na.krings[NR_RX][o.first[NR_RX] + i]
    i -= n_rx
    return &o.na.krings[NR_TX][o.first[NR_TX] + i] if i < o.last[NR_TX] - o.first[NR_TX] else NULL


cdef int take_rings(opened *o) noexcept nogil:
    cdef bint exclusive = o.flags & NR_EXCLUSIVE
    cdef uint32_t i = 0
    cdef kring *k = bound_ring(o, 0)
    while k != NULL:
        if k.exclusive or (k.users and exclusive):
            return -EBUSY
        i += 1
        k = bound_ring(o, i)
    i = 0
    k = bound_ring(o, 0)
    while k != NULL:
        k.users += 1
        if exclusive:
            k.exclusive = True
        k.pending = True
        i += 1
        k = bound_ring(o, i)
    return 0


cdef void give_rings(opened *o) noexcept nogil:
    cdef uint32_t i = 0
    cdef kring *k = bound_ring(o, 0)
    while k != NULL:
        if o.flags & NR_EXCLUSIVE:
            k.exclusive = False
        k.users -= 1
        if k.users == 0:
            k.pending = False
        i += 1
        k = bound_ring(o, i)


cdef bint changes_mode(opened *o) noexcept nogil:
    cdef uint32_t i = 0
    cdef kring *k = bound_ring(o, 0)
    while k != NULL:
        if (k.on != 0) != (k.pending != 0):
            return True
        i += 1
        k = bound_ring(o, i)
    return False


cdef void update_host_rings(adapter *na) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        for i in range(na.n[t], real_rings(na, t)):
            na.krings[t][i].on = na.krings[t][i].pending


# Sizes and offsets ------------------------------------------------------------------------------------------------------


cdef int check_buf_size(const adapter *na, uint32_t mtu) noexcept nogil:
    cdef uint32_t size = region_buf_size(na.mem)
    if mtu <= na.rx_buf_max:
        return -EINVAL if size < mtu else 0
    return -EINVAL if not na.flags & NAF_MOREFRAG or size < na.rx_buf_max else 0


cdef int check_offsets(opened *o, nmreq_opt_offsets *wish, uint64_t *mask) noexcept nogil:
    if not o.na.flags & NAF_OFFSETS:
        return -EOPNOTSUPP
    if wish.nro_offset_bits > 64:
        return -EINVAL
    mask[0] = <uint64_t>-1
    if 0 < wish.nro_offset_bits < 64:
        mask[0] = (<uint64_t>1 << wish.nro_offset_bits) - 1
    if wish.nro_max_offset > region_buf_size(o.na.mem) or wish.nro_max_offset & ~mask[0]:
        return -EINVAL
    return -EINVAL if wish.nro_initial_offset > wish.nro_max_offset else 0


cdef int ring_offsets(kring *k, nmreq_opt_offsets *wish, uint64_t *mask, uint64_t *most) noexcept nogil:
    cdef uint32_t i
    if k.offset_mask:
        if k.offset_mask & mask[0] != mask[0] or k.offset_max < most[0]:
            return -EBUSY
        mask[0] = k.offset_mask
        most[0] = k.offset_max
    else:
        k.offset_mask = mask[0]
        k.r.offset_mask = mask[0]
        k.offset_max = most[0]
        k.offset_gap = wish.nro_min_gap
    if wish.nro_initial_offset and k.users <= 1:
        for i in range(k.num_slots):
            k_offset_set(k, &k.r.slots[i], wish.nro_initial_offset)
    return 0


cdef int set_offsets(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef nmreq_opt_offsets *wish = <nmreq_opt_offsets *>find_option(hdr, NETMAP_REQ_OPT_OFFSETS)
    cdef uint64_t mask = 0
    cdef uint64_t most
    cdef uint32_t i = 0
    cdef int status
    cdef kring *k
    if wish == NULL:
        return 0
    most = wish.nro_max_offset
    status = check_offsets(o, wish, &mask)
    k = bound_ring(o, 0)
    while status == 0 and k != NULL:
        status = ring_offsets(k, wish, &mask, &most)
        i += 1
        k = bound_ring(o, i)
    wish.nro_opt.nro_status = -status
    if status == 0:
        wish.nro_max_offset = most
    return status


cdef int set_buf_lengths(opened *o) noexcept nogil:
    cdef uint32_t i = 0
    cdef int status
    cdef uint64_t room
    cdef kring *k = bound_ring(o, 0)
    while k != NULL:
        i += 1
        if k.users <= 1:
            room = region_buf_size(k.na.mem) - k.offset_max
            if k.offset_gap == 0:
                k.offset_gap = region_buf_size(k.na.mem)
            if k.offset_gap < room:
                room = k.offset_gap
            k.hwbuf_len = room
            k.buf_align = 0
            status = o.na.bufcfg(k, room) if o.na.bufcfg != NULL else 0
            if status < 0:
                return status
            k.r.buf_align = k.buf_align
        k = bound_ring(o, i)
    return 0


# Registering ------------------------------------------------------------------------------------------------------------


cdef void drop_memory(adapter *na) noexcept nogil:
    region_leave(na.mem)
    if na.active <= 0 and na.mem_prev != NULL:
        region_put(&(<standin_state *>na.state).memory, na.mem)
        na.mem = na.mem_prev
        na.mem_prev = NULL


cdef int first_registration(opened *o) noexcept nogil:
    """Checks and krings of an adapter that nobody else is registered on."""
    cdef adapter *na = o.na
    cdef int status
    if na.active:
        return 0
    if na.mtu and o.first[NR_RX] != o.last[NR_RX]:
        status = -EIO if na.rx_buf_max == 0 else check_buf_size(na, na.mtu)
        if status < 0:
            return status
    return na.krings_create(na)


cdef int enter_mode(opened *o, nmreq_header *hdr) noexcept nogil:
    """Rings, their offsets and lengths, and the description; o's rings are taken."""
    cdef adapter *na = o.na
    cdef netmap_if *f
    cdef int status = rings_create(na)
    if status == 0:
        status = set_offsets(o, hdr)
    if status == 0:
        status = set_buf_lengths(o)
    if status < 0:
        return status
    f = if_new(na, o.first, o.last)
    if f == NULL:
        return -ENOMEM
    update_host_rings(na)
    if na.active == 0 or changes_mode(o):
        status = na.reg(na, True)
    if status < 0:
        if_delete(na, f)
        return status
    na.active += 1
    o.nifp = f
    o.next_ = na.fds
    na.fds = o
    return 0


cdef int bind_rings(opened *o, nmreq_header *hdr) noexcept nogil:
    cdef adapter *na = o.na
    cdef int status = interpret_ring_id(o, hdr)
    if status < 0:
        return status
    o.txpoll = not o.flags & NR_NO_TX_POLL
    status = first_registration(o)
    if status < 0:
        return status
    status = take_rings(o)
    if status == 0:
        status = enter_mode(o, hdr)
        if status < 0:
            give_rings(o)
            update_host_rings(na)
            rings_delete(na)
    if status < 0 and na.active == 0:
        na.krings_delete(na)
    return status


cdef int register_on(opened *o, adapter *na, nmreq_header *hdr) noexcept nogil:
    cdef int status = region_enter(na.mem)
    if status < 0:
        return status
    o.na = na
    if na.active == 0:
        take_interface_name(na)
    status = bind_rings(o, hdr)
    if status < 0:
        drop_memory(na)
        o.na = NULL
    return status


cdef void unlink_fd(opened *o) noexcept nogil:
    cdef opened **at = &o.na.fds
    while at[0] != NULL and at[0] != o:
        at = &at[0].next_
    if at[0] != NULL:
        at[0] = o.next_
    o.next_ = NULL


cdef void unregister(opened *o) noexcept nogil:
    cdef adapter *na = o.na
    unlink_fd(o)
    na.active -= 1
    give_rings(o)
    if na.active <= 0 and na.unwatch != NULL:
        na.unwatch(na)
    update_host_rings(na)
    if na.active <= 0 or changes_mode(o):
        na.reg(na, False)
    rings_delete(na)
    if na.active <= 0:
        na.krings_delete(na)
        na.n_host[NR_TX] = na.n_host[NR_RX] = 1 if na.flags & NAF_HOST_RINGS else 0
    o.first[NR_TX] = o.last[NR_TX] = o.first[NR_RX] = o.last[NR_RX] = 0
    o.flags = 0
    o.txpoll = False
    if_delete(na, o.nifp)
    drop_memory(na)
    o.na = NULL
    o.nifp = NULL
