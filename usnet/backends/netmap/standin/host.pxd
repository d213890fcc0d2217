"""Host rings: what the system's own stack sends and receives, and frames that pass between it and the NIC's rings by themselves."""
from libc.stdint cimport uint8_t, uint32_t

from usnet.backends.netmap.standin.adapter cimport adapter, kring, opened

# Their syncs
cdef int host_txsync(kring *k, int flags) noexcept nogil
cdef int host_rxsync(kring *k, int flags) noexcept nogil
# The system sends a frame from queue `queue` of its own: it goes into a host receive ring, or with 1 as the answer to the wire, because that
# NIC ring is not in netmap mode. -ENXIO: netmap has no part in it; -ENOBUFS: dropped
cdef int host_send(adapter *na, uint32_t queue, const uint8_t *p, uint32_t length) noexcept nogil
# Before the sync of a receive ring of a NIC: frames marked for the host go up
cdef void forward_up(kring *k) noexcept nogil
