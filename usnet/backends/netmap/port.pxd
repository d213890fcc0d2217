"""netmap as a port: rings of one or several descriptors, used as they lie."""
from libc.stdint cimport uint32_t

from usnet.backends.netmap.abi cimport nmreq_header, nmreq_port_info_get
from usnet.backends.netmap.device cimport Device
from usnet.backends.netmap.link cimport Interface
from usnet.backends.netmap.side cimport nm_side
from usnet.backends.ring cimport Port, port, ring

cdef struct nm_port:
    port *p
    nm_side tx[16]
    nm_side rx[16]
    void *descs[32]             # Descriptors: each ring of a direction has one to itself
    uint32_t n_descs
    void *device
    void *clock
    int query_fd                # unbound descriptor, to ask whether the port is still there
    void *interface             # Interface that knows of the link; NULL: none, only syncs and query_fd tell
    nmreq_header query
    nmreq_port_info_get info


cdef class NetmapPort(Port):
    """See port.pyx."""
    cdef nm_port e
    cdef readonly Device device
    cdef readonly object request        # PortRequest: what was asked for
    cdef readonly Interface interface   # or None
    cdef tuple descriptors
    cdef ring *nothing                  # what rings point to after close()
    cdef object waiter                  # waits for all descriptors, where there are several
    cdef int wait_fd
    cdef object __weakref__
    cdef object _enter(self, int direction, object descriptor, uint32_t of)
    cdef object _open_query(self)
    cdef int _watch(self) except -1
    cdef void _keep_extra(self) noexcept
    cdef void _close(self) noexcept
