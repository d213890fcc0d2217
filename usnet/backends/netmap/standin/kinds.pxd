"""The kinds of ports beside NICs, and the requests that they answer."""
from usnet.backends.netmap.standin.state cimport standin_state

# Puts them where names and requests are looked up. The parameters of the module are set. 0 or -ENOMEM; undone by s.end
cdef int kinds_add(standin_state *s) noexcept nogil
