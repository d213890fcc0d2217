"""Null ports (NR_REG_NULL): a region's memory, with rings that nothing moves through, or with none."""
from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.netmap.standin.state cimport standin_state

cdef int null_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
