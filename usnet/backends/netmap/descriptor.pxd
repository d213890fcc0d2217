"""One open, registered and mapped descriptor of netmap: what the Python binding shows and what the stack's port stands on."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.abi cimport netmap_if
from usnet.backends.netmap.device cimport Device
from usnet.backends.ring cimport ring


cdef class Descriptor:
    """Descriptor(name or PortRequest, device) opens. Its rings are those that the descriptor is bound to, numbered from 0 in the order
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
    cdef uint8_t *buffers               # where buffer 0 lies
    cdef readonly uint32_t buf_size     # bytes of each
    cdef uint32_t host_tx               # number of the first host ring in tx[]; n_tx where there is none
    cdef uint32_t host_rx
    cdef readonly object request        # names.PortRequest: what was asked
    cdef dict answer
    cdef uint32_t views                 # Python's views of its memory, which outlive shut(): they see zeros from then on, or what was left
    cdef uint8_t *kept                  # the mapping, closed, for as long as there are any
    cdef object _open(self, bint vnet_header)
    cdef object _fail(self, int status, str what)
    cdef int _bind(self, uint64_t offset) noexcept
    cdef int _bind_rings(self, uint64_t offset, uint32_t first, uint32_t last, uint32_t base, uint32_t n_nic, ring **rings, uint32_t *n,
                         uint32_t *host) noexcept
    cdef ring *_ring(self, uint64_t offset, uint32_t i) noexcept
    cdef void _count_buffers(self) noexcept
    cdef int _take_extra(self, uint32_t wanted) noexcept
    # A view of length bytes at `at` begins, ends. 0, or -1: closed
    cdef int hold(self) noexcept
    cdef void let_go(self) noexcept
    # 0 or -errno
    cdef int txsync(self) noexcept nogil
    cdef int rxsync(self) noexcept nogil
    # Gives the extra buffers of `extra` back to the module, closes and unmaps. May be called again
    cdef void shut(self) noexcept


cdef inline uint8_t *descriptor_buf(Descriptor d, uint32_t i) noexcept nogil:
    """Where buffer i begins; NULL when there is no such buffer."""
    return d.buffers + <uint64_t>i * d.buf_size if 2 <= i < d.n_bufs else NULL
