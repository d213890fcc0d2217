"""Ports of the simulator: rings, a link in front of them and a host behind.

A transmit sync hands frames to the link at this instant. A frame that arrives is written into the receive ring, beyond what the user has
seen: it shows at the next receive sync. One that finds the ring full waits in the port's FIFO, if it has one with room, or is dropped. The host is
due from then on; it runs when no event is left at this instant.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from usnet.backends.ring cimport Port, port
from usnet.backends.ring_memory cimport RingMemory, ring_side
from usnet.backends.sim.frames cimport frame, frame_pool
from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.host cimport SimHost
from usnet.backends.sim.scheduler cimport host

cdef struct port_end

# Writes a frame into the receive ring: 0; -ENOBUFS: no room now; -EMSGSIZE: the ring can never hold it
ctypedef int (*end_put)(port_end *e, const uint8_t *p, uint32_t length, int64_t time_ns) noexcept nogil

cdef struct port_end:
    port *p
    host *h
    end_put put
    void *own                   # what the rings keep beside; they know what
    ring_side *tx               # of rings of its own; else NULL
    ring_side *rx
    uint32_t shown              # rx tail as of the last sync; frames from there to rx.tail have arrived since
    link_dir *out               # NULL: not connected
    uint8_t *scratch            # FRAME_MAX bytes
    uint8_t *segment            # the same: one of a frame's segments; NULL: a port without offloads
    frame_pool *frames          # of the network
    frame *fifo_first           # frames that wait for room in the receive ring; `due` is when they arrived
    frame *fifo_last
    uint32_t fifo_frames
    uint32_t fifo_max

# Puts what waits in the FIFO into the receive ring, as far as there is room.
cdef void drain_fifo(port_end *e) noexcept nogil
# frame_sink of a port_end.
cdef int port_deliver(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil


cdef class SimPort(Port)

cdef class Rings:
    """Where the rings of a SimPort are; made for one port, of so many slots."""
    cdef readonly uint32_t tx_slots
    cdef readonly uint32_t rx_slots
    cdef readonly uint32_t buf_size
    cdef readonly uint32_t spares
    cdef int attach(self, SimPort port) except -1      # fills port.p and port.e: rings, syncs, put
    cdef bint reset(self, SimPort port) except -1      # all transmit slots free, all receive slots empty; False: it cannot


cdef class OwnRings(Rings):
    """In memory of their own, as every backend's that has no device."""
    cdef RingMemory memory


cdef class SimPort(Port):
    cdef port_end e
    cdef Rings rings
    cdef readonly SimHost host
    cdef readonly object network
    cdef void set_link(self, int state)
    cdef bint reset(self) except -1
