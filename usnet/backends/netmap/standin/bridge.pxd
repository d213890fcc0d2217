"""Switches: who is on which."""
from usnet.backends.netmap.abi cimport nmreq_header
from usnet.backends.netmap.standin.adapter cimport adapter
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.netmap.standin.state cimport standin_state
from usnet.backends.netmap.standin.vale cimport bridge, switches, vale_port

cdef int switches_new(standin_state *s) noexcept nogil      # in s.vale: 0 or -ENOMEM
cdef void switches_free(standin_state *s) noexcept nogil
cdef int vale_find(standin_state *s, nmreq_header *hdr, adapter **na, region *m, bint create) noexcept nogil
# A persistent VALE port, which is an interface of the system's: of a register request, whose numbers become the port's. autodelete: it goes with its
# last user. 0 or -errno; where there is an interface of that name, -EEXIST and its numbers
cdef int interface_create(standin_state *s, nmreq_header *hdr, bint autodelete) noexcept nogil
cdef void bridge_join(bridge *b, vale_port *port) noexcept nogil
cdef void bridge_leave(vale_port *port, vale_port *host) noexcept nogil       # host: of the same NIC, if it is on a switch; may be NULL
# NULL: no such name, or no switch, or none left to make one from. least: bytes that a name has
cdef bridge *find_bridge(standin_state *s, const char *name, bint create, size_t least) noexcept nogil
cdef switches *all_switches(standin_state *s) noexcept nogil
cdef vale_port *port_of(adapter *na) noexcept nogil
