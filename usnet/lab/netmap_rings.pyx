"""Ports of the simulator whose rings are netmap's: each is a NIC of a stand-in of its own, with a link for a wire, and its stack sends through the
netmap backend, as it would on a card."""
from libc.errno cimport EMSGSIZE, ENXIO
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.netmap.port cimport NetmapPort
from usnet.backends.netmap.standin.kernel cimport Nic, StandIn
from usnet.backends.netmap.standin.nic cimport nic, nic_plug, nic_receive
from usnet.backends.ring cimport LINK_GONE, LINK_UP, port
from usnet.backends.sim.link cimport link_send
from usnet.backends.sim.port cimport Rings, SimPort, drain_fifo, port_end
from usnet.backends.sim.scheduler cimport HOST_OFF, HOST_STALLED

from usnet.backends.netmap.opening import open_port

cdef enum:
    HOST_SLOTS = 2 * 512        # buffers of a NIC's host rings, at most
    RESERVED = 2                # buffers 0 and 1

cdef struct nic_end:            # what port_end.own points to
    nic *n
    port *inner                 # the netmap backend's port


cdef int leave(void *ctx, uint32_t ring, const uint8_t *frame, uint32_t length) noexcept nogil:
    """The wire of the NIC: the link, at this instant."""
    cdef port_end *e = <port_end *>ctx
    if e.p.link != LINK_UP or e.h.state == HOST_OFF:
        e.p.stats.tx_errors += 1
    else:
        e.p.stats.tx_frames += 1
        e.p.stats.tx_bytes += length
    if e.out != NULL and e.h.state != HOST_OFF:
        link_send(e.out, frame, length)         # which counts it even when it is down
    return 0


cdef int put(port_end *e, const uint8_t *p, uint32_t length, int64_t time_ns) noexcept nogil:
    cdef int status = nic_receive((<nic_end *>e.own).n, 0, p, length)
    if status == 0:
        e.p.stats.rx_frames += 1
        e.p.stats.rx_bytes += length
    elif status == -EMSGSIZE:
        e.p.stats.rx_too_long += 1
    return status


cdef int finish(port_end *e, int status) noexcept nogil:
    e.p.stats.ring_resets = (<nic_end *>e.own).inner.stats.ring_resets
    return status


cdef int tx_sync(void *self, uint32_t ring_number) noexcept nogil:
    cdef port_end *e = <port_end *>self
    cdef port *inner = (<nic_end *>e.own).inner
    if e.p.link == LINK_GONE:
        return -ENXIO
    if e.h.state == HOST_STALLED:
        return 0
    return finish(e, inner.tx_sync(inner.self, ring_number))


cdef int rx_sync(void *self, uint32_t ring_number) noexcept nogil:
    cdef port_end *e = <port_end *>self
    cdef port *inner = (<nic_end *>e.own).inner
    cdef int status
    if e.p.link == LINK_GONE:
        return -ENXIO
    status = inner.rx_sync(inner.self, ring_number)
    if status == 0 and e.fifo_first != NULL:
        drain_fifo(e)                           # there may be room now: what fits shows at once
        status = inner.rx_sync(inner.self, ring_number)
    return finish(e, status)


cdef class NetmapRings(Rings):
    cdef StandIn kernel
    cdef Nic card
    cdef NetmapPort inner
    cdef nic_end end

    cdef int attach(self, SimPort to) except -1:
        buffers = self.tx_slots + self.rx_slots + HOST_SLOTS + self.spares + RESERVED
        self.kernel = StandIn(buf_num=buffers, buf_size=self.buf_size, ring_size=256 + 16 * max(self.tx_slots, self.rx_slots, 512))
        self.card = self.kernel.nic("eth0", tx_slots=self.tx_slots, rx_slots=self.rx_slots, mtu=to.p.mtu, rx_buf_max=self.buf_size)
        self.inner = open_port("eth0", device=self.kernel, spares=self.spares, mtu=to.p.mtu, mac=to.mac, clock=to.clock)
        self.end.n = self.card.n
        self.end.inner = &self.inner.p
        nic_plug(self.card.n, leave, &to.e)
        to.e.own = &self.end
        to.e.put = put
        to.p.tx_sync = tx_sync
        to.p.rx_sync = rx_sync
        self.share(&to.p)
        return 0

    cdef void share(self, port *p) noexcept:
        cdef port *inner = &self.inner.p
        p.n_tx = p.n_rx = 1
        p.tx[0], p.rx[0] = inner.tx[0], inner.rx[0]
        p.tx_meta[0], p.rx_meta[0] = inner.tx_meta[0], inner.rx_meta[0]
        p.pool, p.spare, p.n_spare, p.n_bufs = inner.pool, inner.spare, inner.n_spare, inner.n_bufs
        p.caps |= inner.caps
