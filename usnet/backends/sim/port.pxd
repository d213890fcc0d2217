"""Ports of the simulator: rings in memory, a link in front of them and a host behind.

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

cdef struct port_end:
    port *p
    host *h
    ring_side *tx
    ring_side *rx
    uint32_t shown              # rx tail as of the last sync; frames from there to rx.tail have arrived since
    link_dir *out               # NULL: not connected
    uint8_t *scratch            # FRAME_MAX bytes
    frame_pool *frames          # of the network
    frame *fifo_first           # frames that wait for room in the receive ring; `due` is when they arrived
    frame *fifo_last
    uint32_t fifo_frames
    uint32_t fifo_max

# frame_sink of a port_end.
cdef int port_deliver(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil


cdef class SimPort(Port):
    cdef port_end e
    cdef RingMemory memory
    cdef readonly SimHost host
    cdef readonly object network
    cdef void set_link(self, int state)
