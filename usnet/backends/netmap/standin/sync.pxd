"""The calls that move frames: NIOCTXSYNC, NIOCRXSYNC and poll, for one descriptor."""
from usnet.backends.netmap.standin.adapter cimport opened

cdef int sync_rings(opened *o, int t) noexcept nogil        # t: NR_TX or NR_RX. 0 or -errno
cdef int poll_rings(opened *o, int events) noexcept nogil   # NM_POLL* that are ready: never negative
# Makes o's eventfd say whether an event that it is watched for is ready, as the rings were left by the last sync
cdef void settle_watch(opened *o) noexcept nogil
