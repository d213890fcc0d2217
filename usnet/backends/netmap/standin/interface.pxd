"""The link of a stand-in's NIC, as a port asks for it."""
from usnet.backends.netmap.link cimport Interface
from usnet.backends.netmap.standin.kernel cimport Nic


cdef class NicInterface(Interface):
    cdef readonly Nic nic
