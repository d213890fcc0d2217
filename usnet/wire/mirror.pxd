"""Addresses between text and struct, for those who hold Python objects anyway (sockets, tools)."""
from usnet.wire.addr cimport ip_addr

# From "10.0.0.1", "2001:db8::1", or 4 or 16 bytes; ValueError for anything else.
cdef int address_from(object x, ip_addr *out) except -1
cdef object address_text(const ip_addr *a)      # IPv4 addresses dotted, others as RFC 5952 writes them
