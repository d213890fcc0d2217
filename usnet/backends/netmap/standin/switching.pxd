"""The requests about switches. Each is one of standin_state.request."""
from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport opened
from usnet.backends.netmap.standin.state cimport standin_state

cdef int request_attach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_detach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_list(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_newif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_delif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_polling(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_hdr_set(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
