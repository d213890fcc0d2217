"""Where a server's memory lies, decided before it is used."""
from libc.stdint cimport uint32_t

from usnet.sockets.table cimport net

# For a stack that has done nothing yet. huge: huge pages are asked for, for all that grows with the number of connections. The memory that so many
# connections take while they are idle, and as many chunks, is taken at once instead of page by page. Nothing but time, and memory, depends on it.
cdef void net_settle(net *n, bint huge, uint32_t connections) noexcept nogil
