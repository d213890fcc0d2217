"""A NIC whose driver knows nothing of netmap: the module's emulated mode, which copies between rings and the system's own packets."""
from usnet.backends.netmap.standin.nic cimport nic

cdef void nic_emulate(nic *n) noexcept nogil        # before anybody registers on it
