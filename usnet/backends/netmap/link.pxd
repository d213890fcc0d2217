"""Whether there is a link under a port. netmap does not say: a driver without one keeps frames and is silent."""


cdef class Interface:
    """What a port knows of the network interface that it stands on."""
    cdef readonly str name
    cdef int state(self) noexcept nogil     # 1 up and connected, 0 not, -1 there is none any more


cdef class SystemInterface(Interface):
    """One of the machine's. OSError when it cannot be asked."""
    cdef int query                          # a socket; -1
    cdef char text[16]
