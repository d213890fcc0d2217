"""The kinds of ports beside NICs, and the requests that they answer."""
from usnet.backends.netmap.standin.state cimport standin_state

cdef int plug_kinds(standin_state *s) noexcept nogil        # sets s.find, s.request and s.end: 0 or -errno
