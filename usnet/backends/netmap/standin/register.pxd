"""Binding a descriptor to rings, and letting go of them."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter, opened

# The rings that a register request means: o.first and o.last from mode, ring id and flags; o.na is set. 0 or -EINVAL
cdef int interpret_ring_id(opened *o, nmreq_header *hdr) noexcept nogil
# Binds o to na (whose reference stays the caller's until it succeeds): 0 or -errno, and then o is unbound
cdef int register_on(opened *o, adapter *na, nmreq_header *hdr) noexcept nogil
cdef void unregister(opened *o) noexcept nogil
# Registration in na's region alone, and its end
cdef void drop_memory(adapter *na) noexcept nogil
# Whether buffers of na's region hold frames of that MTU: 0 or -EINVAL
cdef int check_buf_size(const adapter *na, uint32_t mtu) noexcept nogil
