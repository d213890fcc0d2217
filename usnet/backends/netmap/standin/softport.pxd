"""What ports that are software alone have in common."""
from libc.stdint cimport uint32_t

from usnet.backends.netmap.standin.adapter cimport adapter

# A port of that name, with no region yet and one reference; NULL: no memory
cdef adapter *softport_new(void *state, const char *name, int kind, size_t own) noexcept nogil
# Frees it, its own struct and its hold on its region: the last thing that a destroy() does
cdef void softport_free(adapter *na) noexcept nogil
# v within [low, high], and `preset` (brought into that range) in place of what lies below low
cdef uint32_t bounded(uint32_t v, uint32_t preset, uint32_t low, uint32_t high) noexcept nogil
# Netmap mode for a port that has nothing else to do then
cdef int softport_reg(adapter *na, bint on) noexcept nogil
