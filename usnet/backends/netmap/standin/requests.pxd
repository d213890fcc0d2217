"""NIOCCTRL: requests with their bodies and options, and who answers which."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport opened

# A request whose body and options lie with the user. 0 or -errno
cdef int control(opened *o, nmreq_header *hdr) noexcept nogil
# One whose body is the kernel's own already, without options
cdef int control_kernel(opened *o, nmreq_header *hdr) noexcept nogil
cdef uint64_t body_size(uint32_t kind) noexcept nogil
