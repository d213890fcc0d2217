"""The link of a stand-in's NIC, as a port asks for it."""
from usnet.backends.netmap.standin.adapter cimport NAF_ZOMBIE


cdef class NicInterface(Interface):
    """NicInterface(nic): up while the NIC's cable is plugged in, gone with the NIC."""

    def __cinit__(self, Nic nic not None):
        self.nic = nic
        self.name = nic.name

    cdef int state(self) noexcept nogil:
        if self.nic.n.na.flags & NAF_ZOMBIE:
            return -1
        return 1 if self.nic.n.link else 0
