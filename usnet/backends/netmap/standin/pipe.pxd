"""Pipes: two ends that share their parent's region, and hand each other slots."""
from libc.stdint cimport uint32_t

from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter, kring
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.netmap.standin.state cimport standin_state

cdef enum:
    PIPE_MAX_SLOTS = 4096
    PIPE_MAX_RINGS = 256
    PIPE_MAX = 64               # of one parent

cdef struct pipe_end:
    adapter *na
    adapter *parent             # with a reference
    pipe_end *peer
    bint master                 # "{"
    bint peer_ref               # holds a reference to the other end, which nobody has open, and owns the krings of both
    uint32_t place              # of a master, in parent.pipes

# "parent{id" and "parent}id". Makes the parent, a persistent VALE port, where there is none
cdef int pipe_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
cdef int pipe_txsync(kring *k, int flags) noexcept nogil
cdef int pipe_rxsync(kring *k, int flags) noexcept nogil
