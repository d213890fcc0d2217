"""A NIC on a switch.

The wrapper's transmit rings are the NIC's receive rings, the very same rings and slots, and the other way round. What the NIC receives is sent
through the switch at once, within its notify; what the switch puts into a ring of the wrapper is sent by the NIC within the wrapper's notify.
"""
from libc.errno cimport EBUSY, EFAULT, EINVAL, ENOMEM
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.stdio cimport snprintf

from usnet.backends.netmap.abi cimport NR_REG_ALL_NIC, NR_REG_NIC_SW, nmreq_register
from usnet.backends.netmap.standin.adapter cimport (
    KIND_VALE, NAF_BUSY, NAF_HOST_RINGS, NAF_MOREFRAG, NR_RX, NR_TX, adapter_get, adapter_put, all_rings, k_next, kring, kring_enter,
    kring_leave, real_rings, rings_create, rings_delete,
)
from usnet.backends.netmap.standin.bridge cimport bridge_leave
from usnet.backends.netmap.standin.memory cimport region_get, region_put
from usnet.backends.netmap.standin.register cimport register_on, unregister
from usnet.backends.netmap.standin.softport cimport softport_free, softport_new, softport_reg
from usnet.backends.netmap.standin.vale cimport (
    MFS_DEFAULT, vale_krings_create, vale_krings_delete, vale_rxsync, vale_txsync,
)

cdef enum:
    POLLING_SINGLE_CPU = 1
    POLLING_MULTI_CPU = 2


# Frames -----------------------------------------------------------------------------------------------------------------


cdef int from_switch(kring *k, int flags) noexcept nogil:
    """The switch has put frames into a ring: the NIC sends them, and what it has sent is free for the switch again."""
    cdef kring *hw = &(<bwrap *>k.na.wrapper).hwna.krings[NR_TX][k.ring_id]
    if kring_enter(hw) != 0:
        return 0
    vale_rxsync(k, flags)
    hw.rhead = hw.rcur = k.hwtail
    if hw.sync(hw, flags) == 0:
        k.rhead = k.rcur = k_next(k, hw.hwtail)
        vale_rxsync(k, flags)
    kring_leave(hw)
    return 0


cdef int from_nic(kring *hw, int flags) noexcept nogil:
    """The NIC, or the host, has received frames: they go through the switch, and their buffers back to the NIC."""
    cdef kring *k = &(<bwrap *>hw.na.wrapper).up.na.krings[NR_TX][hw.ring_id]
    if kring_enter(hw) != 0:
        return 0
    if hw.sync(hw, 0) == 0 and hw.hwcur != hw.hwtail:
        k.rhead = k.rcur = hw.hwtail
        k.sync(k, flags)
        hw.rhead = hw.rcur = hw.rtail = hw.hwtail
        hw.sync(hw, 0)
    kring_leave(hw)
    return 0


# Krings and mode --------------------------------------------------------------------------------------------------------


cdef int bwrap_krings_create(adapter *na) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    cdef adapter *hwna = w.hwna
    cdef kring *k
    cdef uint32_t i
    cdef int t
    cdef int status = vale_krings_create(na)
    if status < 0:
        return status
    status = hwna.krings_create(hwna)
    if status < 0:
        vale_krings_delete(na)
        return status
    for t in range(2):
        for i in range(all_rings(hwna, t)):
            hwna.krings[t][i].users += 1
            na.krings[1 - t][i].need_ring = True        # they go with the NIC's, not with these
    status = rings_create(hwna)
    if status < 0:
        hw_krings_delete(hwna)
        vale_krings_delete(na)
        return status
    for t in range(2):
        for i in range(all_rings(hwna, t)):
            k = &na.krings[1 - t][i]
            k.num_slots = hwna.krings[t][i].num_slots
            k.r = hwna.krings[t][i].r
        if na.flags & NAF_HOST_RINGS:
            w.host_na.krings[t] = &na.krings[t][na.n[t]]
            for i in range(w.host_na.n[t]):
                w.host_na.krings[t][i].na = &w.host_na
    return 0


cdef void hw_krings_delete(adapter *hwna) noexcept nogil:
    cdef uint32_t i
    cdef int t
    for t in range(2):
        for i in range(all_rings(hwna, t)):
            hwna.krings[t][i].users -= 1
    rings_delete(hwna)
    hwna.krings_delete(hwna)


cdef void bwrap_krings_delete(adapter *na) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    hw_krings_delete(w.hwna)
    w.host_na.krings[NR_TX] = NULL
    w.host_na.krings[NR_RX] = NULL
    vale_krings_delete(na)


cdef void hear_nic(bwrap *w, bint on) noexcept nogil:
    """Takes the notify of the NIC's receive rings over, of host rings where they are on the switch; or gives them back."""
    cdef adapter *hwna = w.hwna
    cdef kring *hw
    cdef uint32_t i
    for i in range(real_rings(hwna, NR_RX)):
        hw = &hwna.krings[NR_RX][i]
        if not on:
            hw.notify = hw.save_notify
            hw.save_notify = NULL
            continue
        hw.save_notify = hw.notify
        if i < hwna.n[NR_RX] or w.host.sw != NULL:
            hw.notify = from_nic
            w.up.na.krings[NR_TX][i].sync = vale_txsync


cdef int bwrap_reg(adapter *na, bint on) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    cdef adapter *hwna = w.hwna
    cdef uint32_t i
    cdef int t
    cdef int status
    for t in range(2):
        for i in range(all_rings(na, t)):
            hwna.krings[1 - t][i].pending = na.krings[t][i].pending
    status = hwna.reg(hwna, on)
    if status < 0:
        return status
    for t in range(2):
        for i in range(all_rings(na, t)):
            na.krings[t][i].on = hwna.krings[1 - t][i].on
    softport_reg(na, on)
    if w.host.sw != NULL:
        softport_reg(&w.host_na, on)
    hear_nic(w, on)
    if not on:
        hwna.n_host[NR_TX] = hwna.n_host[NR_RX] = 1
    return 0


cdef int bwrap_bufcfg(kring *k, uint64_t target) noexcept nogil:
    cdef bwrap *w = <bwrap *>k.na.wrapper
    cdef kring *hw = &w.hwna.krings[1 - k.tx][k.ring_id]
    cdef int status = 0
    hw.offset_mask = k.offset_mask
    hw.offset_max = k.offset_max
    hw.offset_gap = k.offset_gap
    hw.hwbuf_len = target
    hw.buf_align = 0
    if w.hwna.bufcfg != NULL:
        status = w.hwna.bufcfg(hw, target)
    k.hwbuf_len = hw.hwbuf_len
    k.buf_align = hw.buf_align
    return status


# The adapter ------------------------------------------------------------------------------------------------------------


cdef bint is_bwrap(const adapter *na) noexcept nogil:
    return na.reg == bwrap_reg


cdef void bwrap_destroy(adapter *na) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    cdef adapter *hwna = w.hwna
    cdef standin_state *s = <standin_state *>na.state
    if w.host_na.mem != NULL:
        region_put(&s.memory, w.host_na.mem)
    if w.up.sw != NULL:
        bridge_leave(&w.up, &w.host)
    hwna.vp = w.saved_vp
    hwna.host_vp = NULL
    hwna.wrapper = NULL
    hwna.flags &= ~<uint32_t>NAF_BUSY
    softport_free(na)
    adapter_put(hwna)


cdef void wrap_host(bwrap *w, adapter *na) noexcept nogil:
    """One host ring of each direction, whatever the NIC has."""
    cdef adapter *host = &w.host_na
    cdef adapter *hwna = w.hwna
    cdef int t
    snprintf(host.name, sizeof(host.name), b"%.62s^", na.name)
    host.state = na.state
    host.kind = KIND_VALE
    host.flags = NAF_BUSY               # nobody registers on it
    host.refs = 1
    host.own = &w.host
    host.wrapper = w
    host.mem = na.mem
    region_get(host.mem)
    host.notify = from_switch
    w.host.na = host
    w.host.mfs = MFS_DEFAULT
    na.flags |= NAF_HOST_RINGS
    na.host_vp = hwna.host_vp = host
    host.vp = na
    for t in range(2):
        host.n[t] = na.n_host[t] = 1
        host.slots[t] = hwna.slots[1 - t]
        hwna.n_host[t] = 1


cdef int bwrap_new(standin_state *s, const char *name, adapter *hwna) noexcept nogil:
    cdef adapter *na
    cdef bwrap *w
    cdef int t
    if hwna.flags & NAF_BUSY or hwna.active:
        return -EBUSY
    na = softport_new(s, name, KIND_VALE, sizeof(bwrap))
    if na == NULL:
        return -ENOMEM
    w = <bwrap *>na.own
    w.up.na = na
    w.up.retry = 1
    w.up.mfs = MFS_DEFAULT
    w.hwna = hwna
    w.registration.fd = -1
    w.registration.watch_fd = -1
    w.registration.state = s
    na.wrapper = w
    for t in range(2):
        na.n[t] = hwna.n[1 - t]
        na.slots[t] = hwna.slots[1 - t]
    na.mem = hwna.mem
    region_get(na.mem)
    na.virt_hdr_len = hwna.virt_hdr_len
    na.rx_buf_max = hwna.rx_buf_max
    na.mtu = hwna.mtu
    na.sync[NR_TX] = vale_txsync
    na.krings_create = bwrap_krings_create
    na.krings_delete = bwrap_krings_delete
    na.reg = bwrap_reg
    na.destroy = bwrap_destroy
    na.bufcfg = bwrap_bufcfg
    na.notify = from_switch
    na.flags = hwna.flags & NAF_MOREFRAG
    adapter_get(hwna)
    w.saved_vp = hwna.vp
    hwna.wrapper = w
    hwna.vp = na.vp = na
    if hwna.flags & NAF_HOST_RINGS:
        wrap_host(w, na)
    hwna.flags |= NAF_BUSY
    return 0


cdef void restore_memory(standin_state *s, adapter *hwna) noexcept nogil:
    """The NIC's own region again, where the request had named another."""
    if hwna.mem_prev != NULL:
        region_put(&s.memory, hwna.mem)
        hwna.mem = hwna.mem_prev
        hwna.mem_prev = NULL


cdef int bwrap_attach(adapter *na, nmreq_header *hdr) noexcept nogil:
    """The NIC enters netmap mode, with all its rings. hdr.nr_body begins with the nmreq_register that says so."""
    cdef bwrap *w = <bwrap *>na.own
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef int status
    if req.nr_ringid or (req.nr_mode != NR_REG_ALL_NIC and req.nr_mode != NR_REG_NIC_SW):
        return -EINVAL
    if na.flags & NAF_BUSY or na.active:
        return -EBUSY
    status = register_on(&w.registration, na, hdr)
    if status < 0:
        restore_memory(<standin_state *>na.state, w.hwna)
        return status
    w.registered = True
    na.flags |= NAF_BUSY
    return 0


cdef int bwrap_detach(adapter *na) noexcept nogil:
    """With the reference that attaching took; the caller has another."""
    cdef bwrap *w = <bwrap *>na.own
    if na.active == 0:
        return -EINVAL
    unregister(&w.registration)
    w.registered = False
    na.flags &= ~<uint32_t>NAF_BUSY
    restore_memory(<standin_state *>na.state, w.hwna)
    adapter_put(na)
    return 0


cdef int bwrap_poll_start(adapter *na, const nmreq_vale_polling *req, unsigned int cpus) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    cdef uint32_t n = req.nr_num_polling_cpus
    if w.polling:
        return -EFAULT
    if n == 0 or n >= cpus:
        return -EINVAL
    if req.nr_mode == POLLING_MULTI_CPU:
        if req.nr_first_cpu_id + n > na.n[NR_RX]:
            return -EINVAL
    elif req.nr_mode != POLLING_SINGLE_CPU or n != 1:
        return -EINVAL
    w.polling = True
    return 0


cdef int bwrap_poll_stop(adapter *na) noexcept nogil:
    cdef bwrap *w = <bwrap *>na.own
    if not w.polling:
        return -EFAULT
    w.polling = False
    return 0
