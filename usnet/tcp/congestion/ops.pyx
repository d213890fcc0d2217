"""The table of congestion controllers, by number."""
from libc.stdint cimport uint32_t

from usnet.tcp.congestion.newreno cimport newreno_ops
from usnet.tcp.congestion.ops cimport CC_COUNT, CC_NEWRENO, cc_ops

cdef const cc_ops *table[1]
table[CC_NEWRENO] = &newreno_ops

NAMES = ("newreno",)            # by number


cdef const cc_ops *cc_table(uint32_t number) noexcept nogil:
    """The controller of that number; an unknown one is NewReno."""
    return table[number] if number < CC_COUNT else table[CC_NEWRENO]
