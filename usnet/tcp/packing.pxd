"""Packing a connection into its record, its terms, its tally and, where something has happened to it, its history (tcp/record.pxd)."""
from libc.stdint cimport uint32_t

from usnet.tcp.record cimport history, record, tally, terms
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb

cdef void terms_of(const tcb *k, terms *m) noexcept nogil
cdef void pack(const tcb *k, record *r) noexcept nogil
cdef void count(const tcb *k, record *r, tally *y) noexcept nogil       # its lifetime counters; marks in r where a tally is not needed
cdef void tell(const tcb *k, history *h) noexcept nogil
cdef void unpack(tcp_state *t, uint32_t c, tcb *k) noexcept nogil       # into a zeroed TCB
