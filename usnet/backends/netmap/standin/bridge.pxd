"""Switches: who is on which, and the requests about it."""
from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter, opened
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.netmap.standin.state cimport standin_state
from usnet.backends.netmap.standin.vale cimport bridge, vale_port

cdef int switches_new(standin_state *s) noexcept nogil      # in s.vale: 0 or -ENOMEM
cdef void switches_free(standin_state *s) noexcept nogil
cdef int vale_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
# A persistent VALE port, which is an interface of the system's: of a register request, whose numbers become the port's. autodelete: it goes with its
# last user. 0 or -errno; where there is an interface of that name, -EEXIST and its numbers
cdef int interface_create(standin_state *s, nmreq_header *hdr, bint autodelete) noexcept nogil
cdef void bridge_join(bridge *b, vale_port *port) noexcept nogil
cdef void bridge_leave(vale_port *port, vale_port *host) noexcept nogil       # host: of the same NIC, if it is on a switch; may be NULL

cdef int request_attach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_detach(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_list(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_newif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_delif(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_polling(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
cdef int request_hdr_set(standin_state *s, opened *o, nmreq_header *hdr) noexcept nogil
