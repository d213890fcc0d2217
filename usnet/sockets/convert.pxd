"""Between Python's values and the core's: errors and addresses."""
from libc.stdint cimport int64_t, uint16_t

from usnet.wire.addr cimport ip_addr

cdef object os_error(int64_t status)
# hosts: the stack's table of names.
cdef int parse_address(object address, str caller, object hosts, ip_addr *addr, uint16_t *port) except -1
cdef object format_address(ip_addr *addr, uint16_t port)
