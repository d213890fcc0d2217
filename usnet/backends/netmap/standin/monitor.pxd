"""Monitors: what passes through the rings of another port, copied or taken over without a copy."""
from libc.stdint cimport uint64_t

from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.netmap.standin.state cimport standin_state

cdef enum:
    MONITOR_MAX_SLOTS = 4096

cdef struct monitor:
    adapter *parent             # with a reference; NULL: it has left netmap mode, and the monitor is of no use any more
    uint64_t flags              # NR_MONITOR_*, NR_ZCOPY_MON

cdef int monitor_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
# The adapter leaves netmap mode: its monitors forget it
cdef void monitors_stop(adapter *na) noexcept nogil
