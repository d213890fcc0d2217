"""One open, registered and mapped descriptor of netmap: what the Python binding shows and what the stack's port stands on."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.abi cimport netmap_if
from usnet.backends.netmap.device cimport Device
from usnet.backends.ring cimport ring


cdef class Descriptor:
    """Made by usnet.backends.netmap.open(). Its rings are those that the descriptor is bound to, numbered from 0 in the order
    NIC rings, host rings."""
    cdef readonly Device device
    cdef readonly str name              # as it was given: "eth0-1"
    cdef int fd                         # -1: closed
    cdef uint8_t *memory                # the mapping; NULL when closed
    cdef readonly uint64_t memsize
    cdef netmap_if *nifp
    cdef readonly uint32_t version      # of the API that the register call was answered with
    cdef readonly uint32_t mem_id
    cdef readonly uint32_t n_bufs       # buffers of the region: a good buf_idx is in [2, n_bufs)
    cdef readonly uint32_t hdr_len      # bytes of virtio-net header in front of each frame: 0, 10, 12
    cdef readonly uint64_t max_offset   # of a frame in its buffer; 0: no offsets
    cdef uint32_t n_tx                  # rings bound
    cdef uint32_t n_rx
    cdef ring *tx[256]
    cdef ring *rx[256]
    cdef uint32_t *extra                # indices of extra buffers that nobody has put into a slot: their user's to keep up to date
    cdef uint32_t n_extra
    # 0 or -errno
    cdef int txsync(self) noexcept nogil
    cdef int rxsync(self) noexcept nogil
    # Gives the extra buffers of `extra` back to the module, closes and unmaps. May be called again
    cdef void shut(self) noexcept
