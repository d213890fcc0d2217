"""Null ports: a way to hold a region and its buffers. They cannot be found again: each request makes another."""
from libc.errno cimport EINVAL, ENOMEM
from libc.stdint cimport uintptr_t
from libc.stdio cimport snprintf

from usnet.backends.netmap.abi cimport NR_REG_NULL, nmreq_register
from usnet.backends.netmap.standin.adapter cimport KIND_NULL, NAF_OFFSETS, NAF_ON, NR_RX, NR_TX, kring
from usnet.backends.netmap.standin.memory cimport region_get
from usnet.backends.netmap.standin.softport cimport softport_free, softport_new


cdef int null_sync(kring *k, int flags) noexcept nogil:
    return 0


cdef int null_reg(adapter *na, bint on) noexcept nogil:
    # Its rings never are in netmap mode: nobody asks
    if na.active == 0:
        na.flags = na.flags | NAF_ON if on else na.flags & ~NAF_ON
    return 0


cdef int null_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil:
    cdef nmreq_register *req = <nmreq_register *><uintptr_t>hdr.nr_body
    cdef adapter *port
    cdef char name[80]
    if req.nr_mode != NR_REG_NULL:
        return 0
    if not create or m == NULL:
        return -EINVAL
    # A ring without slots has no tail: nothing good can be made of it
    if (req.nr_tx_rings and not req.nr_tx_slots) or (req.nr_rx_rings and not req.nr_rx_slots):
        return -EINVAL
    snprintf(name, sizeof(name), b"null:%s", hdr.nr_name)
    name[63] = 0
    port = softport_new(s, name, KIND_NULL, 1)
    if port == NULL:
        return -ENOMEM
    port.mem = m
    region_get(m)
    port.n[NR_TX] = req.nr_tx_rings
    port.n[NR_RX] = req.nr_rx_rings
    port.slots[NR_TX] = req.nr_tx_slots
    port.slots[NR_RX] = req.nr_rx_slots
    port.flags = NAF_OFFSETS
    port.sync[NR_TX] = null_sync
    port.sync[NR_RX] = null_sync
    port.reg = null_reg
    port.destroy = softport_free
    na[0] = port
    return 0
