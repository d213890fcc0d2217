"""NIOCREGIF and NIOCGINFO: the calls before API 14, as a module that still takes them answers, and as one that has no others."""
from libc.stdint cimport uint32_t

from usnet.backends.netmap.abi cimport nmreq_legacy
from usnet.backends.netmap.standin.adapter cimport opened

# regif: NIOCREGIF, else NIOCGINFO. api: 0, or the number of a module that is older than NIOCCTRL. 0 or -errno
cdef int control_legacy(opened *o, nmreq_legacy *old, bint regif, uint32_t api) noexcept nogil
