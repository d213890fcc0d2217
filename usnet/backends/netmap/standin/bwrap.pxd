"""A NIC on a switch: the wrapper that shows its receive rings as a port's transmit rings, and the other way round."""
from usnet.backends.netmap.abi cimport nmreq_header, nmreq_vale_polling
from usnet.backends.netmap.standin.adapter cimport adapter, opened
from usnet.backends.netmap.standin.state cimport standin_state
from usnet.backends.netmap.standin.vale cimport vale_port

cdef struct bwrap:
    vale_port up                # its NIC rings
    vale_port host              # its host rings; attached when the request says so
    adapter host_na
    adapter *hwna               # the NIC, with a reference
    adapter *saved_vp
    opened registration         # that keeps the NIC in netmap mode
    bint registered
    bint polling

cdef int bwrap_new(standin_state *s, const char *name, adapter *hwna) noexcept nogil    # it is hwna.vp then, with one reference. 0 or -errno
cdef bint is_bwrap(const adapter *na) noexcept nogil
cdef int bwrap_attach(adapter *na, nmreq_header *hdr) noexcept nogil
cdef int bwrap_detach(adapter *na) noexcept nogil
# Polling changes nothing that can be seen here, but what detaching answers
cdef int bwrap_poll_start(adapter *na, const nmreq_vale_polling *req, unsigned int cpus) noexcept nogil
cdef int bwrap_poll_stop(adapter *na) noexcept nogil
